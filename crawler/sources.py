"""What to scan, as people write it: SOURCE words, and the list of them in `sources.toml`."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from crawler.errors import SourceError
from crawler.models import SourceKind, SourceRepo
from crawler.snapshot.git import find_git_dir, read_origin
from crawler.snapshot.names import readable_text
from crawler.snapshot.select import select_files

MAX_PACKAGE_WORD = 200
"""Characters of a package's name, or of its version."""

FORMS = "owner/name[@ref], a GitHub URL, owner/name=PATH, pypi:dist[==version] or PATH"

_FULL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,100}")
_REF = re.compile(r"(?![-/.])(?!.*(?:\.\.|@\{|//|/\.))[^\x00-\x20\x7f~^:?*\[\\]+(?<![./])")
_SHELL_ADDRESS = re.compile(r"(?:[\w.-]+@)?(?:ssh\.)?github\.com[:/](?!/)(?P<path>.+)", re.I)
_GITHUB_HOSTS = ("github.com", "www.github.com", "ssh.github.com")


def parse_source(word: str, *, base: Path | None = None) -> SourceRepo:
    """Return the source that a SOURCE word names.

    A PATH starts with `.`, `/` or `~`, or names an existing folder; it is taken from `base`, by
    default the working directory. The root of a git repository stands for the repository that its
    `origin` names; any other folder, and one without an origin on GitHub, is `local/<folder>`.
    Whether a path, ref or version exists, shows when the source is opened.

    Raises:
        SourceError: The word has none of the forms; the text says what it was taken for.
    """
    if not word or "\0" in word:
        raise SourceError(f"{_show(word)!r} names no source; give {FORMS}")
    if word.startswith("pypi:"):
        return _parse_package(word)
    if "://" in word or _SHELL_ADDRESS.fullmatch(word):
        return _parse_url(word)
    if word.startswith((".", "/", "~")) or (base is None and Path(word).is_dir()):
        return _parse_folder(word, base)
    if base is None and Path(word).is_file():
        raise SourceError(f"{_show(word)}: a file; give the folder that holds it")
    name, equals, folder = word.partition("=")
    if equals:
        return _parse_clone(word, name, folder, base)
    name, at, ref = word.partition("@")
    return _github_source(word, name, ref if at else None)


def parse_sources(words: Iterable[str]) -> tuple[SourceRepo, ...]:
    """Return the sources that the words name, each once, in the order first named.

    Raises:
        SourceError: A word names none, or two different places would be recorded under one name.
    """
    found: dict[str, SourceRepo] = {}
    for word in words:
        source = parse_source(word)
        other = found.setdefault(source.name.casefold(), source)
        if other != source:
            raise SourceError(
                f"{_show(word)}: {source.name} is named before as {other.path or other.name} and "
                "would overwrite it; give it a name of its own as local/NAME=PATH"
            )
    return tuple(found.values())


def as_listed(
    sources: Iterable[SourceRepo], listed: Iterable[SourceRepo]
) -> tuple[SourceRepo, ...]:
    """Return the sources with what the list knows of those that are on it.

    Which of their files a crawl of the list reads is no such knowledge: what is named is read
    whole.
    """
    entries = {entry.name.casefold(): entry for entry in listed}

    def completed(source: SourceRepo) -> SourceRepo:
        entry = entries.get(source.name.casefold(), source)
        return replace(
            source,
            group=entry.group,
            note=entry.note,
            marks=entry.marks,
            fork_of=entry.fork_of,
            formerly=entry.formerly,
        )

    return tuple(map(completed, sources))


def source_word(source: SourceRepo) -> str:
    """Return the SOURCE word that names this source again, without its version or ref."""
    return source.name if source.path is None else f"{source.name}={source.path}"


def listed_sources() -> Path:
    """Return the path of the list that comes with the program: `sources.toml`."""
    installed = Path(__file__).parent / "data" / "sources.toml"
    # An editable install runs from the checkout, where the list stands at the top.
    return installed if installed.exists() else Path(__file__).parents[1] / "sources.toml"


