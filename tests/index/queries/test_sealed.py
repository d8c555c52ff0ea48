from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from index.errors import QueryError
from index.queries import sealed
from index.queries.sealed import answer_sql, run_sql
from tests.index.samples import crawled, kernel, save


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "index.duckdb"
    save(path, crawled(kernel("a"), kernel("b")))
    return path


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT name FROM kernels ORDER BY name", (("a",), ("b",))),
        ("FROM kernels SELECT count(*)", ((2,),)),
        ("WITH x AS (SELECT 1 AS n) SELECT n FROM x;", ((1,),)),
        ("VALUES (1), (2)", ((1,), (2,))),
        ("SELECT count(*) > 0 FROM (SHOW TABLES)", ((True,),)),
        ("SELECT count(*) FROM kernels WHERE first_seen < now()", ((2,),)),
    ],
)
def test_questions_are_answered(
    library: Path, query: str, expected: tuple[tuple[object, ...], ...]
) -> None:
    _, *batches = answer_sql(library, query, None)
    assert tuple(row for batch in batches for row in batch) == expected


@pytest.mark.parametrize("query", ["DESCRIBE kernels", "SUMMARIZE repos", "EXPLAIN SELECT 1"])
def test_the_index_describes_itself(library: Path, query: str) -> None:
    assert list(answer_sql(library, query, None))[1]


def test_limit(library: Path) -> None:
    assert len(run_sql(library, "FROM range(100)", limit=7).rows) == 7


ESCAPES = [
    "ATTACH '{dir}/other.duckdb'",
    "ATTACH ':memory:' AS m",
    "COPY kernels TO '{dir}/out.csv'",
    "COPY (SELECT 1) TO '{dir}/out.parquet' (FORMAT parquet)",
    "EXPORT DATABASE '{dir}/out'",
    "IMPORT DATABASE '{dir}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{dir}/evil.duckdb_extension'",
    "SET enable_external_access = true",
    "SET memory_limit = '100GB'",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "CALL pragma_version()",
    "CALL enable_logging(storage = 'file', storage_path = '{dir}/log')",
    "FROM enable_profiling(save_location := '{dir}/profile')",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE MACRO m() AS 1",
    "CREATE SECRET s (TYPE s3)",
    "DROP TABLE kernel_rows",
    "DELETE FROM kernel_rows",
    "INSERT INTO repos SELECT * FROM repos",
    "UPDATE repos SET stars = 1",
    "ALTER TABLE repos ADD COLUMN x INTEGER",
    "WITH x AS (INSERT INTO meta VALUES ('a', 'b') RETURNING key) SELECT * FROM x",
    "WITH x AS (DELETE FROM meta RETURNING key) SELECT * FROM x",
    "EXPLAIN ANALYZE DELETE FROM meta",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{dir}/out.csv'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_json('{dir}/secret.json')",
    "SELECT * FROM '{dir}/secret.json'",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM parquet_metadata('{dir}/x.parquet')",
    "SELECT * FROM read_csv('https://example.org/x.csv')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_extensions()",
    "SELECT getenv('HOME')",
    "SELECT * FROM query('ATTACH ''{dir}/other.duckdb''')",
    "SELECT * FROM query_table('/etc/passwd')",
    "SELECT * FROM library",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE kernel_rows",
    "BEGIN",
    "CHECKPOINT",
    "VACUUM",
    "PREPARE v AS SELECT 1",
    "EXECUTE v",
    "USE memory",
    "DETACH index",
    "",
    "-- nothing",
    "SELEKT 1",
    "SELECT nothing FROM nowhere",
    "SELECT 1/0 FROM kernels WHERE error('boom')",
]
if not duckdb.__version__.startswith("1."):
    # DuckDB 1 reads the first, which tells no more than a path, as a SELECT; on the second it
    # writes nothing either, but ends the process.
    ESCAPES += [
        "PRAGMA database_list",
        "FROM enable_logging(storage := 'file', storage_path := '{dir}/log')",
    ]


