from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crawler.errors import EmptySnapshotError, SnapshotError
from crawler.models import ScanSkip
from crawler.snapshot import git_fetch
from crawler.snapshot.clone import CloneSnapshot, open_clone
from crawler.snapshot.clone_cache import MAX_PACKS, CloneCache
from crawler.snapshot.git_fetch import FetchLimits, Remote
from crawler.snapshot.trees import blob_id
from tests.github_server import Fault, GithubServer, What
from tests.github_server.git_repo import git, git_bytes

NAME = "octo/kernels"
FILES = {f"pkg/k{number}.py": f"x = {number}\n" for number in range(5)} | {"data.bin": "0" * 9000}
BLOBS = "*/git-upload-pack"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GithubServer]:
    with GithubServer(tmp_path / "hosted") as server:
        server.world.add(NAME, FILES)
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> CloneCache:
    return CloneCache(tmp_path / "cache")


Open = Callable[..., CloneSnapshot]


@pytest.fixture
def open_it(server: GithubServer, cache: CloneCache) -> Iterator[Open]:
    """Open the clone of the server's repository without waiting between tries."""
    opened: list[CloneSnapshot] = []

    def opener(name: str = NAME, **options: object) -> CloneSnapshot:
        given: dict[str, object] = {"sleep": lambda seconds: None}
        remote = Remote(url=f"{server.origin}/{name}.git")
        opened.append(open_clone(remote, name, cache, **(given | options)))  # type: ignore[arg-type]
        return opened[-1]

    yield opener
    for snapshot in opened:
        snapshot.close()


def read_all(snapshot: CloneSnapshot) -> dict[str, str | ScanSkip]:
    """Return the files by path, and give the clone back."""
    found = {
        entry.path: content if isinstance(content, ScanSkip) else content.decode()
        for entry, content in snapshot.read(snapshot.entries())
    }
    snapshot.close()
    return found


def python_files(server: GithubServer, name: str = NAME) -> dict[str, str]:
    """Return what a healthy reading of the default branch must give."""
    git_dir = server.world.repos[name].git_dir
    paths = git("ls-tree", "-r", "--name-only", "HEAD", cwd=git_dir).splitlines()
    kept = [path for path in paths if path.endswith(".py")]
    return {path: git_bytes("show", f"HEAD:{path}", cwd=git_dir).decode() for path in kept}


def kept_blobs(cache: CloneCache) -> set[str]:
    """Return the blobs that the clones in the cache hold."""
    held = set()
    for clone in cache.folder.iterdir():
        if clone.name != "locks":
            listing = git("cat-file", "--batch-all-objects", "--batch-check", cwd=clone)
            held |= {line.split()[0] for line in listing.splitlines() if " blob " in line}
    return held


def test_the_wanted_files_come_in_one_fetch_and_nothing_else(server, open_it, cache):
    snapshot = open_it()
    assert snapshot.commit == server.world.repos[NAME].head
    assert [entry.path for entry in snapshot.entries()] == sorted(python_files(server))
    listing = len(server.log)
    assert read_all(snapshot) == python_files(server)
    posts = [served for served in server.log[listing:] if served.method == "POST"]
    assert len(posts) == 1, "all files in one request"
    assert blob_id(FILES["data.bin"].encode()) not in kept_blobs(cache)
    assert len(kept_blobs(cache)) == 5


def test_only_what_is_asked_for_is_fetched(server, open_it, cache):
    snapshot = open_it()
    wanted = [entry for entry in snapshot.entries() if entry.path == "pkg/k3.py"]
    assert [content for _, content in snapshot.read(wanted)] == [b"x = 3\n"]
    assert kept_blobs(cache) == {wanted[0].blob}


def test_an_unchanged_commit_costs_no_request(server, open_it):
    read_all(open_it())
    before = len(server.log)
    snapshot = open_it(commit=server.world.repos[NAME].head)
    assert read_all(snapshot) == python_files(server)
    assert server.log[before:] == []


def test_a_change_to_one_file_fetches_one_blob(server, open_it, cache):
    server.world.repos[NAME].push({"pkg/large.py": os.urandom(20_000).hex()})
    read_all(open_it())
    before, sent = kept_blobs(cache), sum(served.sent for served in server.log)
    pushed = server.world.repos[NAME].push({"pkg/k3.py": "x = 33\n"})
    snapshot = open_it(commit=pushed)
    assert read_all(snapshot) == python_files(server)
    assert kept_blobs(cache) - before == {blob_id(b"x = 33\n")}
    assert sum(served.sent for served in server.log) - sent < 3000


