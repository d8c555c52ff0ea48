"""The form that a wish is written in: from the body of an issue to its fields. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from wishlist.answers import is_blank, read_dtypes, read_hardware, read_help, read_passes
from wishlist.markdown import (
    LONGEST_BODY,
    Section,
    clean_body,
    code_blocks,
    code_lines,
    sections,
)
from wishlist.models import Pass, WishNote
from wishlist.vocabulary import Field, fold, wish_vocabulary

FORM_LEVEL = 3
"""GitHub writes the labels of a form as headings of this level."""

# Characters that are kept of an answer in words.
_LONGEST = {
    Field.OPERATION: 300,
    Field.REFERENCE: 20_000,
    Field.SHAPES: 4_000,
    Field.WHY: 8_000,
}
_LONGEST_HEADING = 60
_ENOUGH_FIELDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WishForm:
    """What the body of an issue says; `rest` is the text that belongs to no field.

    `fields` are those that were found, answered or not.
    """

    operation: str | None
    reference: str | None
    passes: tuple[Pass, ...]
    dtypes: tuple[str, ...]
    shapes: str | None
    hardware: tuple[str, ...]
    why: str | None
    offers_help: bool
    rest: str
    fields: frozenset[Field]
    notes: tuple[WishNote, ...]

    @property
    def is_form(self) -> bool:
        """Whether the issue follows the form, at least in part."""
        # Other forms ask for the platform and the context, too.
        return Field.OPERATION in self.fields or len(self.fields) >= _ENOUGH_FIELDS


def parse_form(body: str) -> WishForm:
    """Return the fields of an issue's body, with a note for every part that could not be read."""
    notes: list[WishNote] = []
    if len(body) > LONGEST_BODY:
        notes.append(WishNote(field="body", reason=f"only {LONGEST_BODY:,} characters are read"))
    answers, rest = _answers(sections(clean_body(body)), notes)
    if not answers:
        answers, rest = _labelled_lines(rest, notes)
    given = {field: text for field, text in answers.items() if not is_blank(text)}
    passes, unread_passes = read_passes(given.get(Field.PASSES, ""))
    dtypes, unread_dtypes = read_dtypes(given.get(Field.DTYPES, ""))
    hardware, unread_hardware = read_hardware(given.get(Field.HARDWARE, ""))
    notes.extend(_notes(Field.PASSES, unread_passes))
    notes.extend(_notes(Field.DTYPES, unread_dtypes))
    notes.extend(_notes(Field.HARDWARE, unread_hardware))
    operation = _text(given, Field.OPERATION, notes)
    return WishForm(
        operation=operation and " ".join(operation.split()),
        reference=_text(given, Field.REFERENCE, notes),
        passes=passes,
        dtypes=dtypes,
        shapes=_text(given, Field.SHAPES, notes),
        hardware=hardware,
        why=_text(given, Field.WHY, notes),
        offers_help=read_help(given.get(Field.HELP, "")),
        rest=rest,
        fields=frozenset(answers),
        notes=tuple(notes),
    )


@dataclass(slots=True)
class _Part:
    """Text below a heading that stands for a field, or for none that is known."""

    field: Field | None = None
    heading: str = ""
    is_by_place: bool = False
    text: str = ""


def _answers(found: Sequence[Section], notes: list[WishNote]) -> tuple[dict[Field, str], str]:
    """Return the text below each field's heading, and all other text.

    A second heading of a field is refused: what a reader saw first stays.
    """
    is_form, parts = _parts(found)
    answers: dict[Field, str] = {}
    rest: list[str] = []
    for part in parts:
        if part.field is None:
            rest.append(part.text)
            if is_form and part.heading:
                reason = f"the heading {part.heading!r} is none of the form"
                notes.append(WishNote(field="body", reason=reason))
        elif part.field in answers:
            reason = f"a second heading {part.heading!r} is left out"
            notes.append(WishNote(field=part.field, reason=reason))
        else:
            answers[part.field] = part.text
            if part.is_by_place:
                reason = f"the heading {part.heading!r} is read by its place"
                notes.append(WishNote(field=part.field, reason=reason))
    return answers, "\n\n".join(filter(str.strip, rest))


def _parts(found: Sequence[Section]) -> tuple[bool, list[_Part]]:
    """Return whether the form was used, and the text in parts.

    If it was, headings of other levels than the form's are part of an answer. Where all of its
    headings are there and some are in words that nobody knows here, those are told by their place.
    """
    labels = [section for section in found if section.level == FORM_LEVEL]
    known = [_field_of(section) for section in labels]
    is_whole = len(labels) == len(Field)
    is_form = is_whole or sum(field is not None for field in known) > 1
    places = {section.line: field for section, field in zip(labels, Field, strict=False)}
    parts: list[_Part] = []
    for section in found:
        if parts and is_form and section.level != FORM_LEVEL:
            parts[-1].text += f"\n\n{section.heading}\n\n{section.text}"
            continue
        part = _Part(_field_of(section), section.heading[:_LONGEST_HEADING], text=section.text)
        place = places.get(section.line) if section.level and is_whole else None
        if part.field is None and place not in known:
            part.field, part.is_by_place = place, place is not None
        parts.append(part)
    return is_form, parts


def _field_of(section: Section) -> Field | None:
    return wish_vocabulary().headings.get(fold(section.heading)) if section.level else None


def _labelled_lines(text: str, notes: list[WishNote]) -> tuple[dict[Field, str], str]:
    """Return the answers of lines such as `Operation: softmax`, and all other text."""
    answers: dict[Field, list[str]] = {}
    rest: list[str] = []
    code = code_lines(text)
    current = rest
    for number, line in enumerate(text.split("\n")):
        label, answer = _split_label("" if number in code else line)
        field = wish_vocabulary().headings.get(fold(label))
        if field is None:
            if not line.strip() and any(map(str.strip, current)):
                current = rest
            current.append(line)
        elif field in answers:
            notes.append(WishNote(field=field, reason=f"a second line {label!r} is left out"))
            current = []
        else:
            current = answers[field] = [answer]
    found = {field: "\n".join(lines).strip() for field, lines in answers.items()}
    return found, "\n".join(rest).strip()


def _split_label(line: str) -> tuple[str, str]:
    """Return label and answer of `- **Operation**: softmax`, as people write without the form."""
    label, colon, answer = line.partition(":")
    if not colon or len(label) > _LONGEST_HEADING:
        return "", ""
    return label.strip("-*+_ \t"), answer.strip("*_ \t")


def _text(given: Mapping[Field, str], field: Field, notes: list[WishNote]) -> str | None:
    text = given.get(field, "").strip()
    if field is Field.REFERENCE:
        text = "\n\n".join(code_blocks(text)) or text
    if len(text) > _LONGEST[field]:
        notes.append(
            WishNote(field=field, reason=f"only its first {_LONGEST[field]:,} characters are kept")
        )
    return text[: _LONGEST[field]] or None


def _notes(field: Field, reasons: Iterable[str]) -> Iterator[WishNote]:
    return (WishNote(field=field, reason=reason) for reason in reasons)
