"""What scanning one blob gives, as it is cached: facts, a note of the byte gate, or a skip."""

from __future__ import annotations

import msgspec

from crawler.models import ScanSkip
from crawler.scan.facts import FileFacts
from crawler.scan.gate import decorator_names, imported_names
from crawler.scan.link import Offered


class Parsed(msgspec.Struct, frozen=True, array_like=True, tag="parsed"):
    """The file was parsed."""

    facts: FileFacts


class Gated(msgspec.Struct, frozen=True, array_like=True, tag="gated"):
    """The byte gate held the file back; its names tell whether it matters after all."""

    decorators: tuple[str, ...]
    imports: tuple[str, ...]
    """Names that it imports from modules; `*` for all of one."""


class Unreadable(msgspec.Struct, frozen=True, array_like=True, tag="unreadable"):
    """The file cannot be parsed."""

    reason: str


class Unscanned(msgspec.Struct, frozen=True, array_like=True, tag="unscanned"):
    """This run has no result for the file: a limit was reached, or its bytes could not be had.

    It says nothing of the bytes, so it is never cached, and the file is to be read again.
    """

    reason: str


ScanResult = Parsed | Gated | Unreadable | Unscanned

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[ScanResult] = msgspec.json.Decoder(ScanResult)


def to_result(scanned: FileFacts | ScanSkip) -> ScanResult:
    """Return the result that a scan of a file amounts to."""
    return Unreadable(scanned.reason) if isinstance(scanned, ScanSkip) else Parsed(scanned)


def held_back(data: bytes) -> Gated:
    """Return the note of a file that the byte gate holds back."""
    return Gated(tuple(sorted(decorator_names(data))), tuple(sorted(imported_names(data))))


def concerns(file: Gated, offered: Offered) -> bool:
    """Tell whether a file that the gate held back may matter after all."""
    return not (
        offered.jits.isdisjoint(file.decorators)
        and offered.jits.isdisjoint(file.imports)
        and offered.kernels.isdisjoint(file.imports)
        and not ("*" in file.imports and (offered.jits or offered.kernels))
    )


def encode_result(result: ScanResult) -> bytes:
    """Return a result as bytes for the cache or another process."""
    return _ENCODER.encode(result)


def decode_result(data: bytes) -> ScanResult | None:
    """Return what `encode_result` wrote; None for anything else, which is then scanned anew."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
