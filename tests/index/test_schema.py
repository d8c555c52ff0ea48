from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path

import duckdb
import pytest

from crawler.enrich.kernels import Enrichment
from crawler.models import KernelRecord
from index import database
from index.database import SCHEMA_VERSION, connect_for_writing, migrate, open_index
from index.errors import StoreError
from index.queries.kernels import KERNEL_COLUMNS
from index.store import Store
from index.tables.staging import RECORD_FIELDS
from tests.index.samples import column, crawled, kernel, rows, save

# The kernel record that users are promised, in its order.
PROMISED = """
    id repo path cell qualname name dialect form role start_line def_line end_line commit permalink
    summary docstring params autotune heuristics decorators tl_calls features dtypes ops tags
    hardware triton_min triton_max triton_declared license authors stars is_test is_generated
    launchers operations usage backward forward clone_group n_copies origin first_seen last_seen
    removed_at verified compiled hazards standing
""".split()  # fmt: skip

TABLES = {
    "changes",
    "compilations",
    "compiled_sources",
    "documents",
    "file_history",
    "fingerprints",
    "kernel_rows",
    "meta",
    "operations",
    "repo_blobs",
    "repos",
    "run_repos",
    "runs",
    "scan_cache",
    "search_documents",
    "search_postings",
    "search_aliases",
    "search_words",
    "skips",
    "verifications",
    "wish_matches",
    "wish_pulls",
    "wish_replies",
    "wish_skips",
    "wish_sync",
    "wishes",
}


def read(path: Path) -> None:
    with open_index(path) as con:
        con.execute("SELECT * FROM kernels").fetchall()
        con.execute("SELECT * FROM search_postings").fetchall()


@pytest.fixture
def blank(db: Path) -> Path:
    with connect_for_writing(db) as con:
        migrate(con, since=0)
    return db


def test_blank_to_latest_has_every_table(blank: Path) -> None:
    assert set(column(blank, "SELECT table_name FROM duckdb_tables()")) == TABLES
    assert column(blank, "SELECT value FROM meta WHERE key = 'schema_version'") == [
        str(SCHEMA_VERSION)
    ]


def test_view_table_json_and_record_have_one_order(blank: Path) -> None:
    view = column(blank, "SELECT column_name FROM (DESCRIBE kernels)")
    table = column(blank, "SELECT column_name FROM (DESCRIBE kernel_rows)")
    assert view == PROMISED == list(KERNEL_COLUMNS)
    # The stars are the repository's; what only the scanner needs stands behind, and what came
    # later to the table.
    later = ("stars", "hardware", "compiled", "operations", "standing", "hazards")
    assert table == [c for c in PROMISED if c not in later] + [
        "reasons",
        "calls",
        "passes",
        "uses",
        "source",
        "needs",
        "hardware",
        "compiled",
        "operations",
        "standing",
        "hazards",
    ]
    assert [c for c in table if c in RECORD_FIELDS] == list(RECORD_FIELDS)


def test_types_of_the_nested_columns(blank: Path) -> None:
    types = dict(rows(blank, "SELECT column_name, column_type FROM (DESCRIBE kernels)"))
    assert types["params"] == 'STRUCT("name" VARCHAR, kind VARCHAR, "default" VARCHAR)[]'
    assert types["autotune"] == 'STRUCT(n_configs BIGINT, "key" VARCHAR[], configs JSON)'
    assert {types[c] for c in ("heuristics", "decorators", "tl_calls", "ops", "tags")} == {
        "VARCHAR[]"
    }
    assert {types[c] for c in ("first_seen", "last_seen", "removed_at")} == {"TIMESTAMP"}


def test_what_nothing_fills_yet_is_null_or_empty(db: Path) -> None:
    save(db, crawled(kernel()))
    with duckdb.connect(db, read_only=True) as con:
        (record,) = con.execute("SELECT * FROM kernels").fetchall()
    worked_out = {*(f.name for f in fields(Enrichment)), "n_copies", "standing"}
    known = {*RECORD_FIELDS, *worked_out, "first_seen", "last_seen"}
    unfilled = {k: v for k, v in zip(PROMISED, record, strict=True) if k not in known}
    assert set(map(str, unfilled.values())) == {"None", "[]"}


