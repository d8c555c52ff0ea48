from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import zlib
from pathlib import Path

import pytest

from crawler.errors import EmptySnapshotError, SnapshotError
from crawler.models import ScanSkip
from crawler.snapshot import git_command
from crawler.snapshot.git import GitSnapshot, find_git_dir, open_git, read_origin
from crawler.snapshot.select import MAX_TEXT_BYTES
from tests.crawler.snapshot.conftest import MakeRepo, git

FILES = {
    "kernels/add.py": "def add(): ...\n",
    "book.ipynb": "{}",
    "LICENSE": "MIT\n",
    "main.cpp": "int main;",
}


def read_all(snapshot: GitSnapshot) -> dict[str, bytes | str]:
    """Return every entry's bytes, or the reason why they are lacking."""
    try:
        return {
            entry.path: content.reason if isinstance(content, ScanSkip) else content
            for entry, content in snapshot.read(snapshot.entries())
        }
    finally:
        snapshot.close()


def loose_object(repo: Path, spec: str) -> Path:
    name = git(repo, "rev-parse", spec)
    return repo / ".git/objects" / name[:2] / name[2:]


def test_lists_and_reads_what_may_hold_kernels_or_tells_of_them(make_repo: MakeRepo) -> None:
    repo = make_repo(FILES)
    snapshot = open_git(repo, "owner/name")
    assert snapshot.commit == git(repo, "rev-parse", "HEAD")
    assert snapshot.version is None
    assert [(entry.path, entry.size) for entry in snapshot.entries()] == [
        ("LICENSE", 4),
        ("book.ipynb", 2),
        ("kernels/add.py", 15),
    ]
    assert [entry.blob for entry in snapshot.entries()] == [
        git(repo, "rev-parse", f"HEAD:{entry.path}") for entry in snapshot.entries()
    ]
    assert read_all(snapshot) == {
        "LICENSE": b"MIT\n",
        "book.ipynb": b"{}",
        "kernels/add.py": b"def add(): ...\n",
    }


def test_yields_in_the_order_asked_and_as_often(make_repo: MakeRepo) -> None:
    snapshot = open_git(make_repo({"a.py": "a", "b.py": "b"}), "o/n")
    a, b = snapshot.entries()
    assert [content for _, content in snapshot.read([b, a, b])] == [b"b", b"a", b"b"]
    assert list(snapshot.read([])) == []
    snapshot.close()


def test_reads_the_commit_and_not_the_working_tree(make_repo: MakeRepo) -> None:
    repo = make_repo({"a.py": "committed"})
    (repo / "a.py").write_text("edited")
    (repo / "b.py").write_text("new")
    assert read_all(open_git(repo, "o/n")) == {"a.py": b"committed"}


def test_a_ref_may_be_a_branch_an_annotated_tag_or_a_short_commit(make_repo: MakeRepo) -> None:
    repo = make_repo({"a.py": "1"})
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "tag", "-a", "v1", "-m", "one")
    git(repo, "branch", "feature/x")
    (repo / "a.py").write_text("2")
    git(repo, "commit", "-qam", "second")
    for ref in ("v1", "feature/x", first[:10]):
        snapshot = open_git(repo, "o/n", ref=ref)
        assert snapshot.commit == first
        assert read_all(snapshot) == {"a.py": b"1"}
    with pytest.raises(SnapshotError, match=r"^o/n: .* has no branch, tag or commit 'v2'$"):
        open_git(repo, "o/n", ref="v2")


@pytest.mark.parametrize("kind", ["bare", "worktree", "submodule", "packed"])
def test_reads_every_kind_of_repository(make_repo: MakeRepo, tmp_path: Path, kind: str) -> None:
    repo = make_repo({"a.py": "a"})
    other = tmp_path / "other"
    match kind:
        case "bare":
            git(tmp_path, "clone", "-q", "--bare", str(repo), str(other))
        case "worktree":
            git(repo, "worktree", "add", "-q", str(other))
        case "packed":
            git(repo, "gc", "-q")
            other = repo
        case "submodule":
            parent = make_repo({}, "parent")
            words = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
            git(parent, *words, str(repo), "sub")
            other = parent / "sub"
            assert (other / ".git").is_file()
    assert read_all(open_git(other, "o/n")) == {"a.py": b"a"}


