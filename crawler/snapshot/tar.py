"""The members of a tar archive, read as a stream in bounded time and memory.

Python's own reader believes what a header claims: one long name costs gigabytes, one long number
minutes, a chain of headers the stack. Here every extended header has a size that fits its purpose,
and only so many of them may stand before a member. Formats: ustar, GNU long names, pax.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

BLOCK = 512
MAX_NAME_BYTES = 64 << 10
MAX_RECORDS_BYTES = 256 << 10
"""How large a pax header may be: some names, dates and attributes of one file."""
MAX_EXTENSIONS = 8
"""How many extended headers may stand before one member; writers need two."""
MAX_HEADERS = 1 << 17
"""How many headers an archive may have in all: two for each file that a zip can hold."""
MAX_DIGITS = 15

_CHUNK_BYTES = 1 << 20
_REGULAR = b"0\0007"
_GNU_NAME, _GNU_LINK, _PAX, _PAX_GLOBAL, _SOLARIS = b"L", b"K", b"x", b"g", b"X"
_EXTENSIONS = {
    _GNU_NAME: MAX_NAME_BYTES,
    _GNU_LINK: MAX_NAME_BYTES,
    _PAX: MAX_RECORDS_BYTES,
    _PAX_GLOBAL: MAX_RECORDS_BYTES,
    _SOLARIS: MAX_RECORDS_BYTES,
}


class Readable(Protocol):
    """What bytes come from, fewer than asked for only at its end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""


class TarError(ValueError):
    """The stream is no tar archive, is damaged, or breaks a bound."""


class TarMember:
    """A regular file; `read` it before the next member is asked for."""

    def __init__(self, name: str, size: int, stream: Readable) -> None:
        self.name = name
        self.size = size
        self._stream = stream
        self._left = size

    def read(self, limit: int) -> bytes:
        """Return the next bytes of the content, at most `limit`.

        Raises:
            TarError: The archive ends before.
        """
        wanted = min(limit, self._left)
        data = _read_exactly(self._stream, wanted)
        self._left -= wanted
        return data

    def skip_rest(self) -> None:
        """Read past what is left of the content and its padding."""
        _skip(self._stream, self._left + -self.size % BLOCK)
        self._left = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """What one block of 512 bytes says of what follows it."""

    name: bytes
    size: int
    kind: bytes


def read_tar(stream: Readable) -> Iterator[TarMember]:
    """Yield the regular files of an archive; links, folders, devices and sparse files are left out.

    Raises:
        TarError: It is none, is damaged, or breaks a bound.
    """
    headers = _read_headers(stream)
    while (found := _next_member(stream, headers)) is not None:
        header, names = found
        name = names.get("path", header.name).decode("utf-8", "surrogateescape")
        is_sparse = any(key.startswith("GNU.sparse") for key in names)
        size = _number(names["size"]) if "size" in names else header.size
        member = TarMember(name, size, stream)
        # A folder of the oldest format is a file whose name ends in a slash.
        if header.kind in _REGULAR and not is_sparse and not name.endswith("/"):
            yield member
        elif header.kind not in _REGULAR and header.kind in b"123456":
            # Links, devices and folders have no content, whatever size they name.
            continue
        member.skip_rest()


def _next_member(
    stream: Readable, headers: Iterator[_Header]
) -> tuple[_Header, dict[str, bytes]] | None:
    """Return the next header that is no extension, and what extensions say of it."""
    found: dict[str, bytes] = {}
    for _ in range(MAX_EXTENSIONS):
        header = next(headers, None)
        if header is None:
            return None
        if header.kind not in _EXTENSIONS:
            return header, found
        if header.size > _EXTENSIONS[header.kind]:
            raise TarError("a header of it is larger than anything it may hold")
        data = _read_exactly(stream, header.size)
        _skip(stream, -header.size % BLOCK)
        if header.kind == _GNU_NAME:
            found["path"] = data.partition(b"\0")[0]
        elif header.kind in (_PAX, _SOLARIS):
            found.update(_records(data))
    raise TarError(f"more than {MAX_EXTENSIONS} headers stand before one file")


def _read_headers(stream: Readable) -> Iterator[_Header]:
    """Yield the headers, each from where the stream stands, until a block of zeros or the end."""
    for count in range(MAX_HEADERS):
        block = stream.read(BLOCK)
        if not block and count == 0:
            raise TarError("it is empty")
        if not block.strip(b"\0"):
            return
        if len(block) < BLOCK:
            raise TarError("it ends in the middle")
        if not _is_intact(block):
            raise TarError("a header of it is damaged")
        yield _header(block, stream)
    raise TarError(f"it has more than {MAX_HEADERS:,} headers")


def _header(block: bytes, stream: Readable) -> _Header:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0]
    if prefix and block[257:263] == b"ustar\0":
        name = prefix + b"/" + name
    kind = block[156:157]
    if kind == b"S":
        # The map of a sparse file may go on in blocks of its own.
        is_more, blocks = block[482], 0
        while is_more:
            is_more, blocks = _read_exactly(stream, BLOCK)[504], blocks + 1
            if blocks > MAX_HEADERS:
                raise TarError("the map of a sparse file has no end")
    return _Header(name=name, size=_size(block[124:136]), kind=kind)


def _is_intact(block: bytes) -> bool:
    """Tell whether the sum of a header's bytes is the one that it names."""
    try:
        named = int(block[148:156].strip(b"\0 "), 8)
    except ValueError:
        return False
    rest = block[:148] + block[156:]
    plain = sum(rest) + 8 * 0x20
    # Some old writers took bytes for signed.
    return named == plain or named == plain - 256 * sum(byte > 127 for byte in rest)


def _size(field: bytes) -> int:
    """Return the number of a field: octal digits, or, after a byte of 128, the bytes of it."""
    if field[0] == 0x80:
        size = int.from_bytes(field[1:], "big")
        if size >= 10**MAX_DIGITS:
            raise TarError("a size in it is no number")
        return size
    try:
        size = int(field.strip(b"\0 ") or b"0", 8)
    except ValueError as error:
        raise TarError("a size in it is no number") from error
    if size < 0:
        raise TarError("a size in it is no number")
    return size


def _number(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > MAX_DIGITS:
        raise TarError("a size in it is no number")
    return int(digits)


def _records(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the pax records, `length key=value` each with a line feed; the length counts all."""
    start = 0
    while start < len(data) and data[start] != 0:
        blank = data.find(b" ", start, start + MAX_DIGITS)
        length = _number(data[start:blank]) if blank > start else 0
        record = data[blank + 1 : start + length]
        if length < blank - start + 2 or start + length > len(data) or record[-1:] != b"\n":
            raise TarError("a header of it is damaged")
        key, equals, value = record[:-1].partition(b"=")
        if not equals:
            raise TarError("a header of it is damaged")
        yield key.decode("utf-8", "replace"), value
        start += length


def _read_exactly(stream: Readable, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise TarError("it ends in the middle")
    return data


def _skip(stream: Readable, size: int) -> None:
    while size > 0:
        size -= len(_read_exactly(stream, min(size, _CHUNK_BYTES)))
