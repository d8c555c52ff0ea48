"""Fixtures of the transports' tests that the rest of the crawler's need too."""

from __future__ import annotations

from tests.crawler.snapshot.conftest import make_repo

__all__ = ["make_repo"]