def test_leaves_links_and_submodules_out(make_repo: MakeRepo) -> None:
    inner = make_repo({"in.py": "in"}, "inner")
    repo = make_repo({"a.py": "a"})
    (repo / "link.py").symlink_to("a.py")
    (repo / "loop.py").symlink_to("loop.py")
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "s.py")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "links")
    assert list(read_all(open_git(repo, "o/n"))) == ["a.py"]


def test_takes_any_file_name(make_repo: MakeRepo) -> None:
    repo = make_repo({"sp ace.py": "1", "ünï.py": "2", "new\nline\x1b[1m.py": "3"})
    name = git(repo, "hash-object", "-w", "--stdin", stdin=b"4")
    raw = b"b\xffd.py"
    git(repo, "update-index", "--add", "--cacheinfo", b"100644," + name.encode() + b"," + raw)
    git(repo, "commit", "-qm", "names")
    snapshot = open_git(repo, "o/n")
    link = f"https://github.com/o/n/blob/{snapshot.commit}/"
    links = {entry.path: snapshot.permalink(entry.path, 3, 9) for entry in snapshot.entries()}
    assert links == {
        "b\\xffd.py": link + "b%FFd.py#L3-L9",
        "new\\x0aline\\x1b[1m.py": link + "new%0Aline%1B%5B1m.py#L3-L9",
        "sp ace.py": link + "sp%20ace.py#L3-L9",
        "ünï.py": link + "%C3%BCn%C3%AF.py#L3-L9",
    }
    assert sorted(read_all(snapshot).values()) == [b"1", b"2", b"3", b"4"]


def test_names_a_tree_repeats_are_read_once(make_repo: MakeRepo) -> None:
    repo = make_repo({"a.py": "a", "b.py": "b"})
    a, b = (git(repo, "rev-parse", f"HEAD:{name}") for name in ("a.py", "b.py"))
    tree = _tree(repo, [(b"100644", b"a.py", a), (b"100644", b"a.py", b)])
    commit = git(repo, "commit-tree", tree, "-m", "twice")
    snapshot = open_git(repo, "o/n", ref=commit)
    assert len(snapshot.entries()) == 1
    assert snapshot.skipped == (ScanSkip(path="a.py", reason="a second file of this name"),)
    snapshot.close()


OUTSIDE = "unsafe name, it leads out of its source"
GITS_OWN = "unsafe name, it stands in git's own folder"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (b"/abs/x.py", OUTSIDE),
        (b"//x.py", OUTSIDE),
        (b"../../x.py", OUTSIDE),
        (b"a/../x.py", OUTSIDE),
        (b"./x.py", OUTSIDE),
        (b"a\\..\\x.py", OUTSIDE),
        (b"C:/x.py", OUTSIDE),
        (b".git/x.py", GITS_OWN),
        (b"a/.GiT/x.py", GITS_OWN),
        (b".gi\xe2\x80\x8ct/x.py", GITS_OWN),
        (b"git~1/x.py", GITS_OWN),
        (b"d/" * 70 + b"x.py", "its name has more than 512 characters or 64 levels"),
    ],
)
def test_a_tree_is_held_to_the_same_names_as_an_archive(
    make_repo: MakeRepo, path: bytes, reason: str
) -> None:
    repo = make_repo({"a.py": "a", "LICENSE": "MIT"})
    blob = git(repo, "rev-parse", "HEAD:a.py")
    tree = _tree(repo, [(b"100644", b"good.py", blob), (b"100644", path, blob)])
    snapshot = open_git(repo, "o/n", ref=git(repo, "commit-tree", tree, "-m", "hostile"))
    assert [entry.path for entry in snapshot.entries()] == ["good.py"]
    assert [skip.reason for skip in snapshot.skipped] == [reason]
    snapshot.close()


