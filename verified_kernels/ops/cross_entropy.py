"""Cross entropy of logits and class indices, averaged, forward and backward.

The maths. For a row x of C logits and its class t, `loss = log(sum_j exp(x_j)) - x_t`: the
softmax is never stored. Rows whose target is `ignore_index` count for nothing; the result is the
mean of the others. Backward needs of each row only its log-sum-exp, which forward saves:
`dx_j = (exp(x_j - lse) - [j = t]) * dloss / count`.

Mapping. A vocabulary of 128,256 is too long for registers. Forward (`_forward`): a program walks
one row in steps, and each of BLOCK_L lanes keeps the maximum and the sum of exponentials of what
it has seen *online*: when a step raises the maximum from m to m', the sum so far is scaled by
exp(m - m'). The lanes meet once, at the end of the row: a maximum for all of them would cost a
barrier a step. A lane takes BLOCK_K elements a step, so that the rescaling adds little to one
exponential an element: at the speed of the memory there is time for less than two. `_mean` adds
up the rows' losses in one program, always in the same order. Backward (`_backward`): every element
of dx stands alone once lse is known, so a program takes BLOCK_N columns of one row.

Traps. -inf is a legal logit (a masked class). A first step of nothing but -inf has m' = -inf, and
exp(-inf - -inf) is NaN: shift by zero there. A target outside [0, C) must not be used as an
address: its row gives NaN, which shows, where PyTorch stops with a device assertion. When every
row is ignored the mean is 0 / 0 = NaN, as in PyTorch.

What bounds it: memory. Forward reads the logits once; backward reads and writes them once. Saving
the softmax, or fp32 logits, as compositions of simpler ops do, moves a multiple of that. With
128,256 classes in bf16 an H200 reaches 0.96 of the bandwidth of a copy forward, 0.99 backward.

Method: online log-sum-exp as in Milakov and Gimelshein, https://arxiv.org/abs/1805.02867.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.autocast import result_dtype
from verified_kernels.autograd import gradients_in_pytorch, is_differentiated_again, wants_grad
from verified_kernels.cases import bench_cases
from verified_kernels.errors import ArgumentError
from verified_kernels.launch import as_rows, cdiv, check_device, next_power_of_2, takes
from verified_kernels.replay import launch, remembered
from verified_kernels.spec import (
    Arguments,
    Case,
    Cost,
    Draw,
    Layout,
    Mutant,
    Spec,
    ToleranceClass,
    Values,
)
from verified_kernels.vectors import frame, load_lanes, row_vectors, store_lanes


@triton.jit
def _absorb(x, high, total):
    """Maximum and shifted sum of each lane, after its column of x [BLOCK_K, BLOCK_L] came in."""
    higher = tl.maximum(high, tl.max(x, axis=0))
    # Only -inf so far: shift by zero, since -inf - -inf is NaN.
    shift = tl.where(higher == -float("inf"), 0.0, higher)
    return higher, total * tl.exp(high - shift) + tl.sum(tl.exp(x - shift[None, :]), axis=0)


@triton.jit
def _forward(
    x_ptr,
    target_ptr,
    loss_ptr,
    lse_ptr,
    stride_xm,
    n_cols,
    ignore_index,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_L: tl.constexpr,
):
    """loss[i] = lse[i] - x[i, target[i]], lse[i] = log(sum(exp(x[i, :]))), in fp32.

    x [n_rows, n_cols] by row stride, target [n_rows] int64. Ignored rows have loss 0 and lse 0.
    A step spans BLOCK_K * BLOCK_L columns; each of BLOCK_L lanes keeps a sum of its own. Grid:
    (n_rows,).
    """
    # This program handles one row, from left to right.
    row = tl.program_id(0).to(tl.int64)
    target = tl.load(target_ptr + row)
    if target == ignore_index:
        tl.store(loss_ptr + row, 0.0)
        tl.store(lse_ptr + row, 0.0)
    else:
        offsets = tl.arange(0, BLOCK_K)[:, None] * BLOCK_L + tl.arange(0, BLOCK_L)[None, :]
        high = tl.full([BLOCK_L], -float("inf"), tl.float32)
        total = tl.zeros([BLOCK_L], tl.float32)
        # What the last vector holds beyond the row is put aside, and so is what the first holds.
        first, skip, end = frame(row * stride_xm, n_cols, VEC, EDGES)
        lanes_ptr = x_ptr + first
        begin = 0
        if EDGES:
            # The step that may begin before the row.
            x = load_lanes(
                lanes_ptr, offsets, True, skip, end, -float("inf"), VEC, EDGES, ""
            )  # [BLOCK_K, BLOCK_L]
            high, total = _absorb(x, high, total)
            begin = BLOCK_K * BLOCK_L
        whole = begin + tl.maximum(end - begin, 0) // (BLOCK_K * BLOCK_L) * (BLOCK_K * BLOCK_L)
        for start in range(begin, whole, BLOCK_K * BLOCK_L):
            x = tl.load(lanes_ptr + start + offsets).to(tl.float32)
            high, total = _absorb(x, high, total)
        if whole < end:
            lanes = whole + offsets
            x = load_lanes(lanes_ptr, lanes, True, skip, end, -float("inf"), VEC, EDGES, "")
            high, total = _absorb(x, high, total)
        highest = tl.max(high, axis=0)
        # A row of nothing but -inf gives the logarithm of zero, and a loss of NaN as in PyTorch.
        base = tl.where(highest == -float("inf"), 0.0, highest)
        lse = base + tl.log(tl.sum(total * tl.exp(high - base), axis=0))
        valid = (target >= 0) & (target < n_cols)
        at_target = tl.load(x_ptr + row * stride_xm + target, mask=valid, other=float("nan")).to(
            tl.float32
        )
        tl.store(loss_ptr + row, lse - at_target)
        tl.store(lse_ptr + row, lse)


@triton.jit
def _mean(loss_ptr, target_ptr, mean_ptr, count_ptr, n_rows, ignore_index, BLOCK_M: tl.constexpr):
    """Stores mean = sum(loss) / count, count = number of targets that are not ignored, in fp32.

    loss and target [n_rows]. BLOCK_M spans a step along the rows. Grid: (1,).
    """
    # This program handles all rows.
    total = tl.zeros([BLOCK_M], tl.float32)
    count = tl.zeros([BLOCK_M], tl.int32)
    for start in range(0, n_rows, BLOCK_M):
        rows = start + tl.arange(0, BLOCK_M)
        total += tl.load(loss_ptr + rows, mask=rows < n_rows, other=0.0)
        target = tl.load(target_ptr + rows, mask=rows < n_rows, other=ignore_index)
        count += (target != ignore_index).to(tl.int32)
    counted = tl.sum(count, axis=0).to(tl.float32)
    mean = tl.sum(total, axis=0) / counted
    tl.store(mean_ptr, mean.to(mean_ptr.dtype.element_ty))
    tl.store(count_ptr, counted)


@triton.jit
def _backward(
    x_ptr,
    target_ptr,
    lse_ptr,
    dloss_ptr,
    count_ptr,
    dx_ptr,
    stride_xm,
    n_cols,
    ignore_index,
    blocks,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """dx[i, j] = (exp(x[i, j] - lse[i]) - [j = target[i]]) * dloss / count; 0 where ignored.

    x by row stride, dx contiguous, both [n_rows, n_cols]; dloss and count hold one number each.
    BLOCK_N spans lanes of a row's frame, `blocks` of which hold it. Grid: (n_rows * blocks,).
    Computed in fp32.
    """
    # This program handles BLOCK_N columns of one row.
    row = (tl.program_id(0) // blocks).to(tl.int64)
    block = tl.program_id(0) % blocks
    lanes = block * BLOCK_N + tl.arange(0, BLOCK_N)
    first, skip, end = frame(row * stride_xm, n_cols, VEC, EDGES)
    first_dx, _, _ = frame(row * n_cols, n_cols, VEC, EDGES)
    at_edge = (block == 0) | (block * BLOCK_N + BLOCK_N > end - VEC)
    target = tl.load(target_ptr + row)
    dx_lanes = dx_ptr + first_dx
    if target == ignore_index:
        zeros = tl.zeros([BLOCK_N], tl.float32)
        store_lanes(dx_lanes, lanes, zeros, True, skip, end, at_edge, VEC, EDGES)
    else:
        scale = tl.load(dloss_ptr).to(tl.float32) / tl.load(count_ptr)
        lse = tl.load(lse_ptr + row)
        x = load_lanes(x_ptr + first, lanes, True, skip, end, -float("inf"), VEC, EDGES, "")
        softmax = tl.exp(x - lse)
        dx = (softmax - tl.where(lanes == target + skip, 1.0, 0.0)) * scale
        store_lanes(dx_lanes, lanes, dx, True, skip, end, at_edge, VEC, EDGES)


def forward_config(n_lanes: int) -> tuple[int, int, int]:
    """BLOCK_K, BLOCK_L and num_warps of `_forward`; a warp a row where rows are short.

    A step is never shorter than a vector: the first one holds all lanes before the row.

    Measured on an H200.
    """
    if n_lanes <= 2048:
        block_l = min(next_power_of_2(n_lanes), 256)
        return max(min(next_power_of_2(n_lanes) // block_l, 4), 1), block_l, 1
    return 8, 1024, 4


def backward_config(n_lanes: int) -> tuple[int, int]:
    """BLOCK_N and num_warps of `_backward`."""
    block_n = min(next_power_of_2(n_lanes), 2048)
    return block_n, max(block_n // 512, 1)


def _rows_of(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Logits as [n_rows, n_cols], and target as [n_rows]; copies only if they must be.

    Raises:
        ArgumentError: the shapes do not fit, there are no classes, or the devices differ.
    """
    check_device("cross_entropy", logits=logits, target=target)
    class_dim = 0 if logits.ndim == 1 else 1
    expected = logits.shape[:class_dim] + logits.shape[class_dim + 1 :]
    if logits.ndim == 0 or target.shape != expected:
        raise ArgumentError(
            f"cross_entropy: target has shape {tuple(target.shape)}; logits of shape "
            f"{tuple(logits.shape)} need {tuple(expected)}"
        )
    if logits.shape[class_dim] == 0:
        raise ArgumentError("cross_entropy: logits have no classes")
    return as_rows(logits.movedim(class_dim, -1)), target.reshape(-1).contiguous()


