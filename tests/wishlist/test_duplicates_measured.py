"""How well duplicates are found among wishes that were written for it."""

from __future__ import annotations

from itertools import combinations

from tests.wishlist.listed import listed_wishes
from wishlist.duplicates import find_duplicates

WISHES = [(dict(entry), wish) for entry, wish in listed_wishes("duplicates.toml")]
SAME = {wish.number: entry.get("same") for entry, wish in WISHES}


def test_thirty_pairs_are_found_and_nine_of_ten_are_right() -> None:
    real = {
        (a.number, b.number)
        for (_, a), (_, b) in combinations(WISHES, 2)
        if SAME[a.number] and SAME[a.number] == SAME[b.number]
    }
    found = {(pair.of, pair.number) for pair in find_duplicates(wish for _, wish in WISHES)}
    assert len(found) >= 30
    assert len(found & real) >= 0.9 * len(found), sorted(found - real)
    assert len(found & real) >= 0.7 * len(real), sorted(real - found)


def test_among_wishes_for_different_kernels_there_are_none() -> None:
    wishes = [wish for name in ("known.toml", "unknown.toml") for _, wish in listed_wishes(name)]
    assert not find_duplicates(wishes)
