from __future__ import annotations

import json
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from crawler.models import (
    ApiUse,
    Autotune,
    AutotuneConfig,
    CachedScan,
    Document,
    DocumentKind,
    Param,
    ParamKind,
    RepoStatus,
    ScanSkip,
)
from index.cli import main
from index.database import connect_for_writing, open_index
from index.errors import StoreError
from index.files.bundle import (
    ABOUT,
    KERNELS,
    REPOS,
    bundle_reach,
    digest_of,
    read_bundle,
    write_bundle,
)
from index.files.precomputed import PRECOMPUTED, rules_version
from index.files.unpacking import unpacked_bundle
from index.store import Store
from index.tables.verifications import HOME
from tests.index.samples import (
    FIRST_COMMIT,
    SECOND_COMMIT,
    crawled,
    kernel,
    names,
    record,
    rows,
    save,
)

# Stands in everything that somebody else wrote, and must not be found in a bundle.
PROSE = "whosoever wrote this sentence"

SOFTMAX = kernel(
    "softmax_kernel",
    path="ops/softmax.py",
    summary=PROSE,
    docstring=PROSE,
    params=(Param(name="n", kind=ParamKind.SCALAR, default=f"len({PROSE!r})"),),
    autotune=Autotune(
        n_configs=1,
        key=("N",),
        configs=(AutotuneConfig(kwargs=(("BLOCK", 64), ("X", f"'{PROSE}'")), options=()),),
    ),
    decorators=(f"triton.autotune(configs=pick({PROSE!r}))", "triton.jit"),
    heuristics=("EVEN", f"dict(EVEN=lambda args: {PROSE!r})"),
    uses=(ApiUse(name="triton.language.load", guards=(f"flag == {PROSE!r}",)),),
    source=f"@triton.jit\ndef softmax_kernel(n):\n    # {PROSE}\n    pass\n",
)


@pytest.fixture
def bundle(db: Path, tmp_path: Path) -> Path:
    save(
        db,
        crawled(
            SOFTMAX,
            documents=(Document(path="LICENSE", kind=DocumentKind.FILE, text=PROSE.encode()),),
            location="acme/kernels=/home/somebody/clone",
        ),
        crawled(kernel("mine", repo="local/mine")),
        crawled(name="acme/broken", status=RepoStatus.FAILED, error=PROSE, commit=None),
    )
    folder = tmp_path / "bundle"
    with open_index(db, reach=bundle_reach(tmp_path / "scratch", folder)) as con:
        write_bundle(con, tmp_path / "scratch", folder)
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user who has nothing yet."""
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.delenv("TRITON_INDEX_DB", raising=False)
    return home


@pytest.fixture
def installed(bundle: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user who has just installed the package with this bundle."""
    monkeypatch.setattr("index.files.location.BUNDLE", bundle)
    return home


def parquet(path: Path) -> list[dict[str, Any]]:
    rows = duckdb.sql(f"FROM read_parquet('{path}')")
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]


def test_what_comes_precomputed_is_what_would_be_worked_out(bundle: Path, tmp_path: Path) -> None:
    taken_over = dump(unpacked_bundle(bundle, lambda text: None))
    about = json.loads((bundle / ABOUT).read_text())
    assert about["rules"] == rules_version()
    (bundle / ABOUT).write_text(json.dumps(about | {"rules": "of another program"}))
    assert dump(unpacked_bundle(bundle, lambda text: None)) == taken_over
    for name in PRECOMPUTED:
        (bundle / name).unlink()
    (bundle / ABOUT).write_text(json.dumps({**about, "seen_until": "2020-01-01"}))
    assert dump(unpacked_bundle(bundle, lambda text: None)) == taken_over


def test_what_comes_precomputed_is_taken_over(bundle: Path) -> None:
    with connect_for_writing(bundle / "changed.duckdb", reach=(bundle / PRECOMPUTED[3],)) as con:
        con.execute(
            f"COPY (SELECT 'told' AS word, 'told' AS term, 1 AS n) TO '{bundle / PRECOMPUTED[3]}'"
            " (FORMAT parquet)"
        )
    assert rows(unpacked_bundle(bundle, lambda text: None), "SELECT word FROM search_words") == [
        ("told",)
    ]


