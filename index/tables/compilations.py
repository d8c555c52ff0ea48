"""What compiling kernels gave, kept by what was compiled, release and target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import duckdb
import msgspec

from index.compiling.results import CompileFacts, CompileResult
from index.errors import CompileError
from index.tables.staging import Staging, clean_text

MAX_BYTES = 256 << 20
_MOST_TEXT = 1_000

_COLUMNS = {
    **dict.fromkeys(("id", "source_sha", "triton", "target", "outcome", "reason"), "VARCHAR"),
    "assumptions": "JSON",
    "shared_bytes": "BIGINT",
    **dict.fromkeys(("num_warps", "registers", "spill_bytes"), "INTEGER"),
    "instructions": "VARCHAR[]",
    "seconds": "DOUBLE",
    "is_certain": "BOOLEAN",
}


def read_compilations(path: Path) -> list[CompileResult]:
    """Return the results of a file that `compile --format json` printed, or of all in a folder.

    Raises:
        CompileError: it cannot be read, or holds something else.
    """
    hint = "name a file of `compile --format json`"
    try:
        if path.is_dir():
            found = sorted(path.rglob("*.json"))
            return [result for file in found for result in read_compilations(file)]
        if not path.is_file():
            raise CompileError(f"{path}: no file; {hint}")
        if path.stat().st_size > MAX_BYTES:
            raise CompileError(f"{path}: over {MAX_BYTES >> 20} MB; no file of results is that")
        results = msgspec.json.decode(path.read_bytes(), type=list[CompileResult])
    except OSError as error:
        raise CompileError(f"{path}: {error.strerror}; {hint}") from error
    except msgspec.MsgspecError as error:
        raise CompileError(f"{path}: {error}; {hint}") from error
    return results


def save_compilations(
    con: duckdb.DuckDBPyConnection,
    staging: Staging,
    results: Sequence[CompileResult],
    at: datetime,
) -> None:
    """Store results in the place of earlier ones of the same source, release and target.

    Those of files, which no index knows, are left out.
    """
    staging.load("staged_compilations", _rows(results), _COLUMNS)
    con.execute(
        "DELETE FROM staged_compilations WHERE id NOT IN (SELECT id FROM kernel_rows) "
        "OR source_sha IS NULL"
    )
    con.execute(
        "DELETE FROM compilations AS c WHERE EXISTS (FROM staged_compilations AS s "
        "WHERE s.source_sha = c.source_sha AND s.triton = c.triton AND s.target = c.target)"
    )
    con.execute(
        "INSERT INTO compilations BY NAME SELECT DISTINCT ON (source_sha, triton, target) "
        "* EXCLUDE (id), $at AS compiled_at FROM staged_compilations",
        {"at": at},
    )
    _link(con)


def mark_compiled(con: duckdb.DuckDBPyConnection) -> int:
    """Say of each kernel what its compiles gave; return of how many something is known.

    What was compiled of a kernel whose code has changed since says nothing of it any more.
    """
    con.execute(_STALE)
    con.execute(_MARK)
    ((known,),) = con.execute(
        "SELECT count(*) FROM kernel_rows WHERE len(compiled) > 0 AND removed_at IS NULL"
    ).fetchall()
    return int(known)


def _link(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "DELETE FROM compiled_sources AS l WHERE EXISTS (FROM staged_compilations AS s "
        "WHERE s.id = l.id AND s.triton = l.triton AND s.target = l.target)"
    )
    con.execute(
        "INSERT INTO compiled_sources "
        "SELECT DISTINCT ON (s.id, s.triton, s.target) "
        "s.id, s.triton, s.target, s.source_sha, md5(k.source) "
        "FROM staged_compilations AS s JOIN kernel_rows AS k USING (id)"
    )


def _rows(results: Sequence[CompileResult]) -> Iterator[Mapping[str, object]]:
    """Yield each result as its row, texts made fit to be stored."""
    for result in results:
        facts = result.facts or CompileFacts()
        row = {**asdict(result), **asdict(facts)}
        row["reason"] = clean_text(result.reason[:_MOST_TEXT]) if result.reason else None
        row["assumptions"] = {clean_text(str(k)): v for k, v in result.assumptions.items()}
        yield {name: row[name] for name in _COLUMNS}


# Of one extracted kernel there is one result a release and target, which its copies share.
_MARK = """
WITH known AS (
    SELECT l.id, list({'triton': c.triton, 'target': c.target, 'outcome': c.outcome}
        ORDER BY string_split(c.triton, '.')::INTEGER[], c.target) AS compiled
    FROM compiled_sources AS l JOIN compilations AS c USING (source_sha, triton, target)
    WHERE c.is_certain
    GROUP BY l.id
)
UPDATE kernel_rows AS k SET compiled = coalesce(w.compiled, [])
FROM (SELECT r.id, known.compiled FROM kernel_rows AS r LEFT JOIN known USING (id)) AS w
WHERE w.id = k.id AND k.compiled IS DISTINCT FROM coalesce(w.compiled, [])
"""

_STALE = """
DELETE FROM compiled_sources AS l WHERE NOT EXISTS (
    FROM kernel_rows AS k WHERE k.id = l.id AND (k.source IS NULL OR md5(k.source) = l.code)
)
"""
