"""Bytes of files in, jit functions out: pure, nothing that is read is imported or run.

Names are imported when they are first asked for: extraction needs a few modules of this package and
none of the scanner.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crawler.scan.facts import FileFacts
    from crawler.scan.file import scan_file, scan_version
    from crawler.scan.gate import may_hold_kernels
    from crawler.scan.link import (
        Linked,
        Offered,
        link_snapshot,
        link_source,
        offered_names,
        operation_names,
    )
    from crawler.scan.operations import is_aside

__all__ = [
    "FileFacts",
    "Linked",
    "Offered",
    "is_aside",
    "link_snapshot",
    "link_source",
    "may_hold_kernels",
    "offered_names",
    "operation_names",
    "scan_file",
    "scan_version",
]

_HOMES = {
    "facts": ("FileFacts",),
    "file": ("scan_file", "scan_version"),
    "gate": ("may_hold_kernels",),
    "link": (
        *("Linked", "Offered", "link_snapshot", "link_source"),
        *("offered_names", "operation_names"),
    ),
    "operations": ("is_aside",),
}


def __getattr__(name: str) -> object:
    """Return a name of the package from the module that defines it."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
