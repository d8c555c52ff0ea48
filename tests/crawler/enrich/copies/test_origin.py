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
            "where a/a has it from",
            id="the one that is credited",
        ),
        pytest.param(
            standing("z/z"),
            standing("a/a", fork_of="z/z", stars=9),
            "where a/a has it from",
            id="not its fork",
        ),
        pytest.param(
            standing("z/z"),
            standing("a/a", home="z/z"),
            "where a/a has it from",
            id="the holder's own",
        ),
        pytest.param(
            standing("z/z"), standing("a/a", is_test=True), "part of tests", id="not a test"
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
            "in packages",
            id="the one with a date, not a package",
        ),
        pytest.param(
            standing("z/z", first_commit_at=NEWER),
            standing("a/a", first_commit_at=OLDER, credits=credit("z/z")),
            "where a/a has it from",
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
            "in packages",
            id="a repository, not a package",
        ),
        pytest.param(
            standing("z/z", credited=2), standing("a/a", stars=9), "2 others", id="the well-known"
        ),
        pytest.param(standing("z/z", stars=9), standing("a/a", stars=1), "stars (9)", id="stars"),
        pytest.param(
            standing("a/a", "z/z/z.py", first_commit_at=OLDER),
            standing("a/a", first_commit_at=NEWER),
            "oldest of its repository (2022-06-30)",
            id="the older of one repository",
        ),
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
        "one of the others is from elsewhere by their own credits; "
        "of the rest, its file is the oldest (2022-06-30)",
    )


def test_a_file_is_as_old_as_those_that_are_from_it() -> None:
    moved = standing("z/moved", first_commit_at=NEWER)
    debtor = standing("m/debtor", first_commit_at=OLDER, credits=credit("z/moved"))
    between = standing("a/between", first_commit_at=OLDER + (NEWER - OLDER) / 2)
    found = find_origin([moved, debtor, between])
    assert found.id == moved.id


def test_a_package_comes_after_the_repository_that_it_is_built_from() -> None:
    own = credit("acme/fast")
    package = standing("pypi:fast", credits=own, stars=9)
    built_from = standing("acme/fast", credits=own, first_commit_at=NEWER)
    later = standing("b/b", credits=own, first_commit_at=NEWER + timedelta(days=9))
    assert find_origin([package, built_from, later]).id == built_from.id
    assert find_origin([package, later]).id == package.id


def test_dates_do_not_decide_where_one_is_unknown() -> None:
    dated, undated = standing("a/a", first_commit_at=OLDER), standing("z/z", stars=5)
    assert find_origin([dated, undated]).id == undated.id


VENDORED = frozenset({"vendored"})


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        pytest.param(
            [standing("a/a", marks=VENDORED, stars=1), standing("z/z", marks=VENDORED)],
            "only collections",
            id="collections",
        ),
        pytest.param(
            [standing("a/a", "third_party/k.py"), standing("z/z", "vendor/k.py", stars=2)],
            "only folders of other people's code",
            id="folders",
        ),
        pytest.param(
            [
                standing("z/fork", fork_of="y/gone", first_commit_at=OLDER),
                standing("a/a", marks=VENDORED),
            ],
            "only forks",
            id="a fork beside a collection",
        ),
        pytest.param(
            [
                standing("a/a", source="y/gone", first_commit_at=OLDER),
                standing("z/z", first_commit_at=NEWER),
            ],
            "from elsewhere too (y/gone)",
            id="the older credits one that is not indexed",
        ),
        pytest.param(
            [standing("a/a", home="y/gone", stars=2), standing("z/z")],
            "from elsewhere too (y/gone)",
            id="the copyright of another",
        ),
        pytest.param(
            [
                standing("a/a", is_imported=True, first_commit_at=OLDER),
                standing("z/z", first_commit_at=NEWER),
            ],
            "import of many files",
            id="the date of an import",
        ),
        pytest.param([standing("b/b"), standing("a/a")], "nothing tells", id="nothing"),
        pytest.param([standing("b/b", "x/y/k.py"), standing("a/a")], "nothing tells", id="depth"),
    ],
)
def test_where_it_cannot_be_told_there_is_no_original(members: list[Standing], reason: str) -> None:
    for order in (members, members[::-1]):
        found = find_origin(order)
        assert found.id is None
        assert reason in found.reason