def test_a_ref_may_be_a_branch_a_tag_or_a_commit(server, open_it):
    repo = server.world.repos[NAME]
    first = repo.head
    there = repo.push({"pkg/k0.py": "dev"}, branch="dev/next")
    git("tag", "-a", "-m", "one", "v1", there, cwd=repo.git_dir)
    for ref, commit in (("dev/next", there), ("v1", there), (first, first)):
        snapshot = open_it(ref=ref)
        assert snapshot.commit == commit
        snapshot.close()


@pytest.mark.parametrize("ref", ["-u", "a b", "a:b", "../x", "x..y", "", "^x", "a\nb"])
def test_a_ref_that_git_could_take_for_an_option_is_refused(open_it, server, ref):
    with pytest.raises(SnapshotError, match="is no name of a branch"):
        open_it(ref=ref)
    assert server.log == []


def test_a_ref_that_is_not_there_is_one_line(open_it):
    with pytest.raises(SnapshotError, match="has no branch, tag or commit 'none'"):
        open_it(ref="none")


def test_an_empty_repository_is_told_from_one_without_its_default_branch(server, open_it):
    server.world.add("octo/empty")
    with pytest.raises(EmptySnapshotError, match="octo/empty: it has no commit yet"):
        open_it("octo/empty")
    server.world.repos[NAME].push({"k.py": "x"}, branch="other")
    server.world.repos[NAME].delete_branch("main")
    with pytest.raises(SnapshotError, match="has no default branch") as caught:
        open_it()
    assert not isinstance(caught.value, EmptySnapshotError)


def test_after_a_forced_push_the_present_commit_is_read(server, open_it):
    repo = server.world.repos[NAME]
    old = repo.head
    read_all(open_it())
    made = repo.force_push({"new.py": "y = 1"})
    snapshot = open_it(commit=made)
    assert read_all(snapshot) == python_files(server)
    for known in (old, "ab" * 20):
        server.world.repos[NAME].force_push({"new.py": f"y = '{known}'"})
        # The clone is deleted, as a full cache may do, so that the old commit is nowhere.
        shutil.rmtree(open_it().close() or snapshot._place.git_dir)
        snapshot = open_it(commit=known)
        assert snapshot.commit == repo.head
        assert read_all(snapshot) == python_files(server)


def test_a_blob_that_the_server_lost_is_a_skip(server, open_it):
    git_dir = server.world.repos[NAME].git_dir
    lost = git("rev-parse", "HEAD:pkg/k2.py", cwd=git_dir)
    (git_dir / "objects" / lost[:2] / lost[2:]).unlink()
    found = read_all(open_it())
    skip = found.pop("pkg/k2.py")
    assert isinstance(skip, ScanSkip)
    assert "missing" in skip.reason
    assert len(found) == 4
    assert all(isinstance(content, str) for content in found.values())


@pytest.mark.parametrize("first", [1, 2, 4], ids=["first", "middle", "last"])
@pytest.mark.parametrize(
    "what",
    [What.RESET, What.TRUNCATED, What.SERVER_ERROR, What.BAD_GATEWAY, What.TOO_MANY, What.HTML],
    ids=lambda what: what.name.lower(),
)
def test_a_passing_fault_is_tried_again(server, open_it, what, first):
    server.script(Fault(what=what, first=first))
    assert read_all(open_it()) == python_files(server)


