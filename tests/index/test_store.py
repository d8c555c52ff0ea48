from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crawler.models import (
    ApiUse,
    Autotune,
    AutotuneConfig,
    CachedScan,
    KernelRecord,
    KnownRepo,
    Param,
    ParamKind,
    RepoStatus,
    Role,
    ScanSkip,
)
from index.errors import StoreError
from index.store import Store
from tests.index.samples import (
    FIRST_COMMIT,
    REPO,
    SECOND_COMMIT,
    body,
    column,
    crawled,
    kernel,
    names,
    rows,
    save,
)

STATE = "SELECT id, first_seen, removed_at FROM kernels ORDER BY id"
CHANGES = "SELECT kind, id, previous_id FROM changes WHERE run_id = ? ORDER BY kind, id"


def test_everything_a_kernel_has_comes_back(db: Path) -> None:
    record = kernel(
        "make.<locals>.k",
        path="notes.ipynb[3]",
        cell=3,
        docstring="First.\n\nSecond.",
        summary="First.",
        params=(
            Param(name="x_ptr", kind=ParamKind.POINTER),
            Param(name="BLOCK", kind=ParamKind.CONSTEXPR, default="64"),
        ),
        autotune=Autotune(
            n_configs=1_161_216,
            key=("n",),
            configs=(
                AutotuneConfig(
                    kwargs=(("BLOCK", 64), ("EVEN", True), ("P", None), ("X", 0.5), ("Y", "2**N")),
                    options=(("num_warps", 4),),
                ),
            ),
        ),
        heuristics=("EVEN",),
        launchers=("ops/add.py::add",),
        calls=("ops/add.py::helper",),
        uses=(ApiUse(name="triton.language.dot", keywords=("acc",), guards=("A", "B")),),
    )
    save(db, crawled(record))
    ((params, autotune, uses, cell, path),) = rows(
        db, "SELECT params, autotune, uses, cell, path FROM kernel_rows"
    )
    assert params == [
        {"name": "x_ptr", "kind": "pointer", "default": None},
        {"name": "BLOCK", "kind": "constexpr", "default": "64"},
    ]
    assert autotune == {
        "n_configs": 1_161_216,
        "key": ["n"],
        "configs": '[{"kwargs":{"BLOCK":64,"EVEN":true,"P":null,"X":0.5,"Y":"2**N"},'
        '"options":{"num_warps":4}}]',
    }
    assert uses == [
        {
            "name": "triton.language.dot",
            "keywords": ["acc"],
            "is_call": True,
            "guards": ["A", "B"],
            "kind": "name",
            "args": None,
            "unpacked": 0,
        }
    ]
    assert (cell, path) == (3, "notes.ipynb[3]")


def test_counts_beyond_the_column_are_capped(db: Path) -> None:
    save(db, crawled(kernel(autotune=Autotune(n_configs=10**40))))
    assert column(db, "SELECT autotune.n_configs FROM kernels") == [2**63 - 1]


@pytest.mark.parametrize(
    ("hostile", "kept"),
    [
        ("a\0b", "a\0b"),
        ("lone \udc80 surrogate \ud800", r"lone \udc80 surrogate \ud800"),
        ("\x1b]0;title\x07\x9b31m", "\x1b]0;title\x07\x9b31m"),
        ("'); DROP TABLE kernel_rows; --", "'); DROP TABLE kernel_rows; --"),
        ('😀\u202e\u2028\n\r\t\\"', '😀\u202e\u2028\n\r\t\\"'),
        ("x" * 20_000_000, "x" * 20_000_000),
    ],
    ids=["nul", "surrogates", "terminal controls", "quotes", "unicode", "twenty megabytes"],
)
def test_hostile_text_breaks_nothing(db: Path, hostile: str, kept: str) -> None:
    record = kernel(docstring=hostile, source=hostile, params=())
    skips = (ScanSkip(path=hostile[:100], reason=hostile[:100]),)
    error = hostile[:100]
    save(db, crawled(record, kernel("other"), skipped=skips, error=error))
    assert rows(db, "SELECT docstring, source FROM kernel_rows WHERE name = 'add_kernel'") == [
        (kept, kept)
    ]
    if len(hostile) < 100:
        assert rows(db, "SELECT path, reason FROM skips") == [(kept, kept)]
        assert column(db, "SELECT error FROM repos") == [kept]


def test_ids_that_come_out_equal_are_skipped_not_lost_silently(db: Path) -> None:
    first, second = kernel(path="a\udc80.py"), kernel(path=r"a\udc80.py")
    (report,) = save(db, crawled(first, second)).repos
    assert report.kernels == 1
    assert [skip.reason for skip in report.skipped] == [
        "add_kernel: its id belongs to another definition"
    ]
    assert rows(db, "SELECT path, reason FROM skips") == [
        (r"a\udc80.py", "add_kernel: its id belongs to another definition")
    ]


