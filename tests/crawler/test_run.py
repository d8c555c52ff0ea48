"""The loop: what is read again, what is not, and what a failure costs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from crawler.models import CrawledRepo, KnownRepo, RepoStatus, SourceKind, SourceRepo
from crawler.pool import Scanned, ScanPool, ScanTask
from crawler.run import crawl, scanner_version
from crawler.scan import scan_file
from crawler.scan.result import Unscanned, encode_result, to_result
from tests.crawler.snapshot.conftest import MakeRepo, git

ADD = "import triton\n\n@triton.jit\ndef add(x):\n    pass\n"
MUL = ADD.replace("add", "mul")
FILES = {"add.py": ADD, "mul.py": MUL, "plain.py": "x = 1\n", "README.md": "# x\n"}


class Memory:
    """What earlier crawls left behind, in memory."""

    def __init__(self) -> None:
        self.repos: dict[str, KnownRepo] = {}
        self.facts: dict[tuple[str, str], bytes] = {}
        self.files: dict[str, dict[str, str]] = {}

    def repo(self, name: str) -> KnownRepo | None:
        return self.repos.get(name)

    def scans(self, blobs: Sequence[str], scanner_version: str) -> Mapping[str, bytes]:
        keys = ((blob, (blob, scanner_version)) for blob in blobs)
        return {blob: self.facts[key] for blob, key in keys if key in self.facts}

    def scans_of(self, repo: str, scanner_version: str) -> Mapping[str, bytes]:
        """Return nothing."""
        return {}

    def histories(self, repo: str) -> Mapping[str, str]:
        return self.files.get(repo, {})

    def save(self, crawled: CrawledRepo) -> None:
        if crawled.status is not RepoStatus.UPDATED:
            return
        assert crawled.commit is not None
        self.repos[crawled.name] = KnownRepo(
            name=crawled.name,
            commit=crawled.commit,
            scanner_version=crawled.scanner_version,
            location=crawled.location,
        )
        files = self.files.setdefault(crawled.name, {})
        files.update({history.path: history.blob for history in crawled.histories})
        version = crawled.scanner_version.partition("+")[0]
        self.facts.update({(scan.blob, version): scan.facts for scan in crawled.scans})


def clone(path: Path, name: str = "octo/kernels", **more: tuple[str, ...]) -> SourceRepo:
    return SourceRepo(name=name, kind=SourceKind.CLONE, path=path, **more)


def crawled(
    *sources: SourceRepo, known: Memory | None = None, full: bool = False
) -> list[CrawledRepo]:
    """Crawl and save as the program does; return what each source gave."""
    known = known or Memory()
    found = []
    for repo in crawl(sources, known=known, jobs=1, full=full):
        known.save(repo)
        found.append(repo)
    return found


def names(repo: CrawledRepo) -> list[str]:
    return [record.qualname for record in repo.kernels]


def test_the_first_crawl_reads_what_may_hold_kernels(make_repo: MakeRepo) -> None:
    (repo,) = crawled(clone(make_repo(FILES)))
    assert (repo.status, repo.error) == (RepoStatus.UPDATED, None)
    assert (repo.files_seen, repo.files_parsed) == (3, 2)
    assert names(repo) == ["add", "mul"]
    assert repo.skipped == ()
    assert len(repo.blobs) == len(repo.scans) == 3


def test_an_unchanged_source_is_not_read_again(make_repo: MakeRepo) -> None:
    known, source = Memory(), clone(make_repo(FILES))
    (first,) = crawled(source, known=known)
    (second,) = crawled(source, known=known)
    assert (second.status, second.commit) == (RepoStatus.UNCHANGED, first.commit)
    assert (second.files_parsed, second.kernels, second.scans) == (0, (), ())


def test_full_reads_all_again(make_repo: MakeRepo) -> None:
    known, source = Memory(), clone(make_repo(FILES))
    (first,) = crawled(source, known=known)
    (second,) = crawled(source, known=known, full=True)
    assert second == first


def test_a_change_of_one_file_reads_one(make_repo: MakeRepo) -> None:
    known, path = Memory(), make_repo(FILES)
    crawled(clone(path), known=known)
    (path / "mul.py").write_text(MUL.replace("mul", "div"))
    git(path, "commit", "-qam", "second")
    (repo,) = crawled(clone(path), known=known)
    assert (repo.status, repo.files_parsed) == (RepoStatus.UPDATED, 1)
    assert names(repo) == ["add", "div"]
    assert len(repo.scans) == 1
    assert len(repo.blobs) == 3


def test_a_commit_that_changes_no_file_reads_none(make_repo: MakeRepo) -> None:
    known, path = Memory(), make_repo(FILES)
    (first,) = crawled(clone(path), known=known)
    git(path, "commit", "-q", "--allow-empty", "-m", "second")
    (repo,) = crawled(clone(path), known=known)
    assert (repo.status, repo.files_parsed) == (RepoStatus.UPDATED, 0)
    assert repo.commit != first.commit
    assert names(repo) == names(first)


def test_a_moved_file_and_a_copy_elsewhere_are_not_read_again(make_repo: MakeRepo) -> None:
    known, path = Memory(), make_repo(FILES)
    crawled(clone(path), known=known)
    git(path, "mv", "mul.py", "moved.py")
    git(path, "commit", "-qm", "second")
    fork = make_repo(FILES, name="fork")
    moved, copied = crawled(clone(path), clone(fork, "octo/fork"), known=known)
    assert (moved.files_parsed, copied.files_parsed) == (0, 0)
    assert [record.path for record in moved.kernels] == ["add.py", "moved.py"]
    assert [record.id for record in copied.kernels] == [
        "octo/fork:add.py::add",
        "octo/fork:mul.py::mul",
    ]


def test_equal_files_are_read_once_and_all_count(make_repo: MakeRepo) -> None:
    (repo,) = crawled(clone(make_repo({"a.py": ADD, "b/c.py": ADD})))
    assert (repo.files_seen, repo.files_parsed) == (2, 1)
    assert [record.id for record in repo.kernels] == [
        "octo/kernels:a.py::add",
        "octo/kernels:b/c.py::add",
    ]


def test_a_notebook_and_a_file_of_equal_bytes_are_told_apart(make_repo: MakeRepo) -> None:
    content = json.dumps({"cells": [{"cell_type": "code", "source": ADD}]})
    (repo,) = crawled(clone(make_repo({"n.ipynb": content, "n.py": content})))
    assert [record.id for record in repo.kernels] == ["octo/kernels:n.ipynb[0]::add"]


def test_a_renamed_jit_is_followed_into_files_of_the_cache(make_repo: MakeRepo) -> None:
    known = Memory()
    path = make_repo(
        {
            "user.py": "from wrap import kernel\n\n@kernel\ndef add(x):\n    return x\n",
            "wrap.py": "x = 1\n",
        }
    )
    (first,) = crawled(clone(path), known=known)
    assert (first.files_parsed, names(first)) == (0, [])
    (path / "wrap.py").write_text("import triton\nkernel = triton.jit\n")
    git(path, "commit", "-qam", "second")
    (second,) = crawled(clone(path), known=known)
    assert (second.files_parsed, names(second)) == (2, ["add"])
    git(path, "commit", "-q", "--allow-empty", "-m", "third")
    (third,) = crawled(clone(path), known=known)
    assert (third.files_parsed, names(third)) == (0, ["add"])


def test_another_choice_of_files_is_crawled_again_from_the_cache(make_repo: MakeRepo) -> None:
    known, path = Memory(), make_repo(FILES)
    crawled(clone(path), known=known)
    (narrow,) = crawled(clone(path, exclude=("mul.py",)), known=known)
    assert (narrow.status, narrow.files_seen, narrow.files_parsed) == (RepoStatus.UPDATED, 2, 0)
    assert names(narrow) == ["add"]
    (same,) = crawled(clone(path, exclude=("mul.py",)), known=known)
    assert same.status is RepoStatus.UNCHANGED
    (other,) = crawled(clone(path, include=("mul.py",)), known=known)
    assert names(other) == ["mul"]


def test_the_order_of_patterns_is_no_other_choice() -> None:
    here = Path()
    one, two = clone(here, include=("a", "b")), clone(here, include=("b", "a"))
    assert scanner_version(one) == scanner_version(two) != scanner_version(clone(here))
    assert scanner_version(clone(here, exclude=("a", "b"))) != scanner_version(one)


def test_what_the_cache_holds_of_another_scanner_is_read_again(make_repo: MakeRepo) -> None:
    known, source = Memory(), clone(make_repo(FILES))
    (first,) = crawled(source, known=known)
    known.repos.clear()
    known.files.clear()
    known.facts = dict.fromkeys(known.facts, b"written by another version")
    (repo,) = crawled(source, known=known)
    assert repo == first


def test_skips_carry_their_reason_now_and_from_the_cache(make_repo: MakeRepo) -> None:
    broken_cell = json.dumps({"cells": [{"cell_type": "code", "source": "import triton\ndef ("}]})
    files = {
        "add.py": ADD,
        "broken.py": "import triton\ndef (\n",
        "null.py": b"import triton\n\0",
        "n.ipynb": broken_cell,
        "no.ipynb": "triton",
    }
    known, path = Memory(), make_repo(files)
    (first,) = crawled(clone(path), known=known)
    assert [(skip.path, skip.reason) for skip in first.skipped] == [
        ("broken.py", "syntax error (line 2): invalid syntax"),
        ("n.ipynb[0]", "syntax error (line 2): invalid syntax"),
        ("no.ipynb", "not a notebook: no valid JSON"),
        ("null.py", "contains null bytes"),
    ]
    assert names(first) == ["add"]
    git(path, "commit", "-q", "--allow-empty", "-m", "second")
    (second,) = crawled(clone(path), known=known)
    assert (second.files_parsed, second.skipped) == (0, first.skipped)


class FailingPool(ScanPool):
    """A pool on which every file that mentions `slow` reaches a limit."""

    def scan(self, tasks: Iterable[ScanTask]) -> Iterator[Scanned]:
        for task in tasks:
            result = to_result(scan_file(task.path, task.data))
            if b"slow" in task.data:
                result = Unscanned("took longer than 4 s to scan")
            yield task.key, encode_result(result)


def test_what_a_limit_kept_from_being_read_is_read_by_the_next_crawl(
    make_repo: MakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_repo({"add.py": ADD, "slow.py": ADD.replace("add", "slow"), "copy/slow.py": ADD})
    (undisturbed,) = crawled(clone(path))
    known = Memory()
    with monkeypatch.context() as patch:
        patch.setattr("crawler.run.ScanPool", FailingPool)
        (first,) = crawled(clone(path), known=known)
        (again,) = crawled(clone(path), known=known)
    reason = "took longer than 4 s to scan"
    assert [(skip.path, skip.reason) for skip in first.skipped] == [("slow.py", reason)]
    assert (first.status, again.status) == (RepoStatus.UPDATED, RepoStatus.UPDATED)
    assert len(first.scans) == 1, "what no bytes decided is not cached"
    (healthy,) = crawled(clone(path), known=known)
    assert (healthy.status, healthy.files_parsed) == (RepoStatus.UPDATED, 1)
    assert healthy.kernels == undisturbed.kernels
    (last,) = crawled(clone(path), known=known)
    assert last.status is RepoStatus.UNCHANGED


def test_a_lost_blob_is_a_skip_at_every_path_and_read_once_it_is_there(
    make_repo: MakeRepo,
) -> None:
    known, path = Memory(), make_repo({"a.py": MUL, "b/c.py": MUL, "good.py": ADD})
    blob = git(path, "rev-parse", "HEAD:a.py")
    loose = path / ".git/objects" / blob[:2] / blob[2:]
    content = loose.read_bytes()
    loose.unlink()
    (first,) = crawled(clone(path), known=known)
    assert [skip.path for skip in first.skipped] == ["a.py", "b/c.py"]
    assert {"a.py", "b/c.py"} <= set(first.kept)
    loose.write_bytes(content)
    (second,) = crawled(clone(path), known=known)
    assert (second.status, names(second)) == (RepoStatus.UPDATED, ["mul", "mul", "add"])
    assert (second.skipped, second.kept) == ((), ())


def test_a_clone_without_its_contents_is_not_done(make_repo: MakeRepo, tmp_path: Path) -> None:
    known, full = Memory(), make_repo(FILES)
    git(full, "config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    words = ("clone", "-q", "--bare", "--filter=blob:none", f"file://{full}", str(partial))
    git(tmp_path, *words)
    (first,) = crawled(clone(partial), known=known)
    assert first.status is RepoStatus.FAILED
    assert "nothing of its 3 files can be read (its content is missing" in (first.error or "")
    git(partial, "fetch", "-q", "--refetch", "--no-filter", "origin")
    (second,) = crawled(clone(partial), known=known)
    assert (second.status, names(second)) == (RepoStatus.UPDATED, ["add", "mul"])


@pytest.mark.parametrize(
    ("limit", "value", "skip"),
    [
        ("MAX_FILES", 2, ("c.py", "left out, 1 files after it too: more than 2 files")),
        ("MAX_KERNELS", 2, ("c.py", "left out, 1 files after it too: more than 2 kernels")),
        ("MAX_FILES", 3, ("d.py", "left out: more than 3 files")),
    ],
)
def test_files_and_kernels_of_a_source_are_bounded(
    make_repo: MakeRepo,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: int,
    skip: tuple[str, str],
) -> None:
    path = make_repo({f"{name}.py": ADD.replace("add", name) for name in "abcd"})
    monkeypatch.setattr(f"crawler.reading.{limit}", value)
    (repo,) = crawled(clone(path))
    (told,) = repo.skipped
    assert (told.path, told.reason) == (skip[0], f"{skip[1]} in one source")
    assert names(repo) == list("abcd"[:value])
    assert set(repo.kept) == {f"{name}.py" for name in "abcd"[value:]}
    assert repo.files_seen == 4


def test_while_a_file_is_missing_no_kernel_of_another_counts_as_gone(make_repo: MakeRepo) -> None:
    """The file that makes a decorator of jit decides on the kernels of all who import it."""
    user = "from wrap import kernel\n\n@kernel\ndef add(x):\n    return x\n"
    path = make_repo({"user.py": user, "wrap.py": "import triton\nkernel = triton.jit\n"})
    known = Memory()
    assert [names(repo) for repo in crawled(clone(path), known=known)] == [["add"]]
    (path / "wrap.py").write_text("import triton\n\nkernel = triton.jit\n")
    git(path, "commit", "-qam", "second")
    blob = git(path, "rev-parse", "HEAD:wrap.py")
    (path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    (second,) = crawled(clone(path), known=known)
    assert (names(second), second.kept) == ([], ("user.py", "wrap.py"))


def test_a_source_that_fails_does_not_stop_the_others(make_repo: MakeRepo, tmp_path: Path) -> None:
    missing = clone(tmp_path / "missing", "octo/missing")
    folder = SourceRepo(name="local/x", kind=SourceKind.FOLDER, path=tmp_path / "missing")
    found = crawled(missing, folder, clone(make_repo(FILES)))
    assert [(repo.name, repo.status) for repo in found] == [
        ("octo/missing", RepoStatus.FAILED),
        ("local/x", RepoStatus.FAILED),
        ("octo/kernels", RepoStatus.UPDATED),
    ]
    for failed in found[:2]:
        assert failed.error is not None
        assert "missing" in failed.error
        assert "\n" not in failed.error
        assert (failed.kernels, failed.commit) == ((), None)


def test_a_repository_without_a_commit_or_a_source_is_empty(
    make_repo: MakeRepo, tmp_path: Path
) -> None:
    git(tmp_path, "init", "-q", "new")
    found = crawled(clone(tmp_path / "new"), clone(make_repo({"README.md": "# x\n"}), "octo/text"))
    assert [repo.status for repo in found] == [RepoStatus.EMPTY, RepoStatus.EMPTY]


def test_progress_is_told_file_by_file(make_repo: MakeRepo) -> None:
    told: list[tuple[str, int, int]] = []
    path = make_repo(FILES)
    list(crawl([clone(path)], known=Memory(), jobs=1, on_progress=lambda *step: told.append(step)))
    assert told == [("octo/kernels", done, 3) for done in (1, 2, 3)]


def test_a_crawl_that_is_left_early_ends_its_processes(make_repo: MakeRepo) -> None:
    path = make_repo(FILES)
    results = crawl([clone(path, f"octo/k{i}") for i in range(12)], known=Memory(), jobs=1)
    assert names(next(results)) == ["add", "mul"]
    results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("jobs", [1, 2])
def test_many_sources_come_in_their_order(make_repo: MakeRepo, jobs: int) -> None:
    path = make_repo(FILES)
    sources = [clone(path, f"octo/k{i}") for i in range(12)]
    found = list(crawl(sources, known=Memory(), jobs=jobs))
    assert [repo.name for repo in found] == [source.name for source in sources]
    assert {tuple(names(repo)) for repo in found} == {("add", "mul")}
