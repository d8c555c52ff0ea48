"""The number formats that a kernel names, or tells by its name that it is for.

Integers of 16 bits and more are left out: nearly every kernel computes addresses in them. A family
stands beside its members: `float8` beside `float8e4nv`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from crawler.enrich.words import words_of
from crawler.models import KernelRecord

DTYPES = (
    "float64 float32 float16 bfloat16 float8 float8e4nv float8e4b8 float8e4b15 float8e5 float8e5b16"
    " float4 int8 uint8 int4 int2"
).split()
"""Every word that is given, in the order in which it is given."""

_WORDS = {
    "fp64": "float64",
    "f64": "float64",
    "fp32": "float32",
    "f32": "float32",
    "fp16": "float16",
    "f16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "fp8": "float8",
    "f8": "float8",
    "e4m3": "float8",
    "e5m2": "float8",
    "mxfp8": "float8",
    "fp4": "float4",
    "f4": "float4",
    "mxfp4": "float4",
    "nvfp4": "float4",
    "nf4": "float4",
    "e2m1": "float4",
    "i8": "int8",
    "s8": "int8",
    "u8": "uint8",
    "uint4": "int4",
    "s4": "int4",
    "w4a16": "int4",
    "awq": "int4",
    "gptq": "int4",
}
_KNOWN = frozenset(DTYPES)
_BYTES = frozenset({"int8", "uint8"})
_ADDRESS_IN = {
    byte: re.compile(rf"pointer_type\(\s*(?:element_ty\s*=\s*)?\w{{1,20}}\.{byte}\b")
    for byte in _BYTES
}
MAX_SOURCE = 200_000
MAX_HEADER = 20_000
_HEADER_END = re.compile(r"\)\s*(?:->[^:\n]{0,80})?:")
_ANNOTATION = re.compile(r":\s*[\"']?\*?(?:triton\.language\.|tl\.)?(\w{2,12})(?=[\s,=)\"']|$)")
_OPERAND_FORMAT = re.compile(r"[\"'](e4m3|e5m2|e2m1|bf16|fp16)[\"']")


def dtypes_of(kernel: KernelRecord, called: Iterable[KernelRecord] = ()) -> tuple[str, ...]:
    """Return the number formats of a kernel, in the order of `DTYPES`.

    Args:
        kernel: the kernel.
        called: the jit functions that it calls, directly or not.
    """
    found: set[str] = set()
    for each in (kernel, *called):
        found.update(_annotated(each))
        names = {part for use in each.uses for part in use.name.split(".") if part in _KNOWN}
        names -= {byte for byte in names & _BYTES if _is_only_address(byte, each.source)}
        found.update(names)
        if any(use.name.rpartition(".")[2].startswith("dot_scaled") for use in each.uses):
            found.update(_WORDS[word] for word in _OPERAND_FORMAT.findall(each.source))
    found.update(filter(None, map(dtype_of_word, words_of(kernel.name))))
    if any(name.startswith("float8") for name in found):
        found.add("float8")
    return tuple(dtype for dtype in DTYPES if dtype in found)


def _is_only_address(byte: str, source: str) -> bool:
    """Tell whether a byte is named only for addresses to be counted in: `pointer_type(tl.int8)`."""
    text = source[:MAX_SOURCE]
    return text.count(f".{byte}") == len(_ADDRESS_IN[byte].findall(text)) > 0


def _annotated(kernel: KernelRecord) -> Iterator[str]:
    """Yield the formats that annotations of parameters name: `tl.float16`, `"*bf16"`."""
    start = kernel.source.find("def ")
    end = _HEADER_END.search(kernel.source, max(start, 0))
    header = kernel.source[max(start, 0) : end.start() if end else 0][:MAX_HEADER]
    for word in _ANNOTATION.findall(header):
        known = dtype_of_word(word.lower())
        if known is not None:
            yield known


def dtype_of_word(word: str) -> str | None:
    """Return the one of `DTYPES` that a lower-case word stands for, None if it is no such word."""
    known = _WORDS.get(word, word)
    return known if known in _KNOWN else None
