"""Serves compile jobs of one release: a line of JSON in, a line of JSON out, a fork for each.

The server imports Triton and runs nothing of others. A fork that takes too long is killed with all
it started, then the next job is served.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import sys
import sysconfig
import tempfile
import time
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compile_job
import walls

_SUBREAPER = 36
_SAID = "said.txt"
_PROCESSES = 64
"""How many processes and threads one job may have, where the user is not root."""


def main() -> None:
    """Say what runs here, then answer jobs until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    try:
        version = compile_job.prepare()
    except Exception as error:
        answers.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
        return
    answers.write(json.dumps({"triton": version}) + "\n")
    for line in sys.stdin:
        answers.write(json.dumps(_serve(json.loads(line))) + "\n")


def _serve(job: dict[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    scratch = tempfile.mkdtemp(prefix="triton-index-")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run(job, scratch, writing)
    os.close(writing)
    text, is_late = _listen(reading, began + job["seconds"])
    os.close(reading)
    status = _end(child)
    answer = _read(text)
    if answer is None:
        late = is_late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU)
        answer = {"outcome": "timeout" if late else "crashed", "reason": _why(status, late, job)}
        if not late and (words := _last_words(scratch)):
            answer["reason"] = f"{answer['reason']}: {words}"
    shutil.rmtree(scratch, ignore_errors=True)
    answer["seconds"] = round(time.monotonic() - began, 3)
    return answer


def _run(job: dict[str, Any], scratch: str, writing: int) -> None:
    """Close the box around this process, compile, say what came of it, and end. Never returns."""
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        said = os.open(os.path.join(scratch, _SAID), os.O_WRONLY | os.O_CREAT, 0o600)
        for number, stream in enumerate((nowhere, said, said)):
            os.dup2(stream, number)
        os.environ.clear()
        folder = {"TMPDIR": scratch, "HOME": scratch, "TRITON_HOME": scratch}
        os.environ.update(folder | {"TRITON_CACHE_DIR": os.path.join(scratch, "cache")})
        tempfile.tempdir = scratch
        readable, runnable = _roots()
        walls.limit(int(job["seconds"]) + 1, job["memory"], _processes() + _PROCESSES)
        stand = walls.close(readable, runnable, scratch)
        walls.watch(readable, runnable, scratch)
        answer = compile_job.compile_job(job, scratch)
        answer["walls"] = [*stand, "limits", "audit"]
    except BaseException as error:
        answer = {"outcome": "crashed", "reason": compile_job.told(error)}
    try:
        os.write(writing, json.dumps(answer).encode())
    finally:
        os._exit(0)


def _roots() -> tuple[list[str], list[str]]:
    """Return the folders that may be read and those whose programs may be started."""
    library = sysconfig.get_paths()
    readable = [library["stdlib"], library["platstdlib"], library["purelib"], library["platlib"]]
    readable += ["/etc/ld.so.cache", "/proc/cpuinfo", "/sys/devices/system/cpu", "/dev/urandom"]
    readable += ["/lib", "/lib64", "/usr/lib", "/usr/lib64"]
    return readable, [compile_job.backends_folder()]


def _processes() -> int:
    """Return how many processes and threads this user has; the limit counts all of them."""
    mine = os.getuid()
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == mine:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue
    return count


def _listen(reading: int, until: float) -> tuple[bytes, bool]:
    """Return what the fork wrote, at most a megabyte, and whether time ran out."""
    text = b""
    while len(text) < 1 << 20:
        left = until - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return text, True
        piece = os.read(reading, 1 << 16)
        if not piece:
            break
        text += piece
    return text, False


def _end(child: int) -> int:
    """End the fork and whatever it started, which falls to this process; return its status."""
    status = 0
    while True:
        for process in (child, *_children()):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            ended, how = os.waitpid(-1, 0)
        except ChildProcessError:
            return status
        if ended == child:
            status = how


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _read(text: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(text)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and "outcome" in answer else None


def _last_words(scratch: str) -> str:
    """Return what the compiler said of its end, such as `LLVM ERROR: ...`; else nothing."""
    try:
        with open(os.path.join(scratch, _SAID), errors="replace") as file:
            lines = file.read(1 << 16).splitlines()
    except OSError:
        return ""
    told = [line.strip() for line in lines if "ERROR" in line or "Assertion" in line]
    return told[0][:200] if told else ""


def _why(status: int, late: bool, job: dict[str, Any]) -> str:
    if late:
        return f"over {job['seconds']:g} s"
    if os.WIFSIGNALED(status):
        return f"the compiler ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return "the compiler ended without an answer"


if __name__ == "__main__":
    main()
