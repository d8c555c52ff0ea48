"""What opening a source gives: a snapshot to read, or a source that this run left alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from crawler.models import CrawledRepo, Snapshot

_LEFT = "left for the next run"


def left_for_next_run(so_far: CrawledRepo, why: str) -> CrawledRepo:
    """Return a source that a limit of this run kept from being looked at."""
    return replace(so_far, error=f"{so_far.name}: {_LEFT}: {why}")


def is_left_for_next_run(error: str | None) -> bool:
    """Tell whether it was a limit, and no fault of its own, that a source failed for."""
    return error is not None and f": {_LEFT}: " in error


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A source whose content is there to be read; `so_far` is what is known of it without that."""

    snapshot: Snapshot
    so_far: CrawledRepo