def test_a_second_crawl_of_the_same_changes_no_row(db: Path) -> None:
    records = [kernel(f"k{n}", source=body(f"k{n}", f"x = {n}")) for n in range(20)]
    save(db, crawled(*records, kernel(repo="b/b")), crawled(kernel(repo="c/c")))
    before = rows(db, "SELECT * FROM kernel_rows ORDER BY id")
    for status in (RepoStatus.UPDATED, RepoStatus.UNCHANGED, RepoStatus.FAILED):
        found = records if status is RepoStatus.UPDATED else []
        (report,) = save(db, crawled(*found, name=REPO, status=status)).repos
        assert (report.added, report.changed, report.removed, report.kernels) == (0, 0, 0, 20)
        assert rows(db, "SELECT * FROM kernel_rows ORDER BY id") == before


def test_a_new_kernel_is_dated_by_its_run(db: Path) -> None:
    first = save(db, crawled(kernel("a")))
    second = save(db, crawled(kernel("a"), kernel("b"), commit=SECOND_COMMIT))
    seen = dict(rows(db, "SELECT name, first_seen FROM kernels"))
    assert seen["a"] == first.started_at.replace(tzinfo=None)
    assert seen["b"] == second.started_at.replace(tzinfo=None)
    assert rows(db, CHANGES, second.run_id) == [("added", f"{REPO}:ops/add.py::b", None)]
    assert (second.repos[0].added, second.repos[0].kernels) == (1, 2)


def test_last_seen_is_the_last_crawl_that_saw_the_source(db: Path) -> None:
    save(db, crawled(kernel()))
    second = save(db, crawled(status=RepoStatus.UNCHANGED))
    save(db, crawled(status=RepoStatus.FAILED, error="no network"))
    assert column(db, "SELECT last_seen FROM kernels") == [second.started_at.replace(tzinfo=None)]


def test_a_vanished_kernel_is_dated_and_comes_back(db: Path) -> None:
    first = save(db, crawled(kernel("a"), kernel("b", source=body("b", "x = 1"))))
    second = save(db, crawled(kernel("a")))
    assert rows(db, STATE.replace("id,", "name,").replace("BY id", "BY name")) == [
        ("a", first.started_at.replace(tzinfo=None), None),
        ("b", first.started_at.replace(tzinfo=None), second.started_at.replace(tzinfo=None)),
    ]
    assert rows(db, CHANGES, second.run_id) == [("removed", f"{REPO}:ops/add.py::b", None)]
    third = save(db, crawled(kernel("a")))
    assert rows(db, CHANGES, third.run_id) == []
    assert column(db, "SELECT last_seen FROM kernels WHERE name = 'b'") == [
        first.started_at.replace(tzinfo=None)
    ]
    fourth = save(db, crawled(kernel("a"), kernel("b", source=body("b", "x = 2"))))
    assert rows(db, "SELECT first_seen, removed_at, last_seen FROM kernels WHERE name = 'b'") == [
        (first.started_at.replace(tzinfo=None), None, fourth.started_at.replace(tzinfo=None))
    ]
    assert rows(db, CHANGES, fourth.run_id) == [("returned", f"{REPO}:ops/add.py::b", None)]
    assert fourth.repos[0].added == 1


def test_a_kernel_of_which_nothing_new_is_known_stays_as_it_was(db: Path) -> None:
    """Its file, its cell of a notebook, or a folder above it could not be read."""
    kept = [
        kernel("file", path="a.py"),
        kernel("below", path="closed/deep/b.py"),
        kernel("cell", path="n.ipynb", cell=3),
    ]
    gone = [
        kernel("other_cell", path="n.ipynb", cell=2),
        kernel("beside", path="closed.py"),
        kernel("longer", path="a.pyx"),
    ]
    save(db, crawled(*kept, *gone))
    (report,) = save(db, crawled(kept=("a.py", "closed/", "n.ipynb[3]"))).repos
    live = column(db, "SELECT name FROM kernels WHERE removed_at IS NULL ORDER BY name")
    assert (live, report.removed) == (["below", "cell", "file"], 3)


def test_an_empty_source_dates_its_kernels(db: Path) -> None:
    save(db, crawled(kernel()))
    (report,) = save(db, crawled(status=RepoStatus.EMPTY)).repos
    assert (report.removed, report.kernels) == (1, 0)
    assert column(db, "SELECT removed_at IS NOT NULL FROM kernels") == [True]


