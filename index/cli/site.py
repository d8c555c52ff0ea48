"""`triton-index site`."""

from __future__ import annotations

from pathlib import Path

import click

from index.cli.group import Settings


@click.group()
def command() -> None:
    """Make the static page of the index.

    It opens from a folder or from any web server, and asks nothing of another.
    """


@command.command()
@click.argument("dir", type=click.Path(path_type=Path))
@click.option(
    "--base-url",
    metavar="URL",
    help="Where it will be served, for the addresses that must be absolute: feed and sitemap.",
)
@click.pass_obj
def build(settings: Settings, dir: Path, base_url: str | None) -> None:
    """Write the site to a folder.

    It opens from there, by a double click on index.html, and from any web server. The folder must
    be empty, new, or a site made before. It appears whole or not at all.
    """
    from index.cli.output import note
    from index.database import open_index
    from index.files.location import index_to_read
    from index.site.build import build_site, drafts
    from index.site.folder import site_folder

    path = index_to_read(settings.db, note)
    with open_index(path, reach=drafts(dir)) as con, site_folder(dir) as folder:
        built = build_site(con, folder, base_url=base_url)
    note(f"{built.kernels} kernels, {built.pages} pages written to {dir}")
