"""Kernels in the same place of two sources, where one has taken over a folder of the other."""

from __future__ import annotations

import pytest

from crawler.enrich.copies.twins import MAX_EQUAL, MAX_SAME, MIN_EQUAL, Place, twins


def place(repo: str, path: str, name: str, code: str | None = None, n: int = 0) -> Place:
    id = f"{repo}:{path}::{name}{f'#{n}' if n else ''}"
    return Place(id=id, repo=repo, path=path, qualname=name, code=code)


def folder(repo: str, prefix: str, n: int = MIN_EQUAL) -> list[Place]:
    """Return kernels that are equal in every repository, in files of their own."""
    return [place(repo, f"{prefix}ops/k{i}.py", f"k{i}", f"code {i}") for i in range(n)]


def pairs(*places: Place, name: str) -> set[tuple[str, str]]:
    found = twins([*places])
    return {(a, b) for a, b in found if a.endswith(name)}


OURS, THEIRS = place("a/a", "ops/new/x.py", "x", "1"), place("b/b", "lib/a/ops/new/x.py", "x", "2")


def test_what_stands_in_the_same_place_of_a_folder_that_was_taken_over() -> None:
    shared = [*folder("a/a", ""), *folder("b/b", "lib/a/")]
    assert pairs(*shared, OURS, THEIRS, name="::x") == {(OURS.id, THEIRS.id)}


def test_kernels_too_short_to_tell_are_found_and_tell_nothing() -> None:
    short = [place(repo, path, "s") for repo, path in (("a/a", "ops/s.py"), ("b/b", "ops/s.py"))]
    assert pairs(*folder("a/a", ""), *folder("b/b", ""), *short, name="::s")
    untold = [place(repo, f"ops/{n}.py", "s") for repo in ("a/a", "b/b") for n in range(9)]
    assert not pairs(*untold, name="::s")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(place("b/b", "lib/a/ops/x.py", "x", "2"), id="in another folder"),
        pytest.param(place("b/b", "lib/a/ops/new/y.py", "x", "2"), id="in another file"),
        pytest.param(place("b/b", "lib/a/ops/new/x.py", "C.x", "2"), id="in a class"),
        pytest.param(place("b/b", "elsewhere/ops/new/x.py", "x", "2"), id="beside the folder"),
        pytest.param(place("c/c", "lib/a/ops/new/x.py", "x", "2"), id="in another repository"),
        pytest.param(place("a/a", "lib/a/ops/new/x.py", "x", "2"), id="in the same repository"),
    ],
)
def test_other_places_are_none(other: Place) -> None:
    assert not pairs(*folder("a/a", ""), *folder("b/b", "lib/a/"), OURS, other, name="::x")


def test_what_stands_beside_the_folder_that_was_taken_over_was_not() -> None:
    shared = [*folder("a/a", "src/"), *folder("b/b", "")]
    inside, beside = place("a/a", "src/x.py", "x"), place("a/a", "doc/x.py", "x")
    taken = place("b/b", "x.py", "x")
    assert pairs(*shared, inside, beside, taken, name="::x") == {(inside.id, taken.id)}


def test_folders_of_one_repository_are_variants_and_not_taken_over() -> None:
    shared = [*folder("a/a", "one/"), *folder("a/a", "two/")]
    both = place("a/a", "one/x.py", "x"), place("a/a", "two/x.py", "x")
    assert not pairs(*shared, *both, name="::x")


def test_a_few_equal_kernels_do_not_make_a_folder_that_was_taken_over() -> None:
    few = [*folder("a/a", "", MIN_EQUAL - 1), *folder("b/b", "lib/a/", MIN_EQUAL - 1)]
    assert not pairs(*few, OURS, THEIRS, name="::x")
    # One kernel in many copies is one kernel.
    again = [place(repo, "ops/k.py", "k", "code") for repo in ("a/a", "b/b") for _ in range(9)]
    assert not pairs(*again, *few, OURS, THEIRS, name="::x")


def test_what_everybody_has_costs_no_more_than_its_bound() -> None:
    many = [place(f"r/{n:04}", "k.py", "k", "code") for n in range(40 * MAX_EQUAL)]
    assert not list(twins(many))
    again = [place(repo, "ops/k.py", "k", "code", n) for repo in ("a/a", "b/b") for n in range(99)]
    found = list(twins([*folder("a/a", ""), *folder("b/b", ""), *again]))
    assert 0 < sum(a.startswith("a/a:ops/k.py") for a, _ in found) <= 99 * MAX_SAME