# What is recorded of kernels whose original was told by hand; the first is the original.
KNOWN = {
    "layer norm of mamba": [
        standing(
            "Dao-AILab/flash-attention",
            "flash_attn/ops/triton/layer_norm.py",
            first_commit_at=datetime(2023, 11, 13, 9, 56, 46),
        ),
        standing(
            "state-spaces/mamba",
            "mamba_ssm/ops/triton/layer_norm.py",
            first_commit_at=datetime(2023, 12, 4, 16, 18, 29),
            home="Dao-AILab/flash-attention",
        ),
    ],
    "int4 and int8 of LightLLM": [
        standing(
            "ModelTC/lightllm",
            "lightllm/common/basemodel/triton_kernel/dequantize_gemm_int4.py",
            first_commit_at=datetime(2023, 9, 12, 5, 56, 15),
            credited=1,
        ),
        standing(
            "S-LoRA/S-LoRA",
            "slora/common/basemodel/triton_kernel/dequantize_gemm_int4.py",
            first_commit_at=datetime(2023, 7, 22, 8, 11, 15),
            is_imported=True,
        ),
    ],
    "dequantization of DeepSeek": [
        standing(
            "deepseek-ai/DeepSeek-V3",
            "inference/kernel.py",
            first_commit_at=datetime(2024, 12, 26, 11, 1, 57),
        ),
        standing(
            "kvcache-ai/ktransformers",
            "archive/ktransformers/ktransformers_ext/triton/fp8gemm.py",
            first_commit_at=datetime(2025, 2, 22, 13, 5, 8),
            credits=Credits(sentences=(" from deepseek ai deepseek v3 ",)),
        ),
        standing(
            "ModelTC/lightllm",
            "lightllm/models/deepseek2/triton_kernel/weight_dequant.py",
            first_commit_at=datetime(2025, 2, 22, 13, 23, 28),
        ),
    ],
}


@pytest.mark.parametrize("known", KNOWN)
def test_known_originals(known: str) -> None:
    original, *_ = members = KNOWN[known]
    assert find_origin(members).id == original.id
    assert find_origin(members[::-1]).id == original.id


def test_what_is_imported_is_the_original_where_others_name_it() -> None:
    imported = standing("a/a", is_imported=True, first_commit_at=OLDER)
    debtor = standing("z/z", first_commit_at=NEWER, credits=credit("a/a"))
    assert find_origin([imported, debtor]).id == imported.id


def test_each_reason_says_of_how_many_others_it_is_true() -> None:
    members = [
        standing("z/z", first_commit_at=OLDER),
        standing("a/a", is_test=True),
        standing("b/b", is_test=True),
        standing("c/c", first_commit_at=NEWER),
    ]
    reason = "2 others are part of tests; of the rest, its file is the oldest (2022-06-30)"
    assert find_origin(members).reason == reason


@pytest.mark.parametrize(
    ("text", "repo"),
    [
        ("# Adapted from https://github.com/Acme/Fast-Kernels/blob/main/k.py", "acme/fast-kernels"),
        ("# see git@github.com:acme/fast-kernels.git", "acme/fast-kernels"),
        ("# https://raw.githubusercontent.com/acme/fast-kernels/main/k.py", "acme/fast-kernels"),
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
        "# see https://github.com/another-owner/fast-kernels",
        "",
    ],
)
def test_other_texts_do_not(text: str) -> None:
    assert not read_credits(text).names("acme/fast-kernels")


def test_names_that_every_project_has_need_their_address() -> None:
    assert not read_credits("# adapted from the Triton tutorial").names("triton-lang/triton")
    assert read_credits("# from https://github.com/openai/triton").names("openai/triton")


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


def test_former_names_of_a_repository_are_its_own() -> None:
    moved = standing("new/home", former=("old/home",))
    other = standing("a/a", credits=credit("old/home"))
    assert find_origin([moved, other]).id == moved.id
    assert not standing("a/a", credits=credit("old/home")).owes(standing("fork/home"))


def test_the_source_of_a_file_is_another_repository_that_it_credits() -> None:
    text = "# Adapted from https://github.com/z/z/blob/main/k.py"
    heads = [
        ("a/a", "k.py", text),
        ("z/z", "k.py", text),
        ("pypi:z", "k.py", text),
        ("a/a", "issue.py", "# see https://github.com/z/z/issues/1"),
    ]
    book = CreditBook(heads)
    assert book.source("a/a", "k.py") == "z/z"
    assert book.source("new/z", "k.py", former=("z/z",)) is None
    assert book.source("z/z", "k.py") is None
    assert book.source("pypi:z", "k.py") is None
    assert book.source("a/a", "issue.py") is None
    elsewhere = [("a/a", "k.py", "# Adopted from https://models.example/acme/Fast-Kernels/k.py")]
    assert CreditBook(elsewhere).source("a/a", "k.py") is None
    named = CreditBook(elsewhere, repos=["acme/Fast-Kernels", "a/a"])
    assert named.source("a/a", "k.py") == "acme/Fast-Kernels"


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
