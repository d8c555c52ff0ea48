from __future__ import annotations

import csv
import json
from pathlib import Path

import duckdb
import pytest

from crawler.models import Autotune, AutotuneConfig
from index.database import open_index
from index.errors import ExportError, QueryError
from index.queries.export import PAGE_COLUMNS, PROSE_COLUMNS, draft_of, export_kernels
from index.queries.kernels import KERNEL_COLUMNS
from tests.index.samples import body, crawled, kernel, save

DATA_FORMATS = [".parquet", ".json", ".jsonl", ".csv"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two live kernels and one that was removed; the secret word is in all that others wrote."""
    path = tmp_path_factory.mktemp("library") / "index.duckdb"
    tuned = Autotune(n_configs=1, configs=(AutotuneConfig(kwargs=(("BLOCK", 64),)),))
    a = kernel("a", docstring="SECRET prose.", summary="SECRET", autotune=tuned)
    b = kernel("b", source=body("b", "SECRET = 1"))
    save(path, crawled(a, b, kernel("gone", source="def gone(): SECRET")))
    save(path, crawled(a, b))
    return path


def export(library: Path, dest: Path, **more: bool) -> int:
    with open_index(library, reach=(draft_of(dest),)) as con:
        return export_kernels(con, dest, **more)


def read(dest: Path) -> list[dict[str, object]]:
    match dest.suffix:
        case ".parquet":
            with duckdb.connect() as con:
                rows = con.execute("SELECT * FROM read_parquet(?)", [str(dest)])
                columns = [name for name, *_ in rows.description or ()]
                return [dict(zip(columns, row, strict=True)) for row in rows.fetchall()]
        case ".json":
            return json.loads(dest.read_text())  # type: ignore[no-any-return]
        case ".jsonl":
            return [json.loads(line) for line in dest.read_text().splitlines()]
        case _:
            with dest.open(newline="") as file:
                return list(csv.DictReader(file))


@pytest.mark.parametrize("suffix", DATA_FORMATS)
def test_all_kernels_with_all_their_fields(library: Path, tmp_path: Path, suffix: str) -> None:
    dest = tmp_path / f"kernels{suffix}"
    assert export(library, dest) == 3
    records = read(dest)
    assert [record["name"] for record in records] == ["a", "b", "gone"]
    assert list(records[0]) == [*KERNEL_COLUMNS, "source"]
    guard = "'" if suffix == ".csv" else ""  # a spreadsheet would take the decorator for a call
    assert records[1]["source"] == guard + body("b", "SECRET = 1")
    assert "BLOCK" in str(records[0]["autotune"])
    assert [bool(record["removed_at"]) for record in records] == [False, False, True]
    assert [path.name for path in tmp_path.iterdir()] == [dest.name]


@pytest.mark.parametrize("suffix", [*DATA_FORMATS, ".md"])
def test_facts_hold_nothing_that_others_wrote(library: Path, tmp_path: Path, suffix: str) -> None:
    dest = tmp_path / f"facts{suffix}"
    export(library, dest, facts_only=True)
    assert b"SECRET" not in dest.read_bytes()
    if suffix != ".md":
        (record, *_) = read(dest)
        assert list(record) == [c for c in KERNEL_COLUMNS if c not in PROSE_COLUMNS]
        assert "SECRET" not in str(read(dest))


def test_markdown_is_a_page_of_live_kernels_by_op(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = tmp_path / "KERNELS.md"
    assert export(library, dest) == 2
    text = dest.read_text()
    head, _, *lines = [line for line in text.splitlines() if line.startswith("|")]
    assert head == f"| {' | '.join(PAGE_COLUMNS)} |"
    assert [line.split(" |")[0].rpartition("&#58;")[2] for line in lines] == ["a", "b"]
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## no op known (2)"]
    monkeypatch.setattr("index.queries.export.MOST_OF_AN_OP", 1)
    assert export(library, dest) == 1
    assert "\n1 more\n" in dest.read_text()


@pytest.mark.parametrize("name", ["kernels", "kernels.xlsx", "kernels.json.gz", ".json"])
def test_an_unknown_format_is_refused(library: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(QueryError, match=r"unknown format .*; use .parquet .json .jsonl .csv .md"):
        export(library, tmp_path / name)


@pytest.mark.parametrize("suffix", [".parquet", ".json"])
def test_a_place_that_cannot_be_written_is_named(
    library: Path, tmp_path: Path, suffix: str
) -> None:
    dest = tmp_path / "nowhere" / f"kernels{suffix}"
    with pytest.raises(ExportError, match="nowhere"):
        export(library, dest)


def test_what_was_there_before_is_replaced_whole(library: Path, tmp_path: Path) -> None:
    dest = tmp_path / "k.json"
    dest.write_text("old" * 100_000)
    export(library, dest)
    assert len(read(dest)) == 3
