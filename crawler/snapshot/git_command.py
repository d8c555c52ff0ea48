"""Git as a reader that can neither run, fetch nor write anything, and cannot hang.

Git is asked for few things only: `rev-parse`, `ls-tree`, `cat-file` and `log`. None of them runs
filters, text conversions, hooks, pagers, credential helpers or aliases. What a hostile
repository could still start, a fetch of missing objects through its own `core.sshCommand` or an
`ext::` remote, is shut by `GIT_NO_LAZY_FETCH` and an empty list of protocols.
"""

from __future__ import annotations

import logging
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from crawler.errors import SnapshotError
from crawler.snapshot.names import readable_name

LOG = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60.0
"""How long git may be silent before it is stopped."""
MAX_OUTPUT_BYTES = 128 << 20
"""A listing of a million files; a tree that names itself again and again has no end."""

_CONFIG = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    # A folder of another owner (a mounted volume, a container) is read all the same.
    "safe.directory": "*",
}


class SilentGitError(SnapshotError):
    """Git did not say a word for too long; asked again, it would be silent as long."""


def hardened_environment(protocols: str = "none") -> dict[str, str]:
    """Return the environment git runs in: the caller's, less every `GIT_*`, plus the locks.

    `protocols` are the transports git may use, separated by colons.
    """
    environment = {key: value for key, value in os.environ.items() if key[:4] != "GIT_"}
    environment |= {
        "GIT_ALLOW_PROTOCOL": protocols,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": str(len(_CONFIG)),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        # A replaced object would carry content that is not that of its id.
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PAGER": "cat",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    for number, (key, value) in enumerate(_CONFIG.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment


class GitProcess:
    """A running git whose output is read with a limit on its silence; see `start_git`."""

    def __init__(self, process: subprocess.Popen[bytes], output: IO[bytes], errors: IO[bytes]):
        self._process = process
        self._output = output
        self._errors = errors
        self._deadline = float("inf")
        self._stopped = threading.Event()
        self._timed_out = False
        threading.Thread(target=self._watch, daemon=True).start()

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer than `size` only at the end of the output."""
        with self._time_limit():
            return self._output.read(size)

    def readline(self) -> bytes:
        """Return the next line with its newline, cut at 4 KiB; empty at the end."""
        with self._time_limit():
            return self._output.readline(4096)

    def wait(self) -> int:
        """Return the exit status once git has ended."""
        with self._time_limit():
            return self._process.wait()

    @property
    def is_too_silent(self) -> bool:
        """Tell whether git was stopped for its silence."""
        return self._timed_out

    def complaint(self) -> str:
        """Return why git failed: the first line it wrote to stderr, or that it was stopped."""
        if self._timed_out:
            return f"git was silent for {TIMEOUT_SECONDS:.0f} seconds and was stopped"
        self._errors.seek(0)
        line = readable_name(self._errors.read(4096).partition(b"\n")[0])
        return line.removeprefix("fatal: ").removeprefix("error: ") or "git gave no reason"

    def stop(self) -> None:
        """End git if it still runs, and close its output."""
        self._stopped.set()
        self._process.kill()
        self._process.wait()
        self._output.close()

    @contextmanager
    def _time_limit(self) -> Iterator[None]:
        self._deadline = time.monotonic() + TIMEOUT_SECONDS
        yield
        self._deadline = float("inf")

    def _watch(self) -> None:
        while not self._stopped.wait(1.0):
            if time.monotonic() > self._deadline:
                self._timed_out = True
                self._process.kill()
                return


@contextmanager
def start_git(
    git_dir: Path, *words: str, lines: Sequence[str] = (), objects: Path | None = None
) -> Iterator[GitProcess]:
    """Start git on a repository; it is ended when the block is left.

    `lines` are its standard input, at hand as a file, so that no pipe can fill up and block.
    `objects` is the folder its objects come from, when not the repository's own.

    Raises:
        SnapshotError: Git is not installed, or the system has no room for another process.
    """
    environment = hardened_environment()
    if objects is not None:
        environment["GIT_OBJECT_DIRECTORY"] = str(objects)
    command = ["git", "--no-pager", f"--git-dir={git_dir}", *words]
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as errors:
        stdin.writelines(f"{line}\n".encode() for line in lines)
        stdin.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 - no shell, and words come from this package
                command, stdin=stdin, stdout=subprocess.PIPE, stderr=errors, env=environment
            )
        except OSError as error:
            raise SnapshotError(
                f"git cannot be started ({error.strerror}): install git to read repositories"
            ) from error
        LOG.debug("git %s, on %s", " ".join(words), git_dir)
        assert process.stdout is not None
        running = GitProcess(process, process.stdout, errors)
        try:
            yield running
        finally:
            running.stop()


def run_git(git_dir: Path, *words: str, objects: Path | None = None) -> bytes:
    """Return what git prints; see `start_git`.

    Raises:
        SnapshotError: Git failed, was silent too long, or prints without end; the text is git's.
    """
    with start_git(git_dir, *words, objects=objects) as git:
        output = git.read(MAX_OUTPUT_BYTES + 1)
        if len(output) > MAX_OUTPUT_BYTES:
            raise SnapshotError(f"git {words[0]} prints more than {MAX_OUTPUT_BYTES >> 20} MiB")
        if git.wait() != 0:
            raise (SilentGitError if git.is_too_silent else SnapshotError)(git.complaint())
    return output
