"""Attention of one to eight new tokens over a long cache: split over the keys, then joined.

The maths is that of `attention.py`. What differs is that there are too few queries to fill a GPU:
a program a head would leave most multiprocessors idle. So the keys of each head are *split* among
n_splits programs (`_attend_split`), each of which gives a softmax over its own share and the
share's log-sum-exp; `_join` weights the shares: `o = sum_i exp(L_i) o_i / sum_i exp(L_i)`.

Mapping. Heads of queries that share a head of keys read the same cache, so one program takes all
of them, with all their tokens: `group * tokens` rows of one tensor-core product, padded to 16. The
shares follow the true length of each sequence, read on the GPU; the host never waits for it, and
a CUDA graph can be replayed while the lengths grow. A program visits whole blocks of BLOCK_N keys
without a mask, and then the last ones, where the sequence ends and where a token must not see
those after it.

A paged cache is read through `block_table`: key i of a sequence is row `i % page` of page
`block_table[i // page]`. The table is read a block ahead with everything else, so that pages cost
nothing measurable. An fp8 cache is converted after the load, which halves the bytes.

Traps. A share may be empty, or hidden from some tokens: its log-sum-exp is -inf, and it must not
turn 0 into NaN. The last pages of a table may hold anything: they are read by mask only.

What bounds it: memory. The cache is read once, queries and shares are little beside it.

Method: Dao et al., Flash-Decoding, https://crfm.stanford.edu/2023/10/12/flashdecoding.html; pages
as in Kwon et al., https://arxiv.org/abs/2309.06180.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from verified_kernels.errors import ArgumentError, DtypeError
from verified_kernels.launch import (
    affordable_stages,
    cdiv,
    check_device,
    check_float,
    check_no_grad,
    multiprocessors,
    next_power_of_2,
)
from verified_kernels.ops.attention import LOG2_E, LONGEST_HEAD
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
from verified_kernels.tiles import as_autocast, float32_precision

MOST_TOKENS = 8
FP8 = torch.float8_e4m3fn


@triton.jit
def _place_keys(keys, table_ptr, PAGE: tl.constexpr):
    """Page and row in it of each key; page 0 without a table."""
    if PAGE == 0:
        page = tl.zeros_like(keys)
        row = keys
    else:
        page = tl.load(table_ptr + keys // PAGE)
        row = keys % PAGE
    return page.to(tl.int64), row.to(tl.int64)


@triton.jit
def _attend(
    q,
    acc,
    total,
    high,
    k_ptr,
    v_ptr,
    table_ptr,
    strides_k,
    strides_v,
    last_key,
    first,
    end,
    scale,
    MASKED: tl.constexpr,
    PAGE: tl.constexpr,
    PRECISION: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """The weighted sum of values, sum of exponentials and highest score, BLOCK_N keys later."""
    keys = first + tl.arange(0, BLOCK_N)
    dims = tl.arange(0, q.shape[1])
    # Keys past the end may lie on pages that are not there: the last one stands for them.
    at = tl.minimum(keys, end - 1) if MASKED else keys
    page, row = _place_keys(at, table_ptr, PAGE)
    k_ptrs = k_ptr + (page * strides_k[0] + row * strides_k[2])[:, None] + dims[None, :]
    v_ptrs = v_ptr + (page * strides_v[0] + row * strides_v[2])[:, None] + dims[None, :]
    if MASKED or q.shape[1] != HEAD_DIM:
        there = (keys < end)[:, None] & (dims < HEAD_DIM)[None, :]
        k = tl.load(k_ptrs, mask=there, other=0.0)
        v = tl.load(v_ptrs, mask=there, other=0.0)
    else:
        k = tl.load(k_ptrs)
        v = tl.load(v_ptrs)
    s = tl.dot(q, k.to(q.dtype).T, input_precision=PRECISION) * scale  # [BLOCK_R, BLOCK_N]
    if MASKED:
        s = tl.where(keys[None, :] <= last_key[:, None], s, -float("inf"))
    higher = tl.maximum(high, tl.max(s, 1))
    shift = tl.where(higher == -float("inf"), 0.0, higher)
    p = tl.exp2(s - shift[:, None])
    fade = tl.exp2(high - shift)
    total = total * fade + tl.sum(p, 1)
    acc = tl.dot(p.to(q.dtype), v.to(q.dtype), acc * fade[:, None], input_precision=PRECISION)
    return acc, total, higher


@triton.jit
def _attend_split(
    q_ptr,
    k_ptr,
    v_ptr,
    table_ptr,
    lengths_ptr,
    share_ptr,
    lse_ptr,
    strides_q,
    strides_k,
    strides_v,
    stride_table,
    kv_heads,
    group,
    tokens,
    scale,
    PAGE: tl.constexpr,
    PRECISION: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Attention over one share of the keys, fp32, and its log2(sum(exp2(scale * q k^T))).

    q [n_batch, kv_heads * group, tokens, HEAD_DIM] by strides, unit along the last; k, v
    [n_batch, kv_heads, seq, HEAD_DIM], or with PAGE > 0 [pages, kv_heads, PAGE, HEAD_DIM], alike;
    table [n_batch, pages of a sequence] by row stride; lengths [n_batch]; share [n_batch,
    kv_heads, group * tokens, n_splits, BLOCK_D], lse without BLOCK_D. scale holds log2(e). BLOCK_R
    spans rows (queries and tokens that share a head of keys), BLOCK_N a step along the keys. Grid:
    (n_batch * kv_heads, n_splits, cdiv(group * tokens, BLOCK_R)). Sums in fp32.
    """
    # This program handles BLOCK_R rows of one head of keys, over one share of them.
    batch = tl.program_id(0) // kv_heads
    head = tl.program_id(0) % kv_heads
    split = tl.program_id(1)
    n_splits = tl.num_programs(1)
    rows = tl.program_id(2) * BLOCK_R + tl.arange(0, BLOCK_R)
    token = rows % tokens
    n_rows = group * tokens
    dims = tl.arange(0, BLOCK_D)
    length = tl.load(lengths_ptr + batch).to(tl.int32)
    q_ptr += batch.to(tl.int64) * strides_q[0] + head.to(tl.int64) * group * strides_q[1]
    q_ptrs = q_ptr + (rows // tokens).to(tl.int64) * strides_q[1] + token * strides_q[2]
    inside = (rows < n_rows)[:, None] & (dims < HEAD_DIM)[None, :]
    q = tl.load(q_ptrs[:, None] + dims[None, :], mask=inside, other=0.0)  # [BLOCK_R, BLOCK_D]
    k_ptr += head.to(tl.int64) * strides_k[1]
    v_ptr += head.to(tl.int64) * strides_v[1]
    if PAGE == 0:
        k_ptr += batch.to(tl.int64) * strides_k[0]
        v_ptr += batch.to(tl.int64) * strides_v[0]
    else:
        table_ptr += batch.to(tl.int64) * stride_table

    # The last token sees every key, the one before it all but the last, and so on.
    last_key = length - tokens + token
    share = tl.cdiv(tl.cdiv(length, BLOCK_N), n_splits) * BLOCK_N
    begin = tl.minimum(split * share, length)
    end = tl.minimum(begin + share, length)
    seen_by_all = tl.maximum(tl.minimum(end, length - tokens + 1), begin)
    plain = begin + (seen_by_all - begin) // BLOCK_N * BLOCK_N
    acc = tl.zeros([BLOCK_R, BLOCK_D], tl.float32)
    total = tl.zeros([BLOCK_R], tl.float32)
    high = tl.full([BLOCK_R], -float("inf"), tl.float32)
    for first in tl.range(begin, plain, BLOCK_N):
        acc, total, high = _attend(
            q,
            acc,
            total,
            high,
            k_ptr,
            v_ptr,
            table_ptr,
            strides_k,
            strides_v,
            last_key,
            first,
            end,
            scale,
            False,
            PAGE,
            PRECISION,
            HEAD_DIM,
            BLOCK_N,
        )
    for first in tl.range(plain, end, BLOCK_N, num_stages=1):
        acc, total, high = _attend(
            q,
            acc,
            total,
            high,
            k_ptr,
            v_ptr,
            table_ptr,
            strides_k,
            strides_v,
            last_key,
            first,
            end,
            scale,
            True,
            PAGE,
            PRECISION,
            HEAD_DIM,
            BLOCK_N,
        )
    # A share without a key for the row: 0, and a log-sum-exp of -inf.
    acc = acc / tl.where(total == 0.0, 1.0, total)[:, None]
    at = (tl.program_id(0).to(tl.int64) * n_rows + rows) * n_splits + split
    tl.store(share_ptr + at[:, None] * BLOCK_D + dims[None, :], acc, mask=(rows < n_rows)[:, None])
    tl.store(lse_ptr + at, high + tl.log2(total), mask=rows < n_rows)


@triton.jit
def _join(
    share_ptr,
    lse_ptr,
    lengths_ptr,
    o_ptr,
    n_splits,
    kv_heads,
    group,
    tokens,
    HEAD_DIM: tl.constexpr,
    BLOCK_S: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """`o = sum_i exp2(lse_i) share_i / sum_i exp2(lse_i)`, in fp32.

    share and lse as `_attend_split` leaves them, o [n_batch, kv_heads * group, tokens, HEAD_DIM]
    contiguous. BLOCK_S spans the splits. Grid: (rows of o,).
    """
    # This program handles one token of one head of queries.
    row = tl.program_id(0)
    splits = tl.arange(0, BLOCK_S)
    dims = tl.arange(0, BLOCK_D)
    at = row.to(tl.int64) * n_splits + splits
    lse = tl.load(lse_ptr + at, mask=splits < n_splits, other=-float("inf"))
    highest = tl.max(lse, 0)
    weight = tl.exp2(lse - tl.where(highest == -float("inf"), 0.0, highest))  # [BLOCK_S]
    share_ptrs = share_ptr + at[:, None] * BLOCK_D + dims[None, :]
    share = tl.load(share_ptrs, mask=(splits < n_splits)[:, None], other=0.0)
    o = tl.sum(share * weight[:, None], 0) / tl.sum(weight, 0)
    # Without any key the row is 0; where all scores are -inf it is 0 / 0 = NaN, as in PyTorch.
    length = tl.load(lengths_ptr + row // (kv_heads * group * tokens)).to(tl.int32)
    o = tl.where(length - tokens + row % tokens < 0, 0.0, o)
    o_ptrs = o_ptr + row.to(tl.int64) * HEAD_DIM + dims
    tl.store(o_ptrs, o.to(o_ptr.dtype.element_ty), mask=dims < HEAD_DIM)


def split_config(
    heads: int, capacity: int, row_bytes: int, plain: bool, device: torch.device
) -> tuple[int, int, dict[str, int]]:
    """n_splits, BLOCK_N and options, for so many heads of keys in all; measured on an H200.

    A large program on each multiprocessor is fastest over a `plain` cache, without pages and
    conversion, where it leaves few of them idle; else four small ones hide each other's waits.
    """
    programs = multiprocessors(device)
    if plain and programs // heads * heads >= 0.9 * programs:
        block_n, num_warps, num_stages = 128, 4, 3
    else:
        programs *= 4
        block_n, num_warps, num_stages = 64, 2, 4
    # Keys and values that are on their way lie in shared memory.
    if row_bytes > 256:
        block_n = block_n * 256 // row_bytes
    num_stages = affordable_stages(num_stages, 2 * block_n * row_bytes, device)
    options = {"num_warps": num_warps, "num_stages": num_stages}
    n_splits = max(1, min(programs // heads, cdiv(capacity, 2 * block_n), 128))
    return n_splits, block_n, options


@remembered
def _decode(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    seq_lens: Tensor,
    scale: float,
    block_table: Tensor | None,
) -> Tensor:
    """The op, played from memory where it can be."""
    _check(q, k_cache, v_cache, seq_lens, block_table)
    n_batch, n_heads, tokens, head_dim = q.shape
    kv_heads, page = k_cache.shape[1:3]
    o = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    if (
        o.numel() == 0
        or k_cache.numel() == 0
        or (block_table is not None and not block_table.numel())
    ):
        return o.zero_()
    q, k_cache, v_cache = (
        x if x.stride(-1) == 1 else x.contiguous() for x in (q, k_cache, v_cache)
    )
    if block_table is not None and block_table.stride(1) != 1:
        block_table = block_table.contiguous()
    capacity = page if block_table is None else page * block_table.shape[1]
    group = n_heads // kv_heads
    n_rows = group * tokens
    block_r = min(max(next_power_of_2(n_rows), 16), 64)
    block_d = max(next_power_of_2(head_dim), 16)
    plain = block_table is None and k_cache.dtype == q.dtype
    n_splits, block_n, options = split_config(
        n_batch * kv_heads, capacity, block_d * q.element_size(), plain, q.device
    )
    shares = torch.empty(
        (n_batch * n_heads * tokens, n_splits, block_d), dtype=torch.float32, device=q.device
    )
    lse = torch.empty(shares.shape[:2], dtype=torch.float32, device=q.device)
    launch(_attend_split, (n_batch * kv_heads, n_splits, cdiv(n_rows, block_r)))(
        q,
        k_cache,
        v_cache,
        block_table,
        seq_lens,
        shares,
        lse,
        q.stride()[:3],
        k_cache.stride()[:3],
        v_cache.stride()[:3],
        block_table.stride(0) if block_table is not None else 0,
        kv_heads,
        group,
        tokens,
        scale * LOG2_E,
        page if block_table is not None else 0,
        float32_precision() if q.dtype == torch.float32 else "tf32",
        head_dim,
        block_r,
        block_n,
        block_d,
        **options,
    )
    launch(_join, (n_batch * n_heads * tokens,))(
        shares,
        lse,
        seq_lens,
        o,
        n_splits,
        kv_heads,
        group,
        tokens,
        head_dim,
        next_power_of_2(n_splits),
        block_d,
        num_warps=4 if n_splits > 16 else 2,
    )
    return o


# torch.compile does not look into it.
_library_decode = torch.library.custom_op(
    f"verified_kernels::{__name__.rpartition('.')[2]}", _decode, mutates_args=()
)


@_library_decode.register_fake
def _(q: Tensor, *_: Any) -> Tensor:
    return q.new_empty(q.shape)


def _check(
    q: Tensor, k_cache: Tensor, v_cache: Tensor, seq_lens: Tensor, block_table: Tensor | None
) -> None:
    op = "decode_attention"
    check_float(op, q=q)
    check_device(op, q=q, k_cache=k_cache, v_cache=v_cache, seq_lens=seq_lens, table=block_table)
    dtypes = f"q is {q.dtype}, k_cache {k_cache.dtype} and v_cache {v_cache.dtype}"
    if k_cache.dtype != v_cache.dtype or k_cache.dtype not in (q.dtype, FP8):
        raise DtypeError(f"{op}: {dtypes}; the caches must both be {q.dtype} or {FP8}")
    shapes = f"q {list(q.shape)}, k_cache {list(k_cache.shape)}, v_cache {list(v_cache.shape)}"
    if not q.ndim == k_cache.ndim == 4 or k_cache.shape != v_cache.shape:
        raise ArgumentError(f"{op}: {shapes}; all need four dimensions, the caches alike")
    if not 1 <= q.shape[2] <= MOST_TOKENS:
        raise ArgumentError(
            f"{op}: q has {q.shape[2]} tokens; 1 to {MOST_TOKENS}, or use attention"
        )
    if q.shape[3] != k_cache.shape[3] or not 1 <= q.shape[3] <= LONGEST_HEAD:
        raise ArgumentError(f"{op}: {shapes}; head_dim must be alike, and 1 to {LONGEST_HEAD}")
    if k_cache.shape[1] == 0 or q.shape[1] % k_cache.shape[1]:
        raise ArgumentError(f"{op}: {shapes}; heads must be a multiple of kv_heads")
    if block_table is None and q.shape[0] != k_cache.shape[0]:
        raise ArgumentError(f"{op}: {shapes}; the batch must be alike")
    if block_table is not None and (block_table.ndim != 2 or block_table.shape[0] != q.shape[0]):
        raise ArgumentError(f"{op}: block_table is {list(block_table.shape)}, not [batch, pages]")
    if seq_lens.shape != q.shape[:1]:
        raise ArgumentError(f"{op}: seq_lens is {list(seq_lens.shape)}, not [batch]")
    for name, x in (("seq_lens", seq_lens), ("block_table", block_table)):
        if x is not None and x.dtype not in (torch.int32, torch.int64):
            raise DtypeError(f"{op}: {name} is {x.dtype}; int32 or int64 is needed")


def decode_attention(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    seq_lens: Tensor,
    scale: float | None = None,
    block_table: Tensor | None = None,
) -> Tensor:
    """Attention of the last tokens of each sequence over its cache; contiguous, in q's dtype.

    q [batch, heads, tokens, head_dim], 1 to 8 tokens. k_cache, v_cache [batch, kv_heads, seq,
    head_dim], or with block_table [batch, pages of a sequence] the pages [pages, kv_heads, page,
    head_dim]; heads / kv_heads of q share one head of the cache. q is fp32, fp16 or bf16, the
    caches are of q's dtype or fp8 (e4m3). seq_lens [batch]: keys of each sequence, those of q's
    tokens included; the tokens are its last ones, and each sees the keys up to its own. A token
    without any gives 0. `scale` is 1 / sqrt(head_dim) unless given. Has no gradient. Lengths and
    table are not checked, since that would wait for the GPU.

    Raises:
        DtypeError: a dtype is none of those.
        ArgumentError: shapes or devices do not fit.
        UnsupportedError: a gradient is wanted.
    """
    check_no_grad("decode_attention", q, k_cache, v_cache)
    (q,) = as_autocast(q)
    if k_cache.dtype != FP8:
        k_cache, v_cache = as_autocast(k_cache, v_cache)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    run = _library_decode if torch.compiler.is_compiling() else _decode
    return run(q, k_cache, v_cache, seq_lens, scale, block_table)


def decode_attention_reference(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    seq_lens: Tensor,
    scale: float | None = None,
    block_table: Tensor | None = None,
) -> Tensor:
    """Attention sequence by sequence, over a cache laid out afresh."""
    group, tokens = q.shape[1] // k_cache.shape[1], q.shape[2]
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    results = []
    for i, length in enumerate(seq_lens.tolist()):
        k, v = k_cache[i : i + 1], v_cache[i : i + 1]
        if block_table is not None:
            pages = block_table[i, : cdiv(length, k_cache.shape[2])].long()
            k, v = (x[pages].transpose(0, 1).flatten(1, 2)[None] for x in (k_cache, v_cache))
        k, v = (x[0, :, :length].to(q.dtype).repeat_interleave(group, 0) for x in (k, v))
        scores = q[i] @ k.transpose(-1, -2) * scale
        last = length - tokens + torch.arange(tokens, device=q.device)
        hidden = torch.arange(length, device=q.device) > last[:, None]
        p = scores.masked_fill(hidden, -math.inf).softmax(-1)
        results.append(torch.where((last >= 0)[:, None], p, 0.0) @ v)
    return torch.stack(results) if results else torch.zeros_like(q)


def _make(case: Case, draw: Draw) -> Arguments:
    """Draws q in the case's shape, and a cache that holds NaN where no key is."""
    params = dict(case.params)
    batch, heads, _, head_dim = case.shape
    kv_heads, lens = params.pop("kv_heads", heads), params.pop("lens")
    page, fp8, poisoned = (
        params.pop("page", 0),
        params.pop("fp8", False),
        params.pop("poisoned", True),
    )
    longest = max(lens, default=0)
    table = None
    q = draw.normal(*case.shape)
    seq_lens = torch.tensor(lens, dtype=params.pop("index", torch.int32), device=draw.device)
    if page:
        per_sequence = cdiv(longest, page) + 1
        n_pages = batch * per_sequence + 3
        order = torch.randperm(n_pages, generator=draw.generator, device=draw.device)
        table = order[: batch * per_sequence].view(batch, per_sequence).to(seq_lens.dtype)
        k, v = (draw.normal(n_pages, kv_heads, page, head_dim) for _ in range(2))
    else:
        k, v = (draw.normal(batch, kv_heads, longest + 5, head_dim) for _ in range(2))
    if poisoned and case.layout is not Layout.EXPANDED:
        for i, length in enumerate(lens):
            for cache in (k, v):
                if table is None:
                    cache[i, :, length:] = math.nan
                    continue
                for at in range(length // page, table.shape[1]):
                    begin = max(length - at * page, 0)
                    cache[int(table[i, at]), :, begin:] = math.nan
    if table is not None and poisoned:
        # What stands after the pages in use is no page at all.
        for i, length in enumerate(lens):
            table[i, cdiv(length, page) :] = 2**30
    if fp8:
        k, v = k.to(FP8), v.to(FP8)
    arguments = {"q": q, "k_cache": k, "v_cache": v, "seq_lens": seq_lens, **params}
    return {**arguments, "block_table": table} if page else arguments


def _eager(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    seq_lens: Tensor,
    scale: float | None = None,
    block_table: Tensor | None = None,
) -> Tensor:
    """PyTorch's attention, for full caches: it knows no lengths; pages are gathered first."""
    k, v = k_cache, v_cache
    if block_table is not None:
        k, v = (x[block_table[:, :-1].long()].transpose(1, 2).flatten(2, 3) for x in (k, v))
    k, v = k.to(q.dtype), v.to(q.dtype)
    order = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]
    with sdpa_kernel(order, set_priority=True):
        return scaled_dot_product_attention(
            q, k, v, scale=scale, enable_gqa=k.shape[1] != q.shape[1]
        )


def _cost(case: Case, itemsize: int) -> Cost:
    _, heads, tokens, head_dim = case.shape
    keys = sum(case.params["lens"])
    size = 1 if case.params.get("fp8") else itemsize
    cache = 2 * keys * case.params.get("kv_heads", heads) * head_dim * size
    return Cost(
        forward_bytes=cache + 2 * math.prod(case.shape) * itemsize,
        forward_flops=4 * keys * heads * tokens * head_dim,
    )


def _case(name: str, shape: tuple[int, ...], lens: tuple[int, ...], **more: Any) -> Case:
    own = {n: more.pop(n) for n in ("layout", "values", "dtypes", "gpu_only", "tail") if n in more}
    return Case(id=name, shape=shape, params={"lens": lens, **more}, **own)


SPEC = Spec(
    name="decode_attention",
    op=decode_attention,
    reference=decode_attention_reference,
    make=_make,
    eager=_eager,
    cost=_cost,
    tolerance=ToleranceClass.COMPOSED,
    cases=(
        _case("one key", (1, 1, 1, 64), (1,)),
        _case("127, 128 and 129 keys", (3, 2, 1, 128), (127, 128, 129)),
        _case("four heads share one, in shares", (1, 4, 1, 64), (700,), kv_heads=1),
        _case("a long and a short sequence", (2, 4, 1, 64), (1500, 3), kv_heads=2),
        _case("eight tokens", (1, 4, 8, 64), (300,), kv_heads=2),
        _case("three tokens at the start of a block", (1, 2, 3, 64), (258,)),
        _case("fewer keys than tokens", (2, 2, 4, 64), (2, 0)),
        _case("ninety-six rows, in blocks", (1, 24, 4, 32), (200,), kv_heads=1),
        _case("pages of 16", (2, 4, 1, 64), (100, 333), kv_heads=2, page=16),
        _case("pages of 64, five tokens", (2, 4, 5, 128), (129, 64), kv_heads=2, page=64),
        _case("pages of 10", (1, 2, 1, 64), (77,), page=10, index=torch.int64),
        _case(
            "an fp8 cache",
            (2, 4, 1, 64),
            (200, 90),
            kv_heads=2,
            fp8=True,
            dtypes=("float16", "bfloat16"),
        ),
        _case(
            "fp8 pages",
            (1, 4, 2, 128),
            (200,),
            kv_heads=2,
            fp8=True,
            page=16,
            dtypes=("float16", "bfloat16"),
        ),
        _case("heads of 80", (1, 2, 1, 80), (150,)),
        _case("heads of 127", (1, 2, 1, 127), (70,)),
        _case("heads of 129, pages of 16", (1, 2, 3, 129), (70,), page=16),
        _case("heads of 256", (1, 2, 1, 256), (150,)),
        _case("a scale of its own", (1, 2, 1, 64), (70,), scale=-0.3),
        _case("every other element", (1, 2, 2, 64), (70,), layout=Layout.STRIDED),
        _case("transposed", (1, 2, 2, 64), (70,), layout=Layout.TRANSPOSED),
        _case("misaligned", (1, 2, 2, 64), (70,), layout=Layout.MISALIGNED),
        _case("padded rows", (1, 2, 2, 64), (70,), layout=Layout.PADDED),
        _case("NaN and infinity", (2, 2, 1, 64), (70, 60), values=Values.SPECIAL, poisoned=False),
        _case("no sequences", (0, 2, 1, 64), ()),
        _case(
            "past 2**31 elements",
            (130, 2, 1, 128),
            (65_600,) * 130,
            gpu_only=True,
            dtypes=("bfloat16",),
            poisoned=False,
            tail=1,
        ),
    ),
    bench=(
        _case("b1 h32/8 65536x128", (1, 32, 1, 128), (65536,), kv_heads=8),
        _case("b8 h32/8 16384x128", (8, 32, 1, 128), (16384,) * 8, kv_heads=8),
        _case(
            "b8 h32/8 16384x128, pages of 16", (8, 32, 1, 128), (16384,) * 8, kv_heads=8, page=16
        ),
    ),
    mutants=(
        Mutant(
            why="a token sees the one after it",
            old="last_key = length - tokens + token",
            new="last_key = length - tokens + token + 1",
            cases=("eight tokens",),
        ),
        Mutant(
            why="the last key of every share is left out",
            old="end = tl.minimum(begin + share, length)",
            new="end = tl.minimum(begin + share, length) - 1",
            cases=("127, 128 and 129 keys",),
        ),
        Mutant(
            why="shares count alike",
            old="tl.sum(share * weight[:, None], 0) / tl.sum(weight, 0)",
            new="tl.sum(share, 0) / n_splits",
            cases=("four heads share one, in shares",),
        ),
        Mutant(
            why="pages are taken in order",
            old="page = tl.load(table_ptr + keys // PAGE)",
            new="page = keys // PAGE",
            cases=("pages of 16",),
        ),
        Mutant(
            why="values are not scaled down when the highest score rises",
            old="acc * fade[:, None]",
            new="acc",
            cases=("127, 128 and 129 keys",),
        ),
        Mutant(
            why="a sequence without keys gives NaN",
            old="o = tl.where(length - tokens + row % tokens < 0, 0.0, o)",
            new="o = o",
            cases=("fewer keys than tokens",),
        ),
    ),
)