def load_sources(path: Path) -> tuple[SourceRepo, ...]:
    """Return the sources that a list such as `sources.toml` holds, in its order.

    The list is of tables `[[repo]]`: `name` is a SOURCE word, paths in it are taken from the
    list's own folder; `group`, `note`, `include`, `exclude`, `marks`, `fork_of` and `formerly`
    are as in `SourceRepo`.

    Raises:
        SourceError: The list is malformed; the text names file, entry and field.
    """
    tables = _load_tables(path)
    sources: list[SourceRepo] = []
    taken: dict[str, str] = {}
    for number, table in enumerate(tables, start=1):
        entry = _describe(number, table)
        try:
            source = _parse_table(table, path.parent)
            for field, name in [("name", source.name), *(("formerly", n) for n in source.formerly)]:
                if earlier := taken.get(name.casefold()):
                    raise SourceError(f"{field}: {name} is listed before, in {earlier}")
                taken[name.casefold()] = entry
        except SourceError as error:
            raise SourceError(f"{path}: {entry}: {error}") from error
        sources.append(source)
    return tuple(sources)


class _Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A `[[repo]]` table as it may be written."""

    name: str
    group: str | None = None
    note: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    marks: tuple[Literal["fork_of", "generated", "vendored"], ...] = ()
    fork_of: str | None = None
    formerly: tuple[str, ...] = ()


def _load_tables(path: Path) -> list[Any]:
    """Return the `[[repo]]` tables of a list, their fields unchecked."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}; name a list with --sources FILE") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path}: is no TOML: {readable_text(str(error))}") from error
    tables = content.pop("repo", None)
    if content:
        raise SourceError(f"{path}: unknown table {next(iter(content))!r}; only [[repo]] is known")
    if not isinstance(tables, list) or not tables:
        raise SourceError(f"{path}: lists nothing; write each source as a [[repo]] table")
    return tables


def _describe(number: int, table: Any) -> str:
    """Return how messages name an entry: its place, and its name if it has one."""
    name = table.get("name") if isinstance(table, Mapping) else None
    return f"repo {number}" + (f" ({_show(name)})" if isinstance(name, str) else "")


def _parse_table(table: Any, base: Path) -> SourceRepo:
    try:
        entry = msgspec.convert(table, type=_Table)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        where = f"{place.rstrip('`')}: " if place else ""
        raise SourceError(where + reason[:1].lower() + reason[1:].replace("`", "")) from error
    try:
        source = parse_source(entry.name, base=base)
    except SourceError as error:
        raise SourceError(f"name: {error}") from error
    former = [("formerly", name) for name in entry.formerly]
    for field, name in [*former, *([("fork_of", entry.fork_of)] if entry.fork_of else [])]:
        if not _FULL_NAME.fullmatch(name):
            raise SourceError(f"{field}: {_show(name)!r} is no owner/name")
    for field, patterns in [("include", entry.include), ("exclude", entry.exclude)]:
        try:
            select_files(patterns)
        except ValueError as error:
            raise SourceError(f"{field}: {error}") from error
    marks = dict.fromkeys((*entry.marks, *(("fork_of",) if entry.fork_of else ())))
    return replace(
        source,
        group=entry.group,
        note=entry.note,
        include=entry.include,
        exclude=entry.exclude,
        marks=tuple(marks),
        fork_of=entry.fork_of,
        formerly=entry.formerly,
    )


def _parse_package(word: str) -> SourceRepo:
    dist, equals, version = word.removeprefix("pypi:").partition("==")
    try:
        name = canonicalize_name(dist, validate=True)
        # What is longer no package has, and parsing it takes a time that grows with its square.
        if max(len(dist), len(version)) > MAX_PACKAGE_WORD:
            raise SourceError(f"{_show(word)}: no package or version has so long a name")
        number = str(Version(version)) if equals else None
    except InvalidName:
        raise SourceError(
            f"{_show(word)}: {_show(dist)!r} is no package name; give pypi:dist or "
            "pypi:dist==version"
        ) from None
    except InvalidVersion:
        raise SourceError(
            f"{_show(word)}: {_show(version)!r} is no single version; give one as pypi:dist==1.2.3"
        ) from None
    return SourceRepo(name=f"pypi:{name}", kind=SourceKind.PYPI, version=number)


