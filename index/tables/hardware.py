"""The hardware of kernels of which it was not worked out: those that came as facts alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb

from crawler.enrich.hardware import hardware_of
from index.tables.staging import Staging

_TYPES = {"id": "VARCHAR", "hardware": "VARCHAR[]"}


def fill_hardware(con: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Work out the hardware of every kernel that has none stored; needs a transaction around it.

    An index or a bundle of an earlier version has none of any kernel.
    """
    rows = con.execute(
        "SELECT id, repo, path, qualname, tl_calls, features, dtypes, autotune.configs "
        "FROM kernel_rows WHERE hardware IS NULL"
    ).fetchall()
    if not rows:
        return
    staging.load("found_hardware", _found(rows), _TYPES)
    con.execute(
        "UPDATE kernel_rows AS k SET hardware = f.hardware FROM found_hardware AS f "
        "WHERE k.id = f.id AND k.hardware IS NULL"
    )


def _found(rows: list[tuple[Any, ...]]) -> Iterator[dict[str, object]]:
    for id, repo, path, qualname, tl_calls, features, dtypes, configs in rows:
        claims = hardware_of(
            repo=repo,
            path=path,
            qualname=qualname,
            tl_calls=tl_calls,
            features=features,
            dtypes=dtypes,
            configs=[tuple(config["options"]) for config in json.loads(configs or "[]")],
        )
        yield {"id": id, "hardware": [claim.hardware for claim in claims]}
