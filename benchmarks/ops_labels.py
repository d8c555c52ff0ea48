"""How right the ops are where a file, or its folder, is named after what its kernels compute.

    python benchmarks/ops_labels.py owner/name=PATH ...   # clones of the repositories in the table

Each repository is measured twice: with all evidence, and with what the file and its folders are
called withheld, because there the file name is the label. A pair (kernel, op) is right where the
label says the op, one that implies it or that it implies, or a step of it; see `ops_labels.toml`.
`strict` leaves the steps out. Kernels whose file has no label count for coverage alone.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crawler.enrich.marks import is_test
from crawler.enrich.op_vocabulary import op_vocabulary
from crawler.enrich.ops import ops_of
from crawler.models import KernelRecord, KnownRepo, Role
from crawler.run import crawl
from crawler.sources import parse_source

LAUNCHABLE = (Role.KERNEL, Role.POINTWISE)
GOAL_PRECISION, GOAL_COVERAGE = 0.97, 0.85


class NothingKnown:
    """A crawl that starts from nothing."""

    def repo(self, name: str) -> KnownRepo | None:
        """Return None."""

    def scans(self, blobs: Sequence[str], scanner_version: str) -> Mapping[str, bytes]:
        """Return nothing."""
        return {}

    def scans_of(self, repo: str, scanner_version: str) -> Mapping[str, bytes]:
        """Return nothing."""
        return {}

    def histories(self, repo: str) -> Mapping[str, str]:
        """Return nothing."""
        return {}


@dataclass(frozen=True, slots=True)
class LabelSet:
    """One part of a repository, and how its labels are to be read."""

    repo: str
    path: re.Pattern[str]
    labels: Mapping[str, Collection[str]]
    parts: Mapping[str, Collection[str]]

    def right(self, path: str, *, strict: bool = False) -> frozenset[str] | None:
        """Return the ops that are right for a file, None where it has no label.

        Args:
            path: the file.
            strict: leave out the steps that the op is made of.
        """
        match = self.path.search(path)
        if match is None:
            return None
        named = self.labels.get(match[1]) or _aten_label(match[1])
        if not any(named):
            return None
        ops = op_vocabulary()
        found = set(named)
        if not strict:
            found.update(part for op in named for part in self.parts.get(op, ()))
        found.update(other for op in tuple(found) for other in ops.with_implied(op))
        found.update(op for op in ops.ops if not found.isdisjoint(ops.ops[op].implies))
        return frozenset(found)


@dataclass(slots=True)
class Score:
    """Counts of one measurement."""

    kernels: int = 0
    labelled: int = 0
    with_op: int = 0
    pairs: int = 0
    right: int = 0
    strictly_right: int = 0
    wrong: Counter[str] = field(default_factory=Counter)

    def add(self, kernel: KernelRecord, labels: LabelSet, *, use_path: bool) -> None:
        """Count one kernel; without a label it counts for coverage alone."""
        found = ops_of(kernel, use_path=use_path)
        self.kernels += 1
        self.with_op += bool(found)
        right = labels.right(kernel.path)
        strictly_right = labels.right(kernel.path, strict=True)
        if right is None or strictly_right is None:
            return
        self.labelled += 1
        for evidence in found:
            self.pairs += 1
            self.strictly_right += evidence.op in strictly_right
            if evidence.op in right:
                self.right += 1
            else:
                self.wrong[f"{kernel.path} {kernel.name}: {evidence.op}"] += 1

    def line(self, title: str) -> str:
        """Return the figures on one line."""
        precision = self.right / self.pairs if self.pairs else 0.0
        strict = self.strictly_right / self.pairs if self.pairs else 0.0
        coverage = self.with_op / self.kernels if self.kernels else 0.0
        return (
            f"{title:52} "
            f"precision {precision:6.1%} (strict {strict:6.1%}) of {self.pairs:5} pairs, "
            f"coverage {coverage:6.1%} of {self.kernels:5} kernels ({self.labelled} labelled)"
        )


def _aten_label(stem: str) -> Collection[str]:
    """Return the op that an aten name stands for; none for other words."""
    ops = op_vocabulary().ops
    by_aten = {
        name.removeprefix("aten::").strip("_"): op.name for op in ops.values() for name in op.aten
    }
    bare = stem.strip("_")
    for name in (bare, re.sub(r"_(?:backward|forward)$", "", bare)):
        if name in by_aten or name in ops:
            return (by_aten.get(name, name),)
    return ()


def label_sets() -> Iterator[LabelSet]:
    """Yield the sets of the table beside this file."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    for entry in table["set"]:
        yield LabelSet(
            entry["repo"],
            re.compile(entry["path"]),
            entry.get("labels", {}),
            entry.get("parts", {}),
        )


def main() -> int:
    """Measure and print; exit 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", nargs="+")
    parser.add_argument("--wrong", action="store_true", help="list the pairs that are wrong")
    options = parser.parse_args()
    sets = list(label_sets())
    totals = {True: Score(), False: Score()}
    for crawled in crawl([parse_source(word) for word in options.source], known=NothingKnown()):
        here = [labels for labels in sets if labels.repo == crawled.name]
        scores = {True: Score(), False: Score()}
        for kernel in crawled.kernels:
            mine = next((labels for labels in here if labels.path.search(kernel.path)), None)
            if mine is None or kernel.role not in LAUNCHABLE or is_test(kernel):
                continue
            for use_path in (True, False):
                for score in (scores[use_path], totals[use_path]):
                    score.add(kernel, mine, use_path=use_path)
        for use_path, words in ((True, "all evidence"), (False, "file names withheld")):
            print(scores[use_path].line(f"{crawled.name}, {words}"))
            if options.wrong:
                print(
                    *(f"  {count} {pair}" for pair, count in scores[use_path].wrong.items()),
                    sep="\n",
                )
    for use_path, words in ((True, "all evidence"), (False, "file names withheld")):
        print(totals[use_path].line(f"together, {words}"))
    both = totals.values()
    reached = all(
        s.right >= GOAL_PRECISION * s.pairs and s.with_op >= GOAL_COVERAGE * s.kernels for s in both
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
