"""The rules of a check: an id, what it is about, and, of a hazard, a function that finds it.

A hazard is one module here and one entry in `HAZARDS`. Its function is given one kernel and sees
only what an index keeps of it, so that the same rule fills the column `hazards` there.
"""

from __future__ import annotations

from crawler.check.findings import API, UNKNOWN_API
from crawler.check.ignores import is_ignored
from crawler.check.rules.code import KernelCode
from crawler.check.rules.hazard import Rule
from crawler.check.rules.implicit_type import IMPLICIT_TYPE
from crawler.check.rules.int32_offset import INT32_OFFSET
from crawler.check.rules.masked_other import MASKED_OTHER
from crawler.check.rules.nondeterministic import NONDETERMINISTIC
from crawler.check.rules.unmasked_edge import UNMASKED_EDGE

NAMES: tuple[Rule, ...] = (
    Rule(id=API, summary="a name, keyword or form of a call that some release of Triton lacks"),
    Rule(id=UNKNOWN_API, summary="a name or keyword that no release has: a slip, or a dialect's"),
)
HAZARDS: tuple[Rule, ...] = (
    IMPLICIT_TYPE,
    INT32_OFFSET,
    MASKED_OTHER,
    NONDETERMINISTIC,
    UNMASKED_EDGE,
)
RULES = (*NAMES, *HAZARDS)


def hazards_of(code: KernelCode) -> tuple[str, ...]:
    """Return the ids of the hazards that a kernel has at a line that does not silence them."""
    lines = code.kernel.source.splitlines()
    first = code.kernel.start_line
    return tuple(
        rule.id
        for rule in HAZARDS
        if rule.find is not None
        and any(
            not any(
                is_ignored(rule.id, line)
                for line in lines[hazard.line - first : hazard.end_line - first + 1]
            )
            for hazard in rule.find(code)
        )
    )
