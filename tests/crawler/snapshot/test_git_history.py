"""The history of files as a clone tells it: whatever its commits hold."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler.history import FileHistory
from crawler.models import SourceKind, SourceRepo
from crawler.snapshot import git_history
from crawler.snapshot.git import open_git
from crawler.snapshot.names import readable_name
from tests.crawler.snapshot.conftest import MakeRepo, git, write_files
from tests.crawler.test_run import ADD, MUL, Memory, crawled

LONG = "".join(f"line_{number} = {number}\n" for number in range(40))


def commit(repo: Path, who: str, day: int, files: Mapping[str, str], message: str = "m") -> None:
    """Commit the files, and whatever else is staged, as somebody on a day of January."""
    write_files(repo, files)
    git(repo, "add", "-A")
    address = f"{who.lower().replace(' ', '.')}@x.org"
    date = f"2026-01-{day:02}T12:00:00Z"
    author = (f"--author={who} <{address}>", f"--date={date}")
    git(repo, "commit", "-q", "--allow-empty", *author, "-m", message)


def histories(repo: Path, *paths: str) -> dict[str, FileHistory]:
    with closing(open_git(repo, "owner/name")) as snapshot:
        entries = [entry for entry in snapshot.entries() if not paths or entry.path in paths]
        return {history.path: history for history in snapshot.histories(entries).files}


def test_tells_who_wrote_each_file_and_when(make_repo: MakeRepo) -> None:
    repo = make_repo({})
    commit(repo, "Ada", 2, {"k.py": "a", "other.py": "o"})
    commit(repo, "Bob", 3, {"k.py": "b"}, "fix\n\nCo-authored-by: Cleo <c@x.org>")
    commit(repo, "Bob", 4, {"k.py": "c"})
    found = histories(repo)
    assert found["k.py"] == FileHistory(
        path="k.py",
        blob=git(repo, "rev-parse", "HEAD:k.py"),
        authors=("Bob", "Cleo", "Ada"),
        first_commit_at=datetime(2026, 1, 2, 12, tzinfo=UTC),
        last_commit_at=datetime(2026, 1, 4, 12, tzinfo=UTC),
    )
    assert found["other.py"].authors == ("Ada",)
    assert set(histories(repo, "other.py")) == {"other.py"}


@pytest.mark.parametrize("change", ["", "more = 1\n"], ids=["as it is", "changed"])
def test_follows_renames(make_repo: MakeRepo, change: str) -> None:
    repo = make_repo({})
    commit(repo, "Ada", 2, {"old.py": LONG})
    (repo / "pkg").mkdir()
    git(repo, "mv", "old.py", "pkg/new.py")
    commit(repo, "Bob", 3, {"pkg/new.py": LONG + change})
    commit(repo, "Cleo", 4, {"old.py": "another = 1\n"})
    found = histories(repo)
    assert found["pkg/new.py"].authors == ("Bob", "Ada")
    assert found["pkg/new.py"].first_commit_at == datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert "Cleo" in found["old.py"].authors
    assert "Cleo" not in found["pkg/new.py"].authors


def test_a_branch_that_was_merged_counts_and_the_merge_does_not(make_repo: MakeRepo) -> None:
    repo = make_repo({"k.py": "a\n"})
    git(repo, "checkout", "-q", "-b", "side")
    commit(repo, "Bob", 3, {"side.py": "s\n"})
    git(repo, "checkout", "-q", "main")
    commit(repo, "Ada", 4, {"k.py": "b\n"})
    git(repo, "merge", "-q", "--no-ff", "-m", "merge", "side")
    assert histories(repo)["side.py"].authors == ("Bob",)


def test_names_and_messages_of_any_kind_are_read(make_repo: MakeRepo) -> None:
    repo = make_repo({})
    odd = 'tab\there "q" \u00e9\n.py'
    commit(
        repo, "A\u00eada \U0001f600", 2, {odd: "x", "M": "no python", "k.py": "x"}, "\x01M\n\nM\n"
    )
    found = histories(repo)
    told = [found[name].authors for name in (readable_name(odd.encode()), "k.py")]
    assert told == [("A\u00eada \U0001f600",)] * 2


def test_a_moment_beyond_the_calendar_is_unknown(make_repo: MakeRepo) -> None:
    repo = make_repo({"k.py": "x"})
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    raw = f"tree {tree}\nauthor A <a@x> 999999999999999999 +0000\ncommitter A <a@x> 1 +0000\n\nm\n"
    made = git(
        repo, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=raw.encode()
    )
    git(repo, "update-ref", "HEAD", made)
    found = histories(repo)["k.py"]
    assert found.authors == ("A",)
    assert found.last_commit_at is None or found.last_commit_at.tzinfo is UTC


def test_a_shallow_clone_has_no_history(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo({"k.py": "x"})
    commit(repo, "Bob", 3, {"k.py": "y"})
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repo}", "shallow")
    assert histories(tmp_path / "shallow") == {}


def test_a_partial_clone_has_one(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo({})
    git(repo, "config", "uploadpack.allowFilter", "true")
    commit(repo, "Ada", 2, {"old.py": LONG})
    git(repo, "mv", "old.py", "k.py")
    commit(repo, "Bob", 3, {"k.py": LONG + "more = 1\n"})
    words = ("clone", "-q", "--bare", "--filter=blob:none", f"file://{repo}", "partial")
    git(tmp_path, *words)
    assert histories(tmp_path / "partial")["k.py"].authors == ("Bob",)


def test_a_damaged_history_gives_none(make_repo: MakeRepo) -> None:
    repo = make_repo({"k.py": "x"})
    first = git(repo, "rev-parse", "HEAD")
    commit(repo, "Bob", 3, {"k.py": "y"})
    (repo / ".git/objects" / first[:2] / first[2:]).unlink()
    assert histories(repo) == {}


def test_a_long_log_is_read_in_part(make_repo: MakeRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = make_repo({"k.py": "x"})
    for day in range(2, 20):
        commit(repo, f"P{day}", day, {"k.py": str(day)})
    monkeypatch.setattr(git_history, "MAX_LOG_BYTES", 500)
    monkeypatch.setattr(git_history, "_CHUNK_BYTES", 100)
    found = histories(repo)["k.py"]
    assert found.authors[0] == "P19"
    assert "P2" not in found.authors
    assert (found.first_commit_at, found.last_commit_at) == (
        None,
        datetime(2026, 1, 19, 12, tzinfo=UTC),
    )


def test_a_crawl_asks_for_what_changed_alone(make_repo: MakeRepo) -> None:
    known, repo = Memory(), make_repo({"add.py": ADD, "mul.py": MUL, "plain.py": "x = 1\n"})
    source = SourceRepo(name="octo/kernels", kind=SourceKind.CLONE, path=repo)
    (first,) = crawled(source, known=known)
    assert [history.path for history in first.histories] == ["add.py", "mul.py"]
    commit(repo, "Bob", 5, {"mul.py": MUL.replace("mul", "div"), "plain.py": "x = 2\n"})
    (second,) = crawled(source, known=known)
    assert [(history.path, history.authors) for history in second.histories] == [
        ("mul.py", ("Bob", "A"))
    ]
    (again,) = crawled(source, known=known, full=True)
    assert [history.path for history in again.histories] == ["add.py", "mul.py"]
