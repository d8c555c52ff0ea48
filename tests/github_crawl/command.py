"""The real command, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.github_crawl.crawls import SECRET, Crawls


@dataclass(frozen=True)
class Done:
    """What a command that has ended left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


def start(crawls: Crawls, *words: str) -> subprocess.Popen[str]:
    """Start `triton-index` with these words on the index of `crawls`."""
    environment = os.environ | {
        "GITHUB_API_URL": crawls.server.api_url,
        "GITHUB_TOKEN": SECRET,
        "XDG_CACHE_HOME": str(crawls.cache.parent),
        "TRITON_INDEX_DB": str(crawls.db),
    }
    return subprocess.Popen(
        (sys.executable, "-m", "index", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
        # A job of a shell's background has it ignored, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run(crawls: Crawls, *words: str) -> Done:
    """Run `triton-index` to its end."""
    process = start(crawls, *words)
    out, err = process.communicate(timeout=120)
    return Done(process.returncode, out, err)
