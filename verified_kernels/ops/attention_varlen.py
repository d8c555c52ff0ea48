"""Attention of sequences of different lengths, packed one behind the other without padding.

The maths and the kernels are those of `attention.py`. What is added is where a program stands.
`cu_seqlens` says where each sequence begins; the lengths are on the GPU, and asking for them would
make the host wait. So the grid is an upper bound that the host knows: a sequence of n rows takes
at most n / BLOCK + 1 blocks, all together `tokens / BLOCK + sequences`. Sequence i is given the
blocks from `cu[i] // BLOCK + i` on, which leaves room for its ragged end, and a program finds its
sequence by counting how many begin no later than itself. A block that turns out to be empty ends
at once. Nothing depends on the lengths but the data, and a CUDA graph can be replayed with others.

Traps. A block that is not full reads into the next sequence: the ragged end takes the masked loop,
which loads by pointer. Tokens after the last sequence, as buffers of fixed size have them, belong
to none: their result and gradients are 0, not what the memory held.

What bounds it: as `attention.py`. Short sequences leave much of a block empty.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from verified_kernels.errors import ArgumentError, DtypeError
from verified_kernels.launch import check_device
from verified_kernels.ops.attention import attend, attention_reference, check_heads
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
from verified_kernels.tiles import as_autocast


def _by_head(x: Tensor) -> Tensor:
    """`x` [tokens, heads, head_dim] as [1, heads, tokens, head_dim], without a copy."""
    return x.transpose(0, 1).unsqueeze(0)


def _check_begins(q: Tensor, **begins: Tensor) -> None:
    sizes = {cu.numel() for cu in begins.values()}
    for name, cu in begins.items():
        if cu.dtype not in (torch.int32, torch.int64):
            raise DtypeError(f"attention_varlen: {name} is {cu.dtype}; int32 or int64 is needed")
        if cu.ndim != 1 or not cu.numel() or len(sizes) > 1:
            raise ArgumentError(
                f"attention_varlen: {name} is {list(cu.shape)}; both must be [sequences + 1]"
            )
    check_device("attention_varlen", q=q, **begins)


def attention_varlen(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Attention within each of the packed sequences, [tokens, heads, head_dim]; differentiable.

    q [tokens_q, heads, head_dim]; k, v [tokens_k, kv_heads, head_dim], where each head of k and v
    serves heads / kv_heads of q; fp32, fp16 or bf16, any strides, head_dim up to 256. cu_seqlens
    [sequences + 1], int32 or int64: sequence i has the tokens from cu[i] to cu[i + 1]; they begin
    with 0, do not fall, and are not checked, since that would wait for the GPU. Tokens after the
    last sequence give 0. `causal`: query i of a sequence sees its keys 0 to i, aligned at the
    beginning where the lengths differ, as in `attention`. `scale` is 1 / sqrt(head_dim) unless
    given. A query without keys gives 0.

    Raises:
        DtypeError: a dtype is none of those, or two differ.
        ArgumentError: shapes or devices do not fit.
    """
    q, k, v = as_autocast(q, k, v)
    check_heads("attention_varlen", q, k, v, "[tokens, heads, head_dim]")
    _check_begins(q, cu_seqlens_q=cu_seqlens_q, cu_seqlens_k=cu_seqlens_k)
    cu_q, cu_k = cu_seqlens_q.contiguous(), cu_seqlens_k.contiguous()
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    o = attend(_by_head(q), _by_head(k), _by_head(v), cu_q, cu_k, causal, scale, _packed_reference)
    return o.squeeze(0).transpose(0, 1)


def _packed_reference(
    q: Tensor, k: Tensor, v: Tensor, cu_q: Tensor, cu_k: Tensor, causal: bool, scale: float
) -> Tensor:
    q, k, v = (x.squeeze(0).transpose(0, 1) for x in (q, k, v))
    return _by_head(attention_varlen_reference(q, k, v, cu_q, cu_k, causal, scale))


def attention_varlen_reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Attention sequence by sequence; given the last tokens only, of the sequences in them."""
    begins = [
        (cu - max(int(cu[-1]) - x.shape[0], 0)).clamp(min=0).tolist()
        for cu, x in ((cu_seqlens_q, q), (cu_seqlens_k, k))
    ]
    parts = []
    for begin_q, end_q, begin_k, end_k in zip(
        begins[0][:-1], begins[0][1:], begins[1][:-1], begins[1][1:], strict=True
    ):
        own_q = _by_head(q[begin_q:end_q])
        own_k, own_v = _by_head(k[begin_k:end_k]), _by_head(v[begin_k:end_k])
        parts.append(attention_reference(own_q, own_k, own_v, causal, scale)[0].transpose(0, 1))
    # What is packed last may be no sequence: zeros, that still depend on q, k and v.
    rest = q[begins[0][-1] :] * 0.0 + 0.0 * (k[:0].sum() + v[:0].sum())
    return torch.cat([*parts, rest])


def _make(case: Case, draw: Draw) -> Arguments:
    params = dict(case.params)
    tokens, heads, head_dim = case.shape
    lens_q = params.pop("lens")
    lens_k = params.pop("lens_k", lens_q)
    kv_heads = params.pop("kv_heads", heads)
    tokens_k = sum(lens_k) + tokens - sum(lens_q)
    index = params.pop("index", torch.int32)
    cu_q, cu_k = (
        torch.tensor([0, *lens], device=draw.device).cumsum(0).to(index)
        for lens in (lens_q, lens_k)
    )
    q = draw.normal(tokens, heads, head_dim)
    k, v = (draw.normal(tokens_k, kv_heads, head_dim) for _ in range(2))
    if params.pop("poisoned", False):
        # What the first sequence reads past its end.
        k[lens_k[0] : lens_k[0] + lens_k[1]] = math.nan
        v[lens_k[0] : lens_k[0] + lens_k[1]] = math.nan
    return {"q": q, "k": k, "v": v, "cu_seqlens_q": cu_q, "cu_seqlens_k": cu_k, **params}


def _eager(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """PyTorch's flash attention over packed sequences; it asks the host for the longest one."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    longest = [int((cu[1:] - cu[:-1]).max()) for cu in (cu_seqlens_q, cu_seqlens_k)]
    begins = (cu_seqlens_q.int(), cu_seqlens_k.int())
    flash = torch.ops.aten._flash_attention_forward
    return flash(q, k, v, *begins, *longest, 0.0, causal, False, scale=scale)[0]


