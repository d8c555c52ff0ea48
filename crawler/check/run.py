"""Bytes of files -> what a check of them answers. Pure: who calls it reads and prints."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from crawler.check.api import host_findings, kernel_findings
from crawler.check.findings import Checked, CheckedKernel, Finding, in_order
from crawler.check.ignores import is_ignored
from crawler.check.rules import RULES
from crawler.check.rules.code import KernelCode, kernel_codes
from crawler.check.rules.hazard import Rule
from crawler.check.source import CheckedFile, read_file
from crawler.check.wanted import Wanted
from crawler.enrich.api_table import load_table
from crawler.enrich.versions import version_ranges
from crawler.models import KernelRecord, ScannedKernel, ScanSkip
from crawler.scan import link_snapshot, may_hold_kernels, offered_names
from crawler.scan.evaluate import Evaluator
from crawler.scan.result import Gated, concerns, held_back


@dataclass(eq=False)
class Check:
    """A check of some files.

    `is_shown` tells of which files findings are told; all of them are read, to follow names.
    """

    rules: Sequence[Rule] = tuple(rule for rule in RULES if rule.is_default)
    wanted: Callable[[str], Wanted | None] = lambda path: None
    is_shown: Callable[[str], bool] = lambda path: True
    tells_all: bool = False
    """Tell also what the releases wanted all have."""
    files: dict[str, CheckedFile] = field(default_factory=dict)

    def run(self, data: Mapping[str, bytes]) -> Checked:
        """Return the answer for files by path."""
        self.files, skipped = _read(data)
        facts = {path: file.facts for path, file in self.files.items()}
        evaluator = Evaluator(facts)
        kernels = link_snapshot(facts, paths=data, evaluator=evaluator)
        every = [
            *kernel_findings(self.files, kernels),
            *host_findings(evaluator, self.files, kernels),
        ]
        names = [f for f in in_order(_once(every)) if self._is_shown(f)]
        ranges = zip(kernels, version_ranges(kernels), strict=True)
        first, last = _together(names) if self._is_of_triton(kernels) else (None, None)
        found = [*(f for f in names if self._is_told(f)), *self._hazards(kernels)]
        ids = {rule.id for rule in self.rules}
        return Checked(
            kernels=tuple(
                CheckedKernel(
                    path=_path(kernel),
                    qualname=kernel.qualname,
                    line=kernel.def_line,
                    triton_min=span.min,
                    triton_max=span.max,
                )
                for kernel, span in ranges
                if self.is_shown(kernel.path)
            ),
            findings=in_order([f for f in found if f.rule in ids and not self._is_silenced(f)]),
            triton_min=first,
            triton_max=last,
            skipped=tuple(s for s in skipped if self.is_shown(s[0])),
            n_files=len(self.files),
        )

    def line_of(self, finding: Finding) -> str:
        """Return the source line of a finding."""
        return self._lines(finding, finding.line, finding.line)[0]

    def contradicts(self, finding: Finding) -> bool:
        """Tell whether a finding says no to a release that is wanted, or to all there are."""
        if finding.releases is None:
            return False
        wanted = self.wanted(finding.file)
        if wanted is None:
            return not finding.releases
        return bool(wanted.releases & ~finding.releases)

    def _is_told(self, finding: Finding) -> bool:
        is_held = self.wanted(finding.file) is not None
        return self.tells_all or not is_held or self.contradicts(finding)

    def _is_shown(self, finding: Finding) -> bool:
        return self.is_shown(finding.file)

    def _is_of_triton(self, kernels: Sequence[ScannedKernel]) -> bool:
        return bool(kernels) or any(file.host for file in self.files.values())

    def _is_silenced(self, finding: Finding) -> bool:
        lines = self._lines(finding, finding.line, finding.end_line)
        return any(is_ignored(finding.rule, line) for line in lines)

    def _lines(self, finding: Finding, first: int, last: int) -> list[str]:
        file = self.files[finding.file]
        starts = {cell: start - 1 for start, cell in file.facts.cells}
        offset = 0 if finding.cell is None else starts[finding.cell]
        return [file.text(line + offset) for line in range(first, last + 1)]

    def _hazards(self, kernels: Sequence[ScannedKernel]) -> Iterator[Finding]:
        rules = [rule for rule in self.rules if rule.find is not None]
        for code in kernel_codes(kernels) if rules else ():
            if self.is_shown(code.kernel.path):
                for rule in rules:
                    yield from _hazard_findings(rule, code)


def choose_rules(select: Iterable[str], ignore: Container[str]) -> tuple[Rule, ...]:
    """Return the rules to go by: those selected, else those that are on by default.

    `all` selects every rule; what is ignored is left out of either.
    """
    chosen = frozenset(select)
    return tuple(
        rule
        for rule in RULES
        if rule.id not in ignore
        and (rule.id in chosen or "all" in chosen or (not chosen and rule.is_default))
    )


def _read(data: Mapping[str, bytes]) -> tuple[dict[str, CheckedFile], list[tuple[str, str]]]:
    """Return the files that matter, and those that could not be read, with why."""
    files: dict[str, CheckedFile] = {}
    skipped: list[tuple[str, str]] = []
    held: dict[str, Gated] = {}
    waiting = sorted(data)
    while waiting:
        for path in waiting:
            if path not in held and not may_hold_kernels(data[path]):
                held[path] = held_back(data[path])
                continue
            held.pop(path, None)
            file = read_file(path, data[path])
            if isinstance(file, ScanSkip):
                skipped.append((path, file.reason))
            else:
                files[path] = file
                skipped.extend((f"{path}[{cell}]", why) for cell, why in file.facts.skipped)
        offered = offered_names({path: file.facts for path, file in files.items()})
        waiting = [path for path, gated in held.items() if concerns(gated, offered)]
    return {path: files[path] for path in sorted(files)}, skipped


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings, of those that say the same of one place the kernel's own."""
    found: dict[object, Finding] = {}
    for finding in findings:
        key = replace(finding, kernel=None)
        if key not in found or found[key].kernel is None:
            found[key] = finding
    yield from found.values()


def _together(findings: Iterable[Finding]) -> tuple[str | None, str | None]:
    """Return the first and last release that have everything; the last None for the newest."""
    table = load_table()
    releases = table.all
    for finding in findings:
        if finding.releases is not None:
            releases &= finding.releases
    if not releases:
        return None, None
    first, last = (releases & -releases).bit_length() - 1, releases.bit_length() - 1
    newest = len(table.releases) - 1
    return table.releases[first], None if last == newest else table.releases[last]


def _hazard_findings(rule: Rule, code: KernelCode) -> Iterator[Finding]:
    assert rule.find is not None
    for hazard in rule.find(code):
        yield Finding(
            path=_path(code.kernel),
            line=hazard.line,
            column=hazard.column,
            end_line=hazard.end_line,
            end_column=hazard.end_column,
            rule=rule.id,
            message=hazard.message,
            name=hazard.name,
            instead=hazard.instead,
            kernel=code.kernel.qualname,
        )


def _path(kernel: ScannedKernel | KernelRecord) -> str:
    return kernel.path if kernel.cell is None else f"{kernel.path}[{kernel.cell}]"
