"""What the page's search knows of each kernel: what it filters, ranks and shows by, in columns."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import duckdb

from crawler.enrich.hardware import backend_names, hardware_vocabulary
from crawler.enrich.license_class import ANY_OPEN, license_class
from index.queries import search
from index.queries.filters import known_releases
from index.queries.search import BACKWARD

_T = TypeVar("_T", bound=Hashable)

ROLES = ("kernel", "device_function", "pointwise", "unknown")
_OWN_COLUMNS = ("file tail role standing flags copies seen triton_min triton_max").split()
# Bits of the column `flags`.
IS_TEST, IS_GENERATED, IS_VERIFIED, HAS_BACKWARD, IS_ORIGIN, HAS_ORIGIN, SAYS_BACKWARD = (
    1 << bit for bit in range(7)
)


class Values(Generic[_T]):
    """Gives each distinct value a number, in the order in which they come."""

    def __init__(self, first: Iterable[_T] = ()) -> None:
        self._numbers: dict[_T, int] = {}
        for value in first:
            self.number(value)

    def number(self, value: _T) -> int:
        """Return the number of a value."""
        return self._numbers.setdefault(value, len(self._numbers))

    @property
    def all(self) -> list[_T]:
        """The values, at their numbers."""
        return list(self._numbers)


def kernel_list(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return the columns of all live kernels in the order of their ids, with what these refer to.

    The number of a kernel is the one that the search tables have for it.
    """
    rows = con.execute(_KERNELS).fetchall()
    columns = [name for name, *_ in con.description or ()]
    kernels = [dict(zip(columns, row, strict=True)) for row in rows]
    repos = con.execute("SELECT name, stars, len(marks) > 0 FROM repos ORDER BY name").fetchall()
    releases = known_releases(con)
    listed = _Columns([name for name, _, _ in repos], releases)
    for kernel in kernels:
        listed.add(kernel)
    return {
        **listed.data(),
        "repos": [[name, stars, int(marked)] for name, stars, marked in repos],
        "releases": releases,
        "roles": ROLES,
        "hardware": backend_names(),
        "asked": {name: entry.asked for name, entry in hardware_vocabulary().items()},
        "operations": _operations(con, {kernel["id"]: n for n, kernel in enumerate(kernels)}),
        "knobs": _knobs(),
    }


class _Columns:
    """Collects the columns; a value that many kernels share is kept once and referred to."""

    def __init__(self, repos: Sequence[str], releases: Sequence[str]) -> None:
        self._repos = Values(repos)
        self._releases = Values(releases)
        self._files: Values[tuple[int, str]] = Values()
        self._lists: dict[str, Values[tuple[str, ...]]] = {
            name: Values([()]) for name in ("ops", "tags", "features", "dtypes", "backends")
        }
        self._shared: dict[str, Values[Any]] = {
            name: Values([None]) for name in ("license", "dialect", "clone_group", "part")
        }
        self._seen: Values[Any] = Values()
        # All of them, for an index without kernels too.
        self._columns: dict[str, list[Any]] = {
            name: [] for name in (*_OWN_COLUMNS, *self._lists, *self._shared)
        }

    def add(self, kernel: dict[str, Any]) -> None:
        """Take up the next kernel."""
        prefix, _, tail = kernel["id"].rpartition("::")
        file = prefix.removeprefix(f"{kernel['repo']}:")
        put = self._put
        put("file", self._files.number((self._repos.number(kernel["repo"]), file)))
        put("tail", tail)
        put("role", ROLES.index(kernel["role"]))
        put("standing", round(kernel["standing"] * 100))
        put("flags", _flags(kernel))
        put("copies", kernel["n_copies"] or 0)
        put("seen", self._seen.number(kernel["first_seen"]))
        for bound in ("triton_min", "triton_max"):
            release = kernel[bound]
            put(bound, -1 if release is None else self._releases.number(release))
        for name, values in self._lists.items():
            put(name, values.number(tuple(kernel[name])))
        for name, shared in self._shared.items():
            put(name, shared.number(kernel[name]))

    def _put(self, column: str, value: object) -> None:
        self._columns[column].append(value)

    def data(self) -> dict[str, object]:
        """Return the columns, and the values that they refer to."""
        columns = dict(self._columns)
        columns["file"] = _steps(columns["file"])
        order = sorted(self._seen.all)
        places = [order.index(moment) for moment in self._seen.all]
        columns["seen"] = [places[n] for n in columns["seen"]]
        licenses = self._shared["license"].all
        return {
            "columns": columns,
            "files": self._files.all,
            "lists": {name: values.all for name, values in self._lists.items()},
            "licenses": [_license(text) for text in licenses],
            "dialects": self._shared["dialect"].all,
            "parts": [
                None if part is None else _name_of(part) for part in self._shared["part"].all
            ],
        }


