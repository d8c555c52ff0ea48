"""Which functions of a file are held to an exercise; the file is never imported here."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.errors import LearnError
from index.learning.checking import functions_of
from index.learning.plan import find_exercise


@pytest.mark.parametrize(
    ("exercise", "code", "suffix", "found"),
    [
        ("1.1", "def add(x, y): ...\ndef other(): ...\ndef fma(x, y, z): ...", "", ["add", "fma"]),
        ("1.1", "from mine import add as mul", "", ["mul"]),
        ("1.1", "sub = lambda x, y: x", "", ["sub"]),
        ("2.3", "def rows(x): ...", ":rows", ["softmax"]),
        ("1.2", "def var(x): ...\ndef sum(x): ...", ":var", ["var"]),
    ],
)
def test_functions_are_found_by_their_names(
    tmp_path: Path, exercise: str, code: str, suffix: str, found: list[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(code)
    got = functions_of(find_exercise(exercise), f"{file}{suffix}")
    assert [name for name, _ in got] == found
    assert all(candidate.startswith(f"{file}:") for _, candidate in got)


@pytest.mark.parametrize(
    ("exercise", "code", "suffix", "said"),
    [
        ("1.1", "def plus(x, y): ...", "", "it asks for add, sub"),
        ("1.1", "def plus(x, y): ...", ":plus", "call yours like the one"),
        ("1.1", "def add(x, y:", "", "is no Python"),
        ("5.3", "", "", "is not checked"),
    ],
)
def test_what_cannot_be_held_to_it_is_refused(
    tmp_path: Path, exercise: str, code: str, suffix: str, said: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(code)
    with pytest.raises(LearnError, match=said):
        functions_of(find_exercise(exercise), f"{file}{suffix}")
