"""Kernels for the tests of enrichments: scanned from source, or made of bare facts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from crawler.models import (
    Dialect,
    Form,
    KernelRecord,
    Param,
    ParamKind,
    Role,
    ScanSkip,
)
from crawler.scan import link_snapshot, scan_file

HEADER = "import triton\nimport triton.language as tl\n"


def scanned(source: str, *, path: str = "kernels.py") -> dict[str, KernelRecord]:
    """Return the kernels of one file by name, as a crawl would record them."""
    facts = scan_file(path, (HEADER + textwrap.dedent(source)).encode())
    assert not isinstance(facts, ScanSkip)
    return {
        kernel.name: KernelRecord(
            id=f"a/b:{kernel.path}::{kernel.qualname}",
            repo="a/b",
            path=kernel.path,
            cell=None,
            qualname=kernel.qualname,
            name=kernel.name,
            dialect=kernel.dialect,
            form=kernel.form,
            role=kernel.role,
            start_line=kernel.start_line,
            def_line=kernel.def_line,
            end_line=kernel.end_line,
            commit="0" * 40,
            permalink="",
            summary=None,
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
        for kernel in link_snapshot({path: facts})
    }


def bare(
    name: str,
    *,
    path: str = "kernels.py",
    qualname: str | None = None,
    role: Role = Role.KERNEL,
    launchers: Iterable[str] = (),
    params: Iterable[str] = (),
    tl_calls: Iterable[str] = (),
    calls: Iterable[str] = (),
    passes: Iterable[str] = (),
    docstring: str | None = None,
    decorators: Iterable[str] = ("triton.jit",),
    source: str = "",
) -> KernelRecord:
    """Return a kernel of which just these facts are known."""
    return KernelRecord(
        id=f"a/b:{path}::{qualname or name}",
        repo="a/b",
        path=path,
        cell=None,
        qualname=qualname or name,
        name=name,
        dialect=Dialect.TRITON,
        form=Form.DECORATOR,
        role=role,
        start_line=1,
        def_line=2,
        end_line=3,
        commit="0" * 40,
        permalink="",
        summary=None,
        docstring=docstring,
        params=tuple(Param(name=param, kind=ParamKind.UNKNOWN) for param in params),
        autotune=None,
        heuristics=(),
        decorators=tuple(decorators),
        tl_calls=tuple(tl_calls),
        launchers=tuple(launchers),
        usage=None,
        calls=tuple(calls),
        passes=tuple(passes),
        uses=(),
        source=source,
    )
