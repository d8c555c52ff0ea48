"""Data as classic scripts, the one form that a page can read from a folder and from a server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import datetime


def data_script(name: str, value: object) -> str:
    """Return a script that hands a value over under a name; plain ASCII, nothing else runs."""
    text = json.dumps(value, separators=(",", ":"), default=_plain)
    return f"TI.take({json.dumps(name)},{text});\n"


def varints(numbers: Iterable[int]) -> bytearray:
    """Return whole numbers from 0 on, seven bits a byte, the lowest first."""
    out = bytearray()
    for number in numbers:
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
    return out


def packed(data: bytes | bytearray) -> str:
    """Return bytes as a script can hold them."""
    return base64.b64encode(data).decode("ascii")


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.replace(tzinfo=None).isoformat(timespec='seconds')}Z"
    raise TypeError(f"{type(value).__name__} is no data of a page")
