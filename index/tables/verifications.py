"""What runs of the bundled kernels found, kept beside the kernels that they ran.

The bundled kernels enter the index as everybody's do, from the project's repository. A record names
the function that was run (`softmax`); the file that holds it (`verified_kernels/ops/softmax.py`)
links it to the kernels of the index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from crawler.enrich.op_vocabulary import op_vocabulary
from crawler.enrich.ops import tags_of
from index.errors import VerificationError
from index.tables.search_tables import mark_search_stale
from index.tables.staging import Staging, clean_text
from verified_kernels import OPS
from verified_kernels.records import Record, load

HOME = "gpu-mode/triton-index"
"""The repository that the bundled kernels are indexed under."""

MAX_BYTES = 64 << 20

_TIMES = "MAP(VARCHAR, DOUBLE)"
_COLUMNS = {
    **dict.fromkeys(("kernel", "case", "pass", "dtype", "device"), "VARCHAR"),
    "passed": "BOOLEAN",
    **dict.fromkeys(("max_abs_err", "rel_rms_err", "tolerance", "ms"), "DOUBLE"),
    "peers": _TIMES,
    **dict.fromkeys(("bytes", "flops"), "BIGINT"),
    **dict.fromkeys(("gpu", "torch", "triton", "commit"), "VARCHAR"),
    "plain_ms": "DOUBLE",
    "plain_peers": _TIMES,
    "copy_gb_per_s": "DOUBLE",
    "spread": "MAP(VARCHAR, STRUCT(p20 DOUBLE, median DOUBLE, p80 DOUBLE))",
    "note": "VARCHAR",
}
_OPS_COLUMNS = {
    "path": "VARCHAR",
    "ops": "VARCHAR[]",
    "tags": "VARCHAR[]",
    "reasons": "STRUCT(field VARCHAR, reason VARCHAR)[]",
}


def read_verifications(path: Path) -> list[Record]:
    """Return the records of a file that `verify --out` wrote.

    Raises:
        VerificationError: it cannot be read, or holds something else.
    """
    try:
        if path.exists() and not path.is_file():
            raise VerificationError(f"{path}: no file; name a file of `verify --out`")
        if path.stat().st_size > MAX_BYTES:
            raise VerificationError(
                f"{path}: over {MAX_BYTES >> 20} MB; no file of records is that"
            )
        records = load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise VerificationError(
            f"{path}: {error.strerror}; name a file of `verify --out`"
        ) from error
    except ValueError as error:
        raise VerificationError(f"{path}: {error}; name a file of `verify --out`") from error
    if not records:
        raise VerificationError(f"{path}: holds no record; run `verify --out` again")
    if unknown := sorted({record.kernel for record in records} - OPS.keys()):
        raise VerificationError(
            f"{path}: no bundled kernel is called {', '.join(unknown)}; upgrade triton-index"
        )
    return records


def save_verifications(
    con: duckdb.DuckDBPyConnection, staging: Staging, records: Sequence[Record], at: datetime
) -> None:
    """Store the records of one run in the place of earlier ones of the same kernels and machine."""
    staging.load("staged_verifications", map(_row, records), _COLUMNS)
    con.execute(
        "DELETE FROM verifications AS v WHERE EXISTS (FROM staged_verifications AS s "
        "WHERE s.kernel = v.kernel AND s.device = v.device "
        "AND s.gpu IS NOT DISTINCT FROM v.gpu AND s.triton IS NOT DISTINCT FROM v.triton)"
    )
    con.execute("INSERT INTO verifications SELECT *, ? FROM staged_verifications", [at])


def mark_verified(con: duckdb.DuckDBPyConnection, staging: Staging) -> int:
    """Say of the project's kernels how their last verification ended; return of how many.

    Runs on a GPU go before runs without one, later before earlier. A kernel passed when every case
    of every function of its file did. Those that passed and whose names do not tell what they
    compute, because they serve several functions, are given the ops of these.
    """
    files = ({"op": op, "path": _path(file)} for op, file in OPS.items())
    staging.load("verified_files", files, {"op": "VARCHAR", "path": "VARCHAR"})
    staging.load("verified_ops", _ops_by_file(), _OPS_COLUMNS)
    con.execute(_RESULTS)
    for statement in (_MARK, _NAME_OPS):
        ((changed,),) = con.execute(statement, {"home": HOME}).fetchall()
        if changed:
            mark_search_stale(con)
    (marked,) = con.execute(
        "SELECT count(*) FROM kernel_rows WHERE verified IS NOT NULL AND removed_at IS NULL"
    ).fetchall()
    return int(marked[0])


def _path(file: str) -> str:
    return f"verified_kernels/ops/{file}.py"


def _ops_by_file() -> Iterator[Mapping[str, Any]]:
    """Yield the ops that the functions of each file are held to, with their tags and why."""
    known = op_vocabulary().ops.values()
    files: dict[str, dict[str, str]] = {}
    for function, file in OPS.items():
        for op in known:
            if op.name == function or f"aten::{function}" in op.aten:
                files.setdefault(_path(file), {})[op.name] = function
    for path, ops in files.items():
        reasons = [
            {"field": "ops", "reason": f"{op}: verified as verified_kernels.{function}"}
            for op, function in ops.items()
        ]
        yield {"path": path, "ops": list(ops), "tags": list(tags_of(ops)), "reasons": reasons}


def _row(record: Record) -> Mapping[str, Any]:
    """Return a record as its row, texts made fit to be stored."""
    values = record.to_json()
    return {
        name: clean_text(values[name]) if isinstance(values[name], str) else values[name]
        for name in _COLUMNS
    }


_NAME_OPS = """
UPDATE kernel_rows AS k
SET ops = v.ops, tags = v.tags, reasons = list_concat(coalesce(k.reasons, []), v.reasons)
FROM verified_ops AS v
WHERE lower(k.repo) = $home AND k.path = v.path AND k.role = 'kernel'
    AND len(k.ops) = 0 AND k.verified.result = 'passed'
"""

# Of each function the newest run, then of each file all of its functions together.
_RESULTS = """
CREATE OR REPLACE TEMP TABLE verified_results AS
WITH runs AS (
    SELECT kernel, gpu, torch, triton, bool_and(passed) AS passed, max(imported_at) AS newest
    FROM verifications GROUP BY kernel, gpu, torch, triton
), latest AS (
    FROM runs
    QUALIFY row_number() OVER (
        PARTITION BY kernel ORDER BY (gpu IS NULL), newest DESC, triton DESC, torch DESC
    ) = 1
)
SELECT f.path, {
    'result': CASE WHEN bool_and(l.passed) THEN 'passed' ELSE 'failed' END,
    'gpu': max(l.gpu), 'torch': max(l.torch), 'triton': max(l.triton)
} AS verified
FROM verified_files AS f JOIN latest AS l ON l.kernel = f.op
GROUP BY f.path
"""

_MARK = """
UPDATE kernel_rows AS k SET verified = (
    SELECT r.verified FROM verified_results AS r WHERE r.path = k.path
)
WHERE lower(k.repo) = $home AND k.verified IS DISTINCT FROM (
    SELECT r.verified FROM verified_results AS r WHERE r.path = k.path
)
"""
