from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from crawler.errors import SnapshotError
from crawler.snapshot import git_command
from crawler.snapshot.git import open_git
from crawler.snapshot.git_pipes import find_pipe
from tests.crawler.snapshot.conftest import MakeRepo, git

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")


def in_place_of(name: str) -> Callable[[Path], object]:
    def put(repo: Path) -> None:
        path = repo / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    return put


def linked(repo: Path) -> None:
    os.mkfifo(repo / "pipe")
    (repo / ".git/packed-refs").symlink_to(repo / "pipe")


def borrowed(repo: Path) -> None:
    other = repo.parent / "other"
    (other / "pack").mkdir(parents=True)
    os.mkfifo(other / "pack/pack-1.idx")
    (repo / ".git/objects/info/alternates").write_text(f"{other}\n")


def included(repo: Path) -> None:
    os.mkfifo(repo / "pipe")
    (repo / ".git/second").write_text("[include]\n\tpath = ../pipe\n")
    with (repo / ".git/config").open("a") as config:
        config.write('[include]\n  path = "second"\n')


@pytest.mark.parametrize(
    "put",
    [
        pytest.param(in_place_of("packed-refs"), id="packed refs"),
        pytest.param(in_place_of("refs/heads/main"), id="a branch"),
        pytest.param(in_place_of("objects/info/alternates"), id="the list of borrowed folders"),
        pytest.param(in_place_of("objects/pack/pack-1.pack"), id="a pack"),
        pytest.param(in_place_of("info/grafts"), id="grafts"),
        pytest.param(in_place_of("config"), id="settings"),
        pytest.param(in_place_of("shallow"), id="where history ends"),
        pytest.param(linked, id="a link to a pipe"),
        pytest.param(borrowed, id="a pack of a borrowed folder"),
        pytest.param(included, id="settings that settings include"),
    ],
)
def test_a_pipe_in_a_clone_is_told_at_once(
    put: Callable[[Path], object], make_repo: MakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo({"a.py": "a"})
    put(repo)
    monkeypatch.setattr(git_command, "TIMEOUT_SECONDS", 0.0)  # whoever asks git fails otherwise
    with pytest.raises(SnapshotError, match=r"^owner/name: .* is a pipe or a device"):
        open_git(repo, "owner/name")


def test_clones_of_every_kind_have_none(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo({"a.py": "a"})
    git(repo, "gc", "-q")
    git(repo, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "side")
    (repo / ".git/refs/loop").symlink_to(repo / ".git/refs")
    (repo / ".git/refs/gone").symlink_to("nowhere")
    (repo / ".git/objects/info/alternates").write_text(f"{repo}/.git/objects\n/nowhere\n")
    assert find_pipe(repo / ".git", repo / ".git/worktrees/tree") is None


def test_a_silent_git_is_asked_once(make_repo: MakeRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = make_repo({"a.py": "a"})
    asked: list[str] = []

    def silent(git_dir: Path, *words: str) -> bytes:
        asked.append(words[0])
        raise git_command.SilentGitError("git was silent")

    monkeypatch.setattr("crawler.snapshot.git.run_git", silent)
    with pytest.raises(SnapshotError, match=r"^owner/name: git cannot read .* \(git was silent\)"):
        open_git(repo, "owner/name")
    assert asked == ["rev-parse"]
