"""One source, crawled for a worker of a cluster in a process beside it; see `crawler.cluster`."""

from __future__ import annotations

import os
import pickle
import sys
from threading import Thread

from crawler.cluster import SourceTask
from crawler.models import CrawledRepo
from crawler.run import crawl
from crawler.scan import scan_version


def answer_parent() -> None:
    """Crawl the source that stands on stdin and write what it gives to stdout, then end.

    Run in the child; it ends at once when its parent is gone.
    """
    said = sys.stdin.buffer
    task = pickle.loads(said.read(int.from_bytes(said.read(8), "big")))  # noqa: S301 - our parent's
    out = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing else may speak there

    def end_with_parent() -> None:
        said.read(1)
        os._exit(1)

    Thread(target=end_with_parent, daemon=True).start()
    answer = pickle.dumps(_crawled(task))
    with open(out, "wb") as heard:  # noqa: PTH123 - a descriptor, not a path
        heard.write(len(answer).to_bytes(8, "big") + answer)
    os._exit(0)


def _crawled(task: SourceTask) -> CrawledRepo | str:
    # Asked here, not in the worker: it may have been started before an upgrade.
    if task.scanner != scan_version():
        why = "the worker has another version of triton-index; install the same on all machines"
        return f"{task.source.name}: {why}"
    try:
        (found,) = crawl([task.source], known=task, jobs=1, full=task.full)
    except Exception as error:
        return f"{task.source.name}: {type(error).__name__}: {error}"
    return found
