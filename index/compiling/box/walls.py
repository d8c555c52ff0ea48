"""Closes a process: files, network, other processes, memory and time.

Every wall holds by itself. Landlock and seccomp are the kernel's and hold the assembler that Triton
starts too; limits of resources are inherited; the audit hook is Python's own and comes last.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Sequence

# Landlock's system calls have one number everywhere.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_EXECUTE, _WRITE, _READ, _LIST = 1 << 0, 1 << 1, 1 << 2, 1 << 3
# Rights that each version of Landlock knows, as a mask.
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_NEWEST = (1 << 16) - 1
_ON_FILES = _EXECUTE | _WRITE | _READ | 1 << 14 | 1 << 15

# What compiling never needs, by name: numbers on x86-64 and on 64-bit ARM (None: it has none).
_CALLS: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kill": (62, 129),
    "pidfd_open": (434, 434),
    "mount": (165, 40),
    "umount2": (166, 39),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "perf_event_open": (298, 241),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "userfaultfd": (323, 282),
    "open_by_handle_at": (304, 265),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "setuid": (105, 146),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "execveat": (322, 281),
    "setsid": (112, 157),
}
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_NO_NEW_PRIVS, _SET_SECCOMP, _PDEATHSIG = 38, 22, 1

_LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")

_libc = ctypes.CDLL(None, use_errno=True)


def limit(seconds: int, memory: int, processes: int) -> None:
    """Bound the processor's seconds, bytes of memory, of a file, and processes of this user."""
    for what, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 512 << 20),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, processes),
    ):
        hard = resource.getrlimit(what)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


def close(readable: Sequence[str], runnable: Sequence[str], scratch: str) -> list[str]:
    """Close files, network and system calls to this process and all it starts.

    Files under `readable` may be read, under `runnable` also started, under `scratch` written.
    What the system itself loads for a program is readable too.
    Returns the walls of the system that stand.
    """
    _libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    walls = []
    if _landlock(readable, runnable, scratch):
        walls.append("landlock")
    if _seccomp():
        walls.append("seccomp")
    return walls


def _landlock(readable: Sequence[str], runnable: Sequence[str], scratch: str) -> bool:
    version = _libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    if version < 1:
        return False
    rights = _RIGHTS.get(version, _NEWEST)
    net = 3 if version >= 4 else 0
    scoped = 3 if version >= 6 else 0
    # The struct grew: rights on files, on the network, and what is kept to this domain.
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = struct.pack("QQQ", rights, net, scoped)[:size]
    ruleset = _libc.syscall(_CREATE, attributes, ctypes.c_size_t(size), ctypes.c_uint(0))
    if ruleset < 0:
        return False
    allowed = [(path, _READ | _LIST) for path in readable]
    allowed += [(path, _READ | _LIST | _EXECUTE) for path in runnable]
    allowed += [(path, _READ | _LIST | _EXECUTE) for path in _LOADERS]
    allowed += [(scratch, rights & ~_EXECUTE), ("/dev/null", _READ | _WRITE)]
    for path, wanted in allowed:
        _allow(ruleset, path, wanted & rights)
    done = _libc.syscall(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint(0))
    os.close(ruleset)
    return bool(done == 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):
        rights &= _ON_FILES
    rule = struct.pack("=Qi", rights, opened)
    _libc.syscall(_ADD, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint(0))
    os.close(opened)


def _seccomp() -> bool:
    """Let the system refuse `_CALLS` (EPERM); calls of another architecture end the process."""
    if platform.machine() not in _ARCHITECTURES:
        return False
    column, architecture = _ARCHITECTURES[platform.machine()]
    numbers = [n for pair in _CALLS.values() if (n := pair[column]) is not None]
    load, equal, at_least, answer = 0x20, 0x15, 0x35, 0x06
    program = [(load, 0, 0, 4), (equal, 1, 0, architecture), (answer, 0, 0, 0x80000000)]
    # Numbers from 1 << 30 on are those of x32, a second set for the same calls.
    program += [(load, 0, 0, 0), (at_least, 0, 1, 1 << 30), (answer, 0, 0, 0x80000000)]
    for number in numbers:
        program += [(equal, 0, 1, number), (answer, 0, 0, 0x00050001)]
    program.append((answer, 0, 0, 0x7FFF0000))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    head = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code))
    return bool(_libc.prctl(_SET_SECCOMP, 2, head, 0, 0) == 0)


_REFUSED = (
    "socket.",
    "os.system",
    "os.exec",
    "os.fork",
    "os.spawn",
    "os.kill",
    "os.putenv",
    "pty.",
    "signal.",
    "urllib.",
    "ftplib.",
    "smtplib.",
    "sys.addaudithook",
    "code.__new__",
)
_WRITING = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.link", "os.symlink")
_WRITING_MODES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def watch(readable: Sequence[str], runnable: Sequence[str], scratch: str) -> None:
    """Refuse in Python what `close` refuses in the system; this cannot be undone."""
    roots = tuple(_real(path) for path in (*readable, *runnable, scratch, "/dev/null"))
    started = tuple(_real(path) for path in runnable)
    own = _real(scratch)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, mode = arguments[0], arguments[2]
            if isinstance(path, (str, bytes)):
                writes = isinstance(mode, int) and mode & _WRITING_MODES
                _within(path, (own, "/dev/null") if writes else roots)
        elif event in ("subprocess.Popen", "os.posix_spawn"):
            _within(os.fsdecode(arguments[0]), started)  # type: ignore[arg-type]
        elif event == "ctypes.dlopen":
            _within(str(arguments[0]), started)
        elif event in ("os.listdir", "os.scandir"):
            if isinstance(arguments[0], (str, bytes)):
                _within(arguments[0], roots)
        elif event.startswith(_WRITING):
            if isinstance(arguments[0], (str, bytes)):
                _within(arguments[0], (own,))
        elif event.startswith(_REFUSED):
            raise PermissionError(f"the box allows no {event}")

    sys.addaudithook(hook)


def _real(path: str) -> str:
    return os.path.realpath(path)


def _within(path: str | bytes, roots: Sequence[str]) -> None:
    text = os.path.realpath(os.fsdecode(path))
    if not any(text == root or text.startswith(root + os.sep) for root in roots):
        raise PermissionError(f"the box allows no access to {text}")
