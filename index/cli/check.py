"""`triton-index check`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from index.cli.streams import imports_for_good

if TYPE_CHECKING:
    from crawler.check.findings import Checked
    from crawler.check.run import Check
    from crawler.check.wanted import Wanted
    from index.checking import Inputs

STYLES = ("table", "json", "jsonl", "md", "github", "sarif")


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--triton", "spec", metavar="SPEC", help="Releases to hold it to: 3.4, '>=3.2,<3.8'.")
@click.option(
    "--format",
    "style",
    type=click.Choice(STYLES),
    default="table",
    show_default=True,
    help="How to print it.",
)
@click.option("--include-tests", is_flag=True, help="Tell of tests in folders too.")
@click.option("--all", "tells_all", is_flag=True, help="Tell what the releases asked for have too.")
@click.option("--select", metavar="RULES", multiple=True, help="Only these rules; `all` for all.")
@click.option("--ignore", metavar="RULES", multiple=True, help="All but these rules.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Leave out the findings that this file lists.",
)
@click.option("--write-baseline", is_flag=True, help="Write the findings to that file instead.")
def command(
    paths: tuple[str, ...],
    spec: str | None,
    style: str,
    include_tests: bool,
    tells_all: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    baseline: Path | None,
    write_baseline: bool,
) -> int:
    """Tell which Triton releases have all that your own kernels use.

    PATH is a file, a notebook, a folder, a clone as owner/name=PATH, or - for stdin. Kernels and
    the code around them are read; nothing is run, stored or needed: no index, no Triton, no GPU.
    Without --triton the project's manifest says which releases count; what all of those have is
    left out. A comment `# triton-index: ignore[rule]` silences a line. Exits with 1 if a release
    asked for lacks something, or all releases do.
    """
    with imports_for_good():
        from crawler.check.run import Check, choose_rules
        from crawler.check.wanted import parse_wanted
        from index.checking import read_inputs

    rules = choose_rules(_rules(select), _rules(ignore))
    asked = None if spec is None else parse_wanted(spec)
    if write_baseline and baseline is None:
        raise click.UsageError("--write-baseline needs --baseline FILE")
    inputs = read_inputs(paths)
    stated = {} if asked is not None else inputs.wanted()
    check = Check(
        rules=rules,
        wanted=lambda path: asked or stated.get(path),
        is_shown=lambda path: include_tests or path not in inputs.tests,
        tells_all=tells_all,
    )
    checked = check.run(inputs.files)
    if baseline is not None and write_baseline:
        return _write_baseline(baseline, check, checked)
    if baseline is not None:
        checked = _without_known(baseline, check, checked)
    _print(style, check, checked)
    _say(inputs, checked, [asked] if asked is not None else stated.values())
    return 1 if any(map(check.contradicts, checked.findings)) else 0


def _rules(words: Iterable[str]) -> frozenset[str]:
    """Return the rules named in options, each of which may list several."""
    from crawler.check.rules import RULES

    known = [rule.id for rule in RULES]
    named = frozenset(name for word in words for name in word.replace(",", " ").split())
    for name in sorted(named - {*known, "all"}):
        raise click.UsageError(f"no rule is called {name!r}; there are {', '.join(known)}")
    return named


def _write_baseline(path: Path, check: Check, checked: Checked) -> int:
    from crawler.check.baseline import to_baseline
    from index.cli.output import note

    path.write_text(to_baseline(checked.findings, check.line_of), encoding="utf-8")
    note(f"{path}: {len(checked.findings)} findings")
    return 0


def _without_known(path: Path, check: Check, checked: Checked) -> Checked:
    from dataclasses import replace

    from crawler.check.baseline import read_baseline, without_known

    known = read_baseline(path.read_text("utf-8"), str(path))
    left = tuple(without_known(checked.findings, known, check.line_of))
    return replace(checked, findings=left)


def _print(style: str, check: Check, checked: Checked) -> None:
    from index.cli.output import emit
    from index.show.findings import WRITERS
    from index.show.report import Report

    report = Report(checked=checked, line_of=check.line_of, is_error=check.contradicts)
    emit(lambda out: WRITERS[style](report, out))


def _say(inputs: Inputs, checked: Checked, held_to: Iterable[Wanted]) -> None:
    """Tell on stderr what was read, what it was held to and which releases have everything."""
    from index.cli.output import note

    for path, reason in sorted({*inputs.skipped, *checked.skipped}):
        note(f"not read: {path}: {reason}")
    for text in sorted({f"{w.text} ({w.source})" if w.source else w.text for w in held_to}):
        note(f"held to: {text}")
    note(
        f"{len(inputs.files)} files, {len(checked.kernels)} kernels, "
        f"{len(checked.findings)} findings; {_range_words(checked)}"
    )


def _range_words(checked: Checked) -> str:
    if checked.triton_min is not None:
        last = f"to {checked.triton_max}" if checked.triton_max is not None else "on"
        return f"all is had from Triton {checked.triton_min} {last}"
    if not checked.kernels and not any(f.is_of_releases for f in checked.findings):
        return "nothing of Triton is used"
    return "no release of Triton has all of it"