@remembered
def _mean_loss(
    logits: Tensor, target: Tensor, ignore_index: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """The mean loss in `dtype`, the rows' log-sum-exp, and how many rows count."""
    x, target = _rows_of(logits, target)
    n_rows, n_cols = x.shape
    loss = torch.empty(n_rows, dtype=torch.float32, device=x.device)
    lse = torch.empty_like(loss)
    mean = torch.empty((), dtype=dtype, device=x.device)
    count = torch.empty((), dtype=torch.float32, device=x.device)
    if n_rows:
        vec, edges = row_vectors(n_cols, [x.stride(0)], x)
        block_k, block_l, num_warps = forward_config(n_cols + (vec - 1) * edges)
        launch(_forward, (n_rows,))(
            x,
            target,
            loss,
            lse,
            x.stride(0),
            n_cols,
            ignore_index,
            vec,
            edges,
            block_k,
            block_l,
            num_warps=num_warps,
        )
    launch(_mean, (1,))(loss, target, mean, count, n_rows, ignore_index, 2048, num_warps=8)
    return mean, lse, count


@remembered
def _gradient(
    logits: Tensor, target: Tensor, lse: Tensor, count: Tensor, dloss: Tensor, ignore_index: int
) -> Tensor:
    """The gradient of the logits, at their shape."""
    x, target = _rows_of(logits, target)
    n_rows, n_cols = x.shape
    dx = torch.empty((n_rows, n_cols), dtype=x.dtype, device=x.device)
    if dx.numel():
        vec, edges = row_vectors(n_cols, [x.stride(0), n_cols], x, dx)
        n_lanes = n_cols + (vec - 1) * edges
        block_n, num_warps = backward_config(n_lanes)
        blocks = cdiv(n_lanes, block_n)
        launch(_backward, (n_rows * blocks,))(
            x,
            target,
            lse,
            dloss,
            count,
            dx,
            x.stride(0),
            n_cols,
            ignore_index,
            blocks,
            vec,
            edges,
            block_n,
            num_warps=num_warps,
        )
    class_dim = 0 if logits.ndim == 1 else 1
    return dx.view(logits.movedim(class_dim, -1).shape).movedim(-1, class_dim)


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, ignore_index: int, dtype: torch.dtype
    ) -> Tensor:
        mean, lse, count = _mean_loss(logits, target, ignore_index, dtype)
        ctx.save_for_backward(logits, target, lse, count)
        ctx.ignore_index = ignore_index
        return mean

    @staticmethod
    def backward(ctx: Any, dloss: Tensor) -> tuple[Tensor | None, None, None, None]:
        logits, target, lse, count = ctx.saved_tensors
        if is_differentiated_again():
            (dx,) = gradients_in_pytorch(
                lambda x: _eager(x, target, ctx.ignore_index), [logits], dloss
            )
            return dx, None, None, None
        dx = _gradient(logits, target, lse, count, dloss, ctx.ignore_index)
        return dx, None, None, None


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    ignore_index: int = -100,
    *,
    weight: Tensor | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The mean cross entropy over rows not ignored, in logits' dtype, under autocast in PyTorch's.

    logits [C], [N, C] or [N, C, d1, ...] and int64 target of the same shape without C, as in
    PyTorch. A target outside [0, C) that is not `ignore_index` makes the result NaN. PyTorch
    computes what the kernel does not: other dtypes, probabilities as targets, weights of classes,
    label smoothing, other reductions.

    Raises:
        ArgumentError: the shapes do not fit, there are no classes, or the devices differ.
    """
    plain = weight is None and reduction == "mean" and label_smoothing == 0.0
    if not plain or not takes(logits) or target.dtype is not torch.int64:
        return torch.nn.functional.cross_entropy(
            logits,
            target,
            weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )
    dtype = result_dtype("cross_entropy", logits)
    if wants_grad(logits):
        return _CrossEntropy.apply(logits, target, ignore_index, dtype)
    return _mean_loss(logits, target, ignore_index, dtype)[0]


def cross_entropy_reference(logits: Tensor, target: Tensor, ignore_index: int = -100) -> Tensor:
    """Cross entropy from its definition."""
    class_dim = 0 if logits.ndim == 1 else 1
    rows = logits.movedim(class_dim, -1).reshape(-1, logits.shape[class_dim])
    target = target.reshape(-1)
    counted = target != ignore_index
    shifted = rows - rows.detach().amax(1, keepdim=True)
    log_softmax = shifted - shifted.exp().sum(1, keepdim=True).log()
    picked = log_softmax.gather(1, target.where(counted, 0)[:, None])[:, 0]
    return -picked.where(counted, 0.0).sum() / counted.sum()


def _make(case: Case, draw: Draw) -> Arguments:
    params = dict(case.params)
    ignored = params.pop("ignored", 0.0)
    logits = draw.normal(*case.shape)
    logits[..., : params.pop("masked", 0)] = -math.inf
    class_dim = 0 if logits.ndim == 1 else 1
    shape = (*case.shape[:class_dim], *case.shape[class_dim + 1 :])
    target = draw.integers(case.shape[class_dim], *shape)
    if last := params.pop("last", 0):
        # The mean is then that of the last rows, which is all that the reference is given.
        target[:-last] = -100
    if ignored:
        dropped = draw.integers(1000, *shape) < 1000 * ignored
        target = target.masked_fill(dropped, params.get("ignore_index", -100))
    return {"logits": logits, "target": target, **params}


def _eager(logits: Tensor, target: Tensor, ignore_index: int = -100) -> Tensor:
    return torch.nn.functional.cross_entropy(logits, target, ignore_index=ignore_index)


def _liger() -> Callable[..., Tensor]:
    from liger_kernel.ops.cross_entropy import LigerCrossEntropyFunction

    def apply(logits: Tensor, target: Tensor, ignore_index: int = -100) -> Tensor:
        # With a gradient it writes that over the logits at once, and has no backward to time: the
        # loss alone is what can stand beside another forward pass.
        return LigerCrossEntropyFunction.apply(logits.detach(), target, None, ignore_index)[0]

    return apply


def _cost(case: Case, itemsize: int) -> Cost:
    n = math.prod(case.shape)
    return Cost(
        forward_bytes=n * itemsize,
        backward_bytes=2 * n * itemsize,
        forward_flops=4 * n,
        backward_flops=4 * n,
    )


# Tokens and vocabularies of models in use; tokens or vocabularies odd in half of them.
_BENCH_SHAPES = (
    *((8, 1024), (4096, 1024), (8192, 32000), (4096, 32768), (4096, 65024)),
    *((2048, 100352), (4096, 128256), (2048, 151936), (2048, 129280), (1024, 256000)),
    *((4095, 32000), (4096, 50257), (2047, 50257), (4095, 128257), (2047, 151937)),
    *((8191, 32001), (16383, 5001), (32769, 1001), (2048, 51865), (1023, 250002)),
)

SPEC = Spec(
    name="cross_entropy",
    op=cross_entropy,
    reference=cross_entropy_reference,
    make=_make,
    eager=_eager,
    liger=_liger,
    cost=_cost,
    tolerance=ToleranceClass.REDUCTION,
    grads=("logits",),
    cases=(
        Case(id="one class", shape=(3, 1)),
        Case(id="one row without a batch", shape=(129,)),
        Case(id="127 classes", shape=(5, 127)),
        Case(id="128 classes", shape=(5, 128)),
        Case(id="129 classes", shape=(5, 129)),
        Case(id="a prime of classes, in two steps", shape=(9, 12301)),
        Case(id="131,072 classes", shape=(1, 131072), dtypes=("float32", "bfloat16")),
        Case(id="more rows than a step of the mean", shape=(2051, 3)),
        Case(id="some ignored", shape=(40, 50), params={"ignored": 0.4}),
        Case(id="another ignore_index", shape=(40, 5), params={"ignored": 0.4, "ignore_index": 2}),
        Case(id="all ignored", shape=(4, 50), params={"ignored": 1.0}),
        Case(id="no rows", shape=(0, 50)),
        Case(id="classes before positions", shape=(3, 17, 2, 5)),
        Case(id="far from zero", shape=(5, 130), values=Values.OFFSET),
        Case(id="padded rows", shape=(7, 100), layout=Layout.PADDED),
        Case(id="every other element", shape=(7, 100), layout=Layout.STRIDED),
        Case(id="transposed", shape=(33, 65), layout=Layout.TRANSPOSED),
        Case(id="misaligned", shape=(6, 64), layout=Layout.MISALIGNED),
        Case(id="one NaN makes the mean NaN", shape=(9, 130), values=Values.SPECIAL),
        Case(id="a step of masked classes", shape=(3, 16500), params={"masked": 8192}),
        Case(
            id="past 2**31 elements",
            shape=(16500, 131072),
            gpu_only=True,
            dtypes=("bfloat16",),
            params={"last": 8},
            tail=8,
        ),
    ),
    bench=bench_cases(_BENCH_SHAPES),
    mutants=(
        Mutant(
            why="a step does not rescale what came before",
            old="total * tl.exp(high - shift) + tl.sum(",
            new="total + tl.sum(",
            cases=("a prime of classes, in two steps",),
        ),
        Mutant(
            why="a first step of masked classes poisons the sum",
            old='shift = tl.where(higher == -float("inf"), 0.0, higher)',
            new="shift = higher",
            cases=("a step of masked classes",),
        ),
        Mutant(
            why="ignored rows count in the mean",
            old="count += (target != ignore_index).to(tl.int32)",
            new="count += (rows < n_rows).to(tl.int32)",
            cases=("some ignored",),
        ),
        Mutant(
            why="ignored rows have a gradient left unwritten",
            old="store_lanes(dx_lanes, lanes, zeros, True, skip, end, at_edge, VEC, EDGES)",
            new="pass",
            cases=("some ignored",),
        ),
        Mutant(
            why="the gradient lacks the target's one",
            old="dx = (softmax - tl.where(lanes == target + skip, 1.0, 0.0)) * scale",
            new="dx = softmax * scale",
            cases=("127 classes",),
        ),
        Mutant(
            why="the padding joins the sum",
            old='lanes_ptr, offsets, True, skip, end, -float("inf"), VEC, EDGES',
            new="lanes_ptr, offsets, True, skip, end, 0.0, VEC, EDGES",
            cases=("127 classes",),
        ),
    ),
)
