"""Print the list of sources for a crawl without GitHub: clones, and packages for what has none.

    python scripts/offline_sources.py owner/name=PATH ... > offline.toml
    triton-index --db index.duckdb crawl --sources offline.toml

Each entry of sources.toml keeps what it says besides its name. Those with neither a clone nor a
package are named on stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LISTED = Path(__file__).parents[1] / "sources.toml"

# Too large for most as clones; their kernels are Python in the packages too.
PACKAGES = {
    "pytorch/pytorch": "pypi:torch",
    "sgl-project/sglang": "pypi:sglang",
    "vllm-project/vllm": "pypi:vllm",
}
# What an entry of a repository may say and one of a package may not.
_OF_REPOSITORIES = ("formerly", "fork_of", "include", "exclude")


def offline_entries(
    listed: list[dict[str, Any]], clones: Mapping[str, str]
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield each entry as it is to be crawled, and whether it can be without GitHub.

    `clones` has the path of each by its name in lower case.
    """
    for entry in listed:
        name = entry["name"]
        if path := clones.get(name.lower()):
            yield entry | {"name": f"{name}={path}"}, True
        elif package := PACKAGES.get(name):
            kept = {field: v for field, v in entry.items() if field not in _OF_REPOSITORIES}
            yield kept | {"name": package}, True
        else:
            yield entry, False


def main() -> None:
    """Print the list."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clones", nargs="+", metavar="owner/name=PATH")
    words = [word.partition("=") for word in parser.parse_args().clones]
    clones = {name.lower(): str(Path(path).resolve()) for name, _, path in words}
    listed = tomllib.loads(LISTED.read_text(encoding="utf-8"))["repo"]
    for entry, is_there in offline_entries(listed, clones):
        if not is_there:
            print(f"{entry['name']}: neither a clone nor a package", file=sys.stderr)
            continue
        fields = (f"{name} = {json.dumps(value)}" for name, value in entry.items())
        print("\n".join(["[[repo]]", *fields, ""]))


if __name__ == "__main__":
    main()
