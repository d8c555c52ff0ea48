"""The sections of an issue's body, read as GitHub renders it. Pure.

What a reader of the page does not see must not be read here either: comments are taken out before
anything else, and a heading inside code, a quote or a list begins no section.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

LONGEST_BODY = 70_000
"""Characters of a body that are read; GitHub takes 65,536."""

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# Nothing to see, and so nothing that may tell two headings apart.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z][^<>\n]*>")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the text below it, up to the next; `level` 0 is what stands before any.

    `line` is the number of the heading's line in the text, 0-based.
    """

    level: int
    heading: str
    text: str
    line: int = 0


def clean_body(body: str) -> str:
    """Return the body with plain line ends, and without comments and control characters."""
    text = body[:LONGEST_BODY].replace("\r\n", "\n").replace("\r", "\n")
    return _without_comments(_CONTROLS.sub("", text))


def sections(text: str) -> tuple[Section, ...]:
    """Return the sections of a cleaned body, from the first heading of the page to the last."""
    lines = text.split("\n")
    starts = [(0, 0, "", 0), *_headings(text)]
    ends = [start for start, *_ in starts[1:]] + [len(lines)]
    return tuple(
        Section(level, heading, "\n".join(lines[below:end]).strip("\n"), start)
        for (start, below, heading, level), end in zip(starts, ends, strict=True)
    )


def prose(text: str) -> str:
    """Return the words that a person wrote: no code blocks, quotes, tags or addresses."""
    lines = text.split("\n")
    for token in _block_tokens(text):
        if token.map and token.type in ("fence", "code_block", "blockquote_open", "html_block"):
            for number in range(*token.map):
                lines[number] = ""
    plain = re.sub(r"https?://\S+", " ", "\n".join(lines))
    return _TAG.sub(" ", plain)


def code_lines(text: str) -> frozenset[int]:
    """Return the numbers of the lines (0-based) that are code."""
    blocks = (t.map for t in _block_tokens(text) if t.map and t.type in ("fence", "code_block"))
    return frozenset(number for start, end in blocks for number in range(start, end))


def code_blocks(text: str) -> tuple[str, ...]:
    """Return the contents of the fenced blocks, in order."""
    found = (token.content.strip("\n") for token in _block_tokens(text) if token.type == "fence")
    return tuple(content for content in found if content.strip())


def _headings(text: str) -> Iterator[tuple[int, int, str, int]]:
    """Yield (line, first line below, words, level) of each heading of the page itself."""
    tokens = _block_tokens(text)
    for token, content in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            words = " ".join(_INVISIBLE.sub("", content.content).split())
            yield token.map[0], token.map[1], words, int(token.tag[1:])


def _without_comments(text: str) -> str:
    """Return the text with each comment outside code made blank, its line breaks kept."""
    if "<!--" not in text:
        return text
    begins = [0]
    for line in text.split("\n"):
        begins.append(begins[-1] + len(line) + 1)
    tokens = [(t.type, begins[t.map[0]], begins[t.map[1]]) for t in _block_tokens(text) if t.map]
    kept = list(text)
    code: list[tuple[int, int]] = []
    hidden = 0
    for kind, start, end in tokens:
        if kind in ("fence", "code_block"):
            code.append((start, end))
        elif kind == "html_block" and start >= hidden:
            spans = tuple(_hidden_by(text, start, end, tokens))
            hidden = max((last for _, last in spans), default=0)
            _blank(kept, spans)
        elif kind == "inline" and start >= hidden:
            spans_of_code = _code_spans(text, start, end)
            _blank(kept, _inline_comments(text, start, end, spans_of_code))
            code.extend(spans_of_code)
    _blank(kept, _across_blocks("".join(kept), code))
    return "".join(kept)


_Spans = Iterable[tuple[int, int]]


def _hidden_by(text: str, start: int, end: int, tokens: Sequence[tuple[str, int, int]]) -> _Spans:
    """Yield the comments of a block of HTML.

    One without an end hides what follows it on the page, up to the next end in a block of HTML.
    """
    for match in _COMMENT.finditer(text, start, end):
        if match[0].endswith("-->"):
            yield match.span()
            continue
        later = ((a, b) for kind, a, b in tokens if kind == "html_block" and a >= end)
        ends = (text.find("-->", a, b) for a, b in later)
        yield match.start(), next((at + 3 for at in ends if at >= 0), len(text))


def _inline_comments(text: str, start: int, end: int, code: Sequence[tuple[int, int]]) -> _Spans:
    """Yield the comments inside one paragraph or heading; what is in backticks is none."""
    for match in _COMMENT.finditer(text, start, end):
        if match[0].endswith("-->") and not _is_within(match.start(), code):
            yield match.span()


def _across_blocks(text: str, code: Sequence[tuple[int, int]]) -> _Spans:
    """Yield what is written as a comment across several blocks.

    A page shows such text; to leave out something that is seen is safe, the reverse is not.
    """
    begin = None
    for match in re.finditer("<!--|-->", text):
        if _is_within(match.start(), code):
            continue
        if begin is None:
            begin = match.start() if match[0] == "<!--" else None
        elif match[0] == "-->":
            yield begin, match.end()
            begin = None


def _code_spans(text: str, start: int, end: int) -> Sequence[tuple[int, int]]:
    """Return where code stands between backticks: from a run of them to the next as long."""
    runs = [match.span() for match in re.compile("`+").finditer(text, start, end)]
    by_length: dict[int, list[int]] = {}
    for first, last in runs:
        by_length.setdefault(last - first, []).append(first)
    found: list[tuple[int, int]] = []
    for first, last in runs:
        if found and first < found[-1][1]:
            continue
        same = by_length[last - first]
        position = bisect_right(same, first)
        if position < len(same):
            found.append((first, same[position] + last - first))
    return found


def _blank(kept: list[str], spans: _Spans) -> None:
    for start, end in spans:
        kept[start:end] = [char if char == "\n" else " " for char in kept[start:end]]


def _is_within(position: int, ranges: Sequence[tuple[int, int]]) -> bool:
    """Tell whether the position is in one of the ranges, which are in order and apart."""
    before = bisect_right(ranges, position, key=lambda span: span[0]) - 1
    return before >= 0 and position < ranges[before][1]


def _block_tokens(text: str) -> list[Token]:
    return _parser().parse(text)


@cache
def _parser() -> MarkdownIt:
    # Blocks alone: what stands inside a line decides no structure, and costs most of the time.
    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": 20})
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser
