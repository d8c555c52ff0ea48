"""Versions of stages: a digest of all the code and data that a stage's results rest on.

What a stage gave is kept with its version and made anew under another. Nobody raises a number: a
changed rule, vocabulary or anything that they import is another version. Lines that only comment
do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_IMPORT = re.compile(
    r"^[ \t]*from ((?:crawler|wishlist|index)[\w.]*) import ([^\n(#]*)", re.MULTILINE
)
_COMMENT = re.compile(r"^[ \t]*(?:#[^\n]*)?\n", re.MULTILINE)


@cache
def stage_version(*roots: str, data: tuple[str, ...] = ()) -> str:
    """Return the version of a stage, twelve hex digits.

    Args:
        roots: dotted names of its modules; what they import of this program counts too. The name
            of a package stands for all modules in it.
        data: files besides, by their path in the tree: `crawler/data/ops.toml`.
    """
    import hashlib

    digest = hashlib.sha256()
    for path in sorted(_closure(roots)):
        digest.update(f"{path.relative_to(_ROOT).as_posix()}\n".encode())
        digest.update(_COMMENT.sub("", path.read_text(encoding="utf-8")).encode())
    for name in sorted(data):
        digest.update((_ROOT / name).read_bytes())
    return digest.hexdigest()[:12]


def _closure(roots: Iterable[str]) -> set[Path]:
    found: set[Path] = set()
    waiting = [path for root in roots for path in _files(root, is_whole=True)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path.read_text(encoding="utf-8"))
    return found


def _imported(text: str) -> Iterator[Path]:
    for module, names in _IMPORT.findall(text):
        yield from _files(module)
        for name in names.split(","):
            yield from _files(f"{module}.{name.split(' as ')[0].strip()}")


def _files(module: str, *, is_whole: bool = False) -> Iterator[Path]:
    path = _ROOT.joinpath(*module.split("."))
    if (single := path.with_suffix(".py")).is_file():
        yield single
    elif is_whole and path.is_dir():
        yield from path.glob("*.py")
    elif (package := path / "__init__.py").is_file():
        yield package
