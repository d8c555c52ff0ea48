from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from crawler.errors import SnapshotError, SourceError
from crawler.snapshot import package_index
from crawler.snapshot.pypi import PypiSnapshot, open_pypi
from crawler.snapshot.trees import blob_id, tree_id
from tests.crawler.snapshot.index_server import HTML, JSON, Answer, IndexServer, serve_index


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[IndexServer]:
    for key in [key for key in os.environ if key.startswith("PIP_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve_index() as served:
        monkeypatch.setenv("PIP_INDEX_URL", served.url)
        yield served


def wheel(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name + ".py", content)
    return buffer.getvalue()


def sdist(folder: str, files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return buffer.getvalue()


def contents(snapshot: PypiSnapshot) -> dict[str, object]:
    return {entry.path: content for entry, content in snapshot.read(snapshot.entries())}


def test_a_wheel_gives_its_files_with_ids_as_in_git(index: IndexServer, tmp_path: Path) -> None:
    index.offer("my-dist", {"my_dist-1.2-py3-none-any.whl": wheel(b="b", a="a")})
    snapshot = open_pypi("my-dist", cache=tmp_path)
    assert (snapshot.repo, snapshot.version) == ("pypi:my-dist", "1.2")
    assert contents(snapshot) == {"a.py": b"a", "b.py": b"b"}
    assert [entry.blob for entry in snapshot.entries()] == [blob_id(b"a"), blob_id(b"b")]
    assert snapshot.commit == tree_id({b"a.py": blob_id(b"a"), b"b.py": blob_id(b"b")})
    assert snapshot.permalink("a.py", 1, 5) == "pypi:my-dist==1.2/a.py#L1-L5"
    snapshot.close()


def test_a_source_distribution_is_read_where_there_is_no_wheel(
    index: IndexServer, tmp_path: Path
) -> None:
    index.offer("d", {"d-1.tar.gz": sdist("d-1", {"src/a.py": "a"}), "d-1.win32.exe": b"MZ"})
    assert contents(open_pypi("d", cache=tmp_path)) == {"src/a.py": b"a"}


CHOICES = [
    pytest.param(["d-1.9.tar.gz", "d-1.10.tar.gz"], None, "d-1.10.tar.gz", id="newest"),
    pytest.param(["d-1.tar.gz", "d-2rc1.tar.gz"], None, "d-1.tar.gz", id="no pre-release"),
    pytest.param(["d-1a1.tar.gz", "d-1a2.tar.gz"], None, "d-1a2.tar.gz", id="only pre-releases"),
    pytest.param(["d-1.tar.gz", "d-2rc1.tar.gz"], "2rc1", "d-2rc1.tar.gz", id="asked for"),
    pytest.param(
        ["d-1.tar.gz", "d-1.zip", "d-1-cp311-cp311-win_amd64.whl", "d-1-py3-none-any.whl"],
        None,
        "d-1-py3-none-any.whl",
        id="a pure wheel first",
    ),
    pytest.param(
        [
            "d-1-cp39-cp39-win_amd64.whl",
            "d-1-cp39-cp39-macosx_13_0_x86_64.whl",
            "d-1-cp39-cp39-manylinux_2_28_x86_64.whl",
            "d-1-cp39-cp39-manylinux_2_28_aarch64.whl",
            "d-1.tar.gz",
        ],
        None,
        "d-1-cp39-cp39-manylinux_2_28_x86_64.whl",
        id="a Linux wheel before others",
    ),
    pytest.param(["d-1.zip", "d-1.tar.gz"], None, "d-1.tar.gz", id="tar before zip"),
    pytest.param(["d-1.tar.gz", "other-2.tar.gz", "d-x.tar.gz"], None, "d-1.tar.gz", id="strays"),
]


@pytest.mark.parametrize(("filenames", "version", "chosen"), CHOICES)
def test_chooses(
    index: IndexServer, tmp_path: Path, filenames: list[str], version: str | None, chosen: str
) -> None:
    index.offer(
        "d",
        {
            name: sdist("d", {"a.py": name}) if name.endswith("gz") else wheel(a=name)
            for name in filenames
        },
    )
    assert contents(open_pypi("d", version, cache=tmp_path)) == {"a.py": chosen.encode()}


def test_the_smallest_of_equal_wheels_is_read(index: IndexServer, tmp_path: Path) -> None:
    index.offer(
        "d",
        {
            "d-1-cp311-cp311-manylinux_2_28_x86_64.whl": wheel(a="long" * 99),
            "d-1-cp312-cp312-manylinux_2_28_x86_64.whl": wheel(a="short"),
        },
    )
    assert contents(open_pypi("d", cache=tmp_path)) == {"a.py": b"short"}


def test_a_withdrawn_release_is_read_only_when_asked_for(
    index: IndexServer, tmp_path: Path
) -> None:
    files = {"d-1-py3-none-any.whl": wheel(a="1"), "d-2-py3-none-any.whl": wheel(a="2")}
    index.offer("d", files, **{"d-2-py3-none-any.whl": {"yanked": "broken"}})
    assert open_pypi("d", cache=tmp_path).version == "1"
    assert open_pypi("d", "2", cache=tmp_path).version == "2"
    index.offer("d", files, **{name: {"yanked": True} for name in files})
    with pytest.raises(SourceError, match="every release is withdrawn; name one, such as d==2"):
        open_pypi("d", cache=tmp_path)


@pytest.mark.parametrize("content_type", [HTML, JSON, "text/plain"])
def test_a_page_in_html_serves_as_well(
    index: IndexServer, tmp_path: Path, content_type: str
) -> None:
    one, two = wheel(a="1"), wheel(a="2")
    index.offer("d", {"d-1-py3-none-any.whl": one, "d-2-py3-none-any.whl": two})
    digest = hashlib.sha256(one).hexdigest()
    page = f"""<!DOCTYPE html><html><body><h1>Links</h1>
      <a>no link</a> <a href="http://[broken">x</a><a href="http://h:99999/d-3.zip">x</a>
      <a href="../../files/d-1-py3-none-any.whl#sha256={digest}" data-requires-python="&gt;=3">d-1
      </a><br/><a data-yanked href="/files/d-2-py3-none-any.whl">d-2</a>"""
    index.page("d", page, content_type)
    assert contents(open_pypi("d", cache=tmp_path)) == {"a.py": b"1"}
    assert contents(open_pypi("d", "2", cache=tmp_path)) == {"a.py": b"2"}


def test_what_is_cached_is_not_fetched_again(index: IndexServer, tmp_path: Path) -> None:
    name = "d-1-py3-none-any.whl"
    index.offer("d", {name: wheel(a="1")})
    first = open_pypi("d", cache=tmp_path)
    assert index.requests == {"/simple/d/": 1, f"/files/{name}": 1}
    assert open_pypi("d", cache=tmp_path).commit == first.commit
    assert index.requests == {"/simple/d/": 2, f"/files/{name}": 1}
    assert open_pypi("d", "1", cache=tmp_path).commit == first.commit
    assert index.requests == {"/simple/d/": 2, f"/files/{name}": 1}


def test_a_cached_version_needs_no_network(
    index: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = "http://127.0.0.1:1/simple"
    monkeypatch.setenv("PIP_INDEX_URL", closed)
    for version in (None, "1"):
        with pytest.raises(SnapshotError, match=f"^pypi:d: {closed}/d/ cannot be reached"):
            open_pypi("d", version, cache=tmp_path)
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    index.offer("d", {"d-1-py3-none-any.whl": wheel(a="1")})
    open_pypi("d", cache=tmp_path)
    index.answers.clear()
    assert contents(open_pypi("d", "1", cache=tmp_path)) == {"a.py": b"1"}


def test_a_cached_file_that_has_changed_is_fetched_again(
    index: IndexServer, tmp_path: Path
) -> None:
    index.offer("d", {"d-1-py3-none-any.whl": wheel(a="1")})
    open_pypi("d", cache=tmp_path)
    (cached,) = tmp_path.rglob("*.whl")
    cached.write_bytes(wheel(a="evil"))
    assert contents(open_pypi("d", "1", cache=tmp_path)) == {"a.py": b"1"}
    assert contents(open_pypi("d", cache=tmp_path)) == {"a.py": b"1"}


def test_an_unknown_package_or_version_names_what_there_is(
    index: IndexServer, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=f"^pypi:d: no such package at {index.url}; check the"):
        open_pypi("d", cache=tmp_path)
    index.offer("d", {f"d-1.{minor}-py3-none-any.whl": wheel(a="") for minor in range(12)})
    with pytest.raises(
        SourceError, match=r"no version 1.4.1; there are 1.3, 1.4, 1.5, 1.6, newest 1.11$"
    ):
        open_pypi("d", "1.4.1", cache=tmp_path)
    with pytest.raises(SourceError, match=r"there is no version 9; there are 1.10, 1.11$"):
        open_pypi("d", "9", cache=tmp_path)
    index.offer("d", {"d-1.win32.exe": b"MZ"})
    with pytest.raises(SourceError, match="no wheel and no source distribution to read"):
        open_pypi("d", cache=tmp_path)


def test_a_file_that_is_not_what_the_index_names_is_refused(
    index: IndexServer, tmp_path: Path
) -> None:
    name = "d-1-py3-none-any.whl"
    index.offer("d", {name: wheel(a="1")}, **{name: {"hashes": {"sha256": "0" * 64}}})
    with pytest.raises(
        SnapshotError, match=r"^pypi:d: .* has not the SHA-256 that the index names"
    ):
        open_pypi("d", cache=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_corrupt_wheel_is_one_line_of_error(index: IndexServer, tmp_path: Path) -> None:
    index.offer("d", {"d-1-py3-none-any.whl": wheel(a="1")[:-30]})
    says = r"^pypi:d: d-1-py3-none-any.whl is damaged or unsafe \(File is not a zip file\)$"
    with pytest.raises(SnapshotError, match=says):
        open_pypi("d", cache=tmp_path)


def test_a_wheel_whose_file_is_also_a_folder_is_refused(index: IndexServer, tmp_path: Path) -> None:
    index.offer("d", {"d-1-py3-none-any.whl": wheel(**{"a": "", "a.py/b": ""})})
    with pytest.raises(SnapshotError, match=r"^pypi:d: d-1-.* is unsafe \(b'a.py' is both a file"):
        open_pypi("d", cache=tmp_path)


def test_passing_faults_are_tried_again(index: IndexServer, tmp_path: Path) -> None:
    name = "d-1-py3-none-any.whl"
    index.offer("d", {name: wheel(a="1")})
    for path, fault in [("/simple/d/", Answer(status=503)), (f"/files/{name}", Answer(status=429))]:
        index.answers[path].insert(0, fault)
    whole = index.answers[f"/files/{name}"][-1]
    index.answers[f"/files/{name}"].insert(1, Answer(body=whole.body, cut=20))
    assert contents(open_pypi("d", cache=tmp_path)) == {"a.py": b"1"}
    assert index.requests == {"/simple/d/": 2, f"/files/{name}": 3}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(status=503), "answers 503 Service Unavailable; try again later"),
        (Answer(status=403), "answers 403 Forbidden; give a user and password in PIP_INDEX_URL"),
        (Answer(status=404), "is listed but not there; name another version"),
        (Answer(body=b"x" * 99, cut=9), "breaks off in the middle; try again later"),
        (Answer(body=b"x" * 9999), "is larger than 0 MiB"),
    ],
)
def test_a_lasting_fault_is_one_line_of_error(
    index: IndexServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    says: str,
) -> None:
    index.offer("d", {"d-1-py3-none-any.whl": wheel(a="1")})
    index.answers["/files/d-1-py3-none-any.whl"] = [answer]
    monkeypatch.setattr(package_index, "MAX_FILE_BYTES", 5000)
    with pytest.raises(SnapshotError, match=f"^pypi:d: http://127.0.0.1:.*whl {says}"):
        open_pypi("d", cache=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_of_files_too_large_to_be_fetched_a_smaller_one_of_the_version_is_read(
    index: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, small = "d-2-cp311-cp311-manylinux_2_28_x86_64.whl", "d-2-cp311-cp311-win_amd64.whl"
    older = "d-1-py3-none-any.whl"
    index.offer("d", {large: wheel(a="x" * 9999), small: wheel(a="2"), older: wheel(a="1")})
    monkeypatch.setattr(package_index, "MAX_FILE_BYTES", 5000)
    assert contents(open_pypi("d", cache=tmp_path)) == {"a.py": b"2"}


@pytest.mark.parametrize("page", ['{"files": 3}', '{"files"', "{}", '{"files": [' + "[" * 99999])
def test_a_page_that_is_no_list_is_one_line_of_error(
    index: IndexServer, tmp_path: Path, page: str
) -> None:
    index.page("d", page, JSON)
    with pytest.raises(SnapshotError, match=r"answers with no list of files; check PIP_INDEX_URL$"):
        open_pypi("d", cache=tmp_path)


def test_names_that_are_paths_never_reach_the_cache(index: IndexServer, tmp_path: Path) -> None:
    index.offer("d", {"d-1-py3-none-any.whl": wheel(a="1")})
    name = "d-2-py3-none-any/../../../../../evil.whl"
    page = index.answers["/simple/d/"][0].body.decode()
    index.page(
        "d", page.replace('"files": [', f'"files": [7, {{"url": "x", "filename": "{name}"}}, ')
    )
    assert open_pypi("d", cache=tmp_path).version == "1"


def test_the_password_of_an_index_is_sent_and_never_shown(
    index: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_url = index.url.replace("//", "//user:s3cret@")
    monkeypatch.setenv("PIP_INDEX_URL", secret_url)
    name = "d-1-py3-none-any.whl"
    file_url = index.url.replace("/simple", f"/files/{name}")
    index.offer("d", {name: wheel(a="1")}, **{name: {"url": file_url}})
    open_pypi("d", cache=tmp_path)
    for path in ("/simple/d/", f"/files/{name}"):
        assert index.sent_headers[path]["Authorization"].startswith("Basic ")
    for answers in ([], [Answer(status=401)], [Answer(body=b"{}")]):
        index.answers["/simple/d/"] = answers
        with pytest.raises((SnapshotError, SourceError)) as error:
            open_pypi("d", cache=tmp_path)
        assert "s3cret" not in str(error.value)
    assert not [path for path in tmp_path.rglob("*") if "s3cret" in str(path)]


def test_an_extra_index_is_asked_for_what_the_first_lacks(
    index: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", index.url)
    monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("simple", "other"))
    index.offer("d", {"d-1-py3-none-any.whl": wheel(a="1")})
    assert open_pypi("d", cache=tmp_path).version == "1"
    assert list(index.requests)[:2] == ["/other/d/", "/simple/d/"]


def test_a_cache_that_cannot_be_written_names_the_next_step(
    index: IndexServer, tmp_path: Path
) -> None:
    index.offer("d", {"d-1-py3-none-any.whl": wheel(a="1")})
    (tmp_path / "packages").write_text("a file, not a folder")
    with pytest.raises(
        SnapshotError, match=r"^pypi:d: the cache .* cannot be used \(.+\); set XDG"
    ):
        open_pypi("d", cache=tmp_path)
