"""How well wishes that were written for it are matched with the kernels of the bundle."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

import duckdb
import pytest

from index.database import open_index
from index.files.location import BUNDLE
from index.files.unpacking import unpacked_bundle
from index.queries.candidates import find_candidates
from tests.wishlist.listed import listed_wishes
from wishlist.match import match
from wishlist.models import EXISTS_SCORE, Wish, WishMatch


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        path = unpacked_bundle(BUNDLE, lambda text: None)
    with open_index(path) as con:
        yield con


def best_of(con: duckdb.DuckDBPyConnection, wish: Wish) -> WishMatch | None:
    return next(iter(match(wish, find_candidates(con, wish))), None)


def test_the_right_kernel_is_first(con: duckdb.DuckDBPyConnection) -> None:
    wrong = []
    entries = list(listed_wishes("known.toml"))
    assert len(entries) >= 40
    for entry, wish in entries:
        best = best_of(con, wish)
        if best is None or not any(fnmatchcase(best.id.lower(), p) for p in entry["right"]):
            wrong.append((wish.title, best))
    assert len(wrong) <= 0.15 * len(entries), wrong


def test_what_nobody_has_is_not_said_to_exist(con: duckdb.DuckDBPyConnection) -> None:
    entries = list(listed_wishes("unknown.toml"))
    assert len(entries) >= 15
    found = [(wish.title, best_of(con, wish)) for _, wish in entries]
    said = [(title, best) for title, best in found if best and best.score >= EXISTS_SCORE]
    assert len(said) <= 1, said
