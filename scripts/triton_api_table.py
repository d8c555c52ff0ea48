"""Make `crawler/data/triton_api.json`: which release of Triton has which name and parameter.

    python scripts/triton_api_table.py               # every final release since 2.0.0, anew
    python scripts/triton_api_table.py --add 3.10.0  # read one more release into the table

The releases' wheels come from the package index, one at a time, are read in place and deleted;
nothing is installed or imported, so no GPU and no matching Python is needed. This lies outside the
packages because only a new Triton release calls for it; the table that it writes is part of
`crawler`. Run it in an environment that has this project installed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.version import Version

from crawler.enrich.api_table import ANYTHING, TABLE_NAME, ApiTable, Row, parse_table
from crawler.enrich.signatures import UNKNOWN
from crawler.errors import TritonIndexError
from crawler.snapshot.package_index import PackageIndex
from crawler.snapshot.pip_settings import read_index_settings
from crawler.snapshot.pypi import open_pypi
from crawler.snapshot.releases import find_releases
from scripts.python_bindings import Module
from scripts.python_namespaces import VALUE, Class, Function, Package, Symbol

TABLE = Path(__file__).parent.parent / "crawler" / "data" / TABLE_NAME
OLDEST = Version("2.0.0")
ROOTS = (
    "triton",
    "triton.language",
    "triton.experimental.gluon",
    "triton.profiler.language",
)
"""Modules that are read with their members; of these, those in `DEEP` with all that is under."""
DEEP = ("triton.language", "triton.experimental.gluon")
SHALLOW = (
    "triton.compiler",
    "triton.errors",
    "triton.knobs",
    "triton.ops",
    "triton.runtime",
    "triton.testing",
    "triton.tools",
)
"""Packages that host code imports from: read whole, without the members of classes. Of any other
module only that it is there is noted."""

_ITSELF = ""
Names = dict[tuple[str, str], str]
"""(module, name in it) -> its signature; unknown where there is none to know."""


def list_releases() -> list[str]:
    """Return the final releases that the package index has a wheel of, oldest first."""
    index = PackageIndex(read_index_settings())
    try:
        releases = find_releases("triton", index.list_files("triton"))
    finally:
        index.close()
    versions = {r.version for r in releases if r.file.filename.endswith(".whl")}
    final = (v for v in versions if v >= OLDEST and not v.is_prerelease and not v.is_postrelease)
    return [str(v) for v in sorted(final)]


def read_sources(version: str) -> dict[str, str]:
    """Return the text of every Python file of Triton's in the wheel of a release, by its path."""
    with tempfile.TemporaryDirectory() as folder:
        snapshot = open_pypi("triton", version, cache=Path(folder))
        wanted = [
            entry
            for entry in snapshot.entries()
            if entry.path.startswith("triton/") and entry.path.endswith(".py")
        ]
        return {
            entry.path: data.decode("utf-8", "replace")
            for entry, data in snapshot.read(wanted)
            if isinstance(data, bytes)
        }


def read_names(files: Mapping[str, str]) -> Names:
    """Return the names that a release offers, methods as `Class.method`."""
    package = Package(files)
    modules = package.modules()
    names: Names = {}
    for root in ROOTS:
        if root in modules:
            _walk(package, root, root, (), names)
    for module in modules:
        if (module, _ITSELF) in names:
            continue
        names[module, _ITSELF] = UNKNOWN
        if any(f"{module}.".startswith(f"{package_}.") for package_ in SHALLOW):
            for name, symbol in _offered(package, module):
                names[module, name] = signature_of(symbol)
        else:
            names[module, ANYTHING] = UNKNOWN
    return names


def _offered(package: Package, module: str) -> Iterator[tuple[str, Symbol]]:
    """Yield what a module has for its users, and what it happens to have from elsewhere."""
    for name, symbol in package.namespace(module).items():
        if isinstance(symbol, Module) or _is_listed(name, symbol):
            yield name, symbol
    yield from ((name, VALUE) for name in package.borrowed(module))


