"""A kernel as a rule sees it: its record, its syntax tree, the functions that it calls."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from crawler.models import KernelRecord, ScannedKernel, ScanSkip
from crawler.scan.parse import parse_text
from crawler.scan.survey import FunctionDef


@dataclass(eq=False)
class KernelCode:
    """One kernel. `called` are the jit functions of its project that it calls itself."""

    kernel: ScannedKernel | KernelRecord
    called: Sequence[KernelCode] = ()

    @cached_property
    def node(self) -> FunctionDef | None:
        """Its definition, with the line numbers of its file; None where it cannot be read alone."""
        text = self.kernel.source
        is_indented = text[:1] in (" ", "\t")
        parsed = parse_text(self.kernel.path, f"if True:\n{text}" if is_indented else text)
        if isinstance(parsed, ScanSkip):
            return None
        found = (n for n in ast.walk(parsed.tree) if isinstance(n, FunctionDef))
        first = next(found, None)
        if first is not None:
            ast.increment_lineno(first, self.kernel.start_line - 1 - is_indented)
        return first


def kernel_codes(kernels: Iterable[ScannedKernel | KernelRecord]) -> list[KernelCode]:
    """Return all kernels of one source, linked with what they call, in the order given."""
    codes = [KernelCode(kernel) for kernel in kernels]
    by_name: dict[str, list[KernelCode]] = {}
    for code in codes:
        by_name.setdefault(f"{code.kernel.path}::{code.kernel.qualname}", []).append(code)
    for code in codes:
        code.called = [each for name in code.kernel.calls for each in by_name.get(name, ())]
    return codes
