"""`triton-index get`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from index.cli.group import Settings

if TYPE_CHECKING:
    from crawler.extract.result import Extraction
    from index.getting import Wanted


@click.command()
@click.argument("id")
@click.option("--triton", metavar="VERSION", help="Resolve branches for this release.")
@click.option("--target", metavar="TARGET", help="Likewise: cuda:90 (the default), hip:gfx942 ...")
@click.option("--launcher", is_flag=True, help="Give the nearest function that launches it too.")
@click.option("--any-license", is_flag=True, help="Print code whose licence is unknown or closed.")
@click.option("-o", "file", type=click.Path(path_type=Path), help="Write to this file.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["python", "json"]),
    default="python",
    show_default=True,
    help="How to print it.",
)
@click.pass_obj
def command(
    settings: Settings,
    id: str,
    triton: str | None,
    target: str | None,
    launcher: bool,
    any_license: bool,
    file: Path | None,
    style: str,
) -> int:
    """Print one kernel as one self-contained file.

    It imports Triton alone.

    Constants and device functions come along from wherever the project has them, its decorators
    become plain autotune and heuristics, and the head of the file tells what was replaced or left
    out and the licence of each part. ID may be the end of one, as for show. Exits with 1 if the
    kernel cannot be had whole, or its licence is unknown or not open.
    """
    from index.getting import Wanted

    return _get(
        settings,
        id,
        Wanted(triton=triton, target=target, launcher=launcher),
        (any_license, file, style),
    )


def _get(settings: Settings, id: str, wanted: Wanted, how: tuple[bool, Path | None, str]) -> int:
    from crawler.errors import SnapshotError
    from crawler.extract.result import NotExtractable
    from index.cli.output import note
    from index.cli.show import no_kernel, note_copies
    from index.database import open_index
    from index.errors import QueryError
    from index.files.location import index_to_read
    from index.getting import fetch_place, get_kernel
    from index.queries.lookup import find_kernel

    with open_index(index_to_read(settings.db, note)) as con:
        found = find_kernel(con, id)
        if found.id is None:
            return no_kernel(id, found.others, is_ambiguous=found.is_ambiguous)
        kernel = fetch_place(con, found.id)
    note_copies(id, found)
    any_license, file, style = how
    try:
        made = get_kernel(kernel, wanted, tell=note)
    except ValueError as error:
        raise QueryError(str(error)) from error
    except SnapshotError as error:
        note(f"{found.id}: {error}")
        return 1
    if isinstance(made, NotExtractable):
        note(f"{found.id}: {made.reason}")
        return 1
    if not any_license and not _is_open(found.id, made):
        return 1
    _write(_text(found.id, made, style), file)
    return 0


def _is_open(id: str, made: Extraction) -> bool:
    """Tell whether every part may be passed on; say of the first that may not."""
    from crawler.enrich.license_class import license_class
    from index.cli.output import note

    for part in made.parts:
        if part.license is None or license_class(part.license) is None:
            why = "unknown" if part.license is None else f"{part.license}, which is not open"
            note(
                f"{id}: the licence of {part.name} is {why}; read it at {part.permalink}, "
                "or print it all the same with --any-license"
            )
            return False
    return True


def _text(id: str, made: Extraction, style: str) -> str:
    if style != "json":
        return made.source
    from index.show.render import to_json

    parts = [
        {
            "name": part.name,
            "permalink": part.permalink,
            "license": part.license,
            "kind": str(part.kind),
        }
        for part in made.parts
    ]
    record = {
        "id": id,
        "source": made.source,
        "parts": parts,
        "replaced": list(made.replaced),
        "left_out": list(made.left_out),
        "triton_min": made.triton_min,
        "triton_max": made.triton_max,
    }
    return f"{to_json(record)}\n"


def _write(text: str, file: Path | None) -> None:
    from index.cli.output import emit
    from index.errors import OutputError

    if file is None:
        emit(lambda out: out.write(text))
        return
    try:
        file.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise OutputError(f"{file}: {error.strerror}; name a file that can be written") from error
