"""What a verified kernel promises, and the data its proof runs on.

Conventions of a kernel file (`verified_kernels/ops/<name>.py`; a folder of their own, since a
module `verified_kernels.softmax` would hide the function of that name), top to bottom:

1. Module docstring: the lesson. The maths; how work maps to program instances; the traps; what
   bounds the speed. It names the source of the method (paper or permalink) where there is one.
2. `@triton.jit` kernels. Docstring with formula, pointer shapes, what a block spans, the grid,
   where fp32 accumulates. They run on Triton 3.6 to 3.9, compiled and interpreted: no
   `triton.autotune` (a table by length picks the block), no libdevice, no inline assembly, no
   block pointers, `tl.math.tanh` does not exist. Element offsets that may pass 2**31 are int64.
3. The launcher `op(...)`, with the signature of `torch.nn.functional`. It refuses what it cannot
   do with one clear `ValueError`/`TypeError`, takes any leading shape, any strides and empty
   tensors, allocates outputs with `torch.empty*` (the harness poisons those), and goes through a
   `torch.autograd.Function` only where a gradient is wanted. `launch.py` holds what launchers
   share. A launcher never asks whether the device is CUDA: the interpreter runs on CPU tensors
   and the compile matrix records launches made with CPU tensors.
4. `op_reference(...)`: the same parameters, plain PyTorch, dtype-agnostic; the harness calls it
   with float64 tensors and differentiates it with autograd.
5. `SPEC = Spec(...)`, or `SPECS = (Spec(...), ...)` where a file serves several ops, last.

A `Spec` holds: `cases` (correctness; small unless `gpu_only`), `bench` (timed sizes), `dtypes`
(the interpreter skips bfloat16, which it computes wrongly), `tolerance` (a class of the table
below), `grads` (arguments whose gradients are checked), `make` (a case and a `Draw` to the
keyword arguments of op and reference), `eager` (the PyTorch peer; torch.compile of it is the
second), `liger` (returns the third, imported late), `cost` (bytes and operations of one case) and
at least three `mutants`: one-line edits of the kernel file's source, each a plausible bug that the
check must reject on the interpreter, whose `cases` name where the check should look first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType, ModuleType
from typing import Any

import torch
from torch import Tensor

Arguments = dict[str, Any]

DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {
        "float32": torch.float32,
        "float16": torch.float16,
        "bfloat16": torch.bfloat16,
        "int32": torch.int32,
        "int64": torch.int64,
    }
)
FLOATS = ("float32", "float16", "bfloat16")


class Layout(StrEnum):
    """How the drawn tensors lie in memory."""

    CONTIGUOUS = "contiguous"
    PADDED = "padded"  # unit last stride, rows three elements apart
    STRIDED = "strided"  # every other element of the last dimension
    TRANSPOSED = "transposed"  # last two dimensions swapped in memory
    MISALIGNED = "misaligned"  # contiguous, one element past a 16-byte boundary
    EXPANDED = "expanded"  # stride 0 along the first dimension


class Values(StrEnum):
    """What the drawn tensors hold."""

    NORMAL = "normal"
    SPECIAL = "special"  # rows with NaN, infinities, both, only -inf, only zeros
    OFFSET = "offset"  # normal about 100: what breaks E[x^2] - E[x]^2


class ToleranceClass(StrEnum):
    """How far a right answer may lie from the float64 reference."""

    EXACT = "exact"  # moves or selects values: bits are equal
    ELEMENTWISE = "elementwise"  # computed in fp32 from inputs at hand, rounded once
    REDUCTION = "reduction"  # fp32 sums over a dimension, rounded once
    COMPOSED = "composed"  # passes through a second tensor rounded to the dtype
    PRODUCTS = "products"  # a product of products, with rows that sum many terms and rows of few


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Bounds of an error: each entry `rtol * |ref| + atol * rms(ref)`; the whole `rms`, relative.

    `atol` scales with the tensor because a gradient is often a difference of larger terms, and its
    error is that of the terms.
    """

    rtol: float
    atol: float
    rms: float


