"""Results of compiling in the index: shared by copies, shown by release, gone when code changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from index.compiling.results import CompileFacts, CompileResult, Outcome
from index.errors import CompileError
from index.store import Store
from index.tables.compilations import read_compilations
from tests.index.samples import column, crawled, kernel, rows, save

SHA = "a" * 64
ID = kernel().id


def result(
    triton: str = "3.9.0",
    target: str = "cuda:90",
    outcome: Outcome = Outcome.COMPILED,
    id: str = ID,
    sha: str | None = SHA,
) -> CompileResult:
    facts = CompileFacts(shared_bytes=1024, registers=32, instructions=("mma",))
    return CompileResult(
        id=id,
        triton=triton,
        target=target,
        outcome=outcome,
        reason=None if outcome is Outcome.COMPILED else "NameError: x",
        assumptions={"x_ptr": "*fp16", "BLOCK": 64},
        facts=facts if outcome is Outcome.COMPILED else None,
        seconds=0.5,
        source_sha=sha,
    )


def keep(db: Path, *results: CompileResult) -> int:
    with Store.open_for_writing(db) as store:
        return store.save_compilations(results)


def compiled(db: Path, id: str = ID) -> list[tuple[str, str, str]]:
    ((found,),) = rows(db, f"SELECT compiled FROM kernels WHERE id = '{id}'")
    return [(each["triton"], each["target"], each["outcome"]) for each in found]


def test_a_kernel_bears_its_results_by_release_and_target(db: Path) -> None:
    save(db, crawled(kernel()))
    assert keep(db, result("3.10.0"), result("3.9.0"), result("3.9.0", "cuda:120")) == 1
    keep(db, result("3.2.0", outcome=Outcome.FAILED))
    assert compiled(db) == [
        ("3.2.0", "cuda:90", "failed"),
        ("3.9.0", "cuda:120", "compiled"),
        ("3.9.0", "cuda:90", "compiled"),
        ("3.10.0", "cuda:90", "compiled"),
    ]
    facts = rows(db, "SELECT DISTINCT outcome, registers, instructions FROM compilations")
    assert sorted(facts) == [("compiled", 32, ["mma"]), ("failed", None, [])]


def test_a_later_result_takes_the_place_of_an_earlier(db: Path) -> None:
    save(db, crawled(kernel()))
    keep(db, result(outcome=Outcome.FAILED))
    keep(db, result())
    assert compiled(db) == [("3.9.0", "cuda:90", "compiled")]
    assert column(db, "SELECT count(*) FROM compilations") == [1]


def test_a_failure_that_guesses_may_be_to_blame_for_is_kept_and_not_told(db: Path) -> None:
    save(db, crawled(kernel()))
    keep(db, result(outcome=Outcome.FAILED))
    assert keep(db, replace(result(outcome=Outcome.FAILED), is_certain=False)) == 0
    assert compiled(db) == []
    assert column(db, "SELECT count(*) FROM compilations") == [1]


def test_results_that_no_kernel_is_known_for_are_left_out(db: Path) -> None:
    save(db, crawled(kernel()))
    assert keep(db, result(id="k.py::other"), result(id=ID, sha=None)) == 0
    assert column(db, "SELECT count(*) FROM compilations") == [0]


def test_a_kernel_whose_code_changed_bears_them_no_more(db: Path) -> None:
    save(db, crawled(kernel()))
    keep(db, result())
    save(db, crawled(kernel(source="@triton.jit\ndef other(): pass"), commit="b" * 40))
    assert compiled(db) == []


def test_a_kernel_that_was_read_again_bears_them_still(db: Path) -> None:
    save(db, crawled(kernel()))
    keep(db, result())
    save(db, crawled(kernel(start_line=9), commit="b" * 40))
    assert compiled(db) == [("3.9.0", "cuda:90", "compiled")]


def test_reads_what_the_command_prints(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(
        json.dumps(
            [
                {
                    "id": ID,
                    "triton": "3.9.0",
                    "target": "cuda:90",
                    "outcome": "compiled",
                    "reason": None,
                    "assumptions": {"BLOCK": 64, "X": None},
                    "facts": {"registers": 32, "instructions": ["mma"]},
                    "seconds": 1,
                    "source_sha": SHA,
                }
            ]
        )
    )
    (found,) = read_compilations(file)
    assert found.facts == CompileFacts(registers=32, instructions=("mma",))


@pytest.mark.parametrize("text", ["", "[1]", '[{"id": "x"}]', '{"id": "x"}', '[{"outcome": "?"}]'])
def test_anything_else_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(text)
    with pytest.raises(CompileError, match="name a file of `compile --format json`"):
        read_compilations(file)