@pytest.mark.parametrize("on", ["*/info/refs", BLOBS], ids=["first", "middle"])
@pytest.mark.parametrize(
    ("what", "words"),
    [
        (What.RESET, "cannot fetch"),
        (What.TRUNCATED, "cannot fetch"),
        (What.UNAUTHORIZED, "it may be gone or private"),
        (What.FORBIDDEN, "it may be gone or private"),
        (What.NOT_FOUND, "it may be gone or private"),
        (What.BLOCKED, "it may be gone or private"),
        (What.TOO_MANY, "run again later"),
        (What.SERVER_ERROR, "run again later"),
        (What.BAD_GATEWAY, "run again later"),
        (What.HTML, "cannot fetch"),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, What) else "",
)
@pytest.mark.parametrize("is_known", [False, True], ids=["new", "known"])
def test_a_lasting_fault_is_one_line_and_heals_without_trace(
    server, open_it, what, words, on, is_known
):
    if is_known:
        read_all(open_it())
        server.world.repos[NAME].push({"pkg/k3.py": "x = 33"})
    server.script(Fault(what=what, on=on, times=None))
    with pytest.raises(SnapshotError) as caught:
        read_all(open_it())
    assert str(caught.value).startswith(f"{NAME}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    server.heal()
    assert read_all(open_it()) == python_files(server)


def test_a_failure_between_trees_and_files_loses_nothing(server, open_it):
    snapshot = open_it()
    server.script(Fault(what=What.TRUNCATED, times=None))
    with pytest.raises(SnapshotError):
        read_all(snapshot)
    snapshot.close()
    server.heal()
    before = len(server.log)
    assert read_all(open_it(commit=server.world.repos[NAME].head)) == python_files(server)
    assert len(server.log) - before == 2, "the trees are still there"


def test_a_server_that_keeps_silent_is_left(server, open_it):
    server.script(Fault(what=What.TIMEOUT, times=None))
    started = time.monotonic()
    with pytest.raises(SnapshotError, match="was not done after 1 seconds"):
        open_it(limits=FetchLimits(seconds=0.6))
    assert time.monotonic() - started < 55


def test_a_server_that_stalls_is_left_by_git_itself(server, open_it):
    server.script(Fault(what=What.TIMEOUT, times=None))
    with pytest.raises(SnapshotError, match="check the network"):
        open_it(limits=FetchLimits(silent_seconds=1))


def test_a_pack_beyond_the_limit_is_stopped(server, open_it, monkeypatch):
    monkeypatch.setattr(git_fetch, "_POLL_SECONDS", 0.001)
    noise = os.urandom(6 << 20).hex()
    server.world.repos[NAME].push({"big.py": noise})
    snapshot = open_it(limits=FetchLimits(pack_bytes=1000))
    with pytest.raises(SnapshotError, match="was sent more than 0 MiB"):
        read_all(snapshot)


def test_an_unreachable_server_is_one_line(cache):
    remote = Remote(url="http://127.0.0.1:1/octo/kernels.git")
    with pytest.raises(SnapshotError, match=r"octo/kernels: cannot fetch .*check the network"):
        open_clone(remote, NAME, cache, sleep=lambda seconds: None)


def test_without_git_the_error_says_what_to_install(open_it, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SnapshotError, match="install git"):
        open_it()


def test_other_transports_are_shut(cache, tmp_path):
    trap = tmp_path / "trap"
    for url in (f"ext::touch {trap}", f"ssh://-oProxyCommand=touch%20{trap}/x"):
        with pytest.raises(SnapshotError):
            open_clone(Remote(url=url), NAME, cache, sleep=lambda seconds: None)
    assert not trap.exists()


def test_a_redirect_is_not_followed(server, open_it):
    server.world.rename(NAME, "hub/kernels")
    with pytest.raises(SnapshotError, match="cannot fetch"):
        open_it()
    assert {served.path.split(".git")[0] for served in server.log} == {"/octo/kernels"}


def test_the_user_s_own_settings_take_no_part(server, open_it, monkeypatch, tmp_path):
    trap = tmp_path / "trap"
    config = tmp_path / "home" / ".gitconfig"
    config.parent.mkdir()
    config.write_text(
        f'[url "http://127.0.0.1:1/"]\n\tinsteadOf = {server.origin}/\n'
        f"[core]\n\thooksPath = {tmp_path}\n\tfsmonitor = touch {trap}\n"
    )
    hook = tmp_path / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
    hook.chmod(0o755)
    monkeypatch.setenv("HOME", str(config.parent))
    monkeypatch.setenv("GIT_TRACE", str(trap))
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert read_all(open_it()) == python_files(server)
    assert not trap.exists()


def test_nobody_is_asked_for_a_password(server, open_it, monkeypatch, tmp_path):
    trap = tmp_path / "trap"
    program = tmp_path / "ask"
    program.write_text(f"#!/bin/sh\ntouch {trap}\necho x\n")
    program.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(program))
    monkeypatch.setenv("GIT_ASKPASS", str(program))
    server.world.repos[NAME].private = True
    with pytest.raises(SnapshotError, match="it may be gone or private"):
        open_it()
    assert not trap.exists()


def test_a_secret_setting_reaches_the_server_and_nothing_else(server, cache, monkeypatch):
    words: list[str] = []
    start = git_fetch.subprocess.Popen

    def spy(command: list[str], **options: object) -> object:
        words.extend(command)
        return start(command, **options)

    monkeypatch.setattr(git_fetch.subprocess, "Popen", spy)
    remote = Remote(
        url=f"{server.origin}/{NAME}.git",
        settings={f"http.{server.origin}/.extraHeader": "Authorization: Basic c2VjcmV0"},
        redact=lambda text: text.replace("c2VjcmV0", "[token]"),
    )
    assert read_all(open_clone(remote, NAME, cache)) == python_files(server)
    assert {served.authorization for served in server.log} == {"Basic c2VjcmV0"}
    assert "fetch" in words
    assert "c2VjcmV0" not in " ".join(words) + repr(remote)
    for file in cache.folder.rglob("*"):
        assert file.is_dir() or b"c2VjcmV0" not in file.read_bytes()


