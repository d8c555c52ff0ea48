"""Make the bundle: the facts of an index, as Parquet that comes with the package.

    python scripts/make_bundle.py INDEX             # into index/data
    python scripts/make_bundle.py INDEX --to DIR

INDEX is left as it is. What is written holds no text of others; it must fit into 8 MB.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from index.database import open_index
from index.files.bundle import EVIDENCE, FILES, bundle_reach, write_bundle
from index.files.location import BUNDLE
from index.files.precomputed import PRECOMPUTED

LARGEST = 8_000_000
"""Bytes that all of it may have."""


def main() -> int:
    """Write the bundle and say what it holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("index", type=Path, help="the index, as a crawl made it")
    parser.add_argument("--to", type=Path, default=BUNDLE, help="folder to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "bundle"
        staging = Path(scratch) / "staging"
        with open_index(options.index, reach=bundle_reach(staging, made)) as con:
            bundle = write_bundle(con, staging, made)
        size = sum((made / name).stat().st_size for name in (*FILES, *EVIDENCE, *PRECOMPUTED))
        if size > LARGEST:
            print(f"{size:,} bytes, more than {LARGEST:,}; nothing written", file=sys.stderr)
            return 1
        shutil.copytree(made, options.to, dirs_exist_ok=True)
    print(f"{options.to}: {size:,} bytes, {bundle}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
