"""One wish on a page of the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from index.plain_text import one_line, printable
from index.show.render import cell_text
from wishlist.models import Wish

_LABEL = 14


def wish_card(wish: Wish) -> str:
    """Return all that is known of a wish as lines for a person; unknown facts are left out."""
    lines = [one_line(wish.title), one_line(wish.url), ""]
    for label, values in _facts(wish):
        heads = (label, *[""] * (len(values) - 1))
        lines += (f"{head:<{_LABEL}}{value}" for head, value in zip(heads, values, strict=True))
    for label, text in (("reference", wish.reference), ("shapes", wish.shapes), ("why", wish.why)):
        if text:
            indented = (f"    {line}".rstrip() for line in printable(text).split("\n"))
            lines += ["", label, *indented]
    return "\n".join(lines) + "\n"


def _facts(wish: Wish) -> Iterator[tuple[str, list[str]]]:
    people = "1 person" if wish.votes == 0 else f"{wish.votes + 1} people"
    status = wish.status.value.replace("_", " ")
    of = f" of #{wish.duplicate_of}" if wish.duplicate_of is not None else ""
    yield "status", [f"{status}{of}"]
    yield "wanted by", [f"{people}, priority {wish.priority:g}"]
    for label, value in (
        ("operation", wish.operation),
        ("ops", list(wish.ops)),
        ("passes", [one.value for one in wish.passes]),
        ("dtypes", list(wish.dtypes)),
        ("features", list(wish.features)),
        ("hardware", list(wish.hardware)),
        ("claimed by", list(wish.assignees)),
        ("pull requests", list(wish.pull_requests)),
        ("served by", wish.fulfilled_by),
        ("offers help", True if wish.offers_help else None),
        ("asked", wish.created_at),
        ("touched", wish.updated_at),
    ):
        text = cell_text(value)
        if text:
            yield label, [text]
    if wish.answer is not None:
        matches = [one_line(f"{m.id} ({m.score:.2f}: {m.reason})") for m in wish.matches]
        yield "in the index", [wish.answer.value, *matches]
    if wish.notes:
        yield "not read", [one_line(f"{note.field}: {note.reason}") for note in wish.notes]