def _walk(package: Package, path: str, module: str, inside: tuple[str, ...], names: Names) -> None:
    """Add the names of a module as they are reached through `path`, which may be an alias."""
    names[path, _ITSELF] = UNKNOWN
    for name, symbol in _offered(package, module):
        if isinstance(symbol, Module):
            is_child = symbol.name in (f"{module}.{name}", f"{module}._{name}")
            is_meant = path.startswith(DEEP) and (is_child or package.offers(module, name))
            if is_meant and symbol.name.startswith(DEEP) and symbol.name not in (module, *inside):
                _walk(package, f"{path}.{name}", symbol.name, (*inside, module), names)
            elif not is_child:
                names.setdefault((path, name), UNKNOWN)
        else:
            names[path, name] = signature_of(symbol)
            for member, method in _members(symbol):
                names[path, f"{name}.{member}"] = signature_of(method)


def _is_listed(name: str, symbol: Symbol) -> bool:
    """Tell whether a kernel may use the name: public, or a function that is no secret."""
    return not name.startswith("_") or (
        isinstance(symbol, (Class, Function)) and not name.startswith("__")
    )


def _members(symbol: Symbol) -> Iterator[tuple[str, Symbol]]:
    if isinstance(symbol, Class):
        yield from ((n, m) for n, m in symbol.members.items() if not n.startswith("_"))


def signature_of(symbol: Symbol) -> str:
    """Return the signature of a function or class, unknown for anything else."""
    known = symbol.parameters if isinstance(symbol, (Class, Function)) else None
    return UNKNOWN if known is None else " ".join(known)


def merge(names_of: Mapping[str, Names]) -> str:
    """Return the text of the table of these releases, one name a line, sorted."""
    releases = tuple(sorted(names_of, key=Version))
    sets: dict[str, dict[str, dict[str, int]]] = {}
    for place, release in enumerate(releases):
        for (module, name), signature in names_of[release].items():
            found = sets.setdefault(module, {}).setdefault(name, {})
            found[signature] = found.get(signature, 0) | 1 << place
    table = ApiTable(releases, {})
    rows = (
        f" {_json(module)}: {{\n"
        + ",\n".join(f"  {_json(n)}: {_json(_row(table, s))}" for n, s in sorted(names.items()))
        + "\n }"
        for module, names in sorted(sets.items())
    )
    modules = ",\n".join(rows)
    return f'{{"releases": {_json(releases)},\n"modules": {{\n{modules}\n}}}}\n'


def _row(table: ApiTable, found: Mapping[str, int]) -> Row:
    every = 0
    for releases in found.values():
        every |= releases
    signatures = {table.format_ranges(within): text for text, within in found.items()}
    signatures = {within: text for within, text in signatures.items() if text != UNKNOWN}
    itself = table.format_ranges(every)
    return [itself, dict(sorted(signatures.items()))] if signatures else itself


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


def split(table: ApiTable) -> dict[str, Names]:
    """Return the names of each release in a table: what `merge` makes the table of."""
    names_of: dict[str, Names] = {release: {} for release in table.releases}
    for module, name, symbol in table.modules():
        for place, release in enumerate(table.releases):
            if symbol.releases >> place & 1:
                signatures = (text for within, text in symbol.signatures if within >> place & 1)
                names_of[release][module, name] = next(signatures, UNKNOWN)
    return names_of


def main() -> int:
    """Read the releases and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--add", metavar="VERSION", action="append", help="read just this release")
    parser.add_argument("--out", type=Path, default=TABLE, help=f"default: {TABLE.name}")
    options = parser.parse_args()
    try:
        names_of = split(parse_table(options.out.read_text("utf-8"))) if options.add else {}
        for version in options.add or list_releases():
            names_of[version] = read_names(read_sources(version))
            print(f"triton {version}: {len(names_of[version])} names", file=sys.stderr)
    except (TritonIndexError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    options.out.write_text(merge(names_of), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
