"""`triton-index compile`."""

from __future__ import annotations

import os

import click

from index.cli.group import Settings
from index.cli.options import format_option

# What a person sees of each result, as far as it is known.
SHOWN = ("id", "triton", "target", "outcome", "shared_bytes", "registers", "instructions", "reason")


@click.command()
@click.argument("words", metavar="FILE[:NAME]... | import FILE", nargs=-1, required=True)
@click.option(
    "--triton", "releases", multiple=True, metavar="V", help="For this release (3.2, 3.6 and 3.9)."
)
@click.option(
    "--target", "targets", multiple=True, metavar="T", help="For this GPU: cuda:90, hip:gfx942."
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=lambda: min(4, os.cpu_count() or 1),
    metavar="N",
    help="Compile so many at a time.",
)
@format_option
@click.pass_obj
def command(
    settings: Settings,
    /,
    words: tuple[str, ...],
    releases: tuple[str, ...],
    targets: tuple[str, ...],
    jobs: int,
    style: str,
) -> int:
    """Compile kernels without a GPU, by release of Triton and kind of GPU.

    FILE is a Python file that holds what its kernels need; NAME is one of its jit functions. Each
    release is installed in the user's cache when it is first asked for. Only imports of Triton's
    language, literals and jit functions are ever run, in a process without files and network, for a
    minute at most. Types and constants that nobody names are guessed and told as assumptions.
    `compile import FILE` records in the index what `--format json` printed elsewhere. Exits with 1
    if something does not compile.
    """
    if words[:1] == ("import",):
        return _import(settings, words[1:])

    from index.cli.output import note, print_table
    from index.compiling.compile import compile_words
    from index.compiling.results import Outcome
    from index.show.compile_table import results_table

    results = compile_words(words, releases=releases, targets=targets, at_once=jobs, tell=note)
    table = results_table(results, flat=style in ("table", "md"))
    print_table(table, style, columns=SHOWN)
    bad = sum(result.outcome is not Outcome.COMPILED for result in results)
    note(f"{len(results) - bad:,} of {len(results):,} compiled")
    return 1 if bad else 0


def _import(settings: Settings, files: tuple[str, ...]) -> int:
    from pathlib import Path

    from index.cli.output import note
    from index.files.location import index_to_write
    from index.store import Store
    from index.tables.compilations import read_compilations

    if not files:
        raise click.UsageError("compile import takes a FILE")
    results = [result for file in files for result in read_compilations(Path(file))]
    path, seed = index_to_write(settings.db, note)
    with Store.open_for_writing(path, seed=seed) as store:
        known = store.save_compilations(results)
    note(f"{len(results):,} results; {known:,} kernels were compiled; index: {path}")
    return 0
