"""What is said to stand in for what went: of everything, with its source, and true."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from crawler.check.replacements import load_replacements, replacement_of
from crawler.enrich.api_table import load_table
from crawler.enrich.signatures import parse_signature


def vanished() -> Iterator[str]:
    """Yield every name and keyword that some release has and the newest has not."""
    table = load_table()
    newest = 1 << (len(table.releases) - 1)
    for module, name, symbol in table.modules():
        full = f"{module}.{name}" if name else module
        if not symbol.releases & newest:
            yield full
            continue
        signatures = (parse_signature(text) for _, text in symbol.signatures)
        for keyword in sorted({k for s in signatures if s is not None for k in s.keywords}):
            if not symbol.with_keyword(keyword) & newest:
                yield f"{full}({keyword})"


def test_everything_that_went_has_an_entry_or_is_said_to_have_nothing() -> None:
    every = set(vanished())
    assert len(every) > 1_000
    assert {symbol for symbol in every if replacement_of(symbol) is None} == set()


def test_what_stands_in_has_a_source_and_is_there() -> None:
    table = load_table()
    newest = 1 << (len(table.releases) - 1)
    for entry in load_replacements().values():
        if entry.instead is None:
            continue
        assert (entry.source or "").startswith("https://"), entry.name
    for symbol in set(vanished()):
        found = replacement_of(symbol)
        for name in re.findall(r"`(triton\.[\w.]+)`", found.instead or "" if found else ""):
            row = table.find(name)
            assert row is not None and row[1].releases & newest, (symbol, name)


def test_no_entry_is_of_something_that_never_went() -> None:
    every = set(vanished())
    heads = {symbol.partition("(")[0] for symbol in every}
    for name in load_replacements():
        head = name.removesuffix(".*")
        is_module = name.endswith(".*")
        assert name in every or (
            is_module and any(h == head or h.startswith(f"{head}.") for h in heads)
        ), name


@pytest.mark.parametrize(
    ("symbol", "instead"),
    [
        ("triton.language.math.tanh", "`triton.language.extra.libdevice.tanh`"),
        ("triton.language.libdevice.llrint", "`triton.language.extra.libdevice.llrint`"),
        ("triton.language.math.max", "`triton.language.maximum`"),
        ("triton.runtime.autotuner.Config(num_consumer_groups)", "warp_specialize=True"),
        ("triton.language.core.make_block_ptr", "`triton.language.make_tensor_descriptor`"),
        ("triton.ops.matmul", "triton_kernels"),
        ("triton.compiler.compiler.get_architecture_descriptor", None),
    ],
)
def test_says(symbol: str, instead: str | None) -> None:
    found = replacement_of(symbol)
    assert found is not None
    if instead is None:
        assert found.instead is None
    else:
        assert found.instead is not None and instead in found.instead
