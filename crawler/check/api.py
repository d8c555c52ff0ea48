"""Kernels and host code of a check -> findings on names of Triton's, by the rules of the ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from crawler.check.findings import API, UNKNOWN_API, Finding
from crawler.check.replacements import replacement_of
from crawler.check.source import CheckedFile
from crawler.check.wording import range_sentence, unknown_sentence, with_replacement
from crawler.enrich.api_table import load_table
from crawler.enrich.needs import Need, needs_of
from crawler.enrich.versions import kernel_needs
from crawler.models import ScannedKernel
from crawler.scan.evaluate import Evaluator
from crawler.scan.linked_uses import link_uses


def kernel_findings(
    files: Mapping[str, CheckedFile], kernels: Sequence[ScannedKernel]
) -> Iterator[Finding]:
    """Yield what some release lacks of what each kernel uses itself, at its own lines.

    Of several definitions under one name, which branches choose from, one has to be had.
    """
    own = [kernel_needs(kernel) for kernel in kernels]
    had: dict[tuple[str, str], dict[int, int]] = {}
    for index, kernel in enumerate(kernels):
        had.setdefault((kernel.path, kernel.qualname), {})[index] = _all_of(own[index])
    for index, kernel in enumerate(kernels):
        twins = had[kernel.path, kernel.qualname].items()
        besides = _any_of(releases for twin, releases in twins if twin != index)
        file = files[kernel.path]
        yield from _findings(file, _placed(own[index], kernel, file), kernel, besides)


def host_findings(
    evaluator: Evaluator, files: Mapping[str, CheckedFile], kernels: Iterable[ScannedKernel]
) -> Iterator[Finding]:
    """Yield what some release lacks of what the code around kernels uses."""
    inside = {(kernel.path, kernel.qualname) for kernel in kernels}
    for path, file in files.items():
        functions = file.facts.functions
        for used in file.host:
            if any((path, functions[index].qualname) in inside for index in used.owners):
                continue
            linked = link_uses(evaluator, path, [used.use])
            for use in (*linked.uses, *linked.needs):
                if not _may_be_inherited(use.name):
                    yield from _findings(file, needs_of(use), None, 0)


def _may_be_inherited(name: str) -> bool:
    """Tell whether a name is a class's member, which the table lists where it is defined alone."""
    table = load_table()
    found = table.find(name)
    head = "" if found is None else found[0].rpartition(".")[0]
    return found is not None and "." in head and not table.is_module(head)


def _all_of(needs: Iterable[Need]) -> int:
    releases = load_table().all
    for need in needs:
        releases &= need.releases
    return releases


def _any_of(sets: Iterable[int]) -> int:
    found = 0
    for each in sets:
        found |= each
    return found


def _placed(needs: Sequence[Need], kernel: ScannedKernel, file: CheckedFile) -> Iterator[Need]:
    """Yield the needs that show in the kernel's own lines.

    What its decorators rest on elsewhere is host code and told there. What shows nowhere is told
    at its head, unless it shows somewhere too.
    """
    shown = {need.symbol for need in needs if need.places}
    offset = _offset(kernel, file)
    first, last = kernel.start_line + offset, kernel.end_line + offset
    for need in needs:
        places = tuple(place for place in need.places if first <= place[0] <= last)
        if places:
            yield _at(need, places)
        elif not need.places and need.symbol not in shown:
            yield _at(need, ((kernel.def_line + offset, 0),))


def _at(need: Need, places: tuple[tuple[int, int], ...]) -> Need:
    return Need(need.releases, need.symbol, need.reason, need.dialect, places)


def _offset(kernel: ScannedKernel, file: CheckedFile) -> int:
    """Return how many lines stand before the kernel's cell in the joined notebook."""
    starts = {cell: first - 1 for first, cell in file.facts.cells}
    return 0 if kernel.cell is None else starts[kernel.cell]


def _findings(
    file: CheckedFile, needs: Iterable[Need], kernel: ScannedKernel | None, besides: int
) -> Iterator[Finding]:
    """Yield a finding for each place of a need that some release does not meet.

    `besides` are the releases in which something else is taken instead.
    """
    table = load_table()
    for need in needs:
        releases = need.releases | besides
        if releases == table.all or (not need.releases and besides):
            continue
        is_unknown = need.reason.startswith("no release")
        if is_unknown and releases:
            continue  # on a branch that a release may never take
        for place in need.places:
            yield _finding(file, need, releases, place, kernel)


def _finding(
    file: CheckedFile,
    need: Need,
    releases: int,
    place: tuple[int, int],
    kernel: ScannedKernel | None,
) -> Finding:
    table = load_table()
    span = file.span(place, need.symbol)
    path, line = file.address(span.line)
    found = replacement_of(need.symbol)
    sentence = range_sentence(need, releases) if releases else unknown_sentence(need)
    newest = len(table.releases) - 1
    first, last = (releases & -releases).bit_length() - 1, releases.bit_length() - 1
    is_gone = not releases >> newest & 1
    instead = found.instead if found is not None and is_gone else None
    return Finding(
        path=path,
        line=line,
        column=span.column,
        end_line=line + span.end_line - span.line,
        end_column=span.end_column,
        rule=API if releases else UNKNOWN_API,
        message=with_replacement(sentence, instead),
        name=need.symbol,
        since=table.releases[first] if releases else None,
        until=table.releases[last] if releases and last < newest else None,
        instead=instead,
        kernel=kernel.qualname if kernel is not None else None,
        dialect=need.dialect,
        releases=releases,
    )
