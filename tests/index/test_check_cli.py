"""`triton-index check` from the outside: what it reads, prints and returns."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from index.cli import main

CODE = """\
import triton
from triton.ops import matmul

@triton.jit
def k(x):
    return x
"""

# What SARIF 2.1.0 (OASIS standard, section 3) requires of what is written here.
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "$schema": {"type": "string", "format": "uri"},
        "runs": {"type": "array", "items": {"$ref": "#/$defs/run"}},
    },
    "additionalProperties": False,
    "$defs": {
        "message": {
            "type": "object",
            "required": ["text"],
            "properties": {"text": {"type": "string"}},
            "additionalProperties": False,
        },
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "properties": {
                "tool": {
                    "type": "object",
                    "required": ["driver"],
                    "properties": {
                        "driver": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {
                                "name": {"type": "string"},
                                "rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}},
                            },
                            "additionalProperties": False,
                        }
                    },
                    "additionalProperties": False,
                },
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
            },
            "additionalProperties": False,
        },
        "rule": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"type": "string"},
                "shortDescription": {"$ref": "#/$defs/message"},
                "fullDescription": {"$ref": "#/$defs/message"},
                "help": {"$ref": "#/$defs/message"},
                "defaultConfiguration": {
                    "type": "object",
                    "properties": {"enabled": {"type": "boolean"}},
                    "additionalProperties": False,
                },
            },
            "additionalProperties": False,
        },
        "result": {
            "type": "object",
            "required": ["message", "ruleId", "locations"],
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"enum": ["none", "note", "warning", "error"]},
                "message": {"$ref": "#/$defs/message"},
                "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
                "partialFingerprints": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                },
                "properties": {"type": "object"},
            },
            "additionalProperties": False,
        },
        "location": {
            "type": "object",
            "properties": {
                "physicalLocation": {
                    "type": "object",
                    "properties": {
                        "artifactLocation": {
                            "type": "object",
                            "properties": {"uri": {"type": "string", "format": "uri-reference"}},
                            "additionalProperties": False,
                        },
                        "region": {
                            "type": "object",
                            "required": ["startLine"],
                            "properties": {
                                name: {"type": "integer", "minimum": 1}
                                for name in ("startLine", "startColumn", "endLine", "endColumn")
                            },
                            "additionalProperties": False,
                        },
                    },
                    "additionalProperties": False,
                },
                "logicalLocations": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            name: {"type": "string"}
                            for name in ("name", "fullyQualifiedName", "kind")
                        },
                        "additionalProperties": False,
                    },
                },
            },
            "additionalProperties": False,
        },
    },
}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text(CODE)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["check", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_a_person_sees_the_line_with_a_caret(run: Run) -> None:
    code, out, err = run("a.py", "--triton", "3.4")
    assert code == 1
    first, line, caret = out.splitlines()
    assert first.startswith("a.py:2:24: error[api]: `triton.ops.matmul` exists in Triton 2.0.0 to")
    assert line == "  2 | from triton.ops import matmul"
    assert caret.index("^") == line.index("matmul") and caret.count("^") == len("matmul")
    assert "held to: 3.4" in err and "to 3.1.0" in err


def test_a_release_that_has_everything_is_zero_and_says_nothing(run: Run) -> None:
    assert run("a.py", "--triton", "3.1")[:2] == (0, "")


def test_without_a_release_all_is_told_and_nothing_contradicts(run: Run) -> None:
    code, out, _ = run("a.py", "--format", "jsonl")
    assert code == 0 and [json.loads(line)["name"] for line in out.splitlines()] == [
        "triton.ops.matmul"
    ]


def test_json_is_as_promised(run: Run) -> None:
    answer = json.loads(run("a.py", "--triton", "3.4", "--format", "json")[1])
    assert answer["kernels"] == [
        {"path": "a.py", "qualname": "k", "line": 5, "triton_min": "2.0.0", "triton_max": None}
    ]
    assert (answer["triton_min"], answer["triton_max"]) == ("2.0.0", "3.1.0")
    (finding,) = answer["findings"]
    assert {
        "path", "line", "column", "end_line", "rule", "message", "name", "since", "until",
        "instead", "kernel",
    } <= set(finding)  # fmt: skip
    assert (finding["since"], finding["until"], finding["kernel"]) == ("2.0.0", "3.1.0", None)


def test_github_is_given_commands_without_what_would_end_them(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a,b.py").write_text(CODE)
    _, out, _ = run("a,b.py", "--triton", "3.4", "--format", "github")
    assert out.startswith("::error file=a%2Cb.py,line=2,endLine=2,col=24,title=triton-index api")
    assert out.count("\n") == 1 and "::`triton.ops.matmul` exists" in out


def test_sarif_is_what_its_standard_requires(run: Run, tmp_path: Path) -> None:
    (tmp_path / "b c.py").write_text("import triton\ntriton.nothing_of_the_kind()\n")
    log = json.loads(run("a.py", "b c.py", "--triton", "3.4", "--format", "sarif")[1])
    jsonschema.Draft202012Validator(SARIF).validate(log)
    results = log["runs"][0]["results"]
    rules = [rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]]
    assert [r["ruleId"] for r in results] == ["api", "unknown-api"]
    assert all(rules[r["ruleIndex"]] == r["ruleId"] for r in results)
    uris = [r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in results]
    assert uris == ["a.py", "b%20c.py"]


def test_markdown_is_a_table(run: Run) -> None:
    lines = run("a.py", "--triton", "3.4", "--format", "md")[1].splitlines()
    assert lines[0] == "| place | rule | finding |" and lines[2].startswith("| a.py:2 | api | ")


def test_the_manifest_says_which_releases_count(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "p"\nversion = "1"\ndependencies = ["triton>=3.2"]\n'
    )
    code, out, err = run(".")
    assert code == 1 and "a.py:2" in out
    assert "held to: triton>=3.2" in err
    assert run("a.py")[0] == 1
    assert run("a.py", "--triton", "3.0")[0] == 0


def test_the_root_of_the_repository_is_asked_from_a_folder_in_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "requirements.txt").write_text("triton==3.3.1\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "b.py").write_text(CODE)
    assert run("src")[0] == 1
    assert run("src/b.py")[0] == 1


def test_tests_in_a_folder_are_told_on_request(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text(CODE)
    (tmp_path / "a.py").unlink()
    assert run(".", "--triton", "3.4")[0] == 0
    assert run(".", "--triton", "3.4", "--include-tests")[0] == 1
    assert run("tests/test_a.py", "--triton", "3.4")[0] == 1  # named, so meant


def test_stdin_is_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = type("Stdin", (), {"buffer": io.BytesIO(CODE.encode())})
    monkeypatch.setattr(sys, "stdin", stdin)
    code, out, _ = run("-", "--triton", "3.4", "--format", "json")
    assert code == 1 and json.loads(out)["findings"][0]["path"] == "-"


def test_a_clone_is_read_at_its_head(run: Run, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "a.py").write_text(CODE)
    for words in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=n", "-c", "user.email=n@e", "commit", "-qm", "m"),
    ):
        subprocess.run(["git", *words], cwd=clone, check=True)
    (clone / "a.py").write_text("")
    code, out, _ = run("o/n=clone", "--triton", "3.4", "--format", "jsonl")
    assert code == 1 and json.loads(out)["path"] == "a.py"


def test_a_baseline_is_written_and_held_to(run: Run, tmp_path: Path) -> None:
    assert run("a.py", "--triton", "3.4", "--baseline", "b.json", "--write-baseline")[0] == 0
    assert run("a.py", "--triton", "3.4", "--baseline", "b.json")[:2] == (0, "")
    (tmp_path / "a.py").write_text(f"{CODE}triton.ops.matmul\n")
    assert run("a.py", "--triton", "3.4", "--baseline", "b.json")[0] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none.py",), "none.py: no such file"),
        (("a.py", "--triton", "3.44"), "3.44: no known release"),
        (("a.py", "--triton", "x"), "neither a release nor a range"),
        (("a.py", "--select", "apy"), "no rule is called 'apy'"),
        (("a.py", "--write-baseline"), "needs --baseline"),
        (("a.py", "--baseline", "a.py"), "no baseline"),
        (("a.txt",), "neither Python"),
        (("o/n=none",), "none"),
    ],
)
def test_bad_input_is_one_line(run: Run, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "a.txt").write_text("")
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert said in err and err.count("\n") == 1


def test_a_file_that_cannot_be_read_costs_the_others_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import triton\ndef (:\n")
    code, out, err = run(".", "--triton", "3.4")
    assert code == 1 and "a.py:2" in out
    assert "not read: broken.py: syntax error" in err


def test_nothing_heavy_is_imported() -> None:
    script = (
        "import sys\nfrom index.cli import main\nmain(['check', '-', '--triton', '3.4'])\n"
        "print([m for m in ('torch', 'triton', 'duckdb', 'libcst', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=CODE, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_of_a_file_alone_no_ranges_of_versions_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(CODE)
    script = (
        "import sys\nfrom index.cli import main\nmain(['check', 'a.py'])\n"
        "print([m for m in ('packaging', 'email', 'configparser', 'subprocess', 'tempfile')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
