from __future__ import annotations

import pytest

from crawler.enrich.api_table import ApiTable, load_table

SMALL = ApiTable(
    ("1.0", "1.1", "2.0"),
    {
        "t": {
            "": "1.0-",
            "f": ["1.1-", {"1.1": "x y=", "2.0-": "x y= *rest z="}],
            "C": "1.0, 2.0-",
        },
        "t.sub": {"": "2.0-", "g": ["2.0-", {"2.0-": "**"}], "none": ["2.0-", {"2.0-": ""}]},
    },
)


@pytest.mark.parametrize("text", ["1.0-", "1.0", "1.0-1.1", "1.1-", "2.0-", "1.0, 2.0-"])
def test_ranges_are_read_and_written(text: str) -> None:
    assert SMALL.format_ranges(SMALL.parse_ranges(text)) == text


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("t.f", "t.f"),
        ("t.C.method.deeper", "t.C"),
        ("t.sub", "t.sub"),
        ("t.sub.g", "t.sub.g"),
        ("t.missing", None),
        ("t.sub.missing", None),
        ("other.f", None),
        ("", None),
    ],
)
def test_finds_the_longest_known_part(name: str, found: str | None) -> None:
    answer = SMALL.find(name)
    assert (answer and answer[0]) == found


def test_keywords_have_ranges_of_their_own() -> None:
    answer = SMALL.find("t.f")
    assert answer is not None
    _, symbol = answer
    assert SMALL.format_ranges(symbol.releases) == "1.1-"
    assert SMALL.format_ranges(symbol.with_keyword("z")) == "2.0-"
    assert symbol.with_keyword("unheard_of") == 0


def test_some_take_any_keyword_and_some_take_none() -> None:
    for name, taken in (("t.sub.g", "2.0-"), ("t.C", "1.0, 2.0-"), ("t.sub.none", "")):
        answer = SMALL.find(name)
        assert answer is not None
        assert SMALL.format_ranges(answer[1].with_keyword("what")) == taken


def test_positions_have_ranges_of_their_own() -> None:
    answer = SMALL.find("t.f")
    assert answer is not None
    _, symbol = answer
    assert SMALL.format_ranges(symbol.with_places(2)) == "1.1-"
    assert SMALL.format_ranges(symbol.with_places(3)) == "2.0-"
    assert symbol.without(0, ("y",)) == (0, "x")
    assert symbol.without(0, ("x",)) == (symbol.releases, None)
    assert {name for _, name in symbol.places(1)} == {"y"}


FACTS = [
    ("triton.language.dot", None, "2.0.0-"),
    ("triton.language.dot", "acc", "2.2.0-"),
    ("triton.language.dot", "input_precision", "3.0.0-"),
    ("triton.language.make_block_ptr", None, "2.1.0-3.8.0"),
    ("triton.language.make_tensor_descriptor", None, "3.4.0-"),
    ("triton.language.topk", None, "3.4.0-"),
    ("triton.language.gather", None, "3.3.0-"),
    ("triton.language.range", "warp_specialize", "3.4.0-"),
    ("triton.language.math.tanh", None, "2.1.0-2.3.1"),
    ("triton.language.extra.cuda.libdevice.tanh", None, "3.0.0-"),
    ("triton.language._experimental_make_tensor_descriptor", None, "3.3.0-3.3.1"),
    ("triton.language.tensor.to", "bitcast", "2.0.0-"),
    ("triton.ops.matmul", None, "2.0.0-3.1.0"),
    ("triton.autotune", "cache_results", "3.4.0-"),
    ("triton.Config", "num_ctas", "2.2.0-"),
    ("triton.jit", "do_not_specialize_on_alignment", "3.2.0-"),
    ("triton.experimental.gluon.language.load", None, "3.4.0-"),
    ("triton.experimental.gluon.language.nvidia.blackwell.mbarrier.init", "count", "3.4.0-"),
    ("triton.profiler.language.scope", None, "3.5.0-"),
]


@pytest.mark.parametrize(("name", "keyword", "ranges"), FACTS)
def test_the_bundled_table_holds(name: str, keyword: str | None, ranges: str) -> None:
    table = load_table()
    answer = table.find(name)
    assert answer is not None and answer[0] == name
    releases = answer[1].releases if keyword is None else answer[1].with_keyword(keyword)
    assert table.format_ranges(releases) == ranges


def test_the_bundled_table_spans_the_releases() -> None:
    table = load_table()
    assert table.releases[0] == "2.0.0"
    assert len(table.releases) >= 18
    assert sum(1 for _ in table.modules()) > 4000
