from __future__ import annotations

import random

from index.tables.moves import MAX_COMPARISONS, Sighting, match_moves
from tests.index.samples import body

LONG = "tl.store(x_ptr + offsets, tl.exp(tl.load(x_ptr + offsets)) * tl.sigmoid(scale) + bias)"


def seen(path: str, qualname: str, source: str | None = None) -> Sighting:
    name = qualname.rpartition(".")[2]
    return Sighting(
        id=f"{path}::{qualname}",
        path=path,
        qualname=qualname,
        name=name,
        source=body(name, LONG) if source is None else source,
    )


def test_a_kernel_in_another_file_moved() -> None:
    assert match_moves([seen("a.py", "k")], [seen("b.py", "k")]) == {"b.py::k": "a.py::k"}


def test_a_kernel_of_another_name_was_renamed() -> None:
    assert match_moves([seen("a.py", "k")], [seen("a.py", "q")]) == {"a.py::q": "a.py::k"}


def test_a_telling_body_is_found_under_another_name_and_in_another_file() -> None:
    assert match_moves([seen("a.py", "k")], [seen("b.py", "q")]) == {"b.py::q": "a.py::k"}


def test_a_body_that_says_little_is_not_followed_that_far() -> None:
    short = [seen("a.py", "k", "def k(): pass")], [seen("b.py", "q", "def q(): pass")]
    assert match_moves(*short) == {}


def test_a_body_that_several_share_is_not_followed_that_far() -> None:
    lost = [seen("a.py", "k"), seen("a.py", "l")]
    assert match_moves(lost, [seen("b.py", "q")]) == {}


def test_a_kernel_that_moved_and_changed_a_little_is_followed() -> None:
    changed = seen("b.py", "k", body("k", LONG + "  # faster"))
    assert match_moves([seen("a.py", "k")], [changed]) == {"b.py::k": "a.py::k"}


def test_another_kernel_of_the_same_name_is_not_it() -> None:
    other = seen("b.py", "k", "def k(q, k, v):\n    return flash(q, k, v, causal=True)\n")
    assert match_moves([seen("a.py", "k")], [other]) == {}


def test_of_several_the_most_alike_path_is_taken() -> None:
    lost = [seen("old/softmax/ops.py", "k"), seen("old/norm/ops.py", "k")]
    found = [seen("new/norm/ops.py", "k"), seen("new/softmax/ops.py", "k")]
    assert match_moves(lost, found) == {
        "new/norm/ops.py::k": "old/norm/ops.py::k",
        "new/softmax/ops.py::k": "old/softmax/ops.py::k",
    }


def test_each_kernel_is_used_once() -> None:
    moves = match_moves([seen("a.py", "k")], [seen("b.py", "k"), seen("c.py", "k")])
    assert list(moves.values()) == ["a.py::k"]


def test_order_of_the_arguments_does_not_matter() -> None:
    lost = [seen(f"a{n % 7}.py", f"k{n % 5}") for n in range(35)]
    found = [seen(f"b{n % 5}.py", f"k{n % 7}") for n in range(35)]
    expected = match_moves(lost, found)
    for seed in range(5):
        random.Random(seed).shuffle(lost)
        random.Random(seed + 100).shuffle(found)
        assert match_moves(lost, found) == expected


def test_a_repository_turned_inside_out_is_affordable() -> None:
    lost = [seen(f"a{n}.py", "k", f"def k(): return {n}" * 200) for n in range(400)]
    found = [seen(f"b{n}.py", "k", f"def k(a, b): yield {n}" * 200) for n in range(400)]
    assert len(lost) * len(found) > MAX_COMPARISONS
    assert match_moves(lost, found) == {}