def dump(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of the tables that are worked out."""
    search = ("documents", "postings", "words", "aliases")
    queries = [f"* FROM search_{table}" for table in search]
    queries.append("id, operations, standing, hardware, compiled FROM kernel_rows")
    with open_index(path) as con:
        return {query: con.execute(f"SELECT {query} ORDER BY ALL").fetchall() for query in queries}


def test_a_bundle_holds_facts_and_no_text_of_others(bundle: Path) -> None:
    (found,) = parquet(bundle / KERNELS)
    (repo,) = parquet(bundle / REPOS)
    assert PROSE not in f"{found}{repo}"
    assert "somebody" not in f"{found}{repo}"
    assert (found["id"], found["commit"]) == (SOFTMAX.id, FIRST_COMMIT)
    assert found["params"] == [{"name": "n", "kind": "scalar", "default": "len(...)"}]
    assert found["decorators"] == ["triton.autotune(configs=...)", "triton.jit"]
    assert found["heuristics"] == ["EVEN", "dict(EVEN=...)"]
    configs = json.loads(found["autotune"]["configs"])
    assert configs == [{"kwargs": {"BLOCK": 64, "X": "..."}, "options": {}}]
    assert (repo["name"], repo["location"]) == ("acme/kernels", "acme/kernels")


def test_what_of_a_kernel_is_in_a_bundle_is_decided_column_by_column(bundle: Path) -> None:
    """Whoever adds a column must think of whether it holds what others wrote."""
    kernels = duckdb.sql(f"FROM read_parquet('{bundle / KERNELS}')").columns
    repos = duckdb.sql(f"FROM read_parquet('{bundle / REPOS}')").columns
    assert set(kernels) == set(
        "id repo path cell qualname name dialect form role start_line def_line end_line commit "
        "permalink params autotune heuristics decorators tl_calls features dtypes ops tags "
        "hardware hazards "
        "triton_min triton_max triton_declared license authors is_test is_generated launchers "
        "usage backward forward clone_group n_copies origin first_seen last_seen removed_at "
        "verified reasons calls passes".split()
    )
    assert set(repos) == set(
        "name location status commit version first_crawled_at last_crawled_at last_seen_at "
        "files_seen files_parsed kernels former_names marks fork_of stars license forks topics "
        "github_id".split()
    )


def test_a_bundle_says_what_it_holds(bundle: Path) -> None:
    about = read_bundle(bundle)
    assert (about.repos, about.packages, about.kernels, about.launchable) == (1, 0, 1, 1)
    assert about.digest == digest_of(bundle)


def test_the_same_index_makes_the_same_bundle(db: Path, bundle: Path, tmp_path: Path) -> None:
    with open_index(db, reach=bundle_reach(tmp_path / "scratch", tmp_path / "again")) as con:
        write_bundle(con, tmp_path / "scratch", tmp_path / "again")
    assert digest_of(tmp_path / "again") == digest_of(bundle)


def test_search_answers_right_after_installation(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "softmax", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert SOFTMAX.id in out
    assert err == "unpacking the index that came with the package (once)\n"
    assert main(["show", "softmax_kernel", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert (json.loads(out)["docstring"], err) == (None, "")


def test_code_that_did_not_come_along_is_pointed_at(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "softmax_kernel", "--source"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[1:]) == (
        "",
        [
            f"{SOFTMAX.id}: its facts came with the package, its code did not; read it at "
            f"{SOFTMAX.permalink}, or get it with `triton-index crawl acme/kernels`"
        ],
    )
    assert main(["show", "softmax_kernel", "--source", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["source"] is None


def test_a_crawl_makes_the_users_own_index_from_it(
    installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "k.py").write_text("import triton\n@triton.jit\ndef mine(x):\n    pass\n")
    assert main(["crawl", str(tmp_path / "mine")]) == 0
    capsys.readouterr()
    assert main(["search", "--format", "jsonl"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {record["name"] for record in found} == {"mine", "softmax_kernel"}
    assert len(list(installed.rglob("index.duckdb"))) == 1


def test_what_was_verified_stays_so_in_the_users_own_index(
    db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_ours = kernel("_rows", repo=HOME, path="verified_kernels/ops/softmax.py")
    save(db, crawled(of_ours, name=HOME))
    with Store.open_for_writing(db) as store:
        assert store.save_verifications([record()]) == 1
    with open_index(db, reach=bundle_reach(tmp_path / "scratch", tmp_path / "bundle")) as con:
        write_bundle(con, tmp_path / "scratch", tmp_path / "bundle")
    seed = unpacked_bundle(tmp_path / "bundle", lambda text: None)
    own = tmp_path / "own.duckdb"
    save(own, crawled(kernel("mine")), seed=seed)
    assert main(["--db", str(own), "search", "--verified", "--format", "jsonl"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == of_ours.id


def test_what_came_as_facts_is_read_afresh_by_the_next_crawl(bundle: Path, tmp_path: Path) -> None:
    seed = unpacked_bundle(bundle, lambda text: None)
    own = tmp_path / "own.duckdb"
    fresh = kernel("softmax_kernel", path="ops/softmax.py", commit=SECOND_COMMIT)
    with open_index(seed) as con:
        (before,) = con.execute("SELECT first_seen FROM kernels").fetchall()
    report = save(own, crawled(fresh, kernel("more"), commit=SECOND_COMMIT), seed=seed).repos[0]
    # Its text was never here, so nobody can say that it changed.
    assert (report.added, report.changed, report.removed) == (1, 0, 0)
    with open_index(own) as con:
        row = con.execute(
            "SELECT k.first_seen, k.commit, r.source, r.uses FROM kernels AS k "
            "JOIN kernel_rows AS r USING (id) WHERE k.name = 'softmax_kernel'"
        ).fetchall()
    assert row == [(before[0], SECOND_COMMIT, fresh.source, [])]


def test_facts_of_a_repository_that_cannot_be_crawled_stay(bundle: Path, tmp_path: Path) -> None:
    seed = unpacked_bundle(bundle, lambda text: None)
    own = tmp_path / "own.duckdb"
    failed = crawled(status=RepoStatus.FAILED, commit=None, error="no answer")
    save(own, failed, crawled(name="other/one", status=RepoStatus.EMPTY), seed=seed)
    with open_index(own) as con:
        ids = con.execute("SELECT id FROM kernels WHERE removed_at IS NULL").fetchall()
    assert names(id for (id,) in ids) == ["softmax_kernel"]


def test_facts_of_a_file_that_cannot_be_read_any_more_stay_beside_the_rest(
    bundle: Path, tmp_path: Path
) -> None:
    seed = unpacked_bundle(bundle, lambda text: None)
    own = tmp_path / "own.duckdb"
    skip = ScanSkip(path="ops/softmax.py", reason="took too long")
    save(own, crawled(kernel("more"), skipped=(skip,), kept=(skip.path,)), seed=seed)
    with open_index(own) as con:
        rows = con.execute("SELECT name, removed_at, ops FROM kernels ORDER BY name").fetchall()
    assert [(name, gone) for name, gone, _ in rows] == [("more", None), ("softmax_kernel", None)]
    assert rows[1][2] == ["softmax"]


def test_facts_that_no_scanner_read_keep_no_scan_alive(bundle: Path, tmp_path: Path) -> None:
    seed = unpacked_bundle(bundle, lambda text: None)
    own = tmp_path / "own.duckdb"
    for blob in ("a" * 40, "b" * 40):
        scan = CachedScan(blob=blob, facts=b"facts")
        other = crawled(kernel(repo="acme/other"), scans=(scan,), blobs=(blob,), commit=blob)
        save(own, other, seed=seed)
    with open_index(own) as con:
        assert con.execute("SELECT blob FROM scan_cache").fetchall() == [("b" * 40,)]


def test_first_runs_at_one_time_make_one_index(bundle: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    cache = str(tmp_path / "cache")
    runs = [context.Process(target=_unpack_there, args=(bundle, cache, results)) for _ in range(3)]
    for run in runs:
        run.start()
    found = [results.get() for _ in runs]
    for run in runs:
        run.join()
    assert sorted(told for _, told in found) == [0, 0, 1]
    ((path,),) = [{path for path, _ in found}]
    left = sorted(file.name for file in Path(path).parent.iterdir())
    assert left == [Path(path).name, "bundled.lock"]


def _unpack_there(bundle: Path, cache: str, results: Any) -> None:
    os.environ["XDG_CACHE_HOME"] = cache
    told: list[str] = []
    path = unpacked_bundle(bundle, told.append)
    with open_index(path) as con:
        assert con.execute("SELECT count(*) FROM kernels").fetchall() == [(1,)]
    results.put((str(path), len(told)))


@pytest.mark.parametrize(("days_unused", "is_kept"), [(0, True), (29, True), (31, False)])
def test_the_index_of_another_version_stays_while_that_version_reads_it(
    installed: Path, bundle: Path, db: Path, tmp_path: Path, days_unused: int, is_kept: bool
) -> None:
    old = unpacked_bundle(bundle, lambda text: None)
    then = time.time() - days_unused * 86400
    os.utime(old, (then, then))
    save(db, crawled(SOFTMAX, kernel("later")))
    with open_index(db, reach=bundle_reach(tmp_path / "scratch", bundle)) as con:
        write_bundle(con, tmp_path / "scratch", bundle)
    new = unpacked_bundle(bundle, lambda text: None)
    assert new != old
    assert (new.exists(), old.exists()) == (True, is_kept)


def test_reading_the_bundled_index_tells_that_it_is_in_use(installed: Path, bundle: Path) -> None:
    path = unpacked_bundle(bundle, lambda text: None)
    os.utime(path, (0, 0))
    assert unpacked_bundle(bundle, lambda text: None) == path
    assert path.stat().st_mtime > 0


def test_where_the_cache_cannot_be_written_a_private_temporary_folder_serves(
    installed: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").write_text("a file is no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "full"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = unpacked_bundle(bundle, lambda text: None)
    assert path.parent == tmp_path / f"triton-index-{os.getuid()}"
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_temporary_folder_that_others_may_write_is_not_trusted(
    installed: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").write_text("a file is no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "full"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shared = tmp_path / f"triton-index-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(StoreError, match=r"cannot be unpacked .*set XDG_CACHE_HOME"):
        unpacked_bundle(bundle, lambda text: None)
    shared.rmdir()
    shared.symlink_to(tmp_path)
    with pytest.raises(StoreError, match="cannot be unpacked"):
        unpacked_bundle(bundle, lambda text: None)


def test_a_damaged_bundle_is_one_clear_line_and_leaves_nothing(
    installed: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle / KERNELS).write_bytes(b"PAR1 not at all PAR1")
    assert main(["search", "softmax"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert list(installed.rglob("*.duckdb")) == []
    (bundle / ABOUT).write_text("{")
    with pytest.raises(StoreError, match="install triton-index anew"):
        read_bundle(bundle)
