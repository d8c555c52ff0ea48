"""The manifests that state what a project requires: one reader a kind, none runs anything."""

from __future__ import annotations

import ast
import re
import tomllib
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

RUNTIME, OPTIONAL, DEVELOPMENT = range(3)
"""What a requirement is needed for: to use the project, for a part of it, to work on it."""

MAX_STATED = 10_000
_REQUIRES = re.compile(r"requir|depend|(^|_)(deps?|reqs?|extras?)(_|$)", re.IGNORECASE)
_DEVELOPMENT = re.compile(r"test|dev|lint|doc|bench|build|ci(?![a-z])", re.IGNORECASE)
_WITH_VERSION = re.compile(r"[A-Za-z0-9._-]+\s*(\[[^\]]*\])?\s*(===?|>=|<=|~=|!=|>|<|@)\s*\S")


@dataclass(frozen=True, slots=True)
class Stated:
    """A requirement as written, and how much the project means it: 0 is the most."""

    text: str
    rank: int = RUNTIME


@dataclass(frozen=True, slots=True)
class Reader:
    """A kind of manifest: the paths that it reads, and how it reads their text."""

    path: re.Pattern[str]
    parse: Callable[[str], Iterable[Stated]]
    levels: int = 1
    """How many parts of the path are the manifest's own: 2 for `requirements/base.txt`."""

    def reads(self, path: str) -> bool:
        """Tell whether the file at this path is such a manifest."""
        return self.path.search(path) is not None

    def folder(self, path: str) -> str:
        """Return the folder for which a manifest speaks."""
        for _ in range(self.levels):
            path = path.rpartition("/")[0]
        return path

    def read(self, text: str) -> list[Stated]:
        """Return what the text states; nothing, rather than an error, where it is malformed."""
        found: list[Stated] = []
        try:
            for stated in self.parse(text):
                found.append(stated)
                if len(found) >= MAX_STATED:
                    break
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
            pass  # what was read before the fault stands
        return found


def _pyproject(text: str) -> Iterator[Stated]:
    data = tomllib.loads(text)
    project = _table(data, "project")
    yield from _strings(project.get("dependencies"), RUNTIME)
    yield from _groups(_table(project, "optional-dependencies"), OPTIONAL)
    poetry = _table(_table(data, "tool"), "poetry")
    yield from _poetry(_table(poetry, "dependencies"), RUNTIME)
    yield from _poetry(_table(poetry, "dev-dependencies"), DEVELOPMENT)
    for group in _table(poetry, "group").values():
        yield from _poetry(_table(group, "dependencies"), DEVELOPMENT)
    yield from _groups(_table(data, "dependency-groups"), DEVELOPMENT)
    yield from _strings(_table(data, "build-system").get("requires"), DEVELOPMENT)


def _table(data: Any, key: str) -> dict[str, Any]:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _strings(listed: Any, rank: int) -> Iterator[Stated]:
    for text in listed if isinstance(listed, list) else ():
        if isinstance(text, str):
            yield Stated(text, rank)


def _groups(groups: dict[str, Any], rank: int) -> Iterator[Stated]:
    for name, listed in groups.items():
        yield from _strings(listed, DEVELOPMENT if _DEVELOPMENT.search(name) else rank)


def _poetry(dependencies: dict[str, Any], rank: int) -> Iterator[Stated]:
    for name, wanted in dependencies.items():
        for one in wanted if isinstance(wanted, list) else [wanted]:
            is_optional = isinstance(one, dict) and one.get("optional") is True
            version = one.get("version", "*") if isinstance(one, dict) else one
            if isinstance(version, str):
                yield Stated(f"{name} {version}", max(rank, OPTIONAL) if is_optional else rank)


def _setup_cfg(text: str) -> Iterator[Stated]:
    import configparser

    config = configparser.RawConfigParser(strict=False)
    try:
        config.read_string(text)
    except configparser.Error as error:
        raise ValueError(str(error)) from error
    for section, key, rank in (
        ("options", "install_requires", RUNTIME),
        ("options", "setup_requires", DEVELOPMENT),
        ("options", "tests_require", DEVELOPMENT),
    ):
        for line in config.get(section, key, fallback="").splitlines():
            yield Stated(_without_comment(line), rank)
    if config.has_section("options.extras_require"):
        for extra, lines in config.items("options.extras_require"):
            rank = DEVELOPMENT if _DEVELOPMENT.search(extra) else OPTIONAL
            for line in lines.splitlines():
                yield Stated(_without_comment(line), rank)