def test_what_was_known_before_a_failure_stays_known(db: Path) -> None:
    save(db, crawled(kernel(), skipped=(ScanSkip(path="x.py", reason="no"),)))
    save(db, crawled(status=RepoStatus.FAILED, commit=None, error="it is not there"))
    assert column(db, "SELECT removed_at FROM kernels") == [None]
    assert rows(db, "SELECT status, error, commit, kernels FROM repos") == [
        ("failed", "it is not there", FIRST_COMMIT, 1)
    ]
    assert rows(db, "SELECT * FROM skips") == [(REPO, "x.py", "no")]
    save(db, crawled(status=RepoStatus.UNCHANGED))
    assert rows(db, "SELECT status, error FROM repos") == [("unchanged", None)]


def test_a_source_that_never_worked_is_recorded_but_not_known(db: Path) -> None:
    save(db, crawled(status=RepoStatus.FAILED, commit=None, error="no such package"))
    assert rows(db, "SELECT name, status, commit FROM repos") == [(REPO, "failed", None)]
    with Store.open_for_writing(db) as store:
        assert store.repo(REPO) is None


MOVED_LINES = {"start_line": 11, "def_line": 12, "end_line": 19}


@pytest.mark.parametrize(
    ("facts", "changed"),
    [
        ({"source": body("add_kernel", "pass")}, 1),
        ({"params": ()}, 1),
        ({"role": Role.DEVICE_FUNCTION}, 1),
        ({"autotune": Autotune(n_configs=2)}, 1),
        ({"docstring": "Adds."}, 1),
        (MOVED_LINES, 0),
        ({"commit": SECOND_COMMIT, "permalink": "https://example.org/#L1-L2"}, 0),
        ({"launchers": ("ops/add.py::add",)}, 0),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else str(value),
)
def test_what_counts_as_a_change(db: Path, facts: dict[str, object], changed: int) -> None:
    save(db, crawled(kernel()))
    after = replace(kernel(), **facts)  # type: ignore[arg-type]
    (report,) = save(db, crawled(after)).repos
    assert (report.changed, report.added, report.removed) == (changed, 0, 0)
    # Counted or not, the row is that of the last crawl.
    selected = ", ".join(f"kernel_rows.{name}" for name in facts if name != "autotune") or "1"
    stored = rows(db, f"SELECT {selected} FROM kernel_rows")[0]
    expected = [getattr(after, name) for name in facts if name != "autotune"] or [1]
    assert [list(v) if isinstance(v, tuple) else v for v in expected] == list(stored)


def test_a_new_scanner_alone_changes_no_kernel(db: Path) -> None:
    save(db, crawled(kernel("a"), kernel("b")))
    better = [kernel("a", role=Role.DEVICE_FUNCTION), kernel("b", source=body("b", "pass"))]
    (report,) = save(db, crawled(*better, scanner_version="2")).repos
    assert report.changed == 1
    assert column(db, "SELECT role FROM kernels ORDER BY name") == ["device_function", "kernel"]


def test_another_choice_of_files_is_not_another_scanner(db: Path) -> None:
    save(db, crawled(kernel(), scanner_version="1+tests-left-out"))
    (report,) = save(db, crawled(kernel(role=Role.UNKNOWN), scanner_version="1")).repos
    assert report.changed == 1


def test_a_moved_kernel_keeps_its_first_date(db: Path) -> None:
    first = save(db, crawled(kernel("k", path="old.py"), kernel("stays")))
    second = save(db, crawled(kernel("k", path="new/k.py"), kernel("stays")))
    assert rows(db, STATE) == [
        (f"{REPO}:new/k.py::k", first.started_at.replace(tzinfo=None), None),
        (f"{REPO}:ops/add.py::stays", first.started_at.replace(tzinfo=None), None),
    ]
    assert rows(db, CHANGES, second.run_id) == [
        ("moved", f"{REPO}:new/k.py::k", f"{REPO}:old.py::k")
    ]
    (report,) = second.repos
    assert (report.added, report.changed, report.removed) == (0, 1, 0)


def test_a_renamed_kernel_keeps_its_first_date(db: Path) -> None:
    first = save(db, crawled(kernel("k")))
    save(db, crawled(kernel("better_name"), commit=SECOND_COMMIT))
    assert rows(db, STATE) == [
        (f"{REPO}:ops/add.py::better_name", first.started_at.replace(tzinfo=None), None)
    ]
    assert column(db, "SELECT name FROM kernels") == ["better_name"]


def test_kernels_that_change_places_are_no_moves(db: Path) -> None:
    a, b = kernel("k", path="a.py"), kernel("k", path="b.py", source=body("k", "pass"))
    save(db, crawled(a, b))
    swapped = replace(a, source=b.source), replace(b, source=a.source)
    (report,) = save(db, crawled(*swapped)).repos
    assert (report.changed, report.added, report.removed) == (2, 0, 0)


def test_sources_do_not_touch_each_other(db: Path) -> None:
    save(db, crawled(kernel(repo="a/a")), crawled(kernel(repo="b/b")))
    save(db, crawled(name="a/a", status=RepoStatus.EMPTY))
    assert rows(db, "SELECT repo, removed_at IS NULL FROM kernels ORDER BY repo") == [
        ("a/a", False),
        ("b/b", True),
    ]


def test_a_failed_save_leaves_the_source_as_it_was(db: Path) -> None:
    save(db, crawled(kernel("a")))
    broken = kernel("b", start_line=2**40)
    with Store.open_for_writing(db) as store:
        run = store.begin_run()
        with pytest.raises(StoreError, match=str(2**40)):
            store.save(crawled(broken), run)
        report = store.save(crawled(kernel("a"), kernel("c"), name=REPO), run)
    assert (report.added, report.removed) == (1, 0)
    assert sorted(names(column(db, "SELECT id FROM kernels"))) == ["a", "c"]


def test_known_state_is_what_was_stored(db: Path) -> None:
    scans = (CachedScan(blob="b" * 40, facts=b"\0\xff facts"), CachedScan(blob="c", facts=b""))
    with Store.open_for_writing(db) as store:
        assert store.repo(REPO) is None
        assert store.scans(["b" * 40], "1") == {}
        run = store.begin_run()
        store.save(crawled(kernel(), scans=scans, blobs=("b" * 40, "c")), run)
        assert store.repo(REPO) == KnownRepo(
            name=REPO,
            commit=FIRST_COMMIT,
            scanner_version="1",
            location=REPO,
            crawled_at=run.started_at,
        )
        assert store.scans(["b" * 40, "c", "d"], "1") == {"b" * 40: b"\0\xff facts", "c": b""}
        assert store.scans(["b" * 40], "2") == {}
        assert store.scans([], "1") == {}


def scan(blob: str, facts: bytes = b"facts") -> CachedScan:
    return CachedScan(blob=blob, facts=facts)


def kept_scans(db: Path) -> list[str]:
    return column(db, "SELECT blob FROM scan_cache ORDER BY blob")


def test_scans_of_a_choice_of_files_are_those_of_the_scanner(db: Path) -> None:
    source = crawled(kernel(), scans=(scan("b"),), blobs=("b",), scanner_version="1+choice")
    save(db, source)
    with Store.open_for_writing(db) as store:
        assert store.scans(["b"], "1") == {"b": b"facts"}


def test_scans_that_nothing_holds_any_more_are_dropped(db: Path) -> None:
    save(db, crawled(kernel(), scans=(scan("old"), scan("same")), blobs=("old", "same")))
    save(db, crawled(kernel(), scans=(scan("new"),), blobs=("new", "same")))
    assert kept_scans(db) == ["new", "same"]
    save(db, crawled(status=RepoStatus.UNCHANGED))
    assert kept_scans(db) == ["new", "same"]
    save(db, crawled(kernel(), scans=(scan("new"),), blobs=("new",), scanner_version="2"))
    assert rows(db, "SELECT blob, scanner_version FROM scan_cache") == [("new", "2")]


def test_a_scan_that_two_sources_hold_is_kept_once_and_for_both(db: Path) -> None:
    both = [crawled(kernel(repo=r), scans=(scan("b"),), blobs=("b",)) for r in ("a/a", "b/b")]
    save(db, *both)
    assert kept_scans(db) == ["b"]
    save(db, crawled(name="a/a", status=RepoStatus.EMPTY))
    assert kept_scans(db) == ["b"]


def test_the_report_is_kept(db: Path) -> None:
    skips = (ScanSkip(path="bad.py", reason="not Python"),)
    report = save(
        db,
        crawled(kernel(), files_seen=7, files_parsed=3, skipped=skips, requests=2),
        crawled(name="x/x", status=RepoStatus.FAILED, commit=None, error="gone away"),
    )
    assert rows(db, "SELECT run_id, seconds, finished_at > started_at FROM runs") == [
        (report.run_id, report.seconds, True)
    ]
    skipped = [{"path": "bad.py", "reason": "not Python"}]
    assert rows(db, "SELECT * FROM run_repos ORDER BY repo") == [
        (report.run_id, REPO, "updated", FIRST_COMMIT, 7, 3, 1, 1, 0, 0, skipped, 2, None, None),
        (report.run_id, "x/x", "failed", None, 0, 0, 0, 0, 0, 0, [], 0, "gone away", None),
    ]
    assert [repo.repo for repo in report.repos] == [REPO, "x/x"]


def test_ten_thousand_kernels_at_once(db: Path) -> None:
    text = body("k", "\n    ".join(f"x{n} = tl.load(x_ptr + {n})" for n in range(60)))
    records: list[KernelRecord] = [
        kernel(f"k{n}", path=f"f{n // 20}.py", source=text) for n in range(10_000)
    ]
    report = save(db, crawled(*records))
    assert report.repos[0].added == 10_000
    # Generous: it takes a second on a machine that does nothing else.
    assert report.seconds < 20
