from __future__ import annotations

import pytest

from wishlist.markdown import clean_body, code_blocks, prose, sections

OP = "### Operation\nreal"

HEADINGS = {
    "headings of every level": ("# a\n## b\n###### c", ["a", "b", "c"]),
    "a heading in a fence is none": ("```\n### x\n```\n### a", ["a"]),
    "a longer fence holds a shorter one": ("````\n```\n### x\n```\n````\n### a", ["a"]),
    "a fence that nobody ends goes on": ("### a\n```\n### x", ["a"]),
    "indented code": ("text\n\n    ### x\n\n### a", ["a"]),
    "a quote": ("> ### x\n\n### a", ["a"]),
    "a list": ("- ### x\n\n### a", ["a"]),
    "a comment": ("<!--\n### x\n-->\n### a", ["a"]),
    "a comment that hides a fence": ("<!--\n```\n-->\n### a\n", ["a"]),
    "a comment that nobody ends hides the rest": ("### a\n\n<!--\n### x", ["a"]),
    "a comment within a line": ("### a <!-- ### x --> b", ["a b"]),
    "a comment that begins in a paragraph": ("x <!--\n### x\n-->\n### a", ["a"]),
    "a comment within HTML that nobody ends": ("<div> <!--\n\n-->\n\n### x", []),
    "its end in other HTML": ("<div> <!--\n\n### x\n\n<p>-->\n\n### a", ["a"]),
    "a comment in backticks is text": ("`<!--` and\n### a\n`-->`", ["a"]),
    "a comment in a fence is text": ("```\n<!--\n```\n### a\n```\n-->\n```", ["a"]),
    "two comments": ("<!-- a --> <!-- b -->\n### a\n<!-- c -->", ["a"]),
    "a script": ("<script>\n### x\n</script>\n\n### a", ["a"]),
    "characters that nobody sees": ("### O\u200bpera\u202etion", ["Operation"]),
    "line ends of other systems": ("### a\r\ntext\r### b", ["a", "b"]),
    "null bytes": ("##\0# a\0", ["a"]),
    "a heading that is underlined": ("a\n===\ntext", ["a"]),
    "seven marks are text": ("####### x", []),
    "no blank after the marks": ("###x", []),
}


@pytest.mark.parametrize(("body", "expected"), HEADINGS.values(), ids=HEADINGS)
def test_headings_are_those_that_a_reader_sees(body: str, expected: list[str]) -> None:
    found = sections(clean_body(body))
    assert [section.heading for section in found if section.level] == expected


def test_a_section_ends_at_the_next_heading() -> None:
    first, second, third = sections("intro\n\n## a\n\nx\n\ny\n### b\n\n```\n### c\n```\n")
    assert (first.level, first.text) == (0, "intro")
    assert (second.level, second.heading, second.text) == (2, "a", "x\n\ny")
    assert (third.level, third.line, third.text) == (3, 7, "```\n### c\n```")


def test_prose_is_what_a_person_wrote_themselves() -> None:
    body = "mine <b>bold</b>\n\n> theirs\n\n```\ncode\n```\nsee https://example.org/add\n"
    assert prose(body).split() == ["mine", "bold", "see"]
    assert code_blocks(body) == ("code",)