@pytest.mark.parametrize("query", ESCAPES)
def test_nothing_gets_out_or_in(library: Path, tmp_path: Path, query: str) -> None:
    (tmp_path / "secret.json").write_text('{"secret": 1}')
    before = {p: p.read_bytes() for p in library.parent.iterdir()}
    with pytest.raises(QueryError) as refusal:
        # As the process does that answers.
        list(answer_sql(library, query.format(dir=tmp_path), None))
    assert "\n" not in str(refusal.value)
    assert [p.name for p in tmp_path.iterdir()] == ["secret.json"]
    assert {p: p.read_bytes() for p in library.parent.iterdir()} == before


def test_a_query_without_end_is_stopped(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "TIME_LIMIT", 0.3)
    started = time.monotonic()
    with pytest.raises(QueryError, match=r"took more than 0\.3 s; narrow it"):
        run_sql(library, "SELECT count(*) FROM range(100000000000) a, range(1000) b")
    assert time.monotonic() - started < 120


def test_a_query_answers_to_the_keyboard(library: Path) -> None:
    """As Ctrl-C comes: a signal to a process whose main thread waits."""
    query = "SELECT count(*) FROM range(100000000000) a, range(1000) b"
    asking = subprocess.Popen(
        [sys.executable, "-m", "index", "--db", str(library), "sql", query],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job of a shell's background has it ignored, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with asking:
        children = Path(f"/proc/{asking.pid}/task/{asking.pid}/children")
        while children.exists() and not children.read_text():
            time.sleep(0.05)  # until it has another process answer
        time.sleep(1)
        asking.send_signal(signal.SIGINT)
        out, err = asking.communicate(timeout=20)
    assert (asking.returncode, out, err.strip()) == (130, "", "triton-index: interrupted")


def test_a_query_of_too_many_rows_is_stopped(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed, "MOST_ROWS", 50_000)
    assert len(run_sql(library, "FROM range(50000)").rows) == 50_000
    assert len(run_sql(library, "FROM range(100000000000)", limit=30_000).rows) == 30_000
    with pytest.raises(QueryError, match="more than 50,000 rows; narrow the query or give --limit"):
        run_sql(library, "FROM range(100000000000)")


def test_columns_of_one_name_are_told_apart(library: Path) -> None:
    table = run_sql(library, "SELECT 1 AS a, 2 AS a, 3 AS a_1, 4 AS a")
    assert table.columns == ("a", "a_1", "a_1_1", "a_2")
    assert next(table.records()) == {"a": 1, "a_1": 2, "a_1_1": 3, "a_2": 4}


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("SELECT length(repeat(repeat('x', 100000), 20000))", id="one value"),
        pytest.param("SELECT list_sum(range(100000000))", id="one list"),
        pytest.param("SELECT list(range) FROM range(1000000000)", id="one group"),
        pytest.param("SELECT repeat('x', 1000000) FROM range(4000)", id="many values"),
    ],
)
def test_a_query_that_weighs_too_much_is_stopped(
    library: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(sealed, "MEMORY", 600 << 20)
    with pytest.raises(QueryError, match=r"[Mm]emory"):
        run_sql(library, query)


def test_an_answer_that_is_too_large_is_stopped(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed, "MOST_BYTES", 1 << 20)
    with pytest.raises(QueryError, match="larger than 1 MB; narrow the query or give --limit"):
        run_sql(library, "SELECT repeat('x', 1000) FROM range(100000)")
    assert len(run_sql(library, "SELECT repeat('x', 1000) FROM range(100000)", limit=9).rows) == 9


def test_one_value_that_is_made_for_ever_is_stopped(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database looks at no clock while it makes one."""
    monkeypatch.setattr(sealed, "TIME_LIMIT", 1.0)
    started = time.monotonic()
    with pytest.raises(QueryError, match="took more than 1 s"):
        run_sql(library, "SELECT list_sum(list_transform(range(9000000), lambda x: sqrt(x) % 3))")
    assert time.monotonic() - started < 60


def test_times_with_a_zone_tell_how_to_be_asked_for(library: Path) -> None:
    with pytest.raises(QueryError, match=r"column moment has a time zone; write it as"):
        run_sql(library, "SELECT now() AS moment")
    assert run_sql(library, "SELECT now()::TIMESTAMP AS moment").columns == ("moment",)
