"""The learning path: whole, and pointing at what exists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from index.cli import main
from index.learning.plan import Exercise, exercises_of, load_cards, load_exercises, load_stages
from index.learning.resources import load_resources
from tests.index.samples import crawled, kernel, save
from verified_kernels import OPS

URLS = {one.url for one in load_resources()}


def test_there_are_five_stages_of_three_exercises_each() -> None:
    assert [stage.number for stage in load_stages()] == [1, 2, 3, 4, 5]
    for stage in load_stages():
        assert [one.number for one in exercises_of(stage.number)] == [1, 2, 3]
        assert stage.lessons
    assert load_cards()


@pytest.mark.parametrize("exercise", load_exercises(), ids=lambda one: one.id)
def test_each_exercise_points_at_what_exists(exercise: Exercise) -> None:
    assert set(exercise.functions) <= set(OPS)
    assert set(exercise.reading) <= URLS
    assert exercise.reading and exercise.tasks
    assert exercise.functions or exercise.unchecked


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("learn") / "index.duckdb"
    save(path, crawled(kernel("add_kernel")))
    return path


def told(capsys: pytest.CaptureFixture[str], library: Path, *words: str) -> str:
    assert main(["--db", str(library), "learn", *words]) == 0
    return capsys.readouterr().out


def test_an_exercise_is_shown_with_all_that_it_has(
    capsys: pytest.CaptureFixture[str], library: Path
) -> None:
    shown = told(capsys, library, "2.3")
    for part in ("Softmax", "softmax.py", "trap", "measure", "1805.02867", "(not in this index)"):
        assert part in shown
    record = json.loads(told(capsys, library, "2.3", "--format", "json"))
    assert record["answers"] == ["verified_kernels/ops/softmax.py"]


def test_a_stage_is_shown_with_its_exercises(
    capsys: pytest.CaptureFixture[str], library: Path
) -> None:
    assert "2.1  Tiled matrix product" in told(capsys, library, "2")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["7"], "there are 1 to 5"),
        (["1.9"], "no exercise 1.9"),
        (["check", "5.1", "mine.py"], "is not checked"),
        (["check", "1.1", "nowhere.py"], "No such file"),
        (["check", "1.1"], "takes STAGE.N and FILE.py"),
        (["1", "2"], "STAGE"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_cannot_be_done_is_one_line(
    capsys: pytest.CaptureFixture[str], library: Path, words: list[str], said: str
) -> None:
    assert main(["--db", str(library), "learn", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.count("\n") == 1
