"""Closes the system's walls around this process, without Python's, and tries to get out.

Writes a line for each way out that is open. Run by `test_walls`.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def load_walls(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("walls", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")


def main(walls_path: str, canary: str, scratch: str) -> None:
    walls = load_walls(walls_path)
    stand = walls.close([str(Path(os.__file__).parent), "/usr/lib", "/lib"], [], scratch)
    say("walls:", *stand)
    ways: dict[str, Callable[[], object]] = {
        "read": lambda: Path(canary).read_text(),
        "write": lambda: Path(canary).write_text("gone"),
        "remove": lambda: Path(canary).unlink(),
        "start": lambda: subprocess.run(["/bin/true"], check=True),
        "socket": lambda: socket.socket(),
        "unix socket": lambda: socket.socketpair(),
        "kill": lambda: os.kill(os.getppid(), 0),
    }
    for name, way in ways.items():
        try:
            way()
        except OSError:
            continue
        say("open:", name)
    Path(scratch, "mine").write_text("allowed")
    say("scratch")


if __name__ == "__main__":
    main(*sys.argv[1:])