def _parse_url(word: str) -> SourceRepo:
    parts = _split_github_url(word)
    if parts is None:
        raise SourceError(
            f"{_show(word)}: only repositories on GitHub are read by URL; clone it and give "
            "owner/name=PATH"
        )
    name, rest = "/".join(parts[:2]), parts[2:]
    if not rest:
        return _github_source(word, name, None)
    if len(rest) == 2 and rest[0] in ("tree", "commit"):
        return _github_source(word, name, rest[1])
    raise SourceError(
        f"{_show(word)}: this is a page inside {_show(name)}; give owner/name or owner/name@ref"
    )


def _split_github_url(url: str) -> list[str] | None:
    """Return the parts of a GitHub URL's path, None if it is another host's."""
    if "://" not in url:
        match = _SHELL_ADDRESS.fullmatch(url)
        path = match["path"] if match else None
    else:
        try:
            address = urlsplit(url)
            path = address.path if address.hostname in _GITHUB_HOSTS else None
        except ValueError:
            path = None
    if path is None:
        return None
    parts = [part for part in re.split(r"[?#]", path)[0].split("/") if part]
    parts[1:2] = [name.removesuffix(".git") for name in parts[1:2]]
    return parts


def _github_source(word: str, name: str, ref: str | None) -> SourceRepo:
    if name.startswith("local/"):
        raise SourceError(f"{_show(word)}: names a folder of this machine; give {name}=PATH")
    if not _FULL_NAME.fullmatch(name):
        raise SourceError(f"{_show(word)!r} is no source: no such folder, and no {FORMS}")
    if ref is not None and not _REF.fullmatch(ref):
        raise SourceError(f"{_show(word)}: {_show(ref)!r} is no branch, tag or commit")
    return SourceRepo(name=name, kind=SourceKind.GITHUB, ref=ref)


def _parse_clone(word: str, name: str, folder: str, base: Path | None) -> SourceRepo:
    if not _FULL_NAME.fullmatch(name):
        raise SourceError(f"{_show(word)}: {_show(name)!r} is no owner/name to stand before =PATH")
    if not folder:
        raise SourceError(f"{_show(word)}: the path is missing; give {name}=PATH")
    path = _locate(word, folder, base)
    # A folder without git may have a name of its own too, as long as it claims no repository's.
    is_plain = name.startswith("local/") and _read_identity(path)[0] is SourceKind.FOLDER
    return SourceRepo(
        name=name, kind=SourceKind.FOLDER if is_plain else SourceKind.CLONE, path=path
    )


def _parse_folder(word: str, base: Path | None) -> SourceRepo:
    path = _locate(word, word, base)
    kind, name = _read_identity(path)
    return SourceRepo(name=name, kind=kind, path=path)


def _locate(word: str, folder: str, base: Path | None) -> Path:
    try:
        path = Path(folder).expanduser()
    except RuntimeError as error:
        raise SourceError(
            f"{_show(word)}: there is no such user's home; give a full path"
        ) from error
    # Not `resolve`: a link keeps the name the user gave it, and a loop of links is no crash.
    return Path(os.path.abspath((base or Path()) / path))  # noqa: PTH100 - see above


def _read_identity(path: Path) -> tuple[SourceKind, str]:
    """Return of what kind a folder is, and the name under which it is recorded."""
    folder = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name.removesuffix(".git")).strip(".-")
    local_name = f"local/{folder[:100] or 'folder'}"
    try:
        git_dir = find_git_dir(path)
    except OSError:
        git_dir = None  # what is wrong with it, opening it will tell
    if git_dir is None:
        return SourceKind.FOLDER, local_name
    parts = _split_github_url(read_origin(git_dir) or "")
    name = "/".join(parts or ())
    return SourceKind.CLONE, name if _FULL_NAME.fullmatch(name) else local_name


def _show(word: str) -> str:
    """Return a word fit to be shown: on one line, without the password of a URL."""
    return re.sub(r"//[^/]*@", "//", readable_text(word))
