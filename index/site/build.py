"""The site, from an index to a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from index.errors import StoreError
from index.queries.export import draft_of, export_kernels
from index.queries.fields import KERNEL_FIELDS, OPERATION_FIELDS, WISH_FIELDS
from index.site.badges import range_badges
from index.site.folder import MARK, SiteFolder
from index.site.kernel_cards import card_shards
from index.site.kernel_list import kernel_list
from index.site.kernels import Kernels, read_kernels
from index.site.learning import exercises_by_op, write_learn, write_resources
from index.site.needed import write_needed
from index.site.news import write_news
from index.site.op_pages import write_ops
from index.site.outlines import write_outlines
from index.site.pages import Page, assets, render
from index.site.postings import posting_shards
from index.site.releases import write_releases
from index.site.repo_pages import write_repos
from index.site.scripts import data_script
from index.site.verified import write_verified
from index.site.words import joined_words, written_words
from index.tables.verifications import HOME

PARQUET = "data/kernels.parquet"
# Where the project's own page is, for badges that are shown elsewhere.
PUBLIC = "https://gpu-mode.github.io/triton-index/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a site holds."""

    kernels: int
    pages: int


def build_site(
    con: duckdb.DuckDBPyConnection,
    folder: SiteFolder,
    *,
    base_url: str | None = None,
    tell: Callable[[str], object] = lambda step: None,
) -> Built:
    """Write the site of an index into a folder; `tell` hears of each step.

    Raises:
        StoreError: the index has kernels that its search does not know of.
    """
    _refuse_stale(con)
    tell("search")
    kernels = write_search(con, folder)
    tell("kernels")
    known = read_kernels(con)
    _write_kernels(con, folder, kernels, known)
    tell("pages")
    write_front(con, folder)
    _write_pages(con, folder, known, base_url)
    folder.write(MARK, json.dumps({"made_by": "triton-index"}))
    return Built(kernels=kernels["n"], pages=len(folder.pages))


def _refuse_stale(con: duckdb.DuckDBPyConnection) -> None:
    searched, live = con.execute(
        "SELECT (SELECT count(*) FROM search_documents), "
        "(SELECT count(*) FROM kernel_rows WHERE removed_at IS NULL) "
        "+ (SELECT count(*) FROM operations)"
    ).fetchall()[0]
    if searched != live:
        raise StoreError(
            f"{live - searched} kernels of this index cannot be searched yet; "
            "`triton-index crawl` brings it up to date"
        )


def write_search(con: duckdb.DuckDBPyConnection, folder: SiteFolder) -> dict[str, Any]:
    """Write what the page searches; return the number `n` of kernels and the releases known."""
    listed = kernel_list(con)
    shards = []
    for n, (first, shard) in enumerate(posting_shards(con)):
        shards.append(first)
        folder.write(f"data/postings/{n}.js", data_script(f"postings/{n}", shard))
    folder.write("data/list.js", data_script("list", listed | {"shards": shards}))
    folder.write("data/words.js", data_script("words", written_words(con)))
    folder.write("data/joined-words.js", data_script("joined-words", joined_words(con)))
    return {"n": len(listed["columns"]["tail"]), "releases": listed["releases"]}


def _write_kernels(
    con: duckdb.DuckDBPyConnection, folder: SiteFolder, known: dict[str, Any], kernels: Kernels
) -> None:
    shards = card_shards(con, kernels.standing)
    for n, cards in enumerate(shards):
        folder.write(f"data/kernels/{n}.js", data_script(f"kernels/{n}", cards))
    about = {"shards": len(shards), "releases": known["releases"]}
    folder.write("data/kernels.js", data_script("kernels", about))
    (folder.path / "data").mkdir(exist_ok=True)
    export_kernels(con, folder.path / PARQUET, facts_only=True)
    folder.write("data/schema.json", json.dumps(_schema(con), indent=1))


def _write_pages(
    con: duckdb.DuckDBPyConnection, folder: SiteFolder, kernels: Kernels, base_url: str | None
) -> None:
    write_ops(folder, kernels, write_needed(con, folder, kernels), exercises_by_op())
    write_repos(con, folder, kernels, base_url or PUBLIC)
    for address, badge in range_badges(kernels.all).items():
        folder.write(address, badge)
    write_verified(con, folder, kernels, HOME)
    write_releases(con, folder, kernels)
    write_learn(folder, kernels)
    write_resources(folder, kernels)
    write_news(con, folder, kernels, base_url)
    write_outlines(folder, kernels, base_url)


def _schema(con: duckdb.DuckDBPyConnection) -> dict[str, object]:
    types = {row[0]: row[1] for row in con.execute("DESCRIBE kernels").fetchall()}
    return {
        "kernels": [
            {"name": name, "type": types.get(name), "meaning": meaning}
            for name, meaning in KERNEL_FIELDS.items()
        ],
        "operations": [{"name": n, "meaning": text} for n, text in OPERATION_FIELDS.items()],
        "wishes": [{"name": n, "meaning": text} for n, text in WISH_FIELDS.items()],
    }


def write_front(con: duckdb.DuckDBPyConnection, folder: SiteFolder) -> None:
    """Write the search page, the page of one kernel, and what all pages share."""
    for name, data in assets().items():
        folder.write(f"assets/{name}", data)
    counts = con.execute(
        "SELECT count(*), count(DISTINCT repo), "
        "(SELECT count(DISTINCT op) FROM (SELECT unnest(ops) AS op FROM kernels "
        "WHERE removed_at IS NULL)) FROM kernels WHERE removed_at IS NULL"
    ).fetchall()[0]
    front = Page(
        address="index.html",
        title="triton-index: every open Triton kernel, searchable",
        about=f"{counts[0]:,} open Triton kernels of {counts[1]} repositories: what each computes, "
        "under which licence, and which releases of Triton it runs on.",
    )
    folder.page("index.html", render("search.html", front, counts=counts, examples=EXAMPLES))
    kernel = Page(address="kernel.html", title="A Triton kernel", about="All that is known of it.")
    folder.page("kernel.html", render("kernel.html", kernel))


EXAMPLES = (
    "rms norm with residual",
    "flash attention backward",
    "fp8 matmul",
    "paged attention decode",
    "fused linear cross entropy",
    "moe grouped gemm",
    "online softmax",
)


def drafts(dest: Path) -> tuple[Path, ...]:
    """Return the files beside the pages that a connection must reach while a site is made."""
    draft = dest.with_name(f"{dest.name}.part") / PARQUET
    return (draft_of(draft),)