def _cost(case: Case, itemsize: int) -> Cost:
    _, heads, head_dim = case.shape
    lens_q = case.params["lens"]
    lens_k = case.params.get("lens_k", lens_q)
    q = math.prod(case.shape) * itemsize
    kv = sum(lens_k) * case.params.get("kv_heads", heads) * head_dim * itemsize
    pairs = sum(a * b for a, b in zip(lens_q, lens_k, strict=True))
    product = 2 * pairs * heads * head_dim // (2 if case.params.get("causal") else 1)
    return Cost(
        forward_bytes=2 * q + 2 * kv,
        backward_bytes=4 * q + 4 * kv,
        forward_flops=2 * product,
        backward_flops=5 * product,
    )


def _case(name: str, heads: int, head_dim: int, lens: tuple[int, ...], **more: Any) -> Case:
    own = {n: more.pop(n) for n in ("layout", "values", "dtypes", "gpu_only", "tail") if n in more}
    shape = (sum(lens) + more.pop("spare", 0), heads, head_dim)
    return Case(id=name, shape=shape, params={"lens": lens, **more}, **own)


_MIXED = (1, 127, 0, 128, 129, 40)
_BENCH = (1031, 4096, 17, 2500, 8192, 600, 3000, 64, 5000, 8)

SPEC = Spec(
    name="attention_varlen",
    op=attention_varlen,
    reference=attention_varlen_reference,
    make=_make,
    eager=_eager,
    cost=_cost,
    tolerance=ToleranceClass.PRODUCTS,
    grads=("q", "k", "v"),
    special_grads=False,
    cases=(
        _case("one token", 1, 64, (1,)),
        _case("127 tokens", 2, 64, (127,)),
        _case("heads of 128, lengths at the edges", 1, 128, _MIXED),
        _case("heads of 129, lengths at the edges", 1, 129, (5, 70)),
        _case("causal, lengths at the edges", 2, 64, _MIXED, causal=True),
        _case(
            "keys of other lengths, causal", 1, 64, (70, 3, 131), lens_k=(131, 90, 40), causal=True
        ),
        _case("a sequence without keys", 1, 64, (5, 70), lens_k=(0, 66)),
        _case("a sequence without queries", 1, 64, (0, 70), lens_k=(66, 66)),
        _case("four heads share two", 4, 64, (100, 65), kv_heads=2, causal=True),
        _case("short and empty sequences", 1, 16, (1, 0, 2) * 5, index=torch.int64),
        _case("three hundred short sequences", 1, 16, (1, 0, 2) * 100, gpu_only=True),
        _case("tokens after the last sequence", 1, 64, (70, 30), spare=70, causal=True),
        _case("padded rows", 2, 16, (37, 20), layout=Layout.PADDED),
        _case("every other element", 2, 16, (37, 20), layout=Layout.STRIDED),
        _case("transposed", 2, 16, (37, 20), layout=Layout.TRANSPOSED),
        _case("misaligned", 2, 16, (37, 20), layout=Layout.MISALIGNED),
        _case("NaN and infinity", 2, 16, (9, 50), values=Values.SPECIAL),
        _case("NaN in the next sequence", 1, 64, (70, 5, 64), poisoned=True),
        _case("no tokens", 2, 64, (0, 0)),
        _case("long sequences", 8, 128, (1031, 4, 2500), gpu_only=True, causal=True),
        _case(
            "past 2**31 elements",
            128,
            128,
            (129,) * 1023,
            gpu_only=True,
            dtypes=("bfloat16",),
            tail=129,
            causal=True,
        ),
    ),
    bench=(
        _case("ten lengths, 24,508 tokens, h32 128 causal", 32, 128, _BENCH, causal=True),
        _case("512 sequences of 48, h32 64", 32, 64, (48,) * 512),
    ),
    mutants=(
        Mutant(
            why="the mask is lost",
            old="causal, scale, _packed_reference)",
            new="False, scale, _packed_reference)",
            cases=("causal, lengths at the edges",),
        ),
        Mutant(
            why="queries are cut at the keys' lengths",
            old="_by_head(v), cu_q, cu_k,",
            new="_by_head(v), cu_k, cu_k,",
            cases=("keys of other lengths, causal",),
        ),
        Mutant(
            why="keys are cut at the queries' lengths",
            old="_by_head(v), cu_q, cu_k,",
            new="_by_head(v), cu_q, cu_q,",
            cases=("keys of other lengths, causal",),
        ),
        Mutant(
            why="the sequences are taken for one",
            old="cu_q, cu_k = cu_seqlens_q.contiguous(), cu_seqlens_k.contiguous()",
            new="cu_q, cu_k = cu_seqlens_q[[0, -1]], cu_seqlens_k[[0, -1]]",
            cases=("heads of 128, lengths at the edges",),
        ),
    ),
)
