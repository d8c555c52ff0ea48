"""The releases of Triton: what came, what went and what replaces it, whom that breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from crawler.check.lookup import ApiEntry, changed_in, public_names
from crawler.enrich.api_table import load_table
from index.queries.api_users import fetch_users
from index.show.api_card import ApiUsers
from index.site.folder import SiteFolder
from index.site.kernels import Kernels
from index.site.pages import Page, render
from index.site.scripts import data_script

MOST_CAME = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release beside the one before it; `broken` counts kernels that it lacks a name for."""

    name: str
    came: Sequence[ApiEntry]
    n_came: int
    went: Sequence[ApiEntry]
    broken: int
    by_repo: Sequence[tuple[str, int]]
    works: int


def write_releases(con: duckdb.DuckDBPyConnection, folder: SiteFolder, kernels: Kernels) -> None:
    """Write the page of releases and the table of names that it searches."""
    table = load_table()
    releases = [
        _release(before, release, kernels)
        for before, release in zip(table.releases, table.releases[1:], strict=False)
    ]
    releases.reverse()
    users = _users(con, [entry.name for release in releases for entry in release.went])
    releases = [
        replace(one, went=sorted(one.went, key=lambda e: (-(users[e.name].kernels or 0), e.name)))
        for one in releases
    ]
    page = Page(
        address="releases.html",
        title="Triton's releases: what came, what went, what breaks",
        about="Every name and keyword of Triton by release, what replaces those that went, and how "
        "many open kernels each release breaks.",
    )
    html = render("releases.html", page, releases=releases, users=users, n=len(public_names()))
    folder.page(page.address, html)
    folder.write("data/api.js", data_script("api", _matrix(con)))


def _release(before: str, release: str, kernels: Kernels) -> Release:
    broken = [k for k in kernels.all if k.triton_max == before and not k.is_test]
    place = kernels.releases.index(release)
    works = sum(
        k.triton_min is not None
        and kernels.releases.index(k.triton_min) <= place
        and (k.triton_max is None or place <= kernels.releases.index(k.triton_max))
        for k in kernels.all
        if not k.is_test
    )
    came = changed_in(release, is_new=True)
    return Release(
        name=release,
        came=came[:MOST_CAME],
        n_came=len(came),
        went=changed_in(release, is_new=False),
        broken=len(broken),
        by_repo=Counter(k.repo for k in broken).most_common(12),
        works=works,
    )


def _users(con: duckdb.DuckDBPyConnection, names: Sequence[str]) -> Mapping[str, ApiUsers]:
    known = list(dict.fromkeys(names))
    return dict(zip(known, fetch_users(con, known), strict=True))


def _matrix(con: duckdb.DuckDBPyConnection) -> dict[str, object]:
    """Return every public name with the releases that have it, a bit each, and its users."""
    table = load_table()
    names = public_names()
    found = [table.find(name) for name in names]
    bits = [0 if each is None else each[1].releases for each in found]
    users = fetch_users(con, names)
    return {
        "releases": table.releases,
        "names": names,
        "bits": bits,
        "kernels": [user.kernels for user in users],
    }
