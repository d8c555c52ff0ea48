"""Dropout whose mask is never stored: a counter-based generator makes it again when needed.

**The maths.** `y = x * keep / (1 - p)`, where each entry is kept with probability 1 - p, and
`dx = dy * keep / (1 - p)` with the same `keep`.

**The generator.** Philox is a function, not a stream: seven rounds of multiplying and mixing turn a
seed and a counter into four random words of 32 bits. Any program can have the words of any counter
without those before it, so the backward recomputes the mask from the seed. PyTorch stores a byte
an entry and reads it back; here nothing is kept but two numbers.

**How work maps to program instances.** A program owns 4 * QUARTER neighbouring entries and draws
QUARTER counters, one a lane. The four words of a counter decide on the same lane of the four
quarters: four loads, each contiguous, and no word wasted. Entry i of the tensor, counted in
row-major order, therefore depends on word (i // QUARTER) % 4 of counter
i // (4 * QUARTER) * QUARTER + i % QUARTER. QUARTER is part of this definition: another value gives
other masks. Strides and dtype do not matter.

**Traps.**
- A word is compared with a threshold as an integer. `rand() < p` in fp32 would cost a conversion
  and could not tell apart values of p closer than 2**-24.
- Dropped entries are multiplied by zero, not replaced: NaN and infinity stay visible, as they do
  in PyTorch.
- A seed fixes the mask. Draw a fresh seed for every call in training. A CUDA graph replays the
  number that it was captured with; a seed in the GPU's memory may change between replays.

**What bounds the speed.** Memory, by a little: in bf16 the seven rounds take most of the time that
the bytes do, which is why no word may be wasted. An H200 reaches 0.86 of the bandwidth of a copy
forward and 0.85 backward; with ten rounds it was 0.80.

Philox: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
https://doi.org/10.1145/2063384.2063405. Licence: MIT.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.autograd import is_differentiated_again, wants_grad
from verified_kernels.cases import bench_cases, row_cases
from verified_kernels.errors import ArgumentError
from verified_kernels.launch import cdiv, check_device, check_float
from verified_kernels.replay import Varying, launch, remembered
from verified_kernels.spec import Arguments, Case, Cost, Draw, Mutant, Spec, ToleranceClass
from verified_kernels.vectors import flat_vectors, load_flat, store_flat

NUM_WARPS = 4
QUARTER = 1024
# Seven rounds pass every test of BigCrush (Salmon et al., table 2); the usual ten are a margin that
# would cost a fifth of the bandwidth.
ROUNDS = 7
_WORD = 0xFFFFFFFF


@triton.jit
def _scale_quarter(x_ptr, y_ptr, offsets, n_elements, word, threshold, scale, VEC: tl.constexpr):
    """Store x times scale where the word lies at or above the threshold, times zero elsewhere."""
    x = load_flat(x_ptr, offsets, n_elements, VEC).to(tl.float32)  # [QUARTER]
    factor = tl.where(word.to(tl.int32, bitcast=True) >= threshold, scale, 0.0)
    store_flat(y_ptr, offsets, x * factor, n_elements, VEC)


@triton.jit(do_not_specialize=["seed", "threshold"])
def _dropout_kernel(
    x_ptr,
    y_ptr,
    n_elements,
    seed_ptr,
    seed,
    threshold,
    scale,
    VEC: tl.constexpr,
    QUARTER: tl.constexpr,
    ROUNDS: tl.constexpr,
):
    """`y = x * scale` where Philox(seed, entry) >= threshold as int32, else `x * 0`.

    x_ptr, y_ptr: [n_elements] contiguous, of fp32, fp16 or bf16. seed_ptr: one int64 that is read
    in place of seed, or None. QUARTER spans a quarter of a program's entries. Grid:
    (cdiv(n_elements, 4 * QUARTER),). Computes in fp32.
    """
    # One program instance handles 4 * QUARTER neighbouring entries, a quarter at a time.
    pid = tl.program_id(0).to(tl.int64)
    lanes = tl.arange(0, QUARTER)
    if seed_ptr is not None:
        seed = tl.load(seed_ptr)
    word_0, word_1, word_2, word_3 = tl.randint4x(seed, pid * QUARTER + lanes, ROUNDS)
    offsets = pid * 4 * QUARTER + lanes
    _scale_quarter(x_ptr, y_ptr, offsets, n_elements, word_0, threshold, scale, VEC)
    _scale_quarter(x_ptr, y_ptr, offsets + QUARTER, n_elements, word_1, threshold, scale, VEC)
    _scale_quarter(x_ptr, y_ptr, offsets + 2 * QUARTER, n_elements, word_2, threshold, scale, VEC)
    _scale_quarter(x_ptr, y_ptr, offsets + 3 * QUARTER, n_elements, word_3, threshold, scale, VEC)


@remembered
def _dropped(x: Tensor, p: float, seed: int | Tensor) -> Tensor:
    x = x.contiguous()
    if p == 1.0:
        return x * 0.0
    y = torch.empty_like(x)
    n_elements = x.numel()
    if n_elements:
        # The share p of all 2**32 words, as int32 starts at -2**31.
        threshold = min(round(p * 2**32), _WORD) - 2**31
        grid = (cdiv(n_elements, 4 * QUARTER),)
        scale = 1.0 / (1.0 - p)
        stored, given = (seed, 0) if isinstance(seed, Tensor) else (None, seed)
        launch(_dropout_kernel, grid)(
            x,
            y,
            n_elements,
            stored,
            given,
            threshold,
            scale,
            flat_vectors(x, y),
            QUARTER,
            ROUNDS,
            num_warps=NUM_WARPS,
        )
    return y


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float, seed: int | Tensor) -> Tensor:
        # A number goes by `ctx`, a tensor by what autograd saves.
        ctx.save_for_backward(*([seed] if isinstance(seed, Tensor) else []))
        ctx.p, ctx.seed = p, None if isinstance(seed, Tensor) else seed
        return _dropped(x, p, seed)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        seed = ctx.saved_tensors[0] if ctx.seed is None else ctx.seed
        if is_differentiated_again():
            # Linear in dy: its derivative is dropout with the same mask.
            return _Dropout.apply(dy, ctx.p, seed), None, None
        return _dropped(dy, ctx.p, seed), None, None


def dropout(x: Tensor, p: float, seed: int | Tensor) -> Tensor:
    """X with each entry zeroed with probability p, the others divided by 1 - p; contiguous.

    The mask depends on seed and the entry's place in x alone: the same call gives the same result,
    on every device. A seed may be a tensor that holds one int64, on x's device: what it holds when
    the kernel runs counts, so a CUDA graph can be replayed with another.

    float64 is computed in PyTorch's operators, with the same mask.

    Raises:
        DtypeError: x is of no floating dtype.
        ArgumentError: p lies outside [0, 1], seed outside [0, 2**63), or a tensor is no such seed.
    """
    if x.dtype is not torch.float64:
        check_float("dropout", x=x)
    if not 0.0 <= p <= 1.0:
        raise ArgumentError(f"dropout: p is {p}; a probability between 0 and 1 is needed")
    if isinstance(seed, Tensor):
        if seed.numel() != 1 or seed.dtype is not torch.int64:
            raise ArgumentError(
                f"dropout: seed is {seed.dtype} of shape {tuple(seed.shape)}; one int64 is needed"
            )
        check_device("dropout", x=x, seed=seed)
    elif not 0 <= seed < 2**63:
        raise ArgumentError(f"dropout: seed is {seed}; an integer from 0 to 2**63 - 1 is needed")
    elif not torch.compiler.is_compiling():
        seed = Varying(seed)
    if x.dtype is torch.float64:
        return dropout_reference(x, p, seed)
    if wants_grad(x):
        return _Dropout.apply(x, p, seed)
    return _dropped(x, p, seed)


def philox_reference(seed: int, counters: Tensor, rounds: int = ROUNDS) -> list[Tensor]:
    """The four words, as int64 of [0, 2**32), of Philox4x32 for each int64 counter."""
    c0, c1 = counters & _WORD, (counters >> 32) & _WORD
    c2 = c3 = torch.zeros_like(counters)
    key_0, key_1 = seed & _WORD, seed >> 32 & _WORD
    for _ in range(rounds):
        high_0, low_0 = _wide_product(0xD2511F53, c0)
        high_2, low_2 = _wide_product(0xCD9E8D57, c2)
        c0, c1, c2, c3 = high_2 ^ c1 ^ key_0, low_2, high_0 ^ c3 ^ key_1, low_0
        key_0, key_1 = (key_0 + 0x9E3779B9) & _WORD, (key_1 + 0xBB67AE85) & _WORD
    return [c0, c1, c2, c3]


def _wide_product(factor: int, words: Tensor) -> tuple[Tensor, Tensor]:
    """High and low word of factor * words, by halves of 16 bits that int64 can hold."""
    low, high = factor * (words & 0xFFFF), factor * (words >> 16)
    return (high + (low >> 16)) >> 16, (low + ((high & 0xFFFF) << 16)) & _WORD


def dropout_reference(x: Tensor, p: float, seed: int | Tensor) -> Tensor:
    """`x * keep / (1 - p)` with the mask from `philox_reference`; zero times x where p is 1."""
    seed = int(seed)
    entry = torch.arange(x.numel(), device=x.device)
    counters = entry // (4 * QUARTER) * QUARTER + entry % QUARTER
    words = torch.stack(philox_reference(seed, counters))
    word = words.gather(0, (entry // QUARTER % 4).unsqueeze(0)).squeeze(0)
    # The signed reading of a word, as the kernel compares it.
    keep = (word ^ 2**31) - 2**31 >= min(round(p * 2**32), _WORD) - 2**31
    scale = 1.0 / (1.0 - p) if p < 1.0 else 0.0
    return x * (keep.view(x.shape) * scale)


def _make(case: Case, draw: Draw) -> Arguments:
    x = draw.normal(*case.shape)
    params = {"p": 0.3, "seed": 20240501, **case.params}
    if params.pop("seed_in_memory", False):
        params["seed"] = torch.tensor([params["seed"]], device=x.device)
    return {"x": x, **params}


def _eager(x: Tensor, p: float, seed: int) -> Tensor:
    return torch.nn.functional.dropout(x, p)


def _cost(case: Case, itemsize: int) -> Cost:
    n = math.prod(case.shape)
    return Cost(forward_bytes=2 * n * itemsize, backward_bytes=2 * n * itemsize)


SPEC = Spec(
    name="dropout",
    op=dropout,
    reference=dropout_reference,
    make=_make,
    eager=_eager,
    cost=_cost,
    tolerance=ToleranceClass.ELEMENTWISE,
    grads=("x",),
    cases=(
        # Not the last rows alone: the mask of a row depends on how many stand before it.
        *(case for case in row_cases() if case.tail is None),
        Case(
            id="past 2**31 elements, nothing dropped",
            shape=(131101, 16384),
            params={"p": 0.0},
            dtypes=("bfloat16",),
            gpu_only=True,
            tail=16,
        ),
        Case(id="a tensor without dimensions", shape=()),
        Case(id="nothing is dropped", shape=(3, 129), params={"p": 0.0}),
        Case(id="everything is dropped", shape=(3, 129), params={"p": 1.0}),
        Case(id="nearly everything is dropped", shape=(3, 4099), params={"p": 0.999}),
        Case(id="a seed of 1", shape=(3, 129), params={"seed": 1}),
        Case(id="a seed of 63 bits", shape=(3, 129), params={"seed": 2**63 - 5}),
        Case(id="a seed in memory", shape=(3, 129), params={"seed_in_memory": True}),
    ),
    bench=bench_cases(),
    mutants=(
        Mutant(
            why="the kept are dropped and the dropped kept",
            old="bitcast=True) >= threshold",
            new="bitcast=True) < threshold",
            cases=("rows of 127",),
        ),
        Mutant(
            why="the kept are not scaled",
            old="threshold, scale, 0.0)",
            new="threshold, 1.0, 0.0)",
            cases=("rows of 127",),
        ),
        Mutant(
            why="every program draws the same words",
            old="tl.randint4x(seed, pid * QUARTER + lanes, ROUNDS)",
            new="tl.randint4x(seed, pid * 0 + lanes)",
            cases=("rows of a prime, 4,099",),
        ),
        Mutant(
            why="two quarters share a word",
            old="n_elements, word_3, threshold",
            new="n_elements, word_2, threshold",
            cases=("rows of a prime, 4,099",),
        ),
        Mutant(
            why="the backward draws another mask",
            old="_dropped(dy, ctx.p, seed)",
            new="_dropped(dy, ctx.p, seed + 1)",
            cases=("rows of 127",),
        ),
        Mutant(
            why="entries are dropped by their place in memory",
            old="x = x.contiguous()",
            new="x = x.as_strided(x.shape, torch.empty(x.shape).stride())",
            cases=("transposed",),
        ),
    ),
)
