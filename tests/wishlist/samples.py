"""Wishes made by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from wishlist.models import Wish, WishStatus

REPO = "octo/wishes"
ASKED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def wish(number: int = 1, **facts: Any) -> Wish:
    """Return an open wish for an RMS norm; `facts` replaces some of it."""
    defaults: dict[str, Any] = {
        "number": number,
        "url": f"https://github.com/{REPO}/issues/{number}",
        "title": "RMS norm",
        "ops": ("rms_norm",),
        "status": WishStatus.OPEN,
        "votes": 0,
        "passes": (),
        "dtypes": (),
        "hardware": (),
        "reference": None,
        "created_at": ASKED_AT,
        "updated_at": ASKED_AT,
        "priority": 1.0,
        "matches": (),
        "duplicate_of": None,
        "repo": REPO,
        "operation": None,
        "features": (),
        "shapes": None,
        "why": None,
        "offers_help": False,
        "assignees": (),
        "pull_requests": (),
        "fulfilled_by": None,
        "matched_at": None,
        "notes": (),
    }
    return Wish(**(defaults | facts))
