"""Small kernels that straddle Triton's releases; `scripts/triton_range_probe.py` compiles them.

A parameter's name gives its type: `x_ptr` float32, `h_ptr` float16, `i_ptr` int32, `b_ptr` uint8,
`n` int32; a constexpr's default is its value.
"""

import triton
import triton.language as tl
from packaging import version

TRITON_GE_3_4 = tl.constexpr(version.parse(triton.__version__) >= version.parse("3.4.0"))
TRITON_VERSION = tuple(int(part) for part in triton.__version__.split(".")[:2])

try:
    tanh = tl.math.tanh
except AttributeError:
    tanh = tl.extra.cuda.libdevice.tanh

if hasattr(tl, "gather"):

    @triton.jit
    def pick(x, index):
        return tl.gather(x, index, 0)
else:

    @triton.jit
    def pick(x, index):
        return x + index * 0.0


if TRITON_VERSION >= (3, 7):

    @triton.jit
    def add_column(x):
        return tl.unsqueeze(x, 1)
else:

    @triton.jit
    def add_column(x):
        return x[:, None]


@triton.jit
def twice(x):
    return x * 2


@triton.jit
def largest(x):
    return tl.topk(x, 4)


@triton.jit
def vector_add(x_ptr, n, BLOCK: tl.constexpr = 64):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets, mask=offsets < n, other=0.0)
    tl.store(x_ptr + offsets, x + x, mask=offsets < n)


@triton.jit
def block_pointer(x_ptr, n, BLOCK: tl.constexpr = 64):
    block = tl.make_block_ptr(x_ptr, (n,), (1,), (0,), (BLOCK,), (0,))
    x = tl.load(block, boundary_check=(0,))
    tl.store(tl.advance(block, (BLOCK,)), x, boundary_check=(0,))


@triton.jit
def tensor_descriptor(x_ptr, n, BLOCK: tl.constexpr = 64):
    described = tl.make_tensor_descriptor(x_ptr, [n, n], [n, 1], [BLOCK, BLOCK])
    described.store([0, 0], described.load([BLOCK, 0]))


@triton.jit
def tensor_descriptor_functions(x_ptr, n, BLOCK: tl.constexpr = 64):
    described = tl.make_tensor_descriptor(x_ptr, [n, n], [n, 1], [BLOCK, BLOCK])
    x = tl.load_tensor_descriptor(described, [BLOCK, 0])
    tl.store_tensor_descriptor(described, [0, 0], x)


@triton.jit
def tensor_descriptor_padding(x_ptr, n, BLOCK: tl.constexpr = 64):
    described = tl.make_tensor_descriptor(
        x_ptr, [n, n], [n, 1], [BLOCK, BLOCK], padding_option="nan"
    )
    described.store([0, 0], described.load([BLOCK, 0]))


@triton.jit
def experimental_descriptor(x_ptr, n, BLOCK: tl.constexpr = 64):
    described = tl._experimental_make_tensor_descriptor(x_ptr, [n, n], [n, 1], [BLOCK, BLOCK])
    described.store([0, 0], described.load([BLOCK, 0]))


