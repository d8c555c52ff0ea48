"""`triton-index crawl`."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from index.cli.group import Settings

if TYPE_CHECKING:
    from crawler.cluster import Cluster
    from crawler.models import SourceRepo

HERE = Path("sources.toml")


@click.command()
@click.argument("words", metavar="[SOURCE]...", nargs=-1)
@click.option(
    "--sources",
    "listed",
    type=click.Path(path_type=Path),
    help="Crawl the sources of this list.  [default: sources.toml here, else the program's own]",
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Scan in N processes.")
@click.option(
    "--dask", metavar="ADDRESS", help="Crawl on a Dask cluster; see docs/run-your-own.md."
)
@click.option("--full", is_flag=True, help="Read everything again, whatever is cached.")
@click.option(
    "--format", "style", type=click.Choice(["json"]), help="Print the crawl report on stdout."
)
@click.pass_obj
def command(
    settings: Settings,
    /,
    words: tuple[str, ...],
    listed: Path | None,
    jobs: int | None,
    dask: str | None,
    full: bool,
    style: str | None,
) -> int:
    """Scan sources into the index.

    SOURCE is owner/name[@ref] or its GitHub URL, owner/name=PATH (a clone that stands for the
    repository), pypi:dist[==version], or PATH (a folder). Without any, the list is crawled.
    Readers see the old index until the crawl has ended; what a killed crawl had finished, the
    next one takes up. Exits with 1 if a source failed or is gone.
    """
    import time
    from dataclasses import asdict, replace

    from index.cli.output import emit, note
    from index.cli.progress import crawl_progress, working
    from index.crawling import crawl_into, has_failures, summary
    from index.files.location import index_to_write
    from index.show.render import to_json
    from index.store import Store

    sources = _sources(words, listed)
    path, seed = index_to_write(settings.db, note)
    began = time.monotonic()
    try:
        with (
            _cluster(dask) as cluster,
            ExitStack() as publishing,
            Store.open_for_writing(path, seed=seed) as store,
        ):
            with crawl_progress(len(sources), debug=settings.debug) as progress:
                report = crawl_into(
                    store, sources, jobs=jobs, full=full, progress=progress, cluster=cluster
                )
            # Leaving the store works out what is known across sources, which takes its time.
            publishing.enter_context(working("bringing the index up to date"))
    except KeyboardInterrupt:
        note("sources that were finished are kept; run the same again to go on from here")
        raise
    # Those that passed, with all that came after the last source.
    report = replace(report, seconds=round(time.monotonic() - began, 3))
    note(f"{summary(report)}; index: {path}")
    if style == "json":
        emit(lambda out: out.write(f"{to_json(asdict(report))}\n"))
    return 1 if has_failures(report) else 0


def _cluster(address: str | None) -> AbstractContextManager[Cluster | None]:
    if address is None:
        return nullcontext()
    from crawler.dask_cluster import dask_cluster

    return dask_cluster(address)


def _sources(words: tuple[str, ...], listed: Path | None) -> tuple[SourceRepo, ...]:
    from crawler.sources import as_listed, listed_sources, load_sources, parse_sources

    if words and listed is not None:
        raise click.UsageError("give SOURCE words or --sources FILE, not both")
    if words:
        return as_listed(parse_sources(words), load_sources(listed_sources()))
    if listed is None:
        listed = HERE if HERE.exists() else listed_sources()
    return load_sources(listed)
