"""The wishes of `tests/data/wishes`, read as issues are."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from tests.wishlist.samples import REPO, wish
from wishlist.issues import Issue
from wishlist.models import IssueWish, Wish
from wishlist.reading import read_wish

DATA = Path(__file__).parent.parent / "data" / "wishes"
_AT = datetime(2026, 1, 1, tzinfo=UTC)
_FIRST = {"known.toml": 1, "unknown.toml": 1001, "duplicates.toml": 2001}


def listed_wishes(name: str) -> Iterator[tuple[Mapping[str, Any], Wish]]:
    """Yield each entry of a file with the wish that its title and body make."""
    entries = tomllib.loads((DATA / name).read_text(encoding="utf-8"))["wishes"]
    for number, entry in zip(count(_FIRST[name]), entries, strict=False):
        yield entry, _wish(number, entry["title"], entry["body"])


def issue_wish(number: int, title: str, body: str = "", repo: str = REPO) -> IssueWish:
    """Return what an open issue with the label of a wish asks for."""
    issue = Issue(
        id=number,
        repo=repo,
        number=number,
        url=f"https://github.com/{repo}/issues/{number}",
        title=title,
        body=body,
        author=None,
        labels=("kernel-request",),
        assignees=(),
        is_open=True,
        closed_as=None,
        is_pull=False,
        is_merged=False,
        wanting=0,
        n_comments=0,
        created_at=_AT,
        updated_at=_AT,
    )
    read = read_wish(issue)
    assert isinstance(read, IssueWish)
    return read


def _wish(number: int, title: str, body: str) -> Wish:
    read = issue_wish(number, title, body)
    said = ("operation", "ops", "passes", "dtypes", "hardware", "features")
    return wish(number, title=title, **{name: getattr(read, name) for name in said})
