"""The schemas that are published are those of the records, and the records keep to them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from index.cli import main
from scripts.make_schemas import SCHEMAS, record_schemas

OWN_KERNELS = Path(__file__).parents[3] / "verified_kernels" / "ops"
WISH = {
    "number": 7,
    "url": "https://example.com/7",
    "title": "t",
    "ops": ["add"],
    "votes": 0,
    "status": "open",
    "passes": ["forward"],
    "dtypes": [],
    "hardware": [],
    "reference": None,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "priority": 1.0,
    "matches": [{"id": "a/b:c.py::d", "score": 1.0, "reason": "r"}],
    "duplicate_of": None,
}


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_they_are_made_from_the_types_as_they_are() -> None:
    made = record_schemas()
    assert sorted(made) == sorted(path.name for path in SCHEMAS.iterdir())
    for name, text in made.items():
        assert (SCHEMAS / name).read_text(encoding="utf-8") == text, "run scripts/make_schemas.py"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("schemas") / "index.duckdb"
    assert main(["--db", str(path), "crawl", str(OWN_KERNELS)]) == 0
    return path


@pytest.mark.parametrize("kind", ["kernel", "operation"])
def test_records_keep_to_them(index: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    asked = ["--db", str(index), "search", "--kind", kind, "--limit", "0", "--format", "json"]
    assert main([*asked, "--envelope"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == f"triton-index/{kind}"
    assert found["total"] == len(found["items"]) > 10
    holds = validator(kind)
    for record in found["items"]:
        holds.validate(record)
    assert not holds.is_valid(found["items"][0] | {"id": 7})


def test_a_wish_keeps_to_its_own() -> None:
    validator("wish").validate(WISH)
    assert not validator("wish").is_valid(WISH | {"status": "forgotten"})