def test_folders_of_a_tree_are_held_to_it_too(make_repo: MakeRepo) -> None:
    repo = make_repo({"a.py": "a"})
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    for name in (b"..", b".", b".git"):
        tree = _tree(repo, [(b"40000", name, tree)])
    snapshot = open_git(repo, "o/n", ref=git(repo, "commit-tree", tree, "-m", "hostile"))
    assert snapshot.entries() == ()
    assert [skip.path for skip in snapshot.skipped] == [".git/./../a.py"]
    snapshot.close()


def _tree(repo: Path, entries: list[tuple[bytes, bytes, str]]) -> str:
    """Return a tree of these entries (mode, name, id), which git itself would not make."""
    raw = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(id) for mode, name, id in entries)
    return git(repo, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=raw)


def test_a_repository_without_a_commit_is_empty(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    with pytest.raises(EmptySnapshotError, match=r"^o/n: .* has no commit yet; nothing to scan$"):
        open_git(tmp_path, "o/n")


def test_a_commit_without_files_has_no_entries(make_repo: MakeRepo) -> None:
    snapshot = open_git(make_repo({}), "o/n")
    assert snapshot.entries() == ()
    snapshot.close()


def test_a_dangling_head_says_which_branch_is_not_there(make_repo: MakeRepo) -> None:
    repo = make_repo(FILES)
    git(repo, "symbolic-ref", "HEAD", "refs/heads/gone")
    with pytest.raises(SnapshotError, match="names 'refs/heads/gone', which is not there") as error:
        open_git(repo, "o/n")
    assert not isinstance(error.value, EmptySnapshotError)


def test_a_head_at_a_lost_commit_is_damage(make_repo: MakeRepo) -> None:
    repo = make_repo(FILES)
    loose_object(repo, "HEAD").unlink()
    with pytest.raises(SnapshotError, match=r"^o/n: .* is damaged or incomplete \(.+\); clone"):
        open_git(repo, "o/n")


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("gone", "there is no folder .*/gone; give the root of a clone"),
        ("repo/kernels", "is no git repository"),
        ("repo/LICENSE", "is no git repository"),
    ],
)
def test_what_is_no_repository_is_refused(
    make_repo: MakeRepo, tmp_path: Path, folder: str, says: str
) -> None:
    make_repo(FILES)
    with pytest.raises(SnapshotError, match=f"^o/n: .*{says}"):
        open_git(tmp_path / folder, "o/n")


def test_sha256_repositories_are_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    with pytest.raises(SnapshotError, match="only SHA-1 is read"):
        open_git(tmp_path, "o/n")


def test_a_missing_blob_is_a_skip_and_the_rest_is_read(make_repo: MakeRepo) -> None:
    repo = make_repo({"a.py": "a", "b.py": "b", "c.py": "c"})
    loose_object(repo, "HEAD:b.py").unlink()
    snapshot = open_git(repo, "o/n")
    assert [entry.size for entry in snapshot.entries()] == [1, 0, 1]
    assert read_all(snapshot) == {
        "a.py": b"a",
        "b.py": "its content is missing here (a partial clone?)",
        "c.py": b"c",
    }


