"""How long a stage took, for the log that `-v` shows."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def logged_time(log: logging.Logger, stage: str) -> Iterator[None]:
    """Log how many seconds the block took, also if it fails."""
    start = time.monotonic()
    try:
        yield
    finally:
        log.debug("%s: %.2f s", stage, time.monotonic() - start)