def test_git_s_words_are_redacted(server, open_it):
    error = git_fetch._explain(
        b"fatal: remote error: the header c2VjcmV0 is bad\n",
        Remote(url="x", redact=lambda text: text.replace("c2VjcmV0", "[token]")),
    )
    assert str(error) == "the header [token] is bad"


def test_the_cache_may_be_deleted_between_crawls(server, open_it, cache):
    read_all(open_it())
    shutil.rmtree(cache.folder)
    assert read_all(open_it(commit=server.world.repos[NAME].head)) == python_files(server)


def test_the_cache_may_be_deleted_before_the_files_are_fetched(server, open_it, cache):
    snapshot = open_it()
    shutil.rmtree(cache.folder)
    with pytest.raises(SnapshotError):
        read_all(snapshot)
    snapshot.close()
    assert read_all(open_it()) == python_files(server)


def test_files_that_vanish_with_the_cache_do_not_pass_for_lost_ones(server, open_it, cache):
    snapshot = open_it()
    found = snapshot.read(snapshot.entries())
    next(found)
    shutil.rmtree(cache.folder)
    try:
        # Git may hold the pack open, and then nothing is amiss.
        assert not any(isinstance(content, ScanSkip) for _, content in found)
    except SnapshotError as error:
        assert "was deleted while in use" in str(error)


@pytest.mark.parametrize(
    "harm",
    [
        lambda clone: [pack.unlink() for pack in (clone / "objects" / "pack").glob("*.pack")],
        lambda clone: [
            (pack.chmod(0o644), pack.write_bytes(b"PACK"))
            for pack in (clone / "objects" / "pack").glob("*.pack")
        ],
        lambda clone: (clone / "shallow.lock").touch(),
        lambda clone: (clone / "HEAD").unlink(),
        lambda clone: (clone / "config").write_text("[broken"),
        lambda clone: (clone / "last-used").unlink(),
    ],
    ids=["packs gone", "packs cut", "a stale lock", "no HEAD", "bad config", "half made"],
)
def test_a_damaged_clone_is_made_anew(server, open_it, cache, harm):
    read_all(open_it())
    (clone,) = (folder for folder in cache.folder.iterdir() if folder.name != "locks")
    harm(clone)
    pushed = server.world.repos[NAME].push({"pkg/k3.py": "x = 33"})
    assert read_all(open_it(commit=pushed)) == python_files(server)


def test_clones_used_longest_ago_go_first(server, tmp_path):
    for number in range(3):
        server.world.add(f"octo/k{number}", {"k.py": os.urandom(50_000).hex()})
    cache = CloneCache(tmp_path / "small", max_bytes=150_000)

    def use(name: str) -> CloneSnapshot:
        return open_clone(Remote(url=f"{server.origin}/{name}.git"), name, cache)

    def kept() -> set[str]:
        names = {folder.name for folder in cache.folder.iterdir()} - {"locks"}
        return {name.split("octo-")[1][:2] for name in names}

    for name in ("octo/k0", "octo/k1", "octo/k0"):
        read_all(use(name))
        time.sleep(0.02)
    assert kept() == {"k0", "k1"}
    read_all(use("octo/k2"))
    assert kept() == {"k0", "k2"}
    held = use("octo/k0")
    time.sleep(0.02)
    cache_of_none = CloneCache(tmp_path / "small", max_bytes=0)
    cache_of_none.trim()
    assert kept() == {"k0"}, "a clone in use is not deleted"
    held.close()
    cache_of_none.trim()
    assert kept() == set()


def test_a_clone_in_use_is_waited_for_and_then_given_up(server, cache, open_it):
    held = open_it()
    with pytest.raises(SnapshotError, match="is in use by another crawl"):
        cache.acquire(f"{server.origin}/{NAME}.git", seconds=0.05)
    held.close()
    cache.acquire(f"{server.origin}/{NAME}.git", seconds=0.05).release()


def test_a_cache_that_cannot_be_written_is_one_line(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SnapshotError, match="cannot be written"):
        CloneCache(tmp_path / "file").acquire(f"{server.origin}/{NAME}.git")


def test_a_clone_of_many_packs_starts_anew(server, open_it, cache):
    read_all(open_it())
    (clone,) = (folder for folder in cache.folder.iterdir() if folder.name != "locks")
    for number in range(MAX_PACKS + 1):
        (clone / "objects" / "pack" / f"pack-{number:040}.pack").touch()
    read_all(open_it())
    assert len(list((clone / "objects" / "pack").glob("*.pack"))) == 2
