"""An environment for each release of Triton, made in the user's cache when it is first needed."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import filelock
import platformdirs
from packaging.version import Version

from index.errors import CompileError

_READY = "ready"
# What the wheels of a release were last built for, and what the oldest import without naming it.
_NEWEST_PYTHON = (("3.2", (3, 12)), ("3.4", (3, 13)))
_NEEDS_SETUPTOOLS = Version("3.4")
_SECONDS = 1_800


def environments() -> Path:
    """Return the folder that holds them."""
    return platformdirs.user_cache_path("triton-index", appauthor=False) / "triton"


def python_of(release: str, tell: Callable[[str], object]) -> Path:
    """Return the Python that has this release, and numpy, and nothing else; `tell` hears of it.

    Raises:
        CompileError: it cannot be installed.
    """
    folder = environments() / f"{release}-py{sys.version_info[0]}{sys.version_info[1]}"
    python = folder / "bin" / "python"
    if (folder / _READY).exists():
        return python
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder.with_suffix(".lock")):
        if not (folder / _READY).exists():
            tell(f"installing Triton {release} in {folder}")
            shutil.rmtree(folder, ignore_errors=True)
            _install(release, folder, python)
            (folder / _READY).touch()
    return python


def _install(release: str, folder: Path, python: Path) -> None:
    packages = [f"triton=={release}", "numpy"]
    if Version(release) < _NEEDS_SETUPTOOLS:
        packages.append("setuptools")
    # Wheels alone: nothing of a package is run to install it.
    binary = ["--only-binary", ":all:"]
    if uv := shutil.which("uv"):
        _run(release, [uv, "venv", "--quiet", "--python", _version_for(release), str(folder)])
        install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    elif importlib.util.find_spec("pip") is not None:
        _run(release, [sys.executable, "-m", "venv", "--without-pip", str(folder)])
        pip = [sys.executable, "-m", "pip", "--python", str(python)]
        install = [*pip, "install", "--quiet", "--disable-pip-version-check"]
    else:
        _run(release, [sys.executable, "-m", "venv", str(folder)])
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run(release, [*install, *binary, *packages])


def _version_for(release: str) -> str:
    """Return this Python's version, or the newest that the release has wheels for."""
    own = sys.version_info[:2]
    for before, newest in _NEWEST_PYTHON:
        if Version(release) < Version(before):
            own = min(own, newest)
            break
    return f"{own[0]}.{own[1]}"


def _run(release: str, command: list[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - words of our own, no shell
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompileError(f"Triton {release}: {error}") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        why = next(
            (line for line in lines if "ERROR" in line or "error" in line), "no reason given"
        )
        hint = "" if shutil.which("uv") else "; with uv installed, an older Python is fetched too"
        raise CompileError(f"Triton {release} cannot be installed: {why.strip()}{hint}")