def _flags(kernel: dict[str, Any]) -> int:
    is_set: dict[int, Callable[[], object]] = {
        IS_TEST: lambda: kernel["is_test"],
        IS_GENERATED: lambda: kernel["is_generated"],
        IS_VERIFIED: lambda: kernel["is_verified"],
        HAS_BACKWARD: lambda: kernel["has_backward"],
        IS_ORIGIN: lambda: kernel["origin"] == kernel["id"],
        HAS_ORIGIN: lambda: kernel["origin"] is not None,
        SAYS_BACKWARD: lambda: kernel["says_backward"],
    }
    return sum(bit for bit, holds in is_set.items() if holds())


def _license(expression: str | None) -> list[str]:
    """Return an expression with the licences it is made of and its class: what a filter may name.

    An unknown one has none.
    """
    if expression is None:
        return []
    known = license_class(expression)
    words = expression.replace("(", " ").replace(")", " ").split()
    parts = [word for word in words if word.upper() not in ("AND", "OR", "WITH")]
    classes = [] if known is None else [known.word, ANY_OPEN]
    return list(dict.fromkeys((expression, *parts, *classes)))


def _name_of(part: str) -> str:
    """Return the name of an operation or launcher, given its id."""
    return part.rpartition("::")[2]


def _steps(numbers: Sequence[int]) -> list[int]:
    return [n - (numbers[at - 1] if at else 0) for at, n in enumerate(numbers)]


def _operations(con: duckdb.DuckDBPyConnection, number: dict[str, int]) -> dict[str, object]:
    """Return, in the order of the search tables, what kernels each operation lifts."""
    rows = con.execute(_OPERATIONS, {"backward": BACKWARD}).fetchall()
    lifted = [
        [number[id] for id in forward[: search.MOST_LIFTED] if id in number]
        for forward, _, _ in rows
    ]
    return {
        "kernels": lifted,
        "launched": [launched for _, launched, _ in rows],
        "says_backward": [int(says) for _, _, says in rows],
    }


def _knobs() -> dict[str, object]:
    """Return the constants of the ranking, so that both searches have the same."""
    names = (
        "ENOUGH SATURATION APART_SHARE BESIDE_SHARE OTHER_NAME_SHARE EXACT_NAME EXACT_OP "
        "DEVICE_FUNCTION_SHARE UNKNOWN_ROLE_SHARE BACKWARD_SHARE TEST_SHARE GENERATED_SHARE "
        "COPIER_SHARE STANDING_FLOOR FOREIGN_SHARE COMMON_BACKEND ORIGIN_SHARE LEAST_STANDING "
        "OPERATION_SHARE MOST_LIFTED OF_ONE_SOURCE NEARLY LOOKED_AT BACKWARD"
    )
    return {name: getattr(search, name) for name in names.split()}


# The kernels in the order of the search tables.
_KERNELS = f"""
SELECT k.id, k.repo, k.role, k.dialect, k.license, k.standing, k.n_copies, k.first_seen,
    k.triton_min, k.triton_max, k.ops, k.tags, k.features, k.dtypes, k.hardware AS backends,
    k.clone_group, k.origin, k.is_test, k.is_generated, k.backward IS NOT NULL AS has_backward,
    coalesce(k.verified.result = 'passed', FALSE) AS is_verified,
    coalesce(k.operations[1], k.repo || k.launchers[1]) AS part,
    contains(d.joined[1], '{BACKWARD}') AS says_backward
FROM search_documents AS d JOIN kernels AS k USING (id)
WHERE k.removed_at IS NULL ORDER BY d.num
"""  # noqa: S608 (a constant of ours)

_OPERATIONS = """
SELECT o.forward, len(o.forward), contains(d.joined[1], $backward)
FROM search_documents AS d JOIN operations AS o USING (id) ORDER BY d.num
"""
