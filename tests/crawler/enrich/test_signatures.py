from __future__ import annotations

import pytest

from crawler.enrich.signatures import parse_signature

CASES = [
    ("all by position", "a b=", 2, (), True),
    ("too many by position", "a b=", 3, (), False),
    ("any number by position", "a *rest", 9, (), True),
    ("by keyword", "a b=", 1, ("b",), True),
    ("a keyword that it lacks", "a b=", 1, ("c",), False),
    ("any keyword", "a **", 1, ("c",), True),
    ("a required one that is missing", "a b=", 0, ("b",), False),
    ("one that is given by position alone", "a / b=", 0, ("a", "b"), False),
    ("one that is given by keyword alone", "a * b=", 2, (), False),
    ("a required one that is given by keyword alone", "a * b", 1, (), False),
    ("nothing", "", 0, (), True),
]


@pytest.mark.parametrize(
    ("text", "n_positional", "keywords", "fits"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_a_call_fits(text: str, n_positional: int, keywords: tuple[str, ...], fits: bool) -> None:
    signature = parse_signature(text)
    assert signature is not None
    assert fits == (
        not signature.excess(n_positional)
        and all(map(signature.accepts_keyword, keywords))
        and signature.missing(n_positional, keywords) is None
    )


def test_nothing_is_known_of_some() -> None:
    assert parse_signature("?") is None