def _setup_py(text: str) -> Iterator[Stated]:
    """Yield the requirements among the strings of a setup.py.

    One with a version counts wherever it stands; a bare name only in what is called requirements,
    since it may as well be a keyword or a package's own name.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    constants = _constants(tree)
    waiting: list[tuple[ast.AST, int | None]] = [(tree, None)]
    while waiting:
        node, rank = waiting.pop()
        written = _text(node, constants)
        if written is not None:
            if rank is not None or _WITH_VERSION.match(written):
                yield Stated(written, OPTIONAL if rank is None else rank)
            continue
        if isinstance(node, ast.JoinedStr):
            continue  # part of a requirement is not what was written
        label = _label(node)
        if label and _REQUIRES.search(label):
            rank = _rank_of(label)
        if isinstance(node, ast.Dict):
            waiting.extend(_entries(node, rank))
        else:
            waiting.extend((child, rank) for child in ast.iter_child_nodes(node))


def _entries(node: ast.Dict, rank: int | None) -> Iterator[tuple[ast.AST, int | None]]:
    for key, value in zip(node.keys, node.values, strict=True):
        extra = key.value if isinstance(key, ast.Constant) else ""
        is_development = isinstance(extra, str) and _DEVELOPMENT.search(extra)
        yield value, DEVELOPMENT if rank is not None and is_development else rank


def _label(node: ast.AST) -> str:
    """Return the name under which a statement or argument gathers what is in it."""
    match node:
        case ast.keyword(arg=str(name)):
            return name
        case ast.Assign(targets=[target]) | ast.AugAssign(target=target):
            return ast.unparse(target)
        case ast.AnnAssign(target=target):
            return ast.unparse(target)
        case ast.Call(func=ast.Attribute(value=owner, attr="append" | "extend" | "insert")):
            return ast.unparse(owner)
    return ""


def _rank_of(label: str) -> int:
    if _DEVELOPMENT.search(label) or "setup_requires" in label:
        return DEVELOPMENT
    return OPTIONAL if "extra" in label.lower() else RUNTIME


def _constants(tree: ast.Module) -> dict[str, str]:
    """Return the names that the module binds once, to a string."""
    bound: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                names = [name]
            case _:
                continue
        for name in names:
            bound.setdefault(name, []).append(value)
    return {
        name: values[0].value
        for name, values in bound.items()
        if len(values) == 1
        and isinstance(values[0], ast.Constant)
        and isinstance(values[0].value, str)
    }


def _text(node: ast.AST, constants: dict[str, str]) -> str | None:
    """Return the string that an expression is, where that can be told without running it."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return constants.get(name)
        case ast.FormattedValue(value=value):
            return _text(value, constants)
        case ast.JoinedStr(values=parts):
            texts = [_text(part, constants) for part in parts]
            return None if None in texts else "".join(text for text in texts if text is not None)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = _text(left, constants), _text(right, constants)
            return None if first is None or second is None else first + second
    return None


def _lines(text: str) -> Iterator[Stated]:
    for line in text.replace("\\\n", " ").splitlines():
        stated = _without_comment(line).partition(" --")[0].strip()
        if stated and not stated.startswith("-"):
            yield Stated(stated)


def _optional_lines(text: str) -> Iterator[Stated]:
    return (Stated(stated.text, OPTIONAL) for stated in _lines(text))


def _development_lines(text: str) -> Iterator[Stated]:
    return (Stated(stated.text, DEVELOPMENT) for stated in _lines(text))


def _metadata(text: str) -> Iterator[Stated]:
    from email.parser import HeaderParser

    for line in HeaderParser().parsestr(text).get_all("Requires-Dist") or ():
        yield Stated(str(line), OPTIONAL if "extra ==" in str(line) else RUNTIME)


def _without_comment(line: str) -> str:
    return re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()


_MAIN_FILE = r"(?:requirements|base|common|core|install|main|runtime)\.txt$"
_DEVELOPMENT_FILE = r"[^/]*(?:test|dev|lint|doc|bench|build)[^/]*\.txt$"

READERS = (
    Reader(re.compile(r"(?:^|/)pyproject\.toml$"), _pyproject),
    Reader(re.compile(r"(?:^|/)setup\.cfg$"), _setup_cfg),
    Reader(re.compile(r"(?:^|/)setup\.py$"), _setup_py),
    Reader(re.compile(rf"(?:^|/)requirements/{_DEVELOPMENT_FILE}"), _development_lines, levels=2),
    Reader(re.compile(rf"(?:^|/)requirements/{_MAIN_FILE}"), _lines, levels=2),
    Reader(re.compile(r"(?:^|/)requirements/[^/]+\.txt$"), _optional_lines, levels=2),
    Reader(re.compile(rf"(?:^|/)requirements{_DEVELOPMENT_FILE}"), _development_lines),
    Reader(re.compile(r"(?:^|/)requirements\.txt$"), _lines),
    Reader(re.compile(r"(?:^|/)requirements[^/]*\.txt$"), _optional_lines),
    Reader(re.compile(r"(?:^|/)[^/]+\.dist-info/METADATA$"), _metadata, levels=2),
    Reader(re.compile(r"(?:^|/)PKG-INFO$"), _metadata),
)
"""The first that reads a path does."""


def is_manifest(path: str) -> bool:
    """Return whether the file at this path is one that a reader reads."""
    return any(reader.reads(path) for reader in READERS)
