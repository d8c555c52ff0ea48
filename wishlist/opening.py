"""How people open when they ask: "please add support for", "introduce a", "is there any". Pure.

Such words say nothing of what is asked for, but some of them name an op elsewhere (`add`, `where`),
so they are taken away as phrases at the beginning, never as words.
"""

from __future__ import annotations

import re

LONGEST_OPENING = 5
"""Words before the first article that may all be of asking: "it would be great to have a"."""

_POLITE = r"please|pls|plz|kindly|hi|hello|hey|thanks|thank you"
_FRAME = (
    r"(?:can|could|would|will|should|do|does|may|shall) (?:you|we|i|it|they|someone|somebody|anyone"
    r"|anybody)(?: (?:be (?:possible|nice|great|good|helpful|useful|cool|awesome)"
    r"(?: to(?: have| see| get)?)?|have|know|like(?: to(?: have| see)?)?))?"
    r"|i(?:'d| would) (?:like|love)(?: to (?:have|see|get))?"
    r"|(?:i(?:'m| am)|we(?:'re| are)) (?:looking|searching) for|looking for|searching for"
    r"|(?:i|we) (?:need|want|wish for|require|miss)"
    r"|(?:is|are|was) there(?: (?:any|some|already))?(?= )"
    r"|(?:it )?would be (?:nice|great|good|helpful|useful|cool|awesome)(?: to (?:have|see|get))?"
    r"|help (?:me|us)(?: (?:to|with|find))?|let(?:'s| us)"
    r"|(?:what|how) about|any plans? (?:for|on|to)|plans? (?:for|on|to)"
    r"|(?:feature|kernel|op|operator)? ?(?:request|proposal|wish|rfc|idea)s?(?: for)?"
    r"|(?:a )?(?:sample|example)s? (?:of|for)|tracking(?: issue)?(?: for)?"
    r"|(?:missing|wanted|needed)"
)
# These name no op wherever they stand first.
_VERB = (
    r"(?:introduc|creat|develop|contribut|propos|adopt|upstream|implement|provid|enabl|includ"
    r"|integrat|offer|deliver|publish|ship|support|build|writ|mak|port|expos|releas|prepar|plan"
    r"|design|suppl(?:y|i))(?:e|es|s|ing|ed)?|bring(?:s|ing)?(?: in)?"
)
# These may (`add rms norm`, `extend attention`), unless a word of asking follows.
_VERB_BEFORE = r"(?:add|extend|hav|get|giv)(?:e|es|s|ing|ed)?"
_AFTER_VERB = r"(?:in )?(?:a|an|the|some|any|another|new|native|support|kernels?|our|your|my)\b"
_ARTICLES = r"(?:a|an|the|some|any|new|native|support|more)"
_OPENING = re.compile(
    rf"\s*(?:(?:{_POLITE}|{_FRAME}|{_VERB})\b|{_VERB_BEFORE}(?= {_AFTER_VERB}))[\s,:!]*",
    re.IGNORECASE,
)
_POLITE_ADD = re.compile(r"\s*add(?:ing)?\s+", re.IGNORECASE)
_LEADING = re.compile(
    rf"\s*(?:{_ARTICLES}\b|support (?:for|of)\b|for\b|of\b|to\b)[\s,:]*", re.IGNORECASE
)
_FIRST_ARTICLE = re.compile(r"\s*((?:[a-z']+[\s,]+){1,5}?)(?:an?|some)\s+(?=\S)", re.IGNORECASE)
_SUPPORT = re.compile(r"\bsupport(?:s|ed|ing)?(?: for| of)?\b", re.IGNORECASE)
_PLEASE = re.compile(rf"[\s,]*\b(?:{_POLITE})\b[\s,.!?]*$", re.IGNORECASE)


# Where PyTorch and others keep a function: it says nothing of what the function computes.
_NAMESPACE = re.compile(
    r"(?<![\w.])(?:(?:torch|nn|F|functional|aten|jax|jnp|lax|tf|onnx|special|linalg|ops|_C)"
    r"(?:\.|::))+(?=\w)"
)
# The last part of the full name of an aten operator: `aten::add.Tensor`.
_OVERLOAD = re.compile(r"(?<=\w)\.(?:default|out|Tensor|Scalar|int|dim)\b")


def without_namespaces(text: str) -> str:
    """Return a text with `F.softmax`, `torch.ops.aten.add.Tensor` by their own names alone."""
    return _NAMESPACE.sub("", _OVERLOAD.sub("", text))


def without_opening(text: str) -> str:
    """Return a question or title without the words with which it asks.

    What is left may be as much as the whole text; nothing but asking leaves the text as it was.
    """
    rest = _PLEASE.sub("", text)
    asked = False
    for _ in range(8):
        opened = _OPENING.match(rest) or (
            asked and (_POLITE_ADD.match(rest) or _LEADING.match(rest))
        )
        if not opened:
            break
        rest, asked = rest[opened.end() :], True
    rest = _before_article(rest)
    rest = " ".join(_SUPPORT.sub(" ", rest).split())
    return rest or text


def _before_article(text: str) -> str:
    """Return a text from its first article on, if what stands before names nothing."""
    match = _FIRST_ARTICLE.match(text)
    if match is None or len(match[1].split()) > LONGEST_OPENING:
        return text
    # Most questions have no article, and need no vocabulary to be read.
    from crawler.enrich.op_vocabulary import op_vocabulary
    from crawler.enrich.words import words_of

    reading = op_vocabulary().book.read(words_of(match[1]))
    named = {phrase.text for phrase in (*reading.strong, *reading.plain)} - {"add"}
    return text if named else text[match.end() :]
