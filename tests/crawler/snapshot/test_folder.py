from __future__ import annotations

import os
from pathlib import Path

import pytest

from crawler.errors import SnapshotError
from crawler.models import LostFile, ScanSkip
from crawler.snapshot import folder as folder_module
from crawler.snapshot.folder import FolderSnapshot, open_folder
from crawler.snapshot.select import MAX_TEXT_BYTES
from tests.crawler.snapshot.conftest import git, ordinary_user, write_files


def read_all(snapshot: FolderSnapshot) -> dict[str, bytes | str]:
    return {
        entry.path: content.reason if isinstance(content, ScanSkip) else content
        for entry, content in snapshot.read(snapshot.entries())
    }


def test_lists_and_reads_sorted_with_the_ids_of_git(tmp_path: Path) -> None:
    write_files(tmp_path, {"b/k.py": "k", "b.py": "b", "a.ipynb": "{}", "LICENSE": "MIT"})
    snapshot = open_folder(tmp_path, "local/x")
    assert read_all(snapshot) == {"LICENSE": b"MIT", "a.ipynb": b"{}", "b.py": b"b", "b/k.py": b"k"}
    assert [entry.path for entry in snapshot.entries()] == sorted(read_all(snapshot))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    assert snapshot.commit == git(tmp_path, "write-tree")
    assert snapshot.version is None
    assert snapshot.permalink("b/k.py", 1, 2) == f"local/x@{snapshot.commit}/b/k.py#L1-L2"
    snapshot.close()


def test_equal_content_has_an_equal_commit(tmp_path: Path) -> None:
    write_files(tmp_path, {"one/a.py": "a", "two/a.py": "a", "two/a.o": "not listed"})
    (tmp_path / "two/a.py").chmod(0o755)
    one, two = (open_folder(tmp_path / name, "local/x") for name in ("one", "two"))
    assert one.commit == two.commit
    (tmp_path / "two/a.py").write_text("b")
    assert open_folder(tmp_path / "two", "local/x").commit != one.commit


def test_a_folder_without_python_has_no_entries(tmp_path: Path) -> None:
    write_files(tmp_path, {"main.cpp": "int main;"})
    snapshot = open_folder(tmp_path, "local/x")
    assert snapshot.entries() == ()
    assert snapshot.commit == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git's empty tree


def test_follows_no_link(tmp_path: Path) -> None:
    write_files(tmp_path, {"outside/o.py": "o", "root/a.py": "a", "root/sub/b.py": "b"})
    (tmp_path / "root/file.py").symlink_to(tmp_path / "outside/o.py")
    (tmp_path / "root/folder").symlink_to(tmp_path / "outside")
    (tmp_path / "root/sub/up").symlink_to("..")
    (tmp_path / "root/loop.py").symlink_to("loop.py")
    os.mkfifo(tmp_path / "root/pipe.py")
    assert list(read_all(open_folder(tmp_path / "root", "local/x"))) == ["a.py", "sub/b.py"]


def test_leaves_environments_caches_and_history_out(tmp_path: Path) -> None:
    left_out = [".git", "__pycache__", ".venv", "venv", "node_modules", "lib/site-packages"]
    files = {f"{name}/a.py": "a" for name in left_out}
    files |= {"my-env/pyvenv.cfg": "", "my-env/lib/a.py": "a", "src/a.py": "a"}
    write_files(tmp_path, files)
    assert list(read_all(open_folder(tmp_path, "local/x"))) == ["src/a.py"]


def test_takes_any_file_name(tmp_path: Path) -> None:
    write_files(tmp_path, {"sp ace.py": "1", "ünï.py": "2", "new\nline.py": "3"})
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xffd.py"))).write_text("4")
    snapshot = open_folder(tmp_path, "local/x")
    assert read_all(snapshot) == {
        "b\\xffd.py": b"4",
        "new\\x0aline.py": b"3",
        "sp ace.py": b"1",
        "ünï.py": b"2",
    }
    assert snapshot.permalink("b\\xffd.py", 1, 1).endswith("/b%FFd.py#L1-L1")


def test_what_changes_while_it_is_read_is_a_skip(tmp_path: Path) -> None:
    files = {f"{name}.py": name for name in ("edited", "gone", "grown", "kept", "linked", "piped")}
    write_files(tmp_path, files)
    snapshot = open_folder(tmp_path, "local/x")
    (tmp_path / "edited.py").write_text("EDITED")
    (tmp_path / "grown.py").write_bytes(b"#" * (MAX_TEXT_BYTES + 1))
    for name in ("gone", "linked", "piped"):
        (tmp_path / f"{name}.py").unlink()
    (tmp_path / "linked.py").symlink_to("kept.py")
    os.mkfifo(tmp_path / "piped.py")
    assert read_all(snapshot) == {
        "edited.py": "changed while it was read; crawl again",
        "gone.py": "no such file or directory",
        "grown.py": "too large: 8.0 MiB, the limit is 8 MiB",
        "kept.py": b"kept",
        "linked.py": "too many levels of symbolic links",
        "piped.py": "no regular file any more",
    }


def test_what_may_not_be_read_is_left_out_with_the_reason(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_files(folder, {"a.py": "a", "secret.py": "s", "closed/b.py": "b"})
    (folder / "secret.py").chmod(0)
    (folder / "closed").chmod(0)
    with ordinary_user(tmp_path):
        snapshot = open_folder(folder, "local/x")
        assert read_all(snapshot) == {"a.py": b"a"}
        with pytest.raises(SnapshotError, match="permission denied; give a readable folder"):
            open_folder(folder / "closed", "local/x")
    assert snapshot.skipped == (
        LostFile(path="closed/", reason="permission denied"),
        LostFile(path="secret.py", reason="permission denied"),
    )


def test_large_files_are_left_out_with_the_reason(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.py": "a", "l.py": b"#" * (MAX_TEXT_BYTES + 1)})
    snapshot = open_folder(tmp_path, "local/x")
    assert read_all(snapshot) == {"a.py": b"a"}
    reason = "too large: 8.0 MiB, the limit is 8 MiB"
    assert snapshot.skipped == (ScanSkip(path="l.py", reason=reason),)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone", "no such file or directory"),
        ("a.py", "not a directory"),
        ("loop", "too many levels"),
    ],
)
def test_what_is_no_folder_is_one_line_of_error(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "a.py").write_text("a")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SnapshotError, match=f"^local/x: .*/{name}: {says}.*; give a readable"):
        open_folder(tmp_path / name, "local/x")


@pytest.mark.parametrize(
    ("limit", "value", "says"),
    [("MAX_VISITED", 2, "more than 2 files"), ("MAX_TOTAL_BYTES", 2, "of sources")],
)
def test_a_folder_given_by_mistake_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, says: str
) -> None:
    write_files(tmp_path, {"a.py": "a", "b.py": "b", "c.py": "c"})
    monkeypatch.setattr(folder_module, limit, value)
    with pytest.raises(SnapshotError, match=f"{says}; name a folder further down"):
        open_folder(tmp_path, "local/x")
