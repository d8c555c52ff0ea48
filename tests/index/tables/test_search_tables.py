"""The search tables: what they are made from, and when they are made anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from crawler.models import Param, ParamKind
from index.database import open_index
from tests.index.samples import SECOND_COMMIT, body, crawled, kernel, rows, save

FIRST = kernel("rms_norm_kernel", docstring="Norm of rows.")

# Of each field that a kernel is found by another value; a code of its own is none of them.
FOUND_BY = {
    "docstring": "RMSNorm of one row.",
    "launchers": ("acme/kernels:ops/norm.py::rmsnorm",),
    "params": (Param(name="eps", kind=ParamKind.SCALAR),),
    "tl_calls": ("tl.rsqrt",),
}


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of the search tables."""
    names = ("documents", "postings", "words", "aliases")
    with open_index(path) as con:
        return {n: con.execute(f"FROM search_{n} ORDER BY ALL").fetchall() for n in names}


@pytest.mark.parametrize("field", FOUND_BY)
def test_after_a_change_they_are_those_of_an_index_made_at_once(
    db: Path, tmp_path: Path, field: str
) -> None:
    changed = replace(FIRST, **{field: FOUND_BY[field]})
    save(db, crawled(FIRST, kernel("other")))
    before = tables(db)
    save(db, crawled(changed, kernel("other"), commit=SECOND_COMMIT))
    save(tmp_path / "at-once.duckdb", crawled(changed, kernel("other"), commit=SECOND_COMMIT))
    assert tables(db) == tables(tmp_path / "at-once.duckdb") != before


def test_they_stay_where_only_code_changed(db: Path) -> None:
    save(db, crawled(FIRST))
    with duckdb.connect(db) as con:
        con.execute("UPDATE search_words SET n = 1234 WHERE word = 'rms'")
    changed = replace(FIRST, source=body("rms_norm_kernel", "tl.store(x_ptr, 2)"), end_line=99)
    save(db, crawled(changed, commit=SECOND_COMMIT))
    assert rows(db, "SELECT end_line FROM kernel_rows") == [(99,)]
    assert rows(db, "SELECT n FROM search_words WHERE word = 'rms'") == [(1234,)]


def test_they_are_made_anew_where_the_rules_are_others(db: Path) -> None:
    save(db, crawled(FIRST))
    before = tables(db)
    with duckdb.connect(db) as con:
        con.execute("DELETE FROM search_postings")
        con.execute("UPDATE meta SET value = 'old' WHERE key IN ('search_version', 'search_state')")
    save(db, crawled(FIRST, commit=SECOND_COMMIT))
    assert tables(db) == before
