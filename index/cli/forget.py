"""`triton-index forget`."""

from __future__ import annotations

import click

from index.cli.group import Settings


@click.command()
@click.argument("words", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--kernels", is_flag=True, help="Also where kernels are known of it.")
@click.pass_obj
def command(settings: Settings, words: tuple[str, ...], kernels: bool) -> int:
    """Take a source out of the index.

    For one that was named by mistake, which would stay listed as failed. A crawl of a list that
    names it brings it back. Where kernels are known of it, vanished ones too, they go only with
    `--kernels`. Exits with 1 if a source is not known or not taken out.
    """
    from index.cli.output import note
    from index.files.location import index_to_write
    from index.store import Store

    path, seed = index_to_write(settings.db, note)
    code = 0
    with Store.open_for_writing(path, seed=seed) as store:
        for word in words:
            name, count = store.forget(_name(word), with_kernels=kernels)
            if name is None:
                note(f"{word}: no such source; `triton-index repos` lists them")
            elif count and not kernels:
                note(f"{name}: {count:,} kernels are known of it; they go with --kernels")
            else:
                note(f"forgotten: {name}, {count:,} kernels")
                continue
            code = 1
    return code


def _name(word: str) -> str:
    """Return the name under which a source is recorded; the word itself where it is none."""
    from crawler.errors import SourceError
    from crawler.sources import parse_source

    try:
        return parse_source(word).name
    except SourceError:
        return word
