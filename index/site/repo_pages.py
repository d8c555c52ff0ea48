"""A page for each source: what it has, by op and file, and the badge that it may show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import duckdb

from index.site.badges import badge_address, kernels_badge
from index.site.folder import SiteFolder
from index.site.kernels import Kernel, Kernels, range_text
from index.site.pages import Page, render, repo_address

MOST_LISTED = 400


def write_repos(
    con: duckdb.DuckDBPyConnection, folder: SiteFolder, kernels: Kernels, home: str
) -> None:
    """Write the pages of all sources that hold a kernel, their list, and their badges."""
    rows = con.execute(_REPOS).fetchall()
    columns = [name for name, *_ in con.description or ()]
    listed = []
    for row in rows:
        facts = dict(zip(columns, row, strict=True))
        found = kernels.by_repo.get(facts["name"], ())
        if not found:
            continue
        licenses = Counter(k.license for k in found if k.license)
        facts["license"] = facts["license"] or next(iter(dict(licenses.most_common(1))), None)
        listed.append((facts, len(found), len({op for k in found for op in k.ops})))
        _write_repo(folder, kernels, facts, found, home)
    page = Page(
        address="repo/index.html",
        title="Repositories and packages with Triton kernels",
        about=f"{len(listed)} sources of open Triton kernels, with licence and what they hold.",
    )
    folder.page(page.address, render("repos.html", page, listed=listed))


def _write_repo(
    folder: SiteFolder,
    kernels: Kernels,
    facts: dict[str, Any],
    found: Sequence[Kernel],
    home: str,
) -> None:
    name = facts["name"]
    public = [k for k in found if not k.is_test]
    badge = badge_address(name)
    folder.write(badge, kernels_badge(public or found))
    page = Page(
        address=repo_address(name),
        title=f"{name}: its Triton kernels",
        about=f"{len(found)} Triton kernels of {name}: what they compute and where they run.",
    )
    files: dict[str, list[Kernel]] = {}
    for kernel in found[:MOST_LISTED]:
        files.setdefault(kernel.path, []).append(kernel)
    html = render(
        "repo.html",
        page,
        facts=facts,
        web=_web_address(name),
        found=found,
        ops=Counter(op for k in public for op in k.ops).most_common(60),
        best=[(k, kernels.reasons(k), kernels.marks(k)) for k in kernels.best(public)[:10]],
        files=files,
        ranges=Counter(range_text(k.triton_min, k.triton_max) for k in public).most_common(8),
        releases=kernels.releases,
        most=MOST_LISTED,
        badge=badge,
        badge_code=f"[![Triton kernels]({home}{badge})]({home}{repo_address(name)})",
    )
    folder.page(page.address, html)


def _web_address(name: str) -> str | None:
    """Return where a source is to be seen; None for folders of somebody's own."""
    if name.startswith("pypi:"):
        return f"https://pypi.org/project/{name.removeprefix('pypi:')}/"
    return f"https://github.com/{name}" if name.count("/") == 1 else None


_REPOS = """
SELECT name, status, commit, version, stars, license, description, last_seen_at, marks, fork_of
FROM repos ORDER BY lower(name), name
"""
