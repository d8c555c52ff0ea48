"""The published index, swapped in; and everything that must leave the old one as it is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests

from index import database
from index.cli import main
from index.database import open_index, read_meta
from index.errors import StoreError
from index.files import update
from index.files.download import Patience
from index.files.published import INDEX_NAME, SUMS_NAME, PublishedError, PublishedIndex
from index.files.update import update_index
from index.store import Store
from tests.index.published_server import Answer, PublishedServer, serve_published
from tests.index.samples import crawled, kernel, rows, save

QUICK = Patience(connect=2.0, silence=0.3, whole=2.0, waits=(0.01,))
IDS = "SELECT id FROM kernels WHERE removed_at IS NULL ORDER BY id"


@pytest.fixture
def server() -> Iterator[PublishedServer]:
    with serve_published() as server:
        yield server


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """An index to publish, with kernels `new_1` and `new_2`."""
    return index_with(tmp_path / "new.duckdb", "new_1", "new_2")


@pytest.fixture
def old(db: Path) -> bytes:
    """The bytes of the index that is here before, with a kernel `old`."""
    return index_with(db, "old").read_bytes()


def index_with(path: Path, *names: str, repo: str = "acme/kernels") -> Path:
    save(path, crawled(*(kernel(name, repo=repo) for name in names)))
    return path


def fetch(server: PublishedServer, db: Path) -> update.Update:
    return update_index(db, PublishedIndex(server.address, QUICK))


def altered(path: Path, *statements: str) -> Path:
    """Return the index with these changes made to it, in a way that it would never make them."""
    with duckdb.connect(path) as con:
        for statement in statements:
            con.execute(statement)
    return path


def leftovers(db: Path) -> set[str]:
    """Return what lies beside the index that should not."""
    return {path.name for path in db.parent.glob(f"{db.name}?*")} - {f"{db.name}.lock"}


def test_an_index_where_there_was_none(server, new, db):
    server.publish(new)
    done = fetch(server, db)
    assert (done.is_new, done.contents.kernels, done.kept) == (True, 2, None)
    assert [id.rpartition(":")[2] for (id,) in rows(db, IDS)] == ["new_1", "new_2"]
    assert leftovers(db) == set()


def test_the_newest_is_not_fetched_again(server, new, db):
    server.publish(new)
    fetch(server, db)
    server.asked.clear()
    before = db.read_bytes()
    assert not fetch(server, db).is_new
    assert server.asked == [SUMS_NAME]
    assert db.read_bytes() == before


def test_the_newest_with_crawls_of_ones_own_is_not_fetched_again(server, new, db):
    server.publish(new)
    fetch(server, db)
    index_with(db, "own", repo="me/mine")
    assert not fetch(server, db).is_new
    assert "me/mine:ops/add.py::own" in {id for (id,) in rows(db, IDS)}


def test_crawls_of_ones_own_are_kept_beside_and_named(server, new, db, old, capsys):
    index_with(db, "own", repo="me/mine")
    mine = db.read_bytes()
    server.publish(new)
    assert main(["--db", str(db), "update", "--from", server.address]) == 0
    kept = db.with_name(f"{db.name}.previous")
    assert kept.read_bytes() == mine
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("updated: 2 kernels of 1 sources, crawled ")
    assert said[1] == f"the index that you crawled into before is kept as {kept}"
    assert said[2].startswith("to have in the new one what only that has, crawl again: ")
    assert "mine" in said[2]
    assert "acme" not in said[2]


def test_a_published_index_that_replaces_another_leaves_nothing_behind(server, new, db):
    server.publish(new)
    fetch(server, db)
    server.publish(index_with(new, "new_3"))
    done = fetch(server, db)
    assert (done.is_new, done.kept) == (True, None)
    assert leftovers(db) == set()


def test_readers_keep_what_they_opened(server, new, db, old):
    server.publish(new)
    with open_index(db) as con:
        fetch(server, db)
        assert con.execute(IDS).fetchall() == [("acme/kernels:ops/add.py::old",)]
    assert len(rows(db, IDS)) == 2


HTML = b"<!DOCTYPE html><title>Unicorn!</title>"
BAD_ANSWERS = {
    "nothing is published": (SUMS_NAME, Answer(status=404), "no index is published here"),
    "a page for people": (SUMS_NAME, Answer(body=HTML), "no list of checksums"),
    "checksums without end": (SUMS_NAME, Answer(body=b"0" * 64, endless=True), "is larger than"),
    "no index among them": (
        SUMS_NAME,
        Answer(body=b"0" * 64 + b"  other\n"),
        f"does not list {INDEX_NAME}",
    ),
    "a path among them": (
        SUMS_NAME,
        Answer(body=b"0" * 64 + b"  ../index.duckdb\n"),
        "no list of checksums",
    ),
    "another checksum": (
        SUMS_NAME,
        Answer(body=b"0" * 64 + b"  index.duckdb\n"),
        "is not what SHA256SUMS says",
    ),
    "no answer": (INDEX_NAME, Answer(body=b"", length=9, stall=True), "does not answer in time"),
    "silence in the middle": (
        INDEX_NAME,
        Answer(body=b"x" * 99, length=999, stall=True),
        "does not answer in time",
    ),
    "a trickle": (INDEX_NAME, Answer(body=b"x" * 9999, pause=0.1), "takes more than 2 seconds"),
    "cut off": (INDEX_NAME, Answer(body=b"x" * 99, length=999), "breaks off in the middle"),
    "cut off, of unknown length": (
        INDEX_NAME,
        Answer(body=b"x" * 99, length=-1),
        "is not what SHA256SUMS says",
    ),
    "gone": (INDEX_NAME, Answer(status=404), "answers 404"),
    "unwell": (INDEX_NAME, Answer(status=503), "answers 503; try again later"),
    "too large, as it says": (INDEX_NAME, Answer(length=3 << 30), "is larger than 2,048.0 MiB"),
    "to http": (
        INDEX_NAME,
        Answer(status=302, location="http://example.org/index.duckdb"),
        "redirects to an address that is not https",
    ),
    "to a file": (
        INDEX_NAME,
        Answer(status=302, location="file:///etc/passwd"),
        "redirects to an address that is not https",
    ),
    "round and round": (
        INDEX_NAME,
        Answer(status=302, location="index.duckdb"),
        "redirects without end",
    ),
}


@pytest.mark.parametrize(("name", "answer", "message"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_server_changes_nothing(server, new, db, old, name, answer, message):
    server.publish(new)
    server.say(name, answer)
    with pytest.raises(PublishedError, match=message) as error:
        fetch(server, db)
    assert "\n" not in str(error.value)
    assert db.read_bytes() == old
    assert leftovers(db) == set()


def test_an_index_without_end_is_cut(server, new, db, old, monkeypatch):
    monkeypatch.setattr("index.files.published.MAX_FILE_BYTES", 5 << 20)
    server.publish(new)
    server.say(INDEX_NAME, Answer(body=b"x" * 65536, endless=True))
    with pytest.raises(PublishedError, match=r"is larger than 5\.0 MiB"):
        fetch(server, db)
    assert db.read_bytes() == old


def test_a_break_is_got_over(server, new, db):
    server.publish(new)
    whole = Answer(body=new.read_bytes())
    server.say(INDEX_NAME, Answer(body=b"x" * 99, length=999), whole)
    assert fetch(server, db).contents.kernels == 2


def test_an_index_published_anew_in_the_meantime_is_taken(server, new, db, tmp_path):
    newer = index_with(tmp_path / "newer.duckdb", "newer")
    server.publish(new)
    first = new.read_bytes()
    server.say(INDEX_NAME, Answer(body=first + b"?", before=lambda: server.publish(newer)))
    done = fetch(server, db)
    assert done.contents.kernels == 1
    with open_index(db) as con:
        assert read_meta(con, "published") == hashlib.sha256(newer.read_bytes()).hexdigest()


def test_redirects_on_this_machine_are_followed(server, new, db):
    server.publish(new)
    content = server.answers["/index/index.duckdb"][0]
    server.answers["/signed"] = [content]
    server.say(INDEX_NAME, Answer(status=302, location=f"{server.origin}/signed?secret=1"))
    assert fetch(server, db).contents.kernels == 2


def test_credentials_of_a_netrc_stay_here(server, new, db, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[str] = []
    send = requests.Session.send

    def spy(session: requests.Session, request: requests.PreparedRequest, **more: Any) -> Any:
        seen.append(request.headers.get("Authorization", ""))
        return send(session, request, **more)

    monkeypatch.setattr(requests.Session, "send", spy)
    server.publish(new)
    fetch(server, db)
    assert seen == ["", ""]


# The view `kernels` as it should be, but for a column that reads a file of the reader's.
_READS_A_FILE = (
    "CREATE OR REPLACE VIEW kernels AS SELECT * REPLACE "
    "((SELECT content FROM read_text('{secret}')) AS summary) FROM kernel_rows"
)
_AS_A_VIEW = "ALTER TABLE runs RENAME TO old_runs; CREATE VIEW runs AS SELECT "
HOSTILE = {
    "a newer schema": (
        "UPDATE meta SET value = '99' WHERE key = 'schema_version'",
        r"schema 99, newer than this program's \d+; upgrade triton-index",
    ),
    "a schema of 5,000 digits": (
        "UPDATE meta SET value = repeat('9', 5000) WHERE key = 'schema_version'",
        "a DuckDB database, but no triton-index",
    ),
    "no index": ("DROP TABLE meta", "a DuckDB database, but no triton-index"),
    "a table of another make": ("ALTER TABLE skips RENAME reason TO why", "table skips"),
    "a table less": ("DROP TABLE skips", "table skips is missing"),
    "a table more": ("CREATE TABLE more (x INTEGER)", "table more is not of this schema"),
    "a view more": ("CREATE VIEW more AS SELECT 1 AS x", "view more is not of this schema"),
    "a column more": ("ALTER TABLE skips ADD COLUMN x INTEGER", "table skips is defined otherwise"),
    "another order of columns": (
        "CREATE OR REPLACE TABLE skips (path VARCHAR NOT NULL, repo VARCHAR NOT NULL, "
        "reason VARCHAR NOT NULL)",
        "table skips is defined otherwise",
    ),
    "a column that may be null": (
        "ALTER TABLE skips ALTER reason DROP NOT NULL",
        "table skips is defined otherwise",
    ),
    "the view of kernels reads a file": (_READS_A_FILE, "view kernels is defined otherwise"),
    "a table is a view of the same columns": (
        _AS_A_VIEW + "* FROM old_runs",
        "table runs is missing",
    ),
    "a table is a view that reads a file": (
        _AS_A_VIEW + "content AS run_id, now()::TIMESTAMP AS started_at, NULL::TIMESTAMP AS "
        "finished_at, 0.5 AS seconds FROM read_text('{secret}')",
        "table runs is missing",
    ),
    "the view is a table": (
        "CREATE TABLE copied AS FROM kernels; DROP VIEW kernels; "
        "ALTER TABLE copied RENAME TO kernels",
        "view kernels is missing",
    ),
    "the view of kernels computes a column": (
        "CREATE OR REPLACE VIEW kernels AS SELECT *, current_setting('threads') AS threads "
        "FROM kernel_rows",
        "view kernels is defined otherwise",
    ),
    "a macro in the place of a function": (
        "CREATE MACRO coalesce_(a) AS (SELECT content FROM read_text('{secret}'))",
        "function coalesce_ is not of this schema",
    ),
    "a macro named as a built-in": (
        "CREATE MACRO list_concat(a, b) AS a",
        "function list_concat is not of this schema",
    ),
    "a table macro": (
        "CREATE MACRO files() AS TABLE SELECT * FROM glob('/*')",
        "function files is not of this schema",
    ),
    "a sequence": ("CREATE SEQUENCE s", "sequence s is not of this schema"),
    "an index": ("CREATE INDEX i ON skips (repo)", "index i is not of this schema"),
    "an index on an expression": (
        "CREATE INDEX i ON skips (upper(repo))",
        "index i is not of this schema",
    ),
    "a type": ("CREATE TYPE mood AS ENUM ('good')", "type mood is not of this schema"),
    "another schema": ("CREATE SCHEMA aside", "schema aside"),
    "a table in another schema": (
        "CREATE SCHEMA aside; CREATE TABLE aside.runs (x INTEGER)",
        "schema aside",
    ),
    "a default": (
        "ALTER TABLE skips ALTER reason SET DEFAULT 'none'",
        "table skips is defined otherwise",
    ),
    "a default that calls a function": (
        "ALTER TABLE skips ALTER reason SET DEFAULT getvariable('x')",
        "table skips is defined otherwise",
    ),
    "a generated column": (
        "CREATE OR REPLACE TABLE skips (repo VARCHAR NOT NULL, path VARCHAR NOT NULL, "
        "reason VARCHAR GENERATED ALWAYS AS (upper(path)))",
        "table skips is defined otherwise",
    ),
    "a check": (
        "CREATE OR REPLACE TABLE skips (repo VARCHAR NOT NULL, path VARCHAR NOT NULL, "
        "reason VARCHAR NOT NULL CHECK (length(reason) > 0))",
        "table skips is defined otherwise",
    ),
    "a foreign key": (
        "CREATE OR REPLACE TABLE skips (repo VARCHAR NOT NULL REFERENCES repos (name), "
        "path VARCHAR NOT NULL, reason VARCHAR NOT NULL)",
        "table skips is defined otherwise",
    ),
    "another type of a column": (
        "ALTER TABLE runs ALTER seconds TYPE FLOAT",
        "table runs is defined otherwise",
    ),
    "a collation": (
        "CREATE OR REPLACE TABLE skips (repo VARCHAR COLLATE NOCASE NOT NULL, "
        "path VARCHAR NOT NULL, reason VARCHAR NOT NULL)",
        "table skips is defined otherwise",
    ),
}


@pytest.mark.parametrize(("statement", "message"), HOSTILE.values(), ids=HOSTILE)
def test_an_index_of_another_make_is_refused(server, new, db, old, tmp_path, statement, message):
    secret = tmp_path / "secret"
    secret.write_text("of the reader's")
    server.publish(altered(new, statement.replace("{secret}", str(secret))))
    with pytest.raises(PublishedError, match=message):
        fetch(server, db)
    assert db.read_bytes() == old
    assert leftovers(db) == set()


@pytest.mark.skipif(duckdb.__version__ < "2", reason="DuckDB 1 has no triggers")
def test_an_index_with_a_trigger_is_refused(server, new, db, old, tmp_path):
    # Only files of a newer format than ours can hold one.
    hostile = tmp_path / "hostile.duckdb"
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{new}' AS new (READ_ONLY)")
        con.execute(f"ATTACH '{hostile}' AS hostile (STORAGE_VERSION 'v2.0.0')")
        con.execute("COPY FROM DATABASE new TO hostile")
        con.execute("USE hostile")
        con.execute(
            "CREATE TRIGGER t AFTER INSERT ON skips FOR EACH STATEMENT "
            "INSERT INTO meta SELECT content, '' FROM read_text('/etc/hostname')"
        )
    server.publish(hostile)
    with pytest.raises(PublishedError, match="trigger t is not of this schema"):
        fetch(server, db)
    assert db.read_bytes() == old


@pytest.mark.parametrize("content", [b"", b"not a database", b"\0" * 8192], ids=len)
def test_a_file_that_is_no_database_is_refused(server, db, old, tmp_path, content):
    bad = tmp_path / "bad"
    bad.write_bytes(content)
    server.publish(bad)
    with pytest.raises(PublishedError):
        fetch(server, db)
    assert db.read_bytes() == old


def test_an_older_schema_is_brought_up_to_date(server, new, db, tmp_path, monkeypatch):
    migration = tmp_path / "9999_more.sql"
    migration.write_text("ALTER TABLE skips ADD COLUMN more VARCHAR;")
    server.publish(new)
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, migration))
    for module in (database, update):
        monkeypatch.setattr(module, "SCHEMA_VERSION", database.SCHEMA_VERSION + 1)
    assert fetch(server, db).contents.kernels == 2
    assert rows(db, "SELECT count(more) FROM skips") == [(0,)]


def test_another_writer_keeps_it_out(server, new, db, old):
    server.publish(new)
    with Store.open_for_writing(db), pytest.raises(StoreError, match="another command is writing"):
        fetch(server, db)
    assert server.asked == []


def test_offline_goes_on_with_what_is_there(db, old, capsys):
    with serve_published() as server:
        address = server.address
    assert main(["--db", str(db), "update", "--from", address]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"not updated: {address}/SHA256SUMS cannot be reached (offline?)")
    assert line.endswith(f"the index at {db} stays as it is")
    assert db.read_bytes() == old


def test_offline_without_an_index(db, capsys):
    with serve_published() as server:
        address = server.address
    assert main(["--db", str(db), "update", "--from", address]) == 1
    assert capsys.readouterr().err.endswith("; there is no index here yet\n")


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("http://example.org/index", "not https"),
        ("ftp://example.org/index", "not https"),
        ("/tmp/index", "no address"),
        ("https://me:secret@example.org/", "a user or password in it"),
        ("https://[::1/", "no address"),
        ("https://exa mple.org/", "no address"),
    ],
)
def test_an_address_that_is_not_used(db, capsys, address, fault):
    assert main(["--db", str(db), "update", "--from", address]) == 2
    assert fault in capsys.readouterr().err
    assert not db.exists()


def test_the_address_may_stand_in_the_environment(server, new, db, monkeypatch, capsys):
    server.publish(new)
    monkeypatch.setenv("TRITON_INDEX_URL", f"{server.address}/")
    monkeypatch.setenv("TRITON_INDEX_DB", str(db))
    assert main(["update"]) == 0
    assert main(["update"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in said] == ["updated", "already the newest"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written(server, new, tmp_path):
    server.publish(new)
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="no permission"):
        fetch(server, tmp_path / "sub" / "index.duckdb")