def test_a_partial_clone_is_read_without_fetching(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo({"a.py": "a", "b.py": "b"})
    git(repo, "config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    words = ("clone", "-q", "--bare", "--filter=blob:none", f"file://{repo}", str(partial))
    git(tmp_path, *words)
    before = sorted(partial.rglob("*"))
    assert set(read_all(open_git(partial, "o/n")).values()) == {
        "its content is missing here (a partial clone?)"
    }
    assert sorted(partial.rglob("*")) == before


def test_a_hostile_repository_runs_nothing(make_repo: MakeRepo, tmp_path: Path) -> None:
    """Every setting that can start a program, in a partial clone that would have to fetch."""
    repo = make_repo({"a.py": "a", ".gitattributes": "*.py filter=x diff=x"})
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for key in (
        "alias.ls-tree",
        "core.alternateRefsCommand",
        "core.askPass",
        "core.editor",
        "core.fsmonitor",
        "core.gitProxy",
        "core.pager",
        "core.sshCommand",
        "credential.helper",
        "diff.x.textconv",
        "filter.x.process",
        "filter.x.smudge",
        "gpg.program",
        "pager.ls-tree",
        "remote.origin.uploadpack",
    ):
        git(repo, "config", key, str(trap))
    git(repo, "config", "remote.origin.url", f"ext::{trap}")
    git(repo, "config", "remote.origin.promisor", "true")
    git(repo, "config", "protocol.ext.allow", "always")
    git(repo, "config", "core.repositoryFormatVersion", "1")
    git(repo, "config", "extensions.partialClone", "origin")
    for hook in ("post-checkout", "post-index-change", "reference-transaction"):
        shutil.copy(trap, repo / ".git/hooks" / hook)
    loose_object(repo, "HEAD:a.py").unlink()
    assert read_all(open_git(repo, "o/n")) == {
        "a.py": "its content is missing here (a partial clone?)"
    }
    assert read_origin(repo / ".git") == f"ext::{trap}"
    assert not (tmp_path / "sprung").exists()
    # The trap is real: plain git springs it.
    subprocess.run(["git", "-C", repo, "cat-file", "-p", "HEAD:a.py"], capture_output=True)
    assert (tmp_path / "sprung").exists()


def test_a_repository_of_another_owner_is_read(make_repo: MakeRepo) -> None:
    repo = make_repo({"a.py": "a"})
    if os.geteuid() == 0:
        for path in (repo, *repo.rglob("*")):
            os.chown(path, 65534, 65534)
    assert read_all(open_git(repo, "o/n")) == {"a.py": b"a"}


def test_replaced_objects_do_not_stand_in(make_repo: MakeRepo) -> None:
    repo = make_repo({"a.py": "true"})
    name = git(repo, "hash-object", "-w", "--stdin", stdin=b"false")
    git(repo, "replace", git(repo, "rev-parse", "HEAD:a.py"), name)
    assert read_all(open_git(repo, "o/n")) == {"a.py": b"true"}


def test_content_that_is_not_what_its_id_says_is_a_skip(make_repo: MakeRepo) -> None:
    """A forged pack must not put its bytes into the cache under another file's id."""
    repo = make_repo({"a.py": "true", "b.py": "b"})
    git(repo, "gc", "-q")
    pack = next((repo / ".git/objects/pack").glob("*.pack"))
    pack.chmod(0o644)
    content = pack.read_bytes()
    forged = content.replace(zlib.compress(b"true"), zlib.compress(b"lies"))
    assert forged != content
    pack.write_bytes(forged)
    assert read_all(open_git(repo, "o/n")) == {
        "a.py": "its content does not match its id (a damaged repository)",
        "b.py": b"b",
    }


def test_damaged_objects_are_skips_and_the_rest_is_read(make_repo: MakeRepo) -> None:
    repo = make_repo({f"{number}.py": f"# {number}" for number in range(6)})
    for number in (0, 3, 5):
        path = loose_object(repo, f"HEAD:{number}.py")
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-6] + b"damage")
    contents = read_all(open_git(repo, "o/n"))
    assert {path for path, content in contents.items() if isinstance(content, bytes)} == {
        "1.py",
        "2.py",
        "4.py",
    }
    assert contents["1.py"] == b"# 1"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.99])
