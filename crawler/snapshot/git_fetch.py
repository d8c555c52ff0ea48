"""`git fetch` with every door shut and a limit on everything: time, speed, bytes.

The remote and its promisor settings are given in the environment of the one fetch and never
written into the repository, so a git that only reads it finds no remote to ask: what is not there
is missing, and is never fetched blob by blob behind anybody's back. Secrets travel the same way;
they are in no file and no argument list.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import Event

from crawler.errors import SnapshotError
from crawler.snapshot.git_command import hardened_environment
from crawler.snapshot.names import readable_name

LOG = logging.getLogger(__name__)

_PROTOCOLS = "http:https:file"
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Where git fetches from: an address without credentials, checked by whoever made it.

    `settings` are git settings for this remote (name -> value), such as an authorising header;
    `redact` hides what must not be shown from git's words.
    """

    url: str
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    redact: Callable[[str], str] = field(default=str, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What one fetch may take: seconds in all, seconds of near silence, bytes of one pack.

    It ends at once when `stop` is set.
    """

    seconds: float = 600.0
    silent_seconds: int = 60
    pack_bytes: int = 1 << 30
    stop: Event = field(default_factory=Event, repr=False, compare=False)


class Trouble(StrEnum):
    """What kind of failure a fetch met, which decides what helps."""

    PASSING = "the network or the server failed; trying again may help"
    REFUSED = "the server does not let this repository be read"
    ABSENT = "the server has no such branch, tag or object"
    TOO_MUCH = "a limit on time or size was reached"
    UNKNOWN = "anything else, such as a damaged clone"


class FetchError(SnapshotError):
    """A fetch failed; `trouble` tells how."""

    def __init__(self, message: str, trouble: Trouble) -> None:
        super().__init__(message)
        self.trouble = trouble


# In git's own words (LC_ALL=C); the first that is found counts.
_SIGNS = (
    (
        Trouble.ABSENT,
        r"not our ref|find remote ref|unadvertised object|remote: .*unable to read [0-9a-f]{40}",
    ),
    (
        Trouble.REFUSED,
        r"returned error: 4(?!29|08)\d\d|could not read (?:Username|Password)"
        r"|Authentication failed|[Rr]epository .*not (?:found|exist)|transport '\w+' not allowed",
    ),
    (
        Trouble.PASSING,
        r"returned error: (?:5\d\d|429|408)|early EOF|RPC failed|unexpected disconnect|hung up"
        r"|index-pack|bad pack|Could not resolve|[Ff]ailed to connect|[Cc]ouldn't connect"
        r"|Connection|Operation too slow|Empty reply|timed out|SSL|TLS|transfer closed"
        r"|expected flush|bad line length|protocol error|unable to access"
        # Git took some page for an old kind of server, and got nothing from it.
        r"|from promisor remote|info/refs not valid|dumb http transport",
    ),
)


def fetch(
    git_dir: Path,
    remote: Remote,
    *words: str,
    lines: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    limits: FetchLimits,
) -> None:
    """Fetch into the repository: `words` follow `git fetch`, `lines` are its standard input.

    No blob comes that was not asked for by its id.

    Raises:
        FetchError: It failed, or reached a limit; the text is one line in git's words.
    """
    options = (
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-auto-maintenance",
        "--recurse-submodules=no",
    )
    _run(
        git_dir,
        remote,
        ("fetch", *options, *words),
        lines=lines,
        settings=settings,
        limits=limits,
    )


def has_refs(git_dir: Path, remote: Remote, limits: FetchLimits) -> bool:
    """Return whether the remote has any branch or tag.

    Raises:
        FetchError: It cannot be asked, or what answers does not speak git's protocol: to git a
            page for people looks like an old server without any branch.
    """
    words = ("ls-remote", "--quiet", "origin")
    output, trace = _run(git_dir, remote, words, limits=limits, trace="GIT_TRACE_PACKET")
    if not output and not re.search(rb"< (?:version 2|# service=git-upload-pack)", trace):
        raise FetchError("the server does not speak git's protocol", Trouble.PASSING)
    return bool(output)


def _run(
    git_dir: Path,
    remote: Remote,
    words: Sequence[str],
    *,
    limits: FetchLimits,
    lines: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    trace: str | None = None,
) -> tuple[bytes, bytes]:
    """Run git on the network and return how its output and its stderr begin.

    `trace` is the variable of a trace that git is to write to its stderr.
    """
    environment = _environment(remote, settings or {}, limits)
    if trace:
        environment[trace] = "1"
    command = ("git", "--no-pager", f"--git-dir={git_dir}", *words)
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        stdin.writelines(f"{line}\n".encode() for line in lines)
        stdin.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 - no shell; words come from this package
                command,
                stdin=stdin,
                stdout=output,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise FetchError(
                f"git cannot be started ({error.strerror}): install git to read repositories",
                Trouble.UNKNOWN,
            ) from error
        LOG.debug("git %s, of %s", words[0], remote.url)
        try:
            overrun = _watch(process, git_dir / "objects" / "pack", limits)
        finally:
            _kill(process)
        if overrun:
            raise FetchError(overrun, Trouble.TOO_MUCH)
        errors.seek(0)
        complaint = errors.read(1 << 16)
        if process.returncode != 0:
            raise _explain(complaint, remote)
        output.seek(0)
        return output.read(4096), complaint


def _environment(
    remote: Remote, settings: Mapping[str, str], limits: FetchLimits
) -> dict[str, str]:
    """Return the environment of one fetch: locked, with the remote and its settings."""
    environment = hardened_environment(_PROTOCOLS)
    # An empty program keeps git from asking for a password in a window.
    environment["GIT_ASKPASS"] = ""
    every = {
        "core.bigFileThreshold": "16m",
        "fetch.unpackLimit": "1",
        "gc.auto": "0",
        # The address is the one that the API answered; nobody else may name another.
        "http.followRedirects": "false",
        "http.lowSpeedLimit": "100",
        "http.lowSpeedTime": str(limits.silent_seconds),
        "protocol.version": "2",
        # A partial clone without a trace of it in the repository: no file comes unasked.
        "remote.origin.partialclonefilter": "blob:none",
        "remote.origin.promisor": "true",
        "remote.origin.url": remote.url,
    }
    start = int(environment["GIT_CONFIG_COUNT"])
    pairs = [*every.items(), *settings.items(), *remote.settings.items()]
    for number, (key, value) in enumerate(pairs, start):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    environment["GIT_CONFIG_COUNT"] = str(start + len(pairs))
    return environment


def _watch(process: subprocess.Popen[bytes], packs: Path, limits: FetchLimits) -> str | None:
    """Wait for git to end; return which limit it reached, None if none."""
    deadline = time.monotonic() + limits.seconds
    while True:
        try:
            process.wait(_POLL_SECONDS)
            return None
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                return f"git was not done after {limits.seconds:.0f} seconds and was stopped"
            if _incoming_bytes(packs) > limits.pack_bytes:
                return f"git was sent more than {limits.pack_bytes >> 20} MiB and was stopped"
            if limits.stop.is_set():
                return "the crawl was stopped"


def _incoming_bytes(packs: Path) -> int:
    """Return the size of the packs under way."""
    total = 0
    for pack in packs.glob("tmp_pack_*"):
        try:
            total += pack.stat().st_size
        except OSError:
            continue  # just finished and renamed
    return total


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End git and the helpers it started, if any still run."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _explain(stderr: bytes, remote: Remote) -> FetchError:
    """Return the error that git's complaint amounts to, with its most telling line."""
    lines = [readable_name(line) for line in stderr.splitlines()]
    for trouble, sign in _SIGNS:
        for line in lines:
            if re.search(sign, line):
                return FetchError(_clean(line, remote), trouble)
    told = next((line for line in lines if line.startswith(("fatal: ", "error: "))), "")
    return FetchError(_clean(told, remote) or "git gave no reason", Trouble.UNKNOWN)


def _clean(line: str, remote: Remote) -> str:
    line = re.sub(r"^(?:(?:fatal|error|remote error|remote): )+", "", line)
    return remote.redact(line)[:300]