@triton.jit
def gathers(x_ptr, i_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = tl.gather(tl.load(x_ptr + offsets), tl.load(i_ptr + offsets), axis=0)
    tl.store(x_ptr + offsets, x)


@triton.jit
def top_four(x_ptr, BLOCK: tl.constexpr = 64):
    x = tl.topk(tl.load(x_ptr + tl.arange(0, BLOCK)), 4)
    tl.store(x_ptr + tl.arange(0, 4), x)


@triton.jit
def bottom_four(x_ptr, BLOCK: tl.constexpr = 64):
    x = tl.topk(tl.load(x_ptr + tl.arange(0, BLOCK)), 4, descending=False)
    tl.store(x_ptr + tl.arange(0, 4), x)


@triton.jit
def top_four_through_a_callee(x_ptr, BLOCK: tl.constexpr = 64):
    x = largest(twice(tl.load(x_ptr + tl.arange(0, BLOCK))))
    tl.store(x_ptr + tl.arange(0, 4), x)


@triton.jit
def merges(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tl.bitonic_merge(tl.load(x_ptr + offsets)))


@triton.jit
def sorts(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tl.sort(tl.load(x_ptr + offsets), descending=True))


@triton.jit
def assumes(x_ptr, n, BLOCK: tl.constexpr = 64):
    tl.assume(n > 0)
    tl.store(x_ptr + n + tl.arange(0, BLOCK), 1.0)


@triton.jit
def adds_with_wrapping(i_ptr, n, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(i_ptr + offsets, tl.add(tl.load(i_ptr + offsets), n, sanitize_overflow=False))


@triton.jit
def multiplies(i_ptr, n, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(i_ptr + offsets, tl.mul(tl.load(i_ptr + offsets), n))


@triton.jit
def subtracts(i_ptr, n, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(i_ptr + offsets, tl.sub(tl.load(i_ptr + offsets), n))


@triton.jit
def squeezes(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)[:, None]
    tl.store(x_ptr + offsets, tl.squeeze(x, 1))


@triton.jit
def unsqueezes(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = tl.unsqueeze(tl.load(x_ptr + offsets), 1)
    tl.store(x_ptr + offsets[:, None], x)


@triton.jit
def joins_along_a_dimension(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)
    tl.store(x_ptr + tl.arange(0, 2 * BLOCK), tl.cat(x, x, dim=0))


@triton.jit
def interleaves(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)
    tl.store(x_ptr + tl.arange(0, 2 * BLOCK), tl.interleave(x, x))


@triton.jit
def loads_atomically(i_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(i_ptr + offsets, tl.atomic_load(i_ptr + offsets + BLOCK, sem="relaxed"))


@triton.jit
def stores_atomically(i_ptr, n, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.atomic_store(i_ptr + offsets, offsets + n, sem="relaxed")


@triton.jit
def adds_atomically(i_ptr, n, BLOCK: tl.constexpr = 64):
    tl.atomic_add(i_ptr + tl.arange(0, BLOCK), n, sem="relaxed", scope="gpu")


@triton.jit
def divides_roughly(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)
    tl.store(x_ptr + offsets, tl.fdiv(x, x + 1.0, approx=True))


@triton.jit
def divides_by_the_book(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)
    tl.store(x_ptr + offsets, tl.div_rn(x, x + 1.0))


@triton.jit
def products_in_float64(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = tl.cumprod(tl.load(x_ptr + offsets), dtype=tl.float64)
    tl.store(x_ptr + offsets, x.to(tl.float32))


@triton.jit
def sums_so_far_in_float64(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = tl.cumsum(tl.load(x_ptr + offsets), dtype=tl.float64)
    tl.store(x_ptr + offsets, x.to(tl.float32))


@triton.jit
def sums_from_the_end(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tl.cumsum(tl.load(x_ptr + offsets), axis=0, reverse=True))


@triton.jit
def counts(i_ptr, BLOCK: tl.constexpr = 64):
    bins = tl.histogram(tl.load(i_ptr + tl.arange(0, BLOCK)), 16)
    tl.store(i_ptr + tl.arange(0, 16), bins)


@triton.jit
def counts_some(i_ptr, n, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    bins = tl.histogram(tl.load(i_ptr + offsets), 16, mask=offsets < n)
    tl.store(i_ptr + tl.arange(0, 16), bins)


@triton.jit
def ors_together(i_ptr, BLOCK: tl.constexpr = 64):
    tl.store(i_ptr, tl.reduce_or(tl.load(i_ptr + tl.arange(0, BLOCK)), axis=0))


@triton.jit
def xors_together(i_ptr, BLOCK: tl.constexpr = 64):
    tl.store(i_ptr, tl.xor_sum(tl.load(i_ptr + tl.arange(0, BLOCK)), axis=0))


@triton.jit
def softmax_of_a_dimension(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tl.softmax(tl.load(x_ptr + offsets), dim=0))


@triton.jit
def softmax_of_all(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tl.softmax(tl.load(x_ptr + offsets)))


@triton.jit
def sums_in_float64(x_ptr, BLOCK: tl.constexpr = 64):
    x = tl.sum(tl.load(x_ptr + tl.arange(0, BLOCK)), axis=0, dtype=tl.float64)
    tl.store(x_ptr, x.to(tl.float32))


@triton.jit
def flattens_in_any_order(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = tl.ravel(tl.load(x_ptr + offsets[:, None]), can_reorder=True)
    tl.store(x_ptr + offsets, x)


@triton.jit
def multiplies_scaled(h_ptr, x_ptr, b_ptr):
    rows, columns = tl.arange(0, 128)[:, None], tl.arange(0, 128)[None, :]
    h = tl.load(h_ptr + rows * 128 + columns).to(tl.float8e5)
    scale = tl.load(b_ptr + rows * 4 + tl.arange(0, 4)[None, :])
    x = tl.dot_scaled(h, scale, "e5m2", h, None, "e5m2")
    tl.store(x_ptr + rows * 128 + columns, x)


@triton.jit
def multiplies_scaled_fast(h_ptr, x_ptr, b_ptr):
    rows, columns = tl.arange(0, 128)[:, None], tl.arange(0, 128)[None, :]
    h = tl.load(h_ptr + rows * 128 + columns).to(tl.float8e5)
    scale = tl.load(b_ptr + rows * 4 + tl.arange(0, 4)[None, :])
    x = tl.dot_scaled(h, scale, "e5m2", h, scale, "e5m2", fast_math=True)
    tl.store(x_ptr + rows * 128 + columns, x)


@triton.jit
def multiplies_scaled_packed(h_ptr, x_ptr, b_ptr):
    rows, columns = tl.arange(0, 128)[:, None], tl.arange(0, 128)[None, :]
    h = tl.load(h_ptr + rows * 128 + columns).to(tl.float8e5)
    scale = tl.load(b_ptr + rows * 4 + tl.arange(0, 4)[None, :])
    x = tl.dot_scaled(h, scale, "e5m2", h, scale, "e5m2", lhs_k_pack=True, rhs_k_pack=True)
    tl.store(x_ptr + rows * 128 + columns, x)


@triton.jit
def multiplies_precisely(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
    x = tl.load(x_ptr + offsets)
    tl.store(x_ptr + offsets, tl.dot(x, x, acc=x, input_precision="ieee"))


@triton.jit
def multiplies_in_tf32(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
    x = tl.load(x_ptr + offsets)
    tl.store(x_ptr + offsets, tl.dot(x, x, allow_tf32=True))


@triton.jit
def loops_in_stages(x_ptr, n):
    x = 0.0
    for i in tl.range(0, n, num_stages=2):
        x += tl.load(x_ptr + i)
    tl.store(x_ptr, x)


@triton.jit
def loops_unrolled(x_ptr, n):
    x = 0.0
    for i in tl.range(0, n, loop_unroll_factor=2):
        x += tl.load(x_ptr + i)
    tl.store(x_ptr, x)


@triton.jit
def loops_flattened(x_ptr, n):
    x = 0.0
    for i in tl.range(0, n, flatten=True):
        x += tl.load(x_ptr + i)
    tl.store(x_ptr, x)


@triton.jit
def loops_specialized(x_ptr, n):
    x = 0.0
    for i in tl.range(0, n, warp_specialize=False):
        x += tl.load(x_ptr + i)
    tl.store(x_ptr, x)


@triton.jit
def loops_without_hoisting(x_ptr, n):
    x = 0.0
    for i in tl.range(0, n, disable_licm=True):
        x += tl.load(x_ptr + i)
    tl.store(x_ptr, x)


@triton.jit
def loops_while(x_ptr, n):
    i = 0
    while tl.condition(i < n, disable_licm=True):
        tl.store(x_ptr + i, 1.0)
        i += 1


@triton.jit
def maps_each(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tl.map_elementwise(twice, tl.load(x_ptr + offsets)))


@triton.jit(debug=True)
def asserts_some(x_ptr, n, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.device_assert(offsets < n, "out of range", mask=offsets > 0)
    tl.store(x_ptr + offsets, 1.0)


@triton.jit
def expects_zeros(x_ptr, n, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = tl.expect_zero(tl.load(x_ptr + offsets, mask=offsets < n, other=0.0), offsets >= n)
    tl.store(x_ptr + offsets, x)


@triton.jit
def asks_for_the_target(x_ptr):
    if tl.target_info.is_cuda():
        tl.store(x_ptr, 1.0)


@triton.jit
def asks_for_the_capability(x_ptr):
    if tl.target_info.cuda_capability_geq(9, 0):
        tl.store(x_ptr, 1.0)


@triton.jit
def waits_for_the_grid_before(x_ptr):
    tl.extra.cuda.gdc_wait()
    tl.store(x_ptr, 1.0)


@triton.jit
def tanh_of_libdevice(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tl.extra.cuda.libdevice.tanh(tl.load(x_ptr + offsets)))


@triton.jit
def tanh_of_math(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tl.math.tanh(tl.load(x_ptr + offsets)))


@triton.jit
def tanh_of_whichever(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tanh(tl.load(x_ptr + offsets)))


@triton.jit
def makes_a_tensor(x_ptr):
    tl.store(x_ptr, tl.to_tensor(1.0))


@triton.jit
def clamps(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tl.clamp(tl.load(x_ptr + offsets), 0.0, 1.0))


@triton.jit
def branches_on_the_version(x_ptr, BLOCK: tl.constexpr = 64):
    x = tl.load(x_ptr + tl.arange(0, BLOCK))
    if TRITON_GE_3_4:
        tl.store(x_ptr + tl.arange(0, 4), tl.topk(x, 4))
    else:
        tl.store(x_ptr + tl.arange(0, BLOCK), tl.sort(x, descending=True))


@triton.jit
def branches_on_the_version_for_a_keyword(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)
    if TRITON_GE_3_4:
        total = tl.cumsum(x, axis=0, dtype=tl.float64).to(tl.float32)
    else:
        total = tl.cumsum(x, axis=0)
    tl.store(x_ptr + offsets, total)


@triton.jit
def branches_on_the_older_version(x_ptr, n, BLOCK: tl.constexpr = 64):
    if not TRITON_GE_3_4:
        block = tl.make_block_ptr(x_ptr, (n,), (1,), (0,), (BLOCK,), (0,))
        tl.store(block, tl.load(block))
    else:
        described = tl.make_tensor_descriptor(x_ptr, [n], [1], [BLOCK])
        described.store([0], described.load([0]))


@triton.jit
def branches_on_the_name_of_a_function(x_ptr, n, BLOCK: tl.constexpr = 64):
    if TRITON_GE_3_4:
        described = tl.make_tensor_descriptor(x_ptr, [n, n], [n, 1], [BLOCK, BLOCK])
    else:
        described = tl._experimental_make_tensor_descriptor(x_ptr, [n, n], [n, 1], [BLOCK, BLOCK])
    described.store([0, 0], described.load([BLOCK, 0]))


@triton.jit
def branches_on_the_module_of_a_function(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)
    if TRITON_GE_3_4:
        x = tl.extra.cuda.libdevice.tanh(x)
    else:
        x = tl.math.tanh(x)
    tl.store(x_ptr + offsets, x)


@triton.jit
def branches_in_a_callee(x_ptr, i_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = pick(tl.load(x_ptr + offsets), tl.load(i_ptr + offsets))
    tl.store(x_ptr + offsets, x)


@triton.jit
def branches_on_a_tuple_in_a_callee(x_ptr, BLOCK: tl.constexpr = 64):
    offsets = tl.arange(0, BLOCK)
    x = add_column(tl.load(x_ptr + offsets))
    tl.store(x_ptr + offsets[:, None], x)


@triton.jit
def pointers_and_gather(x_ptr, i_ptr, n, BLOCK: tl.constexpr = 64):
    block = tl.make_block_ptr(x_ptr, (n,), (1,), (0,), (BLOCK,), (0,))
    index = tl.load(i_ptr + tl.arange(0, BLOCK))
    tl.store(block, tl.gather(tl.load(block), index, axis=0))


@triton.jit
def old_and_new_at_once(x_ptr, n, BLOCK: tl.constexpr = 64):
    block = tl.make_block_ptr(x_ptr, (n,), (1,), (0,), (BLOCK,), (0,))
    offsets = tl.arange(0, BLOCK)
    tl.store(block, tl.fdiv(tl.load(block), tl.load(x_ptr + offsets), approx=True))