def test_a_truncated_pack_is_one_line_of_error(make_repo: MakeRepo, share: float) -> None:
    repo = make_repo({f"{number}.py": os.urandom(300) for number in range(20)})
    git(repo, "gc", "-q")
    pack = next((repo / ".git/objects/pack").glob("*.pack"))
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes()[: int(pack.stat().st_size * share)])
    with pytest.raises(SnapshotError, match=r"^o/n: .*clone it again$") as error:
        read_all(open_git(repo, "o/n"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["config", "HEAD", "index", "packed-refs"])
def test_garbage_in_the_git_folder_is_one_line_of_error(make_repo: MakeRepo, file: str) -> None:
    repo = make_repo({"a.py": "a"})
    git(repo, "gc", "-q")
    (repo / ".git" / file).write_bytes(b"\xff[garbage\n\0")
    if file == "index":
        assert read_all(open_git(repo, "o/n")) == {"a.py": b"a"}
        return
    with pytest.raises(SnapshotError, match=r"^o/n: .+$") as error:
        open_git(repo, "o/n")
    assert "\n" not in str(error.value)


def test_large_files_are_skips_with_the_limit_named(make_repo: MakeRepo) -> None:
    large = b"#" * (MAX_TEXT_BYTES + 1)
    snapshot = open_git(
        make_repo({"a.py": "a", "l.ipynb": large, "l.py": large, "z.py": "z"}), "o/n"
    )
    assert read_all(snapshot) == {
        "a.py": b"a",
        "l.ipynb": large,
        "l.py": "too large: 8.0 MiB, the limit is 8 MiB",
        "z.py": b"z",
    }


def test_a_tree_that_names_itself_without_end_is_stopped(
    make_repo: MakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo({"a.py": "a"})
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    for _ in range(9):
        lines = "".join(f"040000 tree {tree}\t{number}\n" for number in range(10))
        tree = git(repo, "mktree", stdin=lines.encode())
    bomb = git(repo, "commit-tree", tree, "-m", "bomb")
    monkeypatch.setattr(git_command, "MAX_OUTPUT_BYTES", 1 << 20)
    snapshot = open_git(repo, "o/n", ref=bomb)
    with pytest.raises(SnapshotError, match="prints more than 1 MiB"):
        snapshot.entries()
    snapshot.close()


def test_a_git_that_hangs_is_stopped(
    make_repo: MakeRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo({"a.py": "a"})
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexec sleep 600\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    monkeypatch.setattr(git_command, "TIMEOUT_SECONDS", 0.2)
    begin = time.monotonic()
    with pytest.raises(SnapshotError, match="was silent for 0 seconds and was stopped"):
        open_git(repo, "o/n")
    assert time.monotonic() - begin < 120


def test_without_git_the_next_step_is_named(
    make_repo: MakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo({"a.py": "a"})
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SnapshotError, match="install git to read repositories"):
        open_git(repo, "o/n")


def test_reading_can_be_left_in_the_middle(make_repo: MakeRepo) -> None:
    snapshot = open_git(make_repo({f"{n}.py": os.urandom(90_000) for n in range(30)}), "o/n")
    reading = snapshot.read(snapshot.entries())
    assert len(next(reading)[1]) == 90_000  # type: ignore[arg-type]
    reading.close()  # type: ignore[attr-defined]
    snapshot.close()


def test_a_local_repository_is_addressed_by_folder_and_commit(make_repo: MakeRepo) -> None:
    snapshot = open_git(make_repo({"a b.py": "a"}), "local/repo")
    assert snapshot.permalink("a b.py", 1, 2) == f"local/repo@{snapshot.commit}/a%20b.py#L1-L2"
    assert re.fullmatch("[0-9a-f]{40}", snapshot.commit)
    snapshot.close()


def test_finds_the_root_of_a_repository_and_nothing_else(
    make_repo: MakeRepo, tmp_path: Path
) -> None:
    repo = make_repo(FILES)
    assert find_git_dir(repo) == repo / ".git"
    assert find_git_dir(repo / ".git") == repo / ".git"
    assert find_git_dir(repo / "kernels") is None
    assert find_git_dir(tmp_path) is None
    (tmp_path / ".git").write_bytes(b"gitdir: \0\xff")
    assert find_git_dir(tmp_path) is None


def test_origin_is_read_from_the_repository_alone(make_repo: MakeRepo) -> None:
    repo = make_repo({})
    assert read_origin(repo / ".git") is None
    git(repo, "remote", "add", "origin", "https://github.com/a/b.git")
    assert read_origin(repo / ".git") == "https://github.com/a/b.git"
