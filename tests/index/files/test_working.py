from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from crawler.models import RepoStatus
from index.database import open_index
from index.errors import StoreError
from index.files.working import MAX_TRIES
from index.store import Store
from tests.index.samples import REPO, column, crawled, kernel, rows, save

SOURCES = [f"r/{n:02}" for n in range(12)]

# Saves the sources named on its command line, skipping those that are known; says each on stdout.
CRAWLER = """
import sys
from pathlib import Path
from index.store import Store
from tests.index.samples import crawled, kernel

with Store.open_for_writing(Path(sys.argv[1])) as store:
    print("open", flush=True)
    run = store.begin_run()
    reports = []
    for name in sys.argv[2:]:
        if store.repo(name) is None:
            kernels = [kernel(f"k{n}", repo=name, path=f"f{n}.py") for n in range(60)]
            reports.append(store.save(crawled(*kernels), run))
            print(name, flush=True)
    store.finish_run(run, reports)
print("published", flush=True)
"""


def start(code: str, *arguments: str | Path, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leftovers(db: Path) -> list[str]:
    return sorted(p.name for p in db.parent.iterdir() if p.name not in (db.name, f"{db.name}.lock"))


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_second_writer_is_told_at_once(db: Path) -> None:
    with Store.open_for_writing(db):
        started = time.thread_time()
        with pytest.raises(StoreError, match="another command is writing this index; wait until"):
            Store.open_for_writing(db)
        assert time.thread_time() - started < 30  # it does not wait
    Store.open_for_writing(db).__exit__(None, None, None)


def test_a_second_writer_in_another_process_is_told(db: Path) -> None:
    writer = start(CRAWLER + "\n", db, *SOURCES)
    assert said(writer) == "open"
    os.kill(writer.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreError, match="another command is writing"):
            Store.open_for_writing(db)
    finally:
        os.kill(writer.pid, signal.SIGCONT)
        writer.communicate(timeout=60)
    save(db)
    assert column(db, "SELECT count(*) FROM repos") == [len(SOURCES)]


def test_nothing_is_left_beside_a_published_index(db: Path) -> None:
    save(db, crawled(kernel()))
    save(db, crawled(kernel("other")))
    assert leftovers(db) == []


def test_readers_keep_the_index_they_opened_and_the_next_see_the_new(db: Path) -> None:
    save(db, crawled(kernel("old")))
    reader = start(
        "import sys, duckdb\n"
        "con = duckdb.connect(sys.argv[1], read_only=True)\n"
        "for _ in sys.stdin: print(con.execute('SELECT name FROM kernels').fetchall(), flush=True)",
        db,
        stdin=subprocess.PIPE,
    )
    assert reader.stdin is not None

    def ask() -> str:
        print("?", file=reader.stdin, flush=True)
        return said(reader)

    assert ask() == "[('old',)]"
    with Store.open_for_writing(db) as store:
        store.save(crawled(kernel("new", source="def new(): pass")), store.begin_run())
        assert ask() == "[('old',)]"
        assert column(db, "SELECT name FROM kernels WHERE removed_at IS NULL") == ["old"]
    assert ask() == "[('old',)]"
    assert column(db, "SELECT name FROM kernels WHERE removed_at IS NULL") == ["new"]
    reader.communicate("", timeout=30)


def test_an_error_publishes_nothing_and_the_next_writer_takes_up_what_was_saved(db: Path) -> None:
    save(db, crawled(kernel(repo="a/a")))
    published = db.read_bytes()
    with pytest.raises(ZeroDivisionError), Store.open_for_writing(db) as store:
        store.save(crawled(kernel(repo="b/b")), store.begin_run())
        _ = 1 / 0
    assert db.read_bytes() == published
    with Store.open_for_writing(db) as store:
        assert store.repo("b/b") is not None
    assert column(db, "SELECT repo FROM kernels ORDER BY repo") == ["a/a", "b/b"]
    # The search knows them too, although this run saved nothing.
    assert column(db, "SELECT count(*) FROM search_documents") == [2]
    assert leftovers(db) == []


def test_an_interruption_leaves_what_was_saved_to_the_next_writer(db: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Store.open_for_writing(db) as store:
        store.save(crawled(kernel()), store.begin_run())
        raise KeyboardInterrupt
    assert not db.exists(), "whoever interrupts does not want to wait for more"
    save(db)
    assert column(db, "SELECT repo FROM kernels") == [REPO]


@pytest.mark.parametrize("status", [RepoStatus.FAILED, RepoStatus.GONE])
def test_a_first_crawl_that_fails_leaves_no_index_that_hides_the_bundle(
    db: Path, tmp_path: Path, status: RepoStatus
) -> None:
    seed = tmp_path / "bundled" / "seed.duckdb"
    save(seed, crawled(kernel(repo="a/a")))
    failed = crawled(status=status, name="b/b", commit=None, error="no network")
    save(db, failed, seed=seed)
    assert not db.exists()
    save(db, crawled(kernel(repo="c/c")), seed=seed)
    assert column(db, "SELECT repo FROM kernels ORDER BY repo") == ["a/a", "c/c"]
    save(db, failed, seed=seed)
    assert ("b/b", status.value) in rows(db, "SELECT name, status FROM repos")


def test_a_copy_that_nobody_can_publish_is_not_taken_up_for_ever(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(db, crawled(kernel(repo="a/a")))
    with monkeypatch.context() as patch:
        patch.setattr("index.store.refresh_copies", lambda *given: 1 // 0)
        for number in range(MAX_TRIES):
            with pytest.raises(ZeroDivisionError), Store.open_for_writing(db) as store:
                store.save(crawled(kernel(repo=f"b/{number}")), store.begin_run())
    save(db, crawled(kernel(repo="c/c")))
    assert column(db, "SELECT repo FROM kernels ORDER BY repo") == ["a/a", "c/c"]
    assert column(db, "SELECT value FROM meta WHERE key = 'tries'") == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_neither_a_person_nor_a_full_disk_spoils_a_copy(
    db: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def refuse(*given: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("index.store.refresh_copies", refuse)
        for number in range(MAX_TRIES + 1):
            with pytest.raises((KeyboardInterrupt, StoreError)):
                save(db, crawled(kernel(repo=f"b/{number}")))
    save(db)
    assert len(column(db, "SELECT repo FROM kernels")) == MAX_TRIES + 1


def test_a_copy_of_another_generation_is_thrown_away(db: Path) -> None:
    save(db, crawled(kernel(repo="a/a")))
    with pytest.raises(ZeroDivisionError), Store.open_for_writing(db) as store:
        store.save(crawled(kernel(repo="b/b")), store.begin_run())
        _ = 1 / 0
    building = db.with_name(f"{db.name}.building")
    stale = building.read_bytes()
    building.unlink()
    save(db, crawled(kernel(repo="c/c")))
    building.write_bytes(stale)
    save(db)
    assert column(db, "SELECT repo FROM kernels ORDER BY repo") == ["a/a", "c/c"]


@pytest.mark.parametrize("content", [b"", b"junk" * 10_000])
def test_a_broken_copy_is_thrown_away(db: Path, content: bytes) -> None:
    save(db, crawled(kernel()))
    db.with_name(f"{db.name}.building").write_bytes(content)
    db.with_name(f"{db.name}.building.wal").write_bytes(content)
    db.with_name(f"{db.name}.staging").write_bytes(content)
    save(db)
    assert column(db, "SELECT repo FROM kernels") == [REPO]
    assert leftovers(db) == []


def test_a_new_index_starts_from_its_seed(db: Path, tmp_path: Path) -> None:
    seed = tmp_path / "bundled" / "seed.duckdb"
    save(seed, crawled(kernel(repo="a/a")))
    before = seed.read_bytes()
    with Store.open_for_writing(db, seed=seed) as store:
        store.save(crawled(kernel(repo="b/b")), store.begin_run())
    assert column(db, "SELECT repo FROM kernels ORDER BY repo") == ["a/a", "b/b"]
    assert seed.read_bytes() == before


def test_a_link_to_an_index_stays_a_link(db: Path, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere" / "real.duckdb"
    real.parent.mkdir()
    db.symlink_to(real)
    save(db, crawled(kernel()))
    assert db.is_symlink()
    assert column(real, "SELECT repo FROM kernels") == [REPO]


def test_a_path_full_of_signs(tmp_path: Path) -> None:
    db = tmp_path / "a [b]* 'c' \"d\" é" / "i n*d[e]x.duckdb"
    save(db, crawled(kernel()))
    assert column(db, "SELECT repo FROM kernels") == [REPO]


def test_a_path_that_duckdb_would_take_apart_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="with a question mark; name another file"):
        Store.open_for_writing(tmp_path / "why?" / "index.duckdb")


HOLDER = """
import sys, duckdb
con = duckdb.connect(sys.argv[1])
con.execute("UPDATE meta SET value = value")
print("held", flush=True)
sys.stdin.read()
"""


def test_an_index_that_another_program_writes_is_left_alone(db: Path) -> None:
    save(db, crawled(kernel()))
    holder = start(HOLDER, db, stdin=subprocess.PIPE)
    assert said(holder) == "held"
    message = rf"another program \(process {holder.pid}\) has this index open for writing; close it"
    with pytest.raises(StoreError, match=message), open_index(db):
        pass
    with pytest.raises(StoreError, match=message):
        Store.open_for_writing(db)
    kill(holder)
    # It left a log behind, which belongs to the index.
    save(db, crawled(kernel(repo="b/b")))
    assert column(db, "SELECT count(*) FROM kernels") == [2]
    assert leftovers(db) == []


def test_what_another_program_wrote_and_did_not_close_is_kept(db: Path) -> None:
    save(db, crawled(kernel()))
    writer = start(
        "import os, sys, duckdb\n"
        "con = duckdb.connect(sys.argv[1])\n"
        'con.execute("UPDATE repos SET stars = 7")\n'
        "os._exit(0)",
        db,
    )
    writer.communicate(timeout=30)
    assert db.with_name(f"{db.name}.wal").exists()
    save(db, crawled(kernel(repo="b/b")))
    assert column(db, "SELECT stars FROM repos ORDER BY name") == [7, None]


FULL_DISK = """
import random, resource, sys
from pathlib import Path
from index.errors import StoreError
from index.store import Store
from tests.index.samples import crawled, kernel

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    with Store.open_for_writing(Path(sys.argv[1])) as store:
        run = store.begin_run()
        for repo in range(50):
            source = random.Random(repo).randbytes(150_000).hex()
            store.save(crawled(kernel(repo=f"r/{repo}", source=source)), run)
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [100_000, 2_000_000, 6_000_000])
def test_a_full_disk_is_one_line_and_harms_nothing(db: Path, limit: int) -> None:
    save(db, crawled(kernel()))
    published = db.read_bytes()
    out, err = start(FULL_DISK, db, str(limit)).communicate(timeout=120)
    assert (out.count("\n"), err) == (1, "")
    assert "no space left" in out
    assert "run the command again" in out
    assert db.read_bytes() == published
    save(db, crawled(kernel(repo="b/b")))
    assert {"acme/kernels", "b/b"} <= set(column(db, "SELECT repo FROM kernels"))


def crawl_until_killed(db: Path, after: float) -> bool:
    """Return whether a crawl of all sources, killed after so many seconds, got to its end."""
    crawl = start(CRAWLER, db, *SOURCES)
    said(crawl)
    time.sleep(after)
    crawl.kill()
    out, _ = crawl.communicate()
    return "published" in out


def state(db: Path) -> list[tuple[object, ...]]:
    """Return all of the kernels and of their search that does not tell the time."""
    kernels = rows(db, "SELECT * EXCLUDE (first_seen, last_seen) FROM kernels ORDER BY id")
    postings = rows(
        db,
        "SELECT id, term, weight FROM search_postings JOIN search_documents USING (num) "
        "ORDER BY ALL",
    )
    return kernels + postings


def test_killed_at_random_moments_it_harms_nothing_and_goes_on(
    db: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    undisturbed = tmp_path_factory.mktemp("undisturbed") / db.name
    save(undisturbed, crawled(kernel(repo="before/all")))
    started = time.monotonic()
    out, _ = start(CRAWLER, undisturbed, *SOURCES).communicate(timeout=120)
    length = time.monotonic() - started
    assert "published" in out

    save(db, crawled(kernel(repo="before/all")))
    before = state(db)
    moments = random.Random(20)
    kills = 0
    while kills < 20 and not crawl_until_killed(db, moments.uniform(0, length / 8)):
        kills += 1
        assert state(db) == before
    _, err = start(CRAWLER, db, *SOURCES).communicate(timeout=120)
    assert err == ""
    assert kills > 2
    assert state(db) == state(undisturbed)
    assert leftovers(db) == []


def test_what_a_killed_crawl_finished_is_not_done_again(db: Path) -> None:
    crawl = start(CRAWLER, db, *SOURCES)
    assert said(crawl) == "open"
    finished = [said(crawl), said(crawl)]
    kill(crawl)
    out, err = start(CRAWLER, db, *SOURCES).communicate(timeout=120)
    assert err == ""
    assert not set(finished) & set(out.split())
    assert sorted(set(column(db, "SELECT repo FROM kernels"))) == SOURCES


def test_killed_while_it_publishes_it_leaves_the_old_or_the_new(db: Path) -> None:
    save(db, crawled(kernel(repo="before/all")))
    out, _ = start(CRAWLER, db, *SOURCES[:2]).communicate(timeout=120)
    assert "published" in out
    for n in range(2, 6):
        crawl = start(CRAWLER, db, *SOURCES[: n + 1])
        while said(crawl) not in (SOURCES[n], ""):
            pass
        time.sleep(0.04 * n)
        kill(crawl)
        repos = set(column(db, "SELECT repo FROM kernels"))
        assert {"before/all", *SOURCES[:2]} <= repos
        with duckdb.connect(db, read_only=True) as con:
            assert (
                con.execute("SELECT count(*) FROM search_documents").fetchone()
                == con.execute("SELECT count(*) FROM kernels").fetchone()
            )
