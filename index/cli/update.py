"""`triton-index update`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from index.cli.group import Settings

if TYPE_CHECKING:
    from index.files.update import Update

# So many sources are named; more make no line to read.
NAMED = 5


@click.command()
@click.option(
    "--from",
    "address",
    metavar="ADDRESS",
    envvar="TRITON_INDEX_URL",
    show_envvar=True,
    help="The folder that holds SHA256SUMS and index.duckdb.  [default: the project's releases]",
)
@click.pass_obj
def command(settings: Settings, address: str | None) -> int:
    """Fetch the published index and swap it in.

    It comes over HTTPS, is held to its checksum and schema, and takes the place of your own index
    at once; readers keep what they opened. An index that you crawled into is kept beside it. If
    the published one is the one you have, nothing is fetched. If it cannot be had, yours stays
    and the exit code is 1.
    """
    from index.cli.output import note
    from index.cli.progress import download_progress
    from index.files.location import own_index
    from index.files.published import PUBLISHED, PublishedError, PublishedIndex
    from index.files.update import update_index

    path = settings.db or own_index()
    published = PublishedIndex(address or PUBLISHED)
    try:
        with download_progress() as progress:
            done = update_index(path, published, on_progress=progress)
    except PublishedError as error:
        note(f"not updated: {error}; {_what_stays(settings.db, path)}")
        return 1
    for line in _told(done, path):
        note(line)
    return 0


def _what_stays(named: Path | None, path: Path) -> str:
    from index.files.location import has_bundle

    if path.exists():
        return f"the index at {path} stays as it is"
    if named is None and has_bundle():
        return "the bundled index stays in use"
    return "there is no index here yet"


def _told(done: Update, path: Path) -> list[str]:
    """Return what there is to say of an update that went well."""
    contents = done.contents
    when = contents.crawled_at
    crawled = "" if when is None else f", crawled {when:%Y-%m-%d %H:%M} UTC"
    what = f"{contents.kernels:,} kernels of {len(contents.locations):,} sources{crawled}"
    lines = [f"{'updated' if done.is_new else 'already the newest'}: {what}; index: {path}"]
    if done.kept is not None:
        lines.append(f"the index that you crawled into before is kept as {done.kept}")
    if done.lacking:
        more = len(done.lacking) - NAMED
        named = " ".join(done.lacking[:NAMED]) + (f" and {more} more" if more > 0 else "")
        lines.append(f"to have in the new one what only that has, crawl again: {named}")
    return lines
