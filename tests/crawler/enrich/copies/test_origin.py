"""Which copy is taken for the original, and whom texts credit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from crawler.enrich.copies.credits import CreditBook, Credits, read_credits
from crawler.enrich.copies.origin import Standing, find_origin


def standing(repo: str, path: str = "k.py", **facts: Any) -> Standing:
    return Standing(id=f"{repo}:{path}::k", repo=repo, path=path, **facts)


NEWER = datetime(2024, 1, 1)
OLDER = datetime(2022, 6, 30)


def credit(*repos: str) -> Credits:
    return Credits(repos=frozenset(repos))


@pytest.mark.parametrize(
    ("original", "other", "reason"),
    [
        pytest.param(
            standing("z/z"),
            standing("a/a", marks=frozenset({"vendored"}), stars=9),
            "collections of copies",
            id="not a re-packager, whatever its stars",
        ),
        pytest.param(
            standing("z/z"),
            standing("a/a", is_generated=True),
            "machine-written",
            id="not a machine",
        ),
        pytest.param(
            standing("z/z", stars=1),
            standing("a/a", credits=credit("z/z"), stars=9),
            "credited by a/a",
            id="the one that is credited",
        ),
        pytest.param(
            standing("z/z"),
            standing("a/a", fork_of="z/z", stars=9),
            "credited by a/a",
            id="not its fork",
        ),
        pytest.param(
            standing("z/z"), standing("a/a", home="z/z"), "credited by a/a", id="the holder's own"
        ),
        pytest.param(
            standing("z/fork", fork_of="y/gone"),
            standing("a/a", credits=credit("y/gone")),
            "credited by a/a",
            id="the fork of an original that is not indexed",
        ),
        pytest.param(
            standing("z/z"), standing("a/a", is_test=True), "parts of tests", id="not a test"
        ),
        pytest.param(
            standing("z/z"),
            standing("a/a", "third_party/z/k.py"),
            "other people's code",
            id="not a vendored folder",
        ),
        pytest.param(
            standing("z/z", first_commit_at=OLDER),
            standing("a/a", first_commit_at=NEWER, stars=9),
            "oldest (2022-06-30)",
            id="the older",
        ),
        pytest.param(
            standing("z/z", first_commit_at=OLDER),
            standing("pypi:a", stars=9),
            "packages",
            id="the one with a date, not a package",
        ),
        pytest.param(
            standing("z/z", first_commit_at=NEWER),
            standing("a/a", first_commit_at=OLDER, credits=credit("z/z")),
            "credited by a/a",
            id="the one that is credited, though its file is younger",
        ),
        pytest.param(
            standing("z/z", first_commit_at=NEWER),
            standing("a/a", "third_party/k.py", first_commit_at=OLDER),
            "other people's code",
            id="not a vendored folder, though it is older",
        ),
        pytest.param(
            standing("z/z", first_commit_at=OLDER, credited=1),
            standing("a/a", first_commit_at=OLDER - timedelta(minutes=9)),
            "one other",
            id="the well-known of two that came up together",
        ),
        pytest.param(
            standing("z/z"),
            standing("pypi:z", stars=9),
            "packages",
            id="a repository, not a package",
        ),
        pytest.param(
            standing("z/z", credited=2), standing("a/a", stars=9), "2 others", id="the well-known"
        ),
        pytest.param(standing("z/z", stars=9), standing("a/a", stars=1), "stars (9)", id="stars"),
        pytest.param(
            standing("a/a", "z.py"),
            standing("a/a", "benchmarks/a.py"),
            "benchmarks",
            id="its place",
        ),
    ],
)
def test_the_likely_original(original: Standing, other: Standing, reason: str) -> None:
    for members in ([original, other], [other, original]):
        found = find_origin(members)
        assert found.id == original.id
        assert reason in found.reason


def test_who_had_it_first_goes_before_who_is_credited_by_a_later_one() -> None:
    first = standing("z/first", first_commit_at=OLDER)
    between = standing("m/between", first_commit_at=NEWER)
    later = standing("a/later", first_commit_at=NEWER, credits=credit("m/between"))
    found = find_origin([first, between, later])
    assert (found.id, found.reason) == (
        first.id,
        "the others say that theirs is from elsewhere; its file is the oldest (2022-06-30)",
    )


def test_a_file_is_as_old_as_those_that_are_from_it() -> None:
    moved = standing("z/moved", first_commit_at=NEWER)
    debtor = standing("m/debtor", first_commit_at=OLDER, credits=credit("z/moved"))
    between = standing("a/between", first_commit_at=OLDER + (NEWER - OLDER) / 2)
    found = find_origin([moved, debtor, between])
    assert found.id == moved.id


def test_a_package_may_be_older_than_any_date_and_says_no_date() -> None:
    package = standing("pypi:z")
    old = standing("a/a", first_commit_at=OLDER)
    new = standing("b/b", first_commit_at=NEWER, credits=credit("z/z"))
    found = find_origin([package, old, new])
    assert found.id == package.id
    assert found.reason.startswith("the others say that theirs is from elsewhere")
    assert "its file" not in found.reason


def test_dates_do_not_decide_where_one_is_unknown() -> None:
    dated, undated = standing("a/a", first_commit_at=OLDER), standing("z/z", stars=5)
    assert find_origin([dated, undated]).id == undated.id


def test_where_all_are_copies_the_other_rules_decide() -> None:
    marks = frozenset({"vendored"})
    one, other = standing("a/a", marks=marks, stars=1), standing("z/z", marks=marks, stars=2)
    assert find_origin([one, other]).id == other.id


def test_where_nothing_tells_the_answer_says_so() -> None:
    found = find_origin([standing("b/b"), standing("a/a")])
    assert (found.id, found.reason) == ("a/a:k.py::k", "nothing tells them apart")


@pytest.mark.parametrize(
    ("text", "repo"),
    [
        ("# Adapted from https://github.com/Acme/Fast-Kernels/blob/main/k.py", "acme/fast-kernels"),
        ("# see git@github.com:acme/fast-kernels.git", "acme/fast-kernels"),
        ("# https://raw.githubusercontent.com/acme/fast-kernels/main/k.py", "acme/fast-kernels"),
        ("# https://github.com/former-owner/fast-kernels", "acme/fast-kernels"),
        ("# https://github.com/acme/fast-kernels", "pypi:fast-kernels"),
        ("# This file contains code copied from the fast-kernels project.", "acme/fast-kernels"),
        ('"""Based on\nFast Kernels (thanks!)."""', "acme/fast_kernels"),
        ("# Vendored from fast-kernels, with fewer options", "acme/fast-kernels"),
    ],
)
def test_texts_name_repositories(text: str, repo: str) -> None:
    assert read_credits(text).names(repo)


@pytest.mark.parametrize(
    "text",
    [
        "# fast-kernels are what we write here",
        "# Adapted from https://github.com/other/kernels",
        "# copied from the fast kernelspace",
        "",
    ],
)
def test_other_texts_do_not(text: str) -> None:
    assert not read_credits(text).names("acme/fast-kernels")


def test_names_that_every_project_has_need_their_address() -> None:
    assert not read_credits("# adapted from the Triton tutorial").names("triton-lang/triton")
    assert read_credits("# from https://github.com/openai/triton").names("triton-lang/triton")


@pytest.mark.parametrize(
    "line",
    [
        "# Copyright (c) 2023-2025, Ada Lovelace, Alan Turing",
        "# Copyright 2024 Ada Lovelace & Alan Turing. All rights reserved.",
        "# SPDX-FileCopyrightText: Copyright (C) [2026] Ada Lovelace, Alan Turing",
        "Copyright © 2021-present, Ada Lovelace and Alan Turing",
    ],
)
def test_copyright_holders_are_told_without_years(line: str) -> None:
    holder = read_credits(line).holder
    assert holder is not None
    assert {"ada", "lovelace", "alan", "turing"} <= set(holder.split())
    assert not any(character.isdigit() for character in holder)


def test_a_holder_is_at_home_where_most_of_their_files_are() -> None:
    ours, theirs = "# Copyright (c) 2024, Ours Team", "# Copyright (c) 2023, Them"
    heads = [
        *(("them/home", f"{n}.py", theirs) for n in range(3)),
        *(("packer/all", f"{n}.py", theirs) for n in range(9)),
        *(("us/us", f"{n}.py", ours) for n in range(5)),
        ("us/us", "copied.py", theirs),
    ]
    book = CreditBook(heads, copiers={"packer/all"})
    assert book.home("us/us", "copied.py") == "them/home"
    assert book.home("us/us", "1.py") is None
    assert book.home("them/home", "1.py") is None
    assert book.home("us/us", "unknown.py") is None


def test_credits_are_counted_by_repositories() -> None:
    text = "# from https://github.com/Z/Z"
    heads = [
        ("a/a", "1.py", text),
        ("a/a", "2.py", text),
        ("b/b", "1.py", text),
        ("z/z", "1.py", text),
    ]
    book = CreditBook(heads)
    assert book.credited("z/z") == 2
    assert book.credited("a/a") == 0
    assert book.of("a/a", "1.py").names("z/z")


def test_no_text_is_too_much() -> None:
    for text in ("copied from " * 100_000, "copyright " * 100_000, "github.com/" + "a" * 10**6):
        read_credits(text)