def test_files_can_be_read_by_older_releases_of_duckdb(blank: Path) -> None:
    with duckdb.connect(blank) as con:
        ((tags,),) = con.execute(
            "SELECT tags FROM duckdb_databases() WHERE NOT internal"
        ).fetchall()
    assert tags["storage_version"].startswith("v1.2")


@pytest.fixture
def newer(db: Path) -> bytes:
    save(db, crawled(kernel()))
    with duckdb.connect(db) as con:
        con.execute("UPDATE meta SET value = '999' WHERE key = 'schema_version'")
    return db.read_bytes()


def test_an_index_of_a_newer_schema_is_refused_and_left_alone(db: Path, newer: bytes) -> None:
    with pytest.raises(StoreError, match=r"schema 999, newer .* upgrade triton-index"):
        read(db)
    with pytest.raises(StoreError, match="schema 999, newer"):
        Store.open_for_writing(db)
    assert db.read_bytes() == newer
    assert sorted(p.name for p in db.parent.iterdir()) == ["index.duckdb", "index.duckdb.lock"]


def test_an_older_index_is_migrated_by_a_crawl(
    db: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    save(db, crawled(kernel()))
    next_one = tmp_path / "0002_next.sql"
    next_one.write_text("ALTER TABLE repos ADD COLUMN funding VARCHAR[]")
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, next_one))
    monkeypatch.setattr(database, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    monkeypatch.setattr("index.files.working.SCHEMA_VERSION", SCHEMA_VERSION + 1)
    with pytest.raises(StoreError, match="older than this program's"):
        read(db)
    save(db)
    with open_index(db) as con:
        assert con.execute("SELECT count(funding), count(*) FROM repos").fetchall() == [(0, 1)]
        assert con.execute("SELECT count(*) FROM kernels").fetchall() == [(1,)]


def test_a_migration_that_fails_leaves_nothing_behind(
    db: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    save(db, crawled(kernel()))
    before = db.read_bytes()
    broken = tmp_path / "0002_broken.sql"
    broken.write_text("ALTER TABLE repos ADD COLUMN funding VARCHAR[]; SELECT nonsense")
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, broken))
    monkeypatch.setattr(database, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    with pytest.raises(StoreError, match="nonsense"):
        Store.open_for_writing(db)
    assert db.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no database\n" * 1000, b"\0" * 100_000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(db: Path, content: bytes) -> None:
    db.write_bytes(content)
    for open_it in (read, Store.open_for_writing):
        with pytest.raises(StoreError, match="not a DuckDB database; name another"):
            open_it(db)
    assert db.read_bytes() == content


def test_another_programs_database_is_refused_and_left_alone(db: Path) -> None:
    with duckdb.connect(db) as con:
        con.execute("CREATE TABLE treasure AS SELECT 42 AS gold")
    before = db.read_bytes()
    for open_it in (read, Store.open_for_writing):
        with pytest.raises(StoreError, match="a DuckDB database, but no triton-index"):
            open_it(db)
    assert db.read_bytes() == before


def test_half_an_index_is_refused(db: Path, tmp_path: Path) -> None:
    save(db, crawled(kernel()))
    half = tmp_path / "half.duckdb"
    shutil.copyfile(db, half)
    with half.open("r+b") as file:
        file.truncate(half.stat().st_size // 2)
    with pytest.raises(StoreError, match=r"half\.duckdb: damaged .*; move it away, then"):
        read(half)


@pytest.mark.parametrize("where", ["/sys/index.duckdb", "/dev/null/index.duckdb"])
def test_a_place_that_cannot_be_written_is_named(where: str) -> None:
    with pytest.raises(StoreError, match=rf"^{where}: .*--db"):
        Store.open_for_writing(Path(where))


def test_records_have_the_fields_of_the_promise_that_a_scan_can_tell() -> None:
    fields = list(KernelRecord.__dataclass_fields__)
    assert [f for f in fields if f in PROMISED] == [f for f in PROMISED if f in fields]
