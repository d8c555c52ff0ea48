"""Names of Triton's, asked for as people write them."""

from __future__ import annotations

import pytest

from crawler.check.lookup import changed_in, find_entries, near_entries


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("tl.dot", ["triton.language.dot"]),
        ("triton.language.dot", ["triton.language.dot"]),
        ("make_block_ptr", ["triton.language.make_block_ptr"]),
        ("make_block_ptr(order)", ["triton.language.make_block_ptr(order)"]),
        ("triton.ops", ["triton.ops"]),
        ("libdevice.tanh", ["triton.language.extra.libdevice.tanh"]),
        ("tl.make_*_descriptor", ["triton.language.make_tensor_descriptor"]),
        ("triton.language.core.dot", ["triton.language.core.dot"]),  # where it is asked for in full
        ("tl.dott", []),
        ("tl.dot(no_such_keyword)", []),
    ],
)
def test_finds(wanted: str, names: list[str]) -> None:
    assert [entry.name for entry in find_entries(wanted)] == names


def test_tells_since_until_keywords_and_replacements() -> None:
    (gone,) = find_entries("tl.make_block_ptr")
    assert (gone.since, gone.until, gone.releases) == ("2.1.0", "3.8.0", "2.1.0-3.8.0")
    assert gone.instead is not None and gone.source is not None
    (new,) = find_entries("tl.make_tensor_descriptor")
    assert new.until is None and "triton.language.make_block_ptr" in new.replaced
    (dot,) = find_entries("tl.dot")
    assert dict(dot.keywords)["input_precision"] == "3.0.0-"
    assert dot.calls[0] == ("2.0.0", "input other allow_tf32=")


def test_tells_what_a_release_brought_and_no_longer_has() -> None:
    gone = {entry.name for entry in changed_in("3.9.0", is_new=False)}
    assert {"triton.language.make_block_ptr", "triton.language.load(boundary_check)"} <= gone
    new = {entry.name for entry in changed_in("3.4.0", is_new=True)}
    assert "triton.language.make_tensor_descriptor" in new
    assert "triton.language.tensor_descriptor" in new
    # A member of a class that is new says nothing more; keywords of what is new neither.
    assert "triton.language.tensor_descriptor.load" not in new
    assert not any(name.startswith("triton.language.make_tensor_descriptor(") for name in new)
    assert changed_in("2.0.0", is_new=True) == []
    with pytest.raises(KeyError):
        changed_in("9.9", is_new=True)


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("tl.dott", "triton.language.dot"),
        ("tl.maximun", "triton.language.maximum"),
        ("triton.testing.do_benchs", "triton.testing.do_bench"),
    ],
)
def test_offers_what_was_meant(wanted: str, near: str) -> None:
    assert near in near_entries(wanted)
