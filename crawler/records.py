"""Scanned kernels -> records: identity, permalink, summary."""

from __future__ import annotations

import re
from collections.abc import Iterable

from crawler.models import (
    KernelRecord,
    OperationRecord,
    ScannedKernel,
    ScannedOperation,
    Snapshot,
)

MAX_SUMMARY = 200

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9`\"'(])|\n\s*\n|\n(?=\s*(?:[-*:>]|Args|Param))")
_SPACE = re.compile(r"\s+")


def kernel_records(
    snapshot: Snapshot, kernels: Iterable[ScannedKernel]
) -> tuple[KernelRecord, ...]:
    """Return the records of a snapshot's kernels, in the order given."""
    return tuple(_record(snapshot, kernel) for kernel in kernels)


def kernel_id(repo: str, kernel: ScannedKernel) -> str:
    """Return `owner/name:path::qualname`; a notebook adds its cell, a repeat its number."""
    return f"{repo}:{kernel.place}"


def summary_of(docstring: str | None) -> str | None:
    """Return the first sentence of a docstring on one line, None where it has no words."""
    if docstring is None or not re.search(r"\w", docstring):
        return None
    first = _SPACE.sub(" ", _SENTENCE_END.split(docstring.strip(), maxsplit=1)[0]).strip()
    if len(first) <= MAX_SUMMARY:
        return first or None
    return first[: MAX_SUMMARY - 1].rsplit(" ", 1)[0] + "…"


def operation_records(
    snapshot: Snapshot, operations: Iterable[ScannedOperation]
) -> tuple[OperationRecord, ...]:
    """Return the records of a snapshot's operations, in the order given."""
    return tuple(
        OperationRecord(
            id=f"{snapshot.repo}:{operation.path}::{operation.name}",
            repo=snapshot.repo,
            path=operation.path,
            name=operation.name,
            kind=operation.kind,
            start_line=operation.start_line,
            end_line=operation.end_line,
            commit=snapshot.commit,
            permalink=snapshot.permalink(operation.path, operation.start_line, operation.end_line),
            signature=operation.signature,
            summary=summary_of(operation.doc),
            doc_chars=operation.doc_chars,
            forward=tuple(f"{snapshot.repo}:{place}" for place in operation.forward),
            backward=tuple(f"{snapshot.repo}:{place}" for place in operation.backward),
            is_differentiable=operation.is_differentiable,
        )
        for operation in operations
    )


def _record(snapshot: Snapshot, kernel: ScannedKernel) -> KernelRecord:
    return KernelRecord(
        id=kernel_id(snapshot.repo, kernel),
        repo=snapshot.repo,
        path=kernel.path,
        cell=kernel.cell,
        qualname=kernel.qualname,
        name=kernel.name,
        dialect=kernel.dialect,
        form=kernel.form,
        role=kernel.role,
        start_line=kernel.start_line,
        def_line=kernel.def_line,
        end_line=kernel.end_line,
        commit=snapshot.commit,
        permalink=snapshot.permalink(kernel.path, kernel.start_line, kernel.end_line),
        summary=summary_of(kernel.docstring),
        docstring=kernel.docstring,
        params=kernel.params,
        autotune=kernel.autotune,
        heuristics=kernel.heuristics,
        decorators=kernel.decorators,
        tl_calls=kernel.tl_calls,
        launchers=kernel.launchers,
        usage=kernel.usage,
        calls=kernel.calls,
        passes=kernel.passes,
        uses=kernel.uses,
        source=kernel.source,
        needs=kernel.needs,
    )
