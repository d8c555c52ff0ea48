"""Copies among the kernels of an index: found before it is published, shown as one row each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from crawler.models import Document, DocumentKind, KernelRecord, RepoStatus
from index.cli import main
from index.database import open_index
from index.queries.search import search
from index.queries.similar import similar_kernels
from tests.index.samples import column, crawled, kernel, rows, save

CODE = """@triton.jit
def {name}(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offs, mask=offs < n, other=0.0).to(tl.float32)
    scale = tl.sqrt(tl.sum(x * x, axis=0) / n + 1e-6)
    tl.store(y_ptr + offs, x / scale, mask=offs < n)
"""
NEAR = CODE.replace("tl.program_id(0)", "tl.program_id(0).to(tl.int64)")
OTHER = CODE.replace("x / scale", "x + scale")
REWRITTEN = """@triton.jit
def {name}(x, y, row_stride, n, BLOCK: tl.constexpr):
    p_x = tl.make_block_ptr(x, (n,), (row_stride,), (0,), (BLOCK,), (0,))
    p_y = tl.make_block_ptr(y, (n,), (row_stride,), (0,), (BLOCK,), (0,))
    b_x = tl.load(p_x, boundary_check=(0,), padding_option="zero")
    b_n = tl.sqrt(tl.sum(b_x * b_x) / n + 1e-6)
    tl.store(p_y, (b_x / b_n).to(p_y.dtype.element_ty), boundary_check=(0,))
