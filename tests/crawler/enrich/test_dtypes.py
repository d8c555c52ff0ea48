from __future__ import annotations

import pytest

from crawler.enrich.dtypes import DTYPES, dtypes_of
from tests.crawler.enrich.kernels import bare, scanned


@pytest.mark.parametrize(
    ("body", "dtypes"),
    [
        ("tl.store(a, 1)", ()),
        ("tl.store(a, a.to(tl.float16))", ("float16",)),
        ("tl.zeros((1,), dtype=tl.float32) + a.to(tl.bfloat16)", ("float32", "bfloat16")),
        ("a.to(tl.float8e4nv)", ("float8", "float8e4nv")),
        ("a.to(tl.float8e5, bitcast=True)", ("float8", "float8e5")),
        ("a.to(tl.int64) + tl.arange(0, 8).to(tl.int32)", ()),
        ("a.to(tl.int8)", ("int8",)),
        ("tl.dot_scaled(a, a, 'e2m1', a, a, 'e4m3')", ("float8", "float4")),
        ("tl.device_print('e2m1')", ()),
        ("tl.store(a.to(tl.pointer_type(tl.int8)) + 4, 1)", ()),
        ("tl.store(a.to(tl.pointer_type(tl.int8)) + 4, a.to(tl.int8))", ("int8",)),
        ("tl.zeros((1,), a.dtype)", ()),
    ],
)
def test_formats_that_a_kernel_names(body: str, dtypes: tuple[str, ...]) -> None:
    assert dtypes_of(scanned(f"@triton.jit\ndef k(a): {body}\n")["k"]) == dtypes


@pytest.mark.parametrize(
    ("name", "dtypes"),
    [
        ("_fp8_gemm_kernel", ("float8",)),
        ("gemm_bf16", ("bfloat16",)),
        ("quantize_int4_rows", ("int4",)),
        ("_mxfp4_quant", ("float4",)),
        ("fp32_to_fp16", ("float32", "float16")),
        ("half_precision", ("float16",)),
        ("kernel_f8x", ()),
    ],
)
def test_formats_that_a_name_tells(name: str, dtypes: tuple[str, ...]) -> None:
    assert dtypes_of(bare(name)) == dtypes


def test_what_its_functions_name_counts() -> None:
    inner = scanned("@triton.jit\ndef inner(a): return a.to(tl.float64)\n")["inner"]
    assert dtypes_of(bare("k"), [inner]) == ("float64",)


def test_every_word_is_given_once() -> None:
    assert len(set(DTYPES)) == len(DTYPES)


@pytest.mark.parametrize(
    ("annotation", "dtypes"),
    [
        ("tl.float16", ("float16",)),
        ("triton.language.bfloat16", ("bfloat16",)),
        ('"*bf16"', ("bfloat16",)),
        ("tl.int32", ()),
        ("tl.constexpr", ()),
        ("tl.constexpr = tl.half", ()),
    ],
)
def test_formats_that_annotations_name(annotation: str, dtypes: tuple[str, ...]) -> None:
    source = f"@triton.jit\ndef k(a, b: {annotation}):\n    tl.store(a, b)\n"
    assert dtypes_of(scanned(source)["k"]) == dtypes
