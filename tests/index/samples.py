"""Crawled sources made by hand, and the short way to store them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from crawler.models import (
    CrawledRepo,
    CrawlReport,
    Dialect,
    Form,
    KernelRecord,
    Param,
    ParamKind,
    RepoStatus,
    Role,
)
from index.store import Store
from verified_kernels.records import Pass, Record

REPO = "acme/kernels"
FIRST_COMMIT = "1" * 40
SECOND_COMMIT = "2" * 40


def kernel(qualname: str = "add_kernel", **facts: Any) -> KernelRecord:
    """Return a kernel whose every fact has a value; `facts` replaces some of them."""
    repo, path = facts.pop("repo", REPO), facts.pop("path", "ops/add.py")
    name = qualname.rpartition(".")[2]
    commit = facts.get("commit", FIRST_COMMIT)
    record = KernelRecord(
        id=f"{repo}:{path}::{qualname}",
        repo=repo,
        path=path,
        cell=None,
        qualname=qualname,
        name=name,
        dialect=Dialect.TRITON,
        form=Form.DECORATOR,
        role=Role.KERNEL,
        start_line=1,
        def_line=2,
        end_line=9,
        commit=commit,
        permalink=f"https://github.com/{repo}/blob/{commit}/{path}#L1-L9",
        summary=None,
        docstring=None,
        params=(Param(name="x_ptr", kind=ParamKind.POINTER),),
        autotune=None,
        heuristics=(),
        decorators=("triton.jit",),
        tl_calls=("tl.load", "tl.store"),
        launchers=(),
        usage=None,
        calls=(),
        passes=(),
        uses=(),
        source=body(name),
    )
    return replace(record, **facts)


def body(name: str, step: str = "tl.store(x_ptr + offsets, tl.load(x_ptr + offsets) + 1)") -> str:
    """Return the source of a small kernel; `step` is what it does."""
    return f"@triton.jit\ndef {name}(x_ptr):\n    offsets = tl.arange(0, 64)\n    {step}\n"


def crawled(*kernels: KernelRecord, **facts: Any) -> CrawledRepo:
    """Return a source that was scanned whole and holds these kernels; `facts` as in its type."""
    name = facts.pop("name", kernels[0].repo if kernels else REPO)
    defaults: dict[str, Any] = {
        "location": name,
        "status": RepoStatus.UPDATED,
        "scanner_version": "1",
        "commit": FIRST_COMMIT,
    }
    return CrawledRepo(name=name, kernels=kernels, **(defaults | facts))


def record(op: str = "softmax", **more: object) -> Record:
    """A check of a verified kernel, as a run on a GPU gives it."""
    facts: dict[str, object] = {
        "kernel": op,
        "case": "rows of 127",
        "pass_": Pass.FORWARD,
        "dtype": "bfloat16",
        "device": "cuda",
        "passed": True,
        "max_abs_err": 1e-3,
        "rel_rms_err": None,
        "tolerance": 7.9e-3,
        "gpu": "NVIDIA H200",
        "torch": "2.11.0",
        "triton": "3.6.0",
    }
    return Record(**{**facts, **more})  # type: ignore[arg-type]


def save(path: Path, *sources: CrawledRepo, seed: Path | None = None) -> CrawlReport:
    """Store the sources as one run, publish, and return the report."""
    with Store.open_for_writing(path, seed=seed) as store:
        run = store.begin_run()
        return store.finish_run(run, [store.save(source, run) for source in sources])


def rows(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Return what a query gives from the published index."""
    with duckdb.connect(path, read_only=True) as con:
        return con.execute(query, list(values)).fetchall()


def column(path: Path, query: str, *values: object) -> list[Any]:
    """Return the first column of what a query gives."""
    return [row[0] for row in rows(path, query, *values)]


def names(ids: Iterable[str]) -> list[str]:
    """Return the names that ids end in."""
    return [id.rpartition("::")[2] for id in ids]