"""
ORIGIN = "z/origin:ops/rms_norm.py::rms_norm_kernel"


def norm(repo: str, code: str = CODE, **facts: Any) -> KernelRecord:
    facts = {"qualname": "rms_norm_kernel", "path": "ops/rms_norm.py"} | facts
    name = facts["qualname"].rpartition(".")[2]
    return kernel(repo=repo, source=code.format(name=name), **facts)


def family() -> list[Any]:
    """Return an original, an equal copy that credits it, and a near copy in a re-packager."""
    head = b"# Adapted from https://github.com/z/origin\n"
    heads = (Document(path="ops/rms_norm.py", kind=DocumentKind.HEAD, text=head),)
    return [
        crawled(norm("a/copy"), documents=heads),
        crawled(norm("b/packer", NEAR), marks=("vendored",)),
        crawled(norm("z/origin"), kernel("other_kernel", repo="z/origin")),
    ]


@pytest.fixture
def indexed(db: Path) -> Path:
    save(db, *family())
    return db


def test_a_group_has_a_number_a_count_and_an_origin(indexed: Path) -> None:
    found = rows(indexed, "SELECT clone_group, n_copies, origin FROM kernels ORDER BY id")
    numbers = {number for number, *_ in found if number is not None}
    assert len(numbers) == 1
    assert [row[1:] for row in found] == [(2, ORIGIN), (2, ORIGIN), (0, None), (2, ORIGIN)]


def test_show_tells_why(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--db", str(indexed), "show", ORIGIN]) == 0
    assert "likely the original of 2 copies" in capsys.readouterr().out
    assert main(["--db", str(indexed), "show", "a/copy:ops/rms_norm.py::rms_norm_kernel"]) == 0
    assert f"equal after renaming to {ORIGIN}, likely the original" in capsys.readouterr().out


def test_a_second_crawl_changes_no_row(indexed: Path) -> None:
    before = rows(indexed, "SELECT * FROM kernel_rows ORDER BY id")
    prints = rows(indexed, "SELECT * FROM fingerprints ORDER BY id")
    save(indexed, *family())
    assert rows(indexed, "SELECT * FROM kernel_rows ORDER BY id") == before
    assert rows(indexed, "SELECT * FROM fingerprints ORDER BY id") == prints


def test_only_new_texts_are_read(indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from index.tables import copies

    made: list[str] = []
    real = copies.fingerprint_of

    def counted(text: str, names: frozenset[str]) -> object:
        made.append(text)
        return real(text, names)

    monkeypatch.setattr(copies, "fingerprint_of", counted)
    save(indexed, *family())
    assert made == []
    save(indexed, crawled(norm("c/new", NEAR), kernel("other_kernel", repo="c/new")))
    assert len(made) == 2
    monkeypatch.setattr(copies, "FINGERPRINT_VERSION", "next")
    made.clear()
    save(indexed)
    # The text of the near copy is in two repositories, that of the original too.
    assert len(made) == 3


def test_a_group_is_gone_when_its_copies_are(indexed: Path) -> None:
    save(indexed, crawled(name="a/copy"), crawled(name="b/packer"))
    live = rows(
        indexed, "SELECT clone_group, n_copies, origin FROM kernels WHERE removed_at IS NULL"
    )
    assert live == [(None, 0, None)] * 2
    gone = rows(indexed, "SELECT n_copies, origin FROM kernels WHERE removed_at IS NOT NULL")
    assert gone == [(None, None)] * 2
    reasons = column(indexed, "SELECT reasons FROM kernel_rows")
    assert "origin" not in {reason["field"] for each in reasons for reason in each}
    assert column(indexed, "SELECT count(*) FROM fingerprints") == [2]


def test_reasons_of_copies_outlive_those_of_enrichment(
    indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = column(indexed, "SELECT reasons FROM kernel_rows ORDER BY id")
    monkeypatch.setattr("index.tables.enriching.enrichment_version", lambda: "next")
    save(indexed)
    assert column(indexed, "SELECT reasons FROM kernel_rows ORDER BY id") == before


def test_marks_count_from_the_next_crawl_even_if_nothing_else_changed(indexed: Path) -> None:
    unchanged = crawled(name="z/origin", status=RepoStatus.UNCHANGED, marks=("vendored",))
    save(indexed, replace(unchanged, kernels=()))
    assert column(indexed, "SELECT DISTINCT origin FROM kernels WHERE n_copies > 0") == [None]
    # What is left credits another, so that no original can be told.
    assert "a/copy has it from elsewhere too (z/origin)" in str(
        column(indexed, "SELECT reasons FROM kernel_rows")
    )


def test_the_older_file_is_the_original(db: Path) -> None:
    save(db, crawled(norm("a/later")), crawled(norm("z/first")))
    assert column(db, "SELECT DISTINCT origin FROM kernels") == [None]
    with duckdb.connect(db) as con:
        con.execute(
            "INSERT INTO file_history (repo, path, blob, authors, first_commit_at) VALUES "
            "('a/later', 'ops/rms_norm.py', '1', [], '2024-02-01'), "
            "('z/first', 'ops/rms_norm.py', '2', [], '2022-06-30')"
        )
    save(db)
    assert column(db, "SELECT DISTINCT origin FROM kernels") == [
        "z/first:ops/rms_norm.py::rms_norm_kernel"
    ]
    assert "oldest (2022-06-30)" in str(column(db, "SELECT reasons FROM kernel_rows"))


def test_copies_among_kernels_of_which_only_facts_are_known_stay(indexed: Path) -> None:
    before = rows(indexed, "SELECT id, clone_group, n_copies, origin FROM kernels ORDER BY id")
    with duckdb.connect(indexed) as con:
        con.execute("UPDATE kernel_rows SET source = NULL WHERE repo = 'a/copy'")
        con.execute("DELETE FROM fingerprints WHERE starts_with(id, 'a/copy')")
    save(indexed, crawled(norm("c/new", NEAR)))
    after = rows(indexed, "SELECT id, clone_group, n_copies, origin FROM kernels ORDER BY id")
    assert [row for row in after if not row[0].startswith("c/new")] == before


def found_by(path: Path, query: str, **more: Any) -> list[str]:
    with open_index(path) as con:
        return [id.partition(":")[0] for id in search(con, query, **more).ids]


def test_search_shows_one_of_a_group(indexed: Path) -> None:
    assert found_by(indexed, "rms norm") == ["z/origin"]
    assert found_by(indexed, "") == ["z/origin", "z/origin"]
    assert found_by(indexed, "rms norm", copies=True)[-1] == "b/packer"
    assert len(found_by(indexed, "rms norm", copies=True)) == 3


def test_where_the_origin_is_filtered_out_the_best_of_the_others_is_shown(indexed: Path) -> None:
    from index.queries.filters import Filters

    others = Filters(repos=("a/copy", "b/packer"))
    assert found_by(indexed, "rms norm", filters=others) == ["a/copy"]


def test_a_copy_of_another_name_is_found_by_that_name(db: Path) -> None:
    renamed = norm("a/copy", qualname="zebra_stripes", path="zebra.py")
    save(db, crawled(renamed), crawled(norm("z/origin")))
    assert found_by(db, "zebra stripes") == ["a/copy"]
    assert len(found_by(db, "rms norm")) == 1


def test_re_packagers_come_after_all_others(db: Path) -> None:
    save(
        db,
        crawled(kernel("softmax_kernel", repo="a/packer", path="s.py"), marks=("vendored",)),
        crawled(kernel("softmax_kernel", repo="b/fork", path="s.py"), marks=("fork_of",)),
        crawled(kernel("softmax_kernel", repo="z/own", path="s.py")),
    )
    assert found_by(db, "softmax", copies=True)[0] == "z/own"


def test_similar_lists_the_origin_first_and_then_the_most_alike(indexed: Path) -> None:
    with open_index(indexed) as con:
        table = similar_kernels(con, "b/packer:ops/rms_norm.py::rms_norm_kernel")
    assert list(table.column("repo")) == ["z/origin", "a/copy"]
    near, equal = table.column("similarity")
    assert near == equal
    assert 0.7 < near < 1
    with open_index(indexed) as con:
        table = similar_kernels(con, "a/copy:ops/rms_norm.py::rms_norm_kernel")
    assert list(table.column("similarity")) == [1.0, near]


def test_similar_without_fingerprints_leaves_the_similarity_open(indexed: Path) -> None:
    with duckdb.connect(indexed) as con:
        con.execute("DELETE FROM fingerprints")
    with open_index(indexed) as con:
        assert list(similar_kernels(con, ORIGIN).column("similarity")) == [None, None]


def test_similar_tells_a_copy_from_a_near_copy(indexed: Path) -> None:
    with open_index(indexed) as con:
        table = similar_kernels(con, ORIGIN)
    assert list(table.column("relation")) == ["copy", "near copy"]


def test_an_import_of_many_files_dates_nothing(db: Path) -> None:
    save(db, crawled(norm("a/import")), crawled(norm("z/second")))
    with duckdb.connect(db) as con:
        con.execute(
            "INSERT INTO file_history (repo, path, blob, authors, first_commit_at) "
            "SELECT 'a/import', path, path, [], '2022-06-30' FROM (SELECT unnest(list_concat("
            "['ops/rms_norm.py'], list_transform(range(10), lambda n: n || '.py'))) AS path) "
            "UNION ALL SELECT 'z/second', 'ops/rms_norm.py', '2', [], '2024-02-01'"
        )
    save(db)
    assert column(db, "SELECT DISTINCT origin FROM kernels") == [None]
    assert column(db, "SELECT n_copies FROM kernels") == [1, 1]


def test_a_repository_stays_in_front_when_its_wheel_is_crawled(db: Path) -> None:
    save(db, crawled(norm("z/origin")))
    save(db, crawled(norm("pypi:origin", path="origin/ops/rms_norm.py")))
    assert found_by(db, "rms norm") == ["z/origin"]
    assert found_by(db, "") == ["z/origin"]
    assert column(db, "SELECT DISTINCT origin FROM kernels") == [ORIGIN]


def test_the_command_similar(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> tuple[int, str, str]:
        code = main(["--db", str(indexed), "similar", *words])
        return code, *capsys.readouterr()

    code, out, _ = run(ORIGIN, "--format", "json")
    assert code == 0
    assert [found["repo"] for found in json.loads(out)] == ["a/copy", "b/packer"]
    assert set(json.loads(out)[0]) == {
        "id", "relation", "similarity", "license", "stars", "why", "repo", "permalink"
    }  # fmt: skip
    code, out, _ = run(ORIGIN, "--limit", "1")
    assert code == 0
    assert out.count("\n") == 2
    code, out, err = run("other_kernel")
    assert (code, out) == (1, "")
    assert (
        err == "z/origin:ops/add.py::other_kernel: no other kernel in the index is a copy of it\n"
    )
    assert run("other_kernel", "--format", "json")[:2] == (1, "[]\n")
    assert run("no_such_kernel")[0] == 1


def test_a_name_that_only_copies_have_means_their_original(
    indexed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("show", "similar"):
        assert main(["--db", str(indexed), command, "rms_norm_kernel", "--format", "json"]) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["id"] == ORIGIN if command == "show" else len(json.loads(out)) == 2
        assert err == (
            f"rms_norm_kernel: 3 kernels are called so, copies of {ORIGIN}, likely the original\n"
        )
    save(indexed, crawled(norm("d/other", OTHER)))
    assert main(["--db", str(indexed), "show", "rms_norm_kernel"]) == 2
    assert "4 kernels are called so; give more of the id" in capsys.readouterr().err


def test_a_kernel_that_was_rewritten_where_the_folder_was_taken_over_says_so(db: Path) -> None:
    shared = [(f"shared_{n}", CODE.replace("1e-6", f"1e-{n}")) for n in (3, 4, 5)]
    pairs = {
        repo: [
            norm(repo, changed, qualname="mover", path=f"{folder}/move.py"),
            *(norm(repo, code, qualname=name, path=f"{folder}/a.py") for name, code in shared),
        ]
        for repo, folder, changed in (("a/own", "k", CODE), ("b/taker", "lib/k", REWRITTEN))
    }
    save(db, *(crawled(*records) for records in pairs.values()))
    reason = "SELECT reasons FROM kernel_rows WHERE name = 'mover' ORDER BY id"
    said = [[r["reason"] for r in found if r["field"] == "origin"] for found in column(db, reason)]
    # Only its place says that it is a copy, no text.
    assert said == [["others compute the same, nothing proves a copy"]] * 2
    with open_index(db) as con:
        table = similar_kernels(con, "a/own:k/move.py::mover")
    assert list(table.column("relation")) == ["same computation"]


def test_what_is_no_python_any_more_is_left_alone(db: Path) -> None:
    save(db, crawled(kernel("broken", source="@triton.jit\ndef broken(:\n"), norm("acme/kernels")))
    assert column(db, "SELECT code IS NULL FROM fingerprints ORDER BY id") == [True, False]
    assert column(db, "SELECT n_copies FROM kernels") == [0, 0]


def test_a_person_gets_the_reasons_on_request(
    indexed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--db", str(indexed), "similar", "a/copy:ops/rms_norm.py::rms_norm_kernel"]
    assert main(words) == 0
    assert "why" not in capsys.readouterr().out.split("\n")[0].split()
    assert main([*words, "--why"]) == 0
    assert "why" in capsys.readouterr().out.split("\n")[0].split()
