"""Compare the table of Triton's names with releases that are really installed and imported.

    python scripts/triton_dir_check.py /path/to/venv/bin/python ...

Each interpreter has one release of Triton. Names that only one side has are printed, and so are
functions whose keywords differ. Exit code 1 where the two disagree.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from crawler.enrich.api_table import ANY_KEYWORD, load_table
from scripts.triton_api_table import DEEP, ROOTS, Names, split

PROBE = Path(__file__).with_name("triton_dir_probe.py")


def probe(python: str) -> tuple[str, Names, list[str]]:
    """Return the release, what it offers, and the roots that cannot be imported there."""
    command = [python, str(PROBE), ",".join(ROOTS), ",".join(DEEP)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    answer = json.loads(done.stdout)
    names: Names = {
        (module, name): (ANY_KEYWORD,) if keywords is None else tuple(keywords)
        for module, name, keywords in answer["names"]
    }
    return answer["version"], names, answer["missing"]


def differences(real: Names, table: Names, missing: list[str]) -> list[str]:
    """Return one line for each name or keyword on which the two disagree."""
    ours = {
        key: keywords
        for key, keywords in table.items()
        if "." not in key[1] and key[0] not in missing
    }
    lines = [f"only imported: {'.'.join(key)}" for key in sorted(real.keys() - ours.keys())]
    lines += [f"only in table: {'.'.join(key)}" for key in sorted(ours.keys() - real.keys())]
    for key in sorted(with_keywords(real) & with_keywords(ours)):
        if set(real[key]) != set(ours[key]):
            lines.append(f"keywords: {'.'.join(key)}: {real[key]} imported, {ours[key]} in table")
    return lines


def with_keywords(names: Names) -> set[tuple[str, str]]:
    """Return the functions whose keywords are known and limited."""
    return {key for key, keywords in names.items() if ANY_KEYWORD not in keywords}


def main() -> int:
    """Compare each interpreter's Triton with the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("python", nargs="+")
    options = parser.parse_args()
    names_of = split(load_table())
    disagree = False
    for python in options.python:
        version, real, missing = probe(python)
        lines = differences(real, names_of[version], missing)
        disagree |= bool(lines)
        unread = f", not importable here: {', '.join(missing)}" if missing else ""
        functions = len(with_keywords(real) & with_keywords(names_of[version]))
        counted = f"{len(real)} names, {functions} signatures, {len(lines)} differences"
        print(f"triton {version}: {counted}{unread}")
        print(*lines, sep="\n")
    return 1 if disagree else 0


if __name__ == "__main__":
    sys.exit(main())
