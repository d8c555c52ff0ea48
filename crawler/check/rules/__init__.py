"""The rules of a check: an id, what it is about, and, of a hazard, a function that finds it.

A hazard is one module here and one entry in `HAZARDS`. Its function is given one kernel and sees
only what an index keeps of it, so that the same rule fills the column `hazards` there.
"""

from __future__ import annotations

from crawler.check.findings import API, UNKNOWN_API
from crawler.check.rules.hazard import Rule
from crawler.check.rules.int32_offset import INT32_OFFSET
from crawler.check.rules.masked_other import MASKED_OTHER
from crawler.check.rules.nondeterministic import NONDETERMINISTIC

NAMES: tuple[Rule, ...] = (
    Rule(id=API, summary="a name, keyword or form of a call that some release of Triton lacks"),
    Rule(id=UNKNOWN_API, summary="a name or keyword that no release has: a slip, or a dialect's"),
)
HAZARDS: tuple[Rule, ...] = (INT32_OFFSET, MASKED_OTHER, NONDETERMINISTIC)
RULES = (*NAMES, *HAZARDS)
