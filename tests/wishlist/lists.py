"""A wish-list on the GitHub-shaped server, synced into an index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from crawler.github.client import GithubClient
from index.database import open_index
from index.queries.wishes import load_wishes
from index.store import Store
from tests.github_server import GithubServer
from tests.github_server.tracker import Tracker
from wishlist.models import SyncedWishes, Wish
from wishlist.sync import sync_wishes

REPO = "octo/wishes"
LATER = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass
class WishList:
    """Issues of one repository, and what the index makes of them."""

    server: GithubServer
    client: GithubClient
    db: Path

    def __post_init__(self) -> None:
        self.server.world.add(REPO)

    @property
    def tracker(self) -> Tracker:
        """The issues, where people write them."""
        repo = self.server.world.by_id(1001)
        assert repo is not None
        return repo.tracker

    def sync(self, repo: str = REPO, *, now: datetime = LATER, **options: Any) -> SyncedWishes:
        """Follow the issues, store what was found, and return it."""
        self.server.log.clear()
        with Store.open_for_writing(self.db) as store:
            found = sync_wishes(self.client, repo, store.wishes(repo), now=now, **options)
            store.save_wishes(found)
        return found

    def load(self) -> dict[int, Wish]:
        """Return the wishes of the index by number."""
        with open_index(self.db) as con:
            return {wish.number: wish for wish in load_wishes(con, now=LATER)}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what a query gives from the published index."""
        with duckdb.connect(self.db, read_only=True) as con:
            return con.execute(query).fetchall()

    def asked(self) -> list[str]:
        """Return what was asked of GitHub since the last sync began."""
        prefix = self.server.api_url.removeprefix(self.server.origin)
        return [served.path.removeprefix(prefix) for served in self.server.api_log()]
