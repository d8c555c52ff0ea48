"""Archives as writers make them, and as an enemy would."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.snapshot import tar as tar_module
from crawler.snapshot.tar import BLOCK, MAX_EXTENSIONS, TarError, read_tar

LONG = "p-1/" + "deep/" * 30 + "n" * 120 + ".py"
NAMES = ["p-1/a.py", LONG, "p-1/ünï.py", "./p-1/b.py"]
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def written(kind: int, *names: str, **more: object) -> bytes:
    """Return an archive as Python writes it; each file holds its own name."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind, **more) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name.encode())
            archive.addfile(info, io.BytesIO(name.encode()))
    return file.getvalue()


def read(data: bytes) -> list[tuple[str, bytes]]:
    stream = io.BytesIO(data)
    return [(member.name, member.read(member.size)) for member in read_tar(stream)]


def block(kind: bytes, size: int, name: bytes = b"x", size_field: bytes | None = None) -> bytes:
    """Return a header with its checksum."""
    raw = bytearray(BLOCK)
    raw[: len(name)] = name
    raw[124:136] = size_field or b"%011o\0" % size
    raw[156:157] = kind
    raw[257:265] = b"ustar\00000"
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


def extended(kind: bytes, data: bytes) -> bytes:
    return block(kind, len(data)) + data + bytes(-len(data) % BLOCK)


@pytest.mark.parametrize("kind", FORMATS)
def test_reads_what_python_writes(kind: str) -> None:
    names = [name for name in NAMES if kind != "ustar" or name is not LONG]
    assert read(written(FORMATS[kind], *names)) == [(name, name.encode()) for name in names]


def test_a_global_header_is_passed_over() -> None:
    data = written(tarfile.PAX_FORMAT, *NAMES, pax_headers={"comment": "c" * 40})
    assert [name for name, _ in read(data)] == NAMES


def test_members_may_be_left_unread() -> None:
    stream = io.BytesIO(written(tarfile.GNU_FORMAT, *NAMES))
    assert [member.name for member in read_tar(stream)] == NAMES


def test_links_folders_devices_and_sparse_files_are_left_out() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"p-1/{kind.decode()}.py")
            info.type, info.linkname, info.size = kind, "/etc/passwd", 0
            archive.addfile(info)
    sparse = bytearray(block(b"S", 3))
    sparse[482] = 1
    sparse[148:156] = b" " * 8
    sparse[148:156] = b"%06o\0 " % sum(sparse)
    more = bytes(BLOCK)
    data = file.getvalue().rstrip(b"\0")
    data += bytes(-len(data) % BLOCK)
    data += bytes(sparse) + more + b"abc" + bytes(BLOCK - 3)
    good = block(b"0", 1, b"p-1/good.py") + b"g" + bytes(BLOCK - 1)
    assert read(data + good) == [("p-1/good.py", b"g")]


def pax(key: bytes, value: bytes) -> bytes:
    """Return a pax record whose length counts itself."""
    length = len(key) + len(value) + 3
    while length != len(b"%d %s=%s\n" % (length, key, value)):
        length = len(b"%d %s=%s\n" % (length, key, value))
    return b"%d %s=%s\n" % (length, key, value)


HOSTILE = {
    "a pax record whose length has 300,000 digits": extended(b"x", b"1" * 260_000),
    "a pax record with a long number": extended(b"x", pax(b"size", b"9" * 5_000)),
    "a pax record of a length of zero": extended(b"x", b"0 a=b\n"),
    "a pax record longer than its header": extended(b"x", b"99 path=x\n"),
    "a pax record without a value": extended(b"x", b"5 ab\n"),
    "a size that is negative": extended(b"x", pax(b"size", b"-1")),
    "a name of seven megabytes": extended(b"L", b"n" * (7 << 20)),
    "a name of a gigabyte that is not there": block(b"L", 1 << 30),
    "headers in a chain": extended(b"x", pax(b"path", b"p")) * 3_000,
    "names in a chain": extended(b"L", b"n") * 3_000,
    "a number in the size that is none": block(b"0", 0, size_field=b"12x45678901\0"),
    "a negative octal size": block(b"0", 0, size_field=b"-0000000001\0"),
    "a size beyond the end": block(b"0", 1 << 40),
    "a size of all bits": block(b"0", 0, size_field=b"\x80" + b"\xff" * 11),
    "a checksum that is wrong": bytes([1]) + block(b"0", 0)[1:],
    "half a header": block(b"0", 0)[:200],
    "nothing": b"",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_breaks_a_bound_is_one_error(data: bytes) -> None:
    with pytest.raises(TarError):
        read(data + block(b"0", 0) * (len(data) > 0))


def test_no_more_is_read_than_the_bounds_allow() -> None:
    """The long name of a header that claims a gigabyte is not even asked for."""
    asked: list[int] = []

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(size or -1)
            return super().read(size)

    with pytest.raises(TarError):
        list(read_tar(Watched(block(b"L", 1 << 30))))
    assert asked == [BLOCK]


def test_headers_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_module, "MAX_HEADERS", 20)
    with pytest.raises(TarError, match="more than 20 headers"):
        read(block(b"2", 0) * 30)


def test_as_many_extensions_as_writers_need_are_read() -> None:
    headers = extended(b"g", pax(b"comment", b"c")) + extended(b"K", b"link\0")
    headers += extended(b"L", b"long.py\0")
    assert headers.count(b"ustar") < MAX_EXTENSIONS
    assert read(headers + block(b"0", 1) + b"a" + bytes(BLOCK - 1)) == [("long.py", b"a")]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a good archive of which some bytes are others, headers signed anew."""
    raw = bytearray(written(FORMATS[draw(st.sampled_from(sorted(FORMATS)))], *NAMES[::2]))
    for _ in range(draw(st.integers(1, 8))):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    for start in range(0, len(raw), BLOCK):
        if any(raw[start : start + BLOCK]) and draw(st.booleans()):
            raw[start + 148 : start + 156] = b" " * 8
            total = b"%06o\0 " % sum(raw[start : start + BLOCK])
            raw[start + 148 : start + 156] = total
    return bytes(raw)


@given(damaged())
def test_damage_is_an_error_or_what_stands_there(data: bytes) -> None:
    def members() -> Iterator[int]:
        for member in read_tar(io.BytesIO(data)):
            yield len(member.read(member.size))

    with suppress(TarError):
        assert sum(members()) <= len(data)