# PyTorch's own tests (torch.testing.assert_close) allow rtol 1.3e-6, 1e-3 and 1.6e-2 for float32,
# float16 and bfloat16, with atol 1e-5. One rounding costs at most half a unit in the last place:
# 6.0e-8, 4.9e-4, 3.9e-3. The rows below allow
# - elementwise: that rounding, twice over, and for fp32 a few units for exp and division, which
#   hardware approximates to 2 ulp;
# - reduction: the same relative to the entry, and an absolute part for fp32 sums whose error
#   grows like sqrt(n) * 6e-8, n up to 131,072;
# - composed: two roundings to the dtype in a row, the first of which enters a sum;
# - products: as composed, and an absolute part for entries of one large term in a tensor whose
#   other entries are means of many, with an rms down to 0.05: a few units of the term's own
#   rounding; in fp32 that of a score of 8, 1e-6, which its exponential makes a relative error.
TOLERANCES: Mapping[tuple[ToleranceClass, str], Tolerance] = MappingProxyType(
    {
        (ToleranceClass.ELEMENTWISE, "float32"): Tolerance(1.3e-6, 1e-6, 5e-7),
        (ToleranceClass.ELEMENTWISE, "float16"): Tolerance(1e-3, 1e-5, 4.9e-4),
        (ToleranceClass.ELEMENTWISE, "bfloat16"): Tolerance(7.9e-3, 1e-5, 3.9e-3),
        (ToleranceClass.REDUCTION, "float32"): Tolerance(1.3e-6, 4e-6, 2e-6),
        (ToleranceClass.REDUCTION, "float16"): Tolerance(1e-3, 2e-5, 4.9e-4),
        (ToleranceClass.REDUCTION, "bfloat16"): Tolerance(7.9e-3, 2e-5, 3.9e-3),
        (ToleranceClass.COMPOSED, "float32"): Tolerance(1.3e-6, 1e-5, 2e-6),
        (ToleranceClass.COMPOSED, "float16"): Tolerance(1e-3, 2e-3, 8e-4),
        (ToleranceClass.COMPOSED, "bfloat16"): Tolerance(1.6e-2, 1.6e-2, 6e-3),
        (ToleranceClass.PRODUCTS, "float32"): Tolerance(1.3e-6, 2e-4, 2e-6),
        (ToleranceClass.PRODUCTS, "float16"): Tolerance(1e-3, 2e-2, 8e-4),
        (ToleranceClass.PRODUCTS, "bfloat16"): Tolerance(1.6e-2, 1.6e-1, 6e-3),
    }
)
EXACT = Tolerance(0.0, 0.0, 0.0)


