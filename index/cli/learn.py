"""`triton-index learn`."""

from __future__ import annotations

from functools import partial
from typing import TextIO

import click

from index.cli.group import Settings
from index.cli.options import Listing, listing_options


@click.command()
@click.argument("words", metavar="[STAGE | STAGE.N | curated | check STAGE.N FILE.py]", nargs=-1)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Check in Triton's interpreter, or on a GPU.",
)
@click.option("--forward", is_flag=True, help="Check results alone, not gradients.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    help="Limit of time of each function's check.",
)
@listing_options()
@click.pass_obj
def command(
    settings: Settings,
    words: tuple[str, ...],
    device: str,
    forward: bool,
    seconds: float,
    listing: Listing,
) -> int:
    """Show the learning path, or check your answer to an exercise.

    An exercise says what to write, which verified kernels answer it, whom to imitate, what to
    measure, the trap, and what to read. `learn check 1.2 mine.py` holds each function of the file
    that is called like one of the exercise (or the one of FILE.py:FUNCTION) to a float64
    reference, on the CPU: it tells where it is wrong, not how to mend it. Needs the extra
    `kernels`. `learn curated` lists kernels that people pointed out, with what became of each.
    Exits with 1 if something is wrong, or has left.
    """
    if words[:1] == ("check",):
        return _check(words[1:], device=device, forward=forward, seconds=seconds)
    if len(words) > 1:
        raise click.UsageError("give a STAGE, a STAGE.N, or `check STAGE.N FILE.py`")
    if not words:
        return _list(listing)
    if words == ("curated",):
        return _curated(settings, listing)
    return _show(settings, words[0], listing.style)


def _list(listing: Listing) -> int:
    from index.cli.output import print_listing
    from index.learning.path_table import as_table

    print_listing(
        as_table(), listing, record="exercise", columns=("exercise", "title", "functions")
    )
    return 0


def _curated(settings: Settings, listing: Listing) -> int:
    from index.cli.output import note, print_listing
    from index.database import open_index
    from index.files.location import index_to_read
    from index.learning.curated import Whereabouts, as_table, find_curated, load_curated

    with open_index(index_to_read(settings.db, note)) as con:
        found = find_curated(con, load_curated())
    columns = ("name", "where", "id", "note")
    print_listing(as_table(found), listing, record="curated", columns=columns)
    left = [one.meant for one in found if one.where is Whereabouts.GONE]
    for meant in left:
        note(f"{meant} has left its repository; who knows where it is now may say so")
    return 1 if left else 0


def _show(settings: Settings, word: str, style: str) -> int:
    from index.cli.output import emit, note
    from index.database import open_index
    from index.files.location import index_to_read
    from index.learning.card import card_of, stage_card
    from index.learning.examples import find_examples
    from index.learning.plan import find_exercise, find_stage
    from index.show.render import to_json

    if "." not in word:
        stage = find_stage(word)
        emit(lambda out: out.write(stage_card(stage)))
        return 0
    exercise = find_exercise(word)
    with open_index(index_to_read(settings.db, note)) as con:
        card = card_of(exercise, find_examples(con, exercise.examples))
    if style in ("json", "jsonl"):
        emit(lambda out: out.write(f"{to_json(card.record())}\n"))
    else:
        emit(lambda out: out.write(card.text()))
    return 0


def _check(words: tuple[str, ...], *, device: str, forward: bool, seconds: float) -> int:
    from index.cli.output import emit, note
    from index.learning.checking import check, functions_of
    from index.learning.plan import find_exercise
    from index.plain_text import printable

    if len(words) != 2:
        raise click.UsageError("learn check takes STAGE.N and FILE.py, or FILE.py:FUNCTION")
    exercise = find_exercise(words[0])
    verdicts = []
    for name, candidate in functions_of(exercise, words[1]):
        note(f"checking {candidate} ...")
        verdict = check(exercise, name, candidate, device=device, forward=forward, seconds=seconds)
        emit(partial(_write, printable("\n".join(verdict.told())) + "\n"))
        verdicts.append(verdict)
    missing = [name for name in exercise.functions if name not in {v.function for v in verdicts}]
    if missing and ":" not in words[1]:
        note(f"not in {words[1]}: {', '.join(missing)}")
    if exercise.unchecked:
        note(exercise.unchecked)
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def _write(text: str, out: TextIO) -> None:
    out.write(text)
