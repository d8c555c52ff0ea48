"""The cases that every op over rows must pass: sizes at the edges, layouts, special values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from verified_kernels.spec import Case, Layout, Values

# Rows and columns of the timed sizes. Rows: tokens of a batch, now and then an odd number of them.
# Columns: hidden sizes, widths of feed-forward blocks and vocabularies of models in use. Half of
# the sizes are no multiple of 16 in rows or columns, most of these in columns.
EVEN_SHAPES = (
    (8, 1024),
    (4096, 1024),
    (16384, 4096),
    (8192, 5120),
    (8192, 8192),
    (8192, 11008),
    (4096, 12288),
    (4096, 16384),
    (2048, 32000),
    (2048, 32768),
)
ODD_SHAPES = (
    (16383, 768),
    (8191, 5120),
    (32769, 1001),
    (16383, 4097),
    (8192, 5001),
    (16384, 2049),
    (8191, 11009),
    (4095, 12290),
    (4097, 16381),
    (2048, 50257),
)
BENCH_SHAPES = (*EVEN_SHAPES, *ODD_SHAPES)


def bench_cases(
    shapes: Sequence[tuple[int, ...]] = BENCH_SHAPES, **params: Any
) -> tuple[Case, ...]:
    """Timed sizes of an op over rows, and two layouts at one size: transposed, and with gaps."""
    sizes = (Case(id=_times(shape), shape=shape, params=params) for shape in shapes)
    return (
        *sizes,
        Case(
            id="8192x4096, transposed",
            shape=(8192, 4096),
            params=params,
            layout=Layout.TRANSPOSED,
        ),
    )


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def row_cases(**params: Any) -> tuple[Case, ...]:
    """Cases for an op that works along the last dimension of x, row by row.

    Row lengths 1, 127, 128, 129, a prime, and 131,072; one and three leading dimensions; padded,
    strided, transposed, expanded and misaligned inputs; NaN and infinity; no rows; on a GPU also
    tensors whose offsets pass 2**31.
    """
    return tuple(
        Case(id=id_, shape=shape, params=params, **more)
        for id_, shape, more in (*_SIZES, *_LAYOUTS, *_VALUES, *_LARGE)
    )


_Row = tuple[str, tuple[int, ...], Mapping[str, Any]]

_SIZES: tuple[_Row, ...] = (
    ("one entry", (1, 1), {}),
    ("one dimension", (127,), {}),
    ("rows of 127", (5, 127), {}),
    ("rows of 128", (3, 128), {}),
    ("rows of 129", (2, 3, 129), {}),
    ("many short rows", (301, 11), {}),
    ("rows past the last program", (37, 700), {}),
    ("rows of a prime, 4,099", (3, 4099), {}),
    ("rows that two programs share", (5, 9001), {"dtypes": ("float16", "bfloat16")}),
    ("a row of 131,072", (1, 131072), {"dtypes": ("float32", "bfloat16")}),
    ("no rows", (0, 50), {}),
)
_LAYOUTS: tuple[_Row, ...] = (
    ("padded rows", (7, 100), {"layout": Layout.PADDED}),
    ("every other element", (7, 100), {"layout": Layout.STRIDED}),
    ("transposed", (33, 65), {"layout": Layout.TRANSPOSED}),
    ("expanded", (6, 50), {"layout": Layout.EXPANDED}),
    ("misaligned", (6, 64), {"layout": Layout.MISALIGNED}),
)
_VALUES: tuple[_Row, ...] = (
    ("far from zero", (4, 130), {"values": Values.OFFSET}),
    ("NaN and infinity", (9, 130), {"values": Values.SPECIAL}),
)
_ON_GPU: Mapping[str, Any] = {"gpu_only": True, "dtypes": ("bfloat16",)}
_LARGE: tuple[_Row, ...] = (
    ("rows of 4,096 on every multiprocessor", (1031, 4096), {"gpu_only": True}),
    ("rows of 16,384 on every multiprocessor", (301, 16384), {"gpu_only": True}),
    ("past 2**31 elements", (131101, 16384), {**_ON_GPU, "tail": 16}),
    ("long rows past 2**31 elements", (16400, 131072), {**_ON_GPU, "tail": 4}),
)


def reduction_cases(**params: Any) -> tuple[Case, ...]:
    """Cases for an op that reduces any one dimension, or all: what `row_cases` leaves out.

    Columns, a middle dimension, everything at once; few and long enough that the work is split.
    """
    return tuple(
        Case(id=id_, shape=shape, params={**params, **dims}, **more)
        for id_, shape, dims, more in _REDUCTIONS
    )


_REDUCTIONS: tuple[tuple[str, tuple[int, ...], Mapping[str, Any], Mapping[str, Any]], ...] = (
    ("a tensor without dimensions", (), {}, {}),
    ("everything", (3, 7, 19), {}, {}),
    ("everything, in chunks", (13, 2503), {}, {}),
    ("everything, transposed", (33, 65), {}, {"layout": Layout.TRANSPOSED}),
    ("columns", (131, 67), {"dim": 0}, {}),
    ("columns in chunks", (1031, 20), {"dim": 0}, {}),
    ("columns, transposed", (33, 65), {"dim": 0}, {"layout": Layout.TRANSPOSED}),
    ("columns with gaps", (33, 65), {"dim": 0}, {"layout": Layout.STRIDED}),
    ("the middle of three", (3, 61, 5), {"dim": 1}, {}),
    ("the first of three, kept as one", (5, 3, 37), {"dim": 0, "keepdim": True}, {}),
    ("columns with NaN and infinity", (9, 130), {"dim": 0}, {"values": Values.SPECIAL}),
    (
        "everything, past 2**31 elements",
        (2**31 + 8209,),
        {},
        _ON_GPU,
    ),
    (
        "columns past 2**31 elements",
        (65551, 32771),
        {"dim": 0},
        _ON_GPU,
    ),
)


# Sizes of reductions: of each row, of each column, and of everything.
_ROWS = (
    *((4096, 1024), (16384, 4096), (8192, 5120), (8192, 11008), (2048, 32768)),
    *((16383, 4097), (16384, 5000), (8192, 5001), (2048, 50257), (32769, 1001)),
)
_COLUMNS = (
    *((8192, 8192), (16384, 4096), (4096, 12288)),
    *((5000, 16384), (16383, 4097), (8191, 5001)),
)
_EVERYTHING = ((8192, 8192), (16384, 4096), (8191, 8193), (1, 67108859))


def reduction_bench() -> tuple[Case, ...]:
    """Timed sizes of a reduction: rows first, then columns, everything, a transposed input."""
    kinds: tuple[tuple[str, Any, tuple[tuple[int, int], ...]], ...] = (
        ("", -1, _ROWS),
        (", columns", 0, _COLUMNS),
        (", all", None, _EVERYTHING),
    )
    return (
        *(
            Case(id=_times(shape) + what, shape=shape, params={"dim": dim})
            for what, dim, shapes in kinds
            for shape in shapes
        ),
        Case(
            id="8192x4096, transposed",
            shape=(8192, 4096),
            params={"dim": -1},
            layout=Layout.TRANSPOSED,
        ),
    )