def tolerance_of(kind: ToleranceClass, dtype: str) -> Tolerance:
    """The bounds for one class and dtype; integers are always exact."""
    return TOLERANCES.get((kind, dtype), EXACT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One input: a sentence for an id, a shape, the op's keyword arguments, layout and values.

    `dtypes` narrows the spec's. `tail` compares only the last `tail` entries of the first
    dimension (of output and of gradients that have that dimension), for tensors too large for a
    float64 reference; each entry of the first dimension must then be independent of the others.
    """

    id: str
    shape: tuple[int, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    layout: Layout = Layout.CONTIGUOUS
    values: Values = Values.NORMAL
    dtypes: tuple[str, ...] | None = None
    gpu_only: bool = False
    tail: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one case moves and computes at least: bytes (each tensor once) and operations."""

    forward_bytes: int
    backward_bytes: int = 0
    forward_flops: int = 0
    backward_flops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A plausible bug: `old` occurs exactly once in the kernel file and becomes `new`.

    `cases` are ids of the spec's cases to try first; with none, all are tried.
    """

    why: str
    old: str
    new: str
    cases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """All that the harness needs to prove and time one op.

    `op` and `reference` take the keyword arguments that `make(case, draw)` returns, and give a
    tensor or a tuple of tensors. `cost(case, itemsize)` counts each tensor once in and once out.
    `result_dtypes(arguments)` says the dtype of each output where it is not that of the first
    argument. `reproducible`: two runs on the same inputs agree to the bit. `special_grads`:
    gradients too follow PyTorch on NaN and infinity.
    """

    name: str
    op: Callable[..., Any]
    reference: Callable[..., Any]
    make: Callable[[Case, Draw], Arguments]
    cases: tuple[Case, ...]
    bench: tuple[Case, ...]
    eager: Callable[..., Any]
    cost: Callable[[Case, int], Cost]
    mutants: tuple[Mutant, ...]
    tolerance: ToleranceClass
    grad_tolerance: ToleranceClass | None = None  # None: as `tolerance`
    grads: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = FLOATS
    bench_dtypes: tuple[str, ...] = ("bfloat16",)
    liger: Callable[[], Callable[..., Any]] | None = None
    result_dtypes: Callable[[Arguments], Sequence[torch.dtype | None]] | None = None
    reproducible: bool = True
    special_grads: bool = True

    def __post_init__(self) -> None:
        ids = [case.id for case in self.cases]
        if len(set(ids)) != len(ids):
            raise ValueError(f"spec {self.name}: case ids repeat: {sorted(ids)}")
        for mutant in self.mutants:
            if unknown := set(mutant.cases) - set(ids):
                raise ValueError(f"spec {self.name}: mutant names unknown cases {sorted(unknown)}")

    def dtypes_of(self, case: Case, *, interpreted: bool) -> tuple[str, ...]:
        """The dtypes to run `case` in; the interpreter computes bfloat16 wrongly, so not there."""
        dtypes = case.dtypes or self.dtypes
        return tuple(d for d in dtypes if not (interpreted and d == "bfloat16"))


def specs_of(module: ModuleType) -> tuple[Spec, ...]:
    """The specs of one kernel file: its `SPECS`, or its one `SPEC`."""
    many: tuple[Spec, ...] | None = getattr(module, "SPECS", None)
    return many if many is not None else (module.SPEC,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Makes the random tensors of one case in its dtype, layout and kind of values."""

    case: Case
    dtype: torch.dtype
    device: str
    generator: torch.Generator

    def normal(self, *shape: int, mean: float = 0.0, std: float = 1.0) -> Tensor:
        """Normal entries, with the case's layout and special values: the op's main inputs."""
        if self.case.values is Values.OFFSET:
            mean += 100.0
        values = self._normal(shape, mean, std)
        if self.case.values is Values.SPECIAL:
            _plant_specials(values)
        return lay_out(values, self.case.layout)

    def plain(self, *shape: int, mean: float = 0.0, std: float = 1.0) -> Tensor:
        """Contiguous, finite normal entries whatever the case says: weights, upstream gradients."""
        return _surrounded(self._normal(shape, mean, std))

    def integers(self, high: int, *shape: int) -> Tensor:
        """int64 entries of [0, high)."""
        return torch.randint(high, shape, generator=self.generator, device=self.device)

    def _normal(self, shape: tuple[int, ...], mean: float, std: float) -> Tensor:
        if not self.dtype.is_floating_point:
            # Integer ops are checked on whole numbers with a wide spread.
            return torch.randint(
                -1000, 1000, shape, generator=self.generator, device=self.device, dtype=self.dtype
            )
        values = torch.empty(shape, dtype=self.dtype, device=self.device)
        return values.normal_(mean, std, generator=self.generator)


def _plant_specials(values: Tensor) -> None:
    """Overwrites entries in place: whole rows where there are several, else single entries."""
    if not values.is_floating_point() or values.numel() == 0:
        return
    inf, nan = math.inf, math.nan
    singles = (nan, inf, -inf, 0.0, -0.0)
    if values.ndim == 1 or values.numel() == values.shape[-1]:
        flat = values.view(-1)
        for position, value in enumerate(singles[: flat.numel()]):
            flat[position * (flat.numel() // len(singles)) if flat.numel() >= 5 else position] = (
                value
            )
        return
    rows = values.view(-1, values.shape[-1])
    middle, last = rows.shape[1] // 2, rows.shape[1] - 1
    plants: tuple[Callable[[Tensor], object], ...] = (
        lambda row: row[middle].fill_(nan),
        lambda row: row[last].fill_(inf),
        lambda row: row[0].fill_(-inf),
        lambda row: row.fill_(-inf),
        lambda row: row.zero_(),
        lambda row: (row[0].fill_(inf), row[last].fill_(-inf)),
    )
    # The rows after these stay ordinary: one bad row must not reach another.
    for row, plant in zip(rows, plants, strict=False):
        plant(row)


_GAP = 256  # elements; keeps the alignment that an allocation has


def lay_out(values: Tensor, layout: Layout) -> Tensor:
    """The same entries at the strides of `layout`, between gaps of NaN (or a large integer)."""
    if values.ndim == 0 or layout is Layout.CONTIGUOUS:
        return _surrounded(values)
    if layout is Layout.EXPANDED:
        return values[:1].expand_as(values)
    shape = values.shape
    if layout is Layout.TRANSPOSED:
        if values.ndim == 1:
            return _surrounded(values)
        return values.transpose(-1, -2).contiguous().transpose(-1, -2)
    if layout is Layout.MISALIGNED:
        room = _gap_filled(values, (values.numel() + 1,))
        target = room[1:].view(shape)
    elif layout is Layout.PADDED:
        room = _gap_filled(values, (*shape[:-1], shape[-1] + 3))
        target = room[..., : shape[-1]]
    else:
        room = _gap_filled(values, (*shape[:-1], 2 * shape[-1]))
        target = room[..., ::2]
    target.copy_(values)
    return target


def _surrounded(values: Tensor) -> Tensor:
    """Contiguous, with a gap on either side: a kernel that reads beyond an end finds NaN."""
    room = _gap_filled(values, (values.numel() + 2 * _GAP,))
    target = room[_GAP : _GAP + values.numel()].view(values.shape)
    return target.copy_(values)


def _gap_filled(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    gap = math.nan if like.is_floating_point() else torch.iinfo(like.dtype).max
    return torch.full(shape, gap, dtype=like.dtype, device=like.device)
