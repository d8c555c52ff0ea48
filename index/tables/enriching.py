# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""What more is known of the kernels, worked out from what the index holds of them.

Runs before an index is published, over the sources of which anything changed, or over all of them
after a change of the rules. No file is read for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import duckdb
import msgspec

from crawler.enrich.kernels import Enrichment, enrich_kernels, enrichment_version
from crawler.models import CrawledRepo, Document, DocumentKind, KernelRecord
from index.tables.search_tables import mark_search_stale
from index.tables.staging import RECORD_FIELDS, Staging, clean_text

_ENRICHED = tuple(f.name for f in fields(Enrichment) if f.name not in ("id", "reasons"))
_TYPES = {
    "id": "VARCHAR",
    **dict.fromkeys(("features", "dtypes", "ops", "tags", "hardware", "hazards"), "VARCHAR[]"),
    **dict.fromkeys(("triton_min", "triton_max", "triton_declared", "license"), "VARCHAR"),
    **dict.fromkeys(("is_test", "is_generated"), "BOOLEAN"),
    **dict.fromkeys(("backward", "forward"), "VARCHAR"),
    "reasons": "STRUCT(field VARCHAR, reason VARCHAR)[]",
}

# Those of copies are told later, by all kernels together (`index.tables.copies`).
_REASONS = (
    "list_concat(e.reasons, list_filter(coalesce(k.reasons, []), lambda r: r.field = 'origin'))"
)


def save_documents(con: duckdb.DuckDBPyConnection, staging: Staging, crawled: CrawledRepo) -> None:
    """Store what a source says of itself, and note that its kernels are to be enriched anew."""
    name = clean_text(crawled.name)
    rows = (
        {"path": d.path, "kind": d.kind.value, "text": d.text.decode("utf-8", "replace")}
        for d in crawled.documents
    )
    columns = {"path": "VARCHAR", "kind": "VARCHAR", "text": "VARCHAR"}
    staging.load("staged_documents", rows, columns)
    con.execute("DELETE FROM documents WHERE repo = ?", [name])
    con.execute("INSERT INTO documents SELECT ?, * FROM staged_documents", [name])
    con.execute("UPDATE repos SET enriched_by = NULL WHERE name = ?", [name])


def save_marks(con: duckdb.DuckDBPyConnection, crawled: CrawledRepo) -> None:
    """Store what the list of sources says of a source; its kernels are enriched by that."""
    con.execute(
        "UPDATE repos SET marks = $marks, fork_of = $fork_of, enriched_by = NULL "
        "WHERE name = $name AND (marks, fork_of) IS DISTINCT FROM ($marks, $fork_of)",
        {
            "name": clean_text(crawled.name),
            "marks": [clean_text(mark) for mark in crawled.marks],
            "fork_of": crawled.fork_of and clean_text(crawled.fork_of),
        },
    )


def enrich_stale(con: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Enrich the sources that were not, by these rules; needs a transaction around it.

    One that the rules cannot be applied to costs the others nothing: it says so, its kernels stay
    as they were, and the next run tries it again.
    """
    version = enrichment_version()
    stale = con.execute(
        "SELECT name, license, marks FROM repos "
        # Of what no scanner read here, but came with the package, there is no text to judge by.
        "WHERE commit IS NOT NULL AND scanner_version IS NOT NULL "
        "AND enriched_by IS DISTINCT FROM ? ORDER BY name",
        [version],
    ).fetchall()
    for name, license_, marks in stale:
        kernels, documents = _kernels(con, name), _documents(con, name)
        try:
            found = enrich_kernels(kernels, documents, repo_license=license_, repo_marks=marks)
        except Exception as error:
            why = f"its kernels could not be enriched: {clean_text(repr(error))[:300]}"
            con.execute("UPDATE repos SET error = ? WHERE name = ?", [why, name])
            continue
        staging.load("enriched", map(_row, found), _TYPES)
        if _apply(con):
            mark_search_stale(con)
        con.execute("UPDATE repos SET enriched_by = ? WHERE name = ?", [version, name])


def _apply(con: duckdb.DuckDBPyConnection) -> int:
    """Write what differs; return how many kernels that were."""
    new = {name: f'e."{name}"' for name in _ENRICHED} | {"reasons": _REASONS}
    old = ", ".join(f'k."{name}"' for name in new)
    found = ", ".join(new.values())
    values = ", ".join(f'"{name}" = {value}' for name, value in new.items())
    row = con.execute(
        f"UPDATE kernel_rows AS k SET {values} "
        f"FROM enriched AS e WHERE k.id = e.id AND row({old}) IS DISTINCT FROM row({found})"
    ).fetchone()
    return 0 if row is None else int(row[0])


def _kernels(con: duckdb.DuckDBPyConnection, repo: str) -> Sequence[KernelRecord]:
    columns = ", ".join(f'"{name}"' for name in RECORD_FIELDS)
    rows = con.execute(
        f"SELECT {columns} FROM kernel_rows WHERE repo = ? AND removed_at IS NULL "
        "AND source IS NOT NULL ORDER BY id",
        [repo],
    ).fetchall()
    return [_record(dict(zip(RECORD_FIELDS, row, strict=True))) for row in rows]


def _record(row: dict[str, Any]) -> KernelRecord:
    if row["autotune"] is not None:
        configs = json.loads(row["autotune"]["configs"] or "[]")
        pairs = [{part: list(config[part].items()) for part in config} for config in configs]
        row["autotune"] = row["autotune"] | {"configs": pairs}
    return msgspec.convert(row, KernelRecord)


def _documents(con: duckdb.DuckDBPyConnection, repo: str) -> Sequence[Document]:
    rows = con.execute(
        "SELECT path, kind, text FROM documents WHERE repo = ? ORDER BY path, kind", [repo]
    ).fetchall()
    return [
        Document(path=path, kind=DocumentKind(kind), text=text.encode("utf-8"))
        for path, kind, text in rows
    ]


def _row(enrichment: Enrichment) -> dict[str, object]:
    reasons = [{"field": name, "reason": reason} for name, reason in enrichment.reasons]
    return asdict(enrichment) | {"reasons": reasons}
