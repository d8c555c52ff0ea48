from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from crawler.errors import SnapshotError
from crawler.models import ScanSkip
from crawler.snapshot import archive as archive_module
from crawler.snapshot.archive import read_archive
from crawler.snapshot.select import MAX_TEXT_BYTES, select_files

EVERYTHING = select_files()


def make_wheel(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    return path


def make_sdist(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as sdist:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            sdist.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return tmp_path / "p-1-py3-none-any.whl"


@pytest.fixture
def sdist(tmp_path: Path) -> Path:
    return tmp_path / "p-1.tar.gz"


def test_a_wheel_is_read_in_place(wheel: Path) -> None:
    files = {"p/a.py": b"a", "p/k.cu": b"k", "p/b/c.ipynb": b"{}", "p-1.dist-info/METADATA": b"m"}
    found = read_archive(make_wheel(wheel, files), EVERYTHING)
    assert found.contents == {name: files[name] for name in files if not name.endswith(".cu")}
    assert found.skipped == ()
    assert list(wheel.parent.iterdir()) == [wheel]


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_a_source_distribution_is_read_without_its_top_folder(tmp_path: Path, kind: str) -> None:
    files = {"p-1/setup.py": b"s", "p-1/src/p/a.py": b"a", "p-1/data.bin": b"d"}
    make = make_sdist if kind == "tar.gz" else make_wheel
    found = read_archive(make(tmp_path / f"p-1.{kind}", files), EVERYTHING)
    assert found.contents == {"setup.py": b"s", "src/p/a.py": b"a"}
    assert list(tmp_path.iterdir()) == [tmp_path / f"p-1.{kind}"]


def test_patterns_choose_by_the_path_that_is_recorded(sdist: Path) -> None:
    make_sdist(sdist, {"p-1/src/a.py": b"a", "p-1/b.py": b"b"})
    assert list(read_archive(sdist, select_files(include=["/src/"])).contents) == ["src/a.py"]


UNSAFE = ["../evil.py", "/etc/evil.py", "p/../../evil.py", "C:/evil.py", "p\\..\\..\\evil.py"]


@pytest.mark.parametrize("name", UNSAFE)
def test_names_that_lead_out_are_skips(wheel: Path, sdist: Path, name: str) -> None:
    reason = "unsafe name, it leads out of its source"
    found = read_archive(make_wheel(wheel, {name: b"evil", "p/a.py": b"a"}), EVERYTHING)
    assert found.contents == {"p/a.py": b"a"}
    assert [skip.reason for skip in found.skipped] == [reason]
    found = read_archive(make_sdist(sdist, {"p-1/" + name: b"evil", "p-1/a.py": b"a"}), EVERYTHING)
    assert found.contents == {"a.py": b"a"}
    assert [skip.reason for skip in found.skipped] == [reason]


def test_absurdly_long_or_deep_names_are_skips(wheel: Path) -> None:
    found = read_archive(
        make_wheel(wheel, {"d/" * 70 + "a.py": b"", "n" * 600 + ".py": b""}), EVERYTHING
    )
    assert not found.contents
    assert {skip.reason for skip in found.skipped} == {
        "its name has more than 512 characters or 64 levels"
    }


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_second_file_of_a_name_is_a_skip(wheel: Path, sdist: Path) -> None:
    skip = ScanSkip(path="a.py", reason="a second file of this name")
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a.py", b"first")
        archive.writestr("a.py", b"second")
    found = read_archive(wheel, EVERYTHING)
    assert (found.contents, found.skipped) == ({"a.py": b"first"}, (skip,))
    make_sdist(sdist, {"p-1/a.py": b"first", "p-2/a.py": b"second"})
    found = read_archive(sdist, EVERYTHING)
    assert (found.contents, found.skipped) == ({"a.py": b"first"}, (skip,))


def test_links_and_devices_are_left_out(wheel: Path, sdist: Path) -> None:
    with zipfile.ZipFile(wheel, "w") as archive:
        link = zipfile.ZipInfo("link.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("folder.py/", b"")
    with tarfile.open(sdist, "w:gz") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"p-1/{kind.decode()}.py")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    for file in (wheel, sdist):
        found = read_archive(file, EVERYTHING)
        assert (found.contents, found.skipped) == ({}, ())


def test_an_encrypted_member_is_a_skip(wheel: Path) -> None:
    make_wheel(wheel, {"a.py": b"a", "b.py": b"b"})
    raw = bytearray(wheel.read_bytes())
    raw[raw.index(b"PK\1\2") + 8] |= 1
    wheel.write_bytes(raw)
    found = read_archive(wheel, EVERYTHING)
    assert found.contents == {"b.py": b"b"}
    assert found.skipped == (ScanSkip(path="a.py", reason="encrypted"),)


def test_a_damaged_member_is_a_skip(wheel: Path) -> None:
    content = os.urandom(500)
    make_wheel(wheel, {"a.py": content, "b.py": b"b"})
    raw = wheel.read_bytes()
    wheel.write_bytes(raw.replace(content[100:200], bytes(100)))
    found = read_archive(wheel, EVERYTHING)
    assert found.contents == {"b.py": b"b"}
    assert found.skipped == (
        ScanSkip(path="a.py", reason="cannot be unpacked: Bad CRC-32 for file 'a.py'"),
    )


def test_an_unknown_way_of_packing_is_a_skip(wheel: Path) -> None:
    make_wheel(wheel, {"a.py": b"a"})
    raw = bytearray(wheel.read_bytes())
    raw[raw.index(b"PK\1\2") + 10] = 99
    wheel.write_bytes(raw)
    (skip,) = read_archive(wheel, EVERYTHING).skipped
    assert skip.reason.startswith("cannot be unpacked: ")


def test_a_zip_bomb_is_a_skip_and_is_not_inflated(wheel: Path) -> None:
    notebook_bomb = bytes(60 << 20)
    make_wheel(wheel, {"a.ipynb": notebook_bomb, "b.py": b"b", "c.py": bytes(MAX_TEXT_BYTES + 1)})
    found = read_archive(wheel, EVERYTHING)
    assert found.contents == {"b.py": b"b"}
    assert found.skipped == (
        ScanSkip(path="a.ipynb", reason="inflates more than 200-fold, a bomb"),
        ScanSkip(path="c.py", reason="inflates more than 200-fold, a bomb"),
    )


def test_a_member_that_lies_about_its_size_gives_no_more_than_it_says(wheel: Path) -> None:
    make_wheel(wheel, {"a.py": bytes(1 << 20)})
    raw = bytearray(wheel.read_bytes())
    place = raw.index(b"PK\1\2") + 24
    raw[place : place + 4] = (10).to_bytes(4, "little")
    wheel.write_bytes(raw)
    found = read_archive(wheel, EVERYTHING)
    assert len(found.contents.get("a.py", b"")) <= 10


def test_a_source_distribution_that_inflates_without_measure_is_refused(sdist: Path) -> None:
    make_sdist(sdist, {"p-1/a.py": b"a", "p-1/zeros.bin": bytes(40 << 20)})
    assert sdist.stat().st_size < 100_000
    with pytest.raises(SnapshotError, match=r"^p-1.tar.gz is damaged or unsafe \(it inflates"):
        read_archive(sdist, EVERYTHING)


@pytest.mark.parametrize(
    ("limit", "value", "says"),
    [
        ("MAX_CONTENT_BYTES", 10, "its sources come to more than 0 MiB"),
        ("MAX_DIRECTORY_BYTES", 10, "it lists more than"),
    ],
)
def test_an_archive_past_a_limit_is_refused(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, says: str
) -> None:
    make_wheel(wheel, {"a.py": b"a" * 8, "b.py": b"b" * 8})
    assert len(read_archive(wheel, EVERYTHING).contents) == 2
    monkeypatch.setattr(archive_module, limit, value)
    with pytest.raises(SnapshotError, match=says):
        read_archive(wheel, EVERYTHING)


def test_too_many_members_are_refused(sdist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_sdist(sdist, {f"p-1/{number}.bin": b"" for number in range(5)})
    monkeypatch.setattr(archive_module, "MAX_MEMBERS", 4)
    with pytest.raises(SnapshotError, match="it lists more than 4 files"):
        read_archive(sdist, EVERYTHING)


def test_what_cannot_be_used_counts_as_unpacked(
    wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members may share their packed bytes and be damaged each: the work is bounded."""
    make_wheel(wheel, {f"{number}.py": b"a" * 100 for number in range(5)})
    raw = bytearray(wheel.read_bytes())
    raw[raw.index(b"PK\1\2") + 16] ^= 1
    wheel.write_bytes(raw)
    assert read_archive(wheel, EVERYTHING).skipped != ()
    monkeypatch.setattr(archive_module, "MAX_UNPACKED_BYTES", 250)
    with pytest.raises(SnapshotError, match="inflates without measure"):
        read_archive(wheel, EVERYTHING)


def test_a_way_of_packing_that_takes_what_a_header_names_is_a_skip(wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.py", b"a" * 100)
    (skip,) = read_archive(wheel, EVERYTHING).skipped
    assert skip.reason == "cannot be unpacked: packed in another way than wheels are"


@pytest.mark.parametrize("share", [0.0, 0.2, 0.7, 0.999])
@pytest.mark.parametrize("kind", ["whl", "zip", "tar.gz"])
def test_a_truncated_archive_is_one_line_of_error(tmp_path: Path, kind: str, share: float) -> None:
    file = tmp_path / f"p-1.{kind}"
    make = make_sdist if kind == "tar.gz" else make_wheel
    make(file, {f"p-1/{number}.py": os.urandom(2000) for number in range(5)})
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(SnapshotError, match=rf"^p-1\.{kind} is damaged or unsafe \(.+\)$") as error:
        read_archive(file, EVERYTHING)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["whl", "zip", "tar.gz"])
@pytest.mark.parametrize(
    "content", [b"", b"\0" * 4096, b"<html>404</html>", b"PK\5\6" + b"\xff" * 30]
)
def test_what_is_no_archive_is_one_line_of_error(tmp_path: Path, kind: str, content: bytes) -> None:
    file = tmp_path / f"p-1.{kind}"
    file.write_bytes(content)
    with pytest.raises(SnapshotError, match="is damaged or unsafe"):
        read_archive(file, EVERYTHING)
