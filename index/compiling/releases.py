"""Which releases of Triton can be compiled with."""

from __future__ import annotations

from packaging.version import InvalidVersion, Version

from index.errors import CompileError

OLDEST = "3.0.0"
"""Before it, the compiler needs a GPU to be there."""

DEFAULT = ("3.2.0", "3.6.0", "3.9.0")
DEFAULT_TARGETS = ("cuda:90",)


def read_release(text: str) -> str:
    """Return the release that is meant, all numbers of it: `3.9` is `3.9.0`.

    Raises:
        CompileError: it is none, or too old.
    """
    try:
        version = Version(text)
    except InvalidVersion as error:
        raise CompileError(f"--triton {text}: not a version; give one like 3.9") from error
    if version < Version(OLDEST):
        raise CompileError(f"--triton {text}: compiling without a GPU begins with {OLDEST}")
    return ".".join(map(str, (*version.release, 0, 0)[:3]))
