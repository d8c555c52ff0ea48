"""`triton-index compile`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from index.cli.group import Settings
from index.cli.options import format_option

if TYPE_CHECKING:
    from index.compiling.results import CompileResult

# What a person sees of each result, as far as it is known.
SHOWN = ("id", "triton", "target", "outcome", "shared_bytes", "registers", "instructions", "reason")


@click.command()
@click.argument("words", metavar="ID | FILE[:NAME]... | import FILE", nargs=-1, required=True)
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
    """Compile kernels without a GPU, by release and target.

    ID is a kernel of the index, or the end of its id: its code is read from its source and made one
    file. FILE is a Python file that holds what its kernels need; NAME is one of its functions. Each
    release is installed in the user's cache when it is first asked for. Only imports of Triton's
    language, literals and jit functions are ever run, in a process without files and network, for a
    minute at most. Types and constants that nobody names are guessed and told as assumptions.
    `compile import FILE` records in the index what `--format json` printed elsewhere. Exits with 1
    if something does not compile. Results of the index's kernels are kept in an index of your own.
    """
    if words[:1] == ("import",):
        return _import(settings, words[1:])

    from functools import partial

    from index.cli.output import note, print_table
    from index.compiling.compile import compile_words, is_file
    from index.compiling.results import Outcome
    from index.files.location import index_to_read
    from index.show.compile_table import results_table

    index = partial(index_to_read, settings.db, note)
    results = compile_words(
        words, index=index, releases=releases, targets=targets, at_once=jobs, tell=note
    )
    if not all(map(is_file, words)):
        _keep(settings, results)
    table = results_table(results, flat=style in ("table", "md"))
    print_table(table, style, columns=SHOWN)
    bad = sum(result.outcome is not Outcome.COMPILED for result in results)
    note(f"{len(results) - bad:,} of {len(results):,} compiled")
    return 1 if bad else 0


def _keep(settings: Settings, results: Sequence[CompileResult]) -> None:
    """Keep results of the index's kernels in it, unless it is the one that came along."""
    from index.files.location import own_index
    from index.store import Store

    path = settings.db or own_index()
    if path.exists():
        with Store.open_for_writing(path) as store:
            store.save_compilations(results)


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
