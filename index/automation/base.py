"""The index that a crawl starts from: the last published one that is whole, or what there is."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from crawler.github.releases import Release, Releases
from index.automation.actions import Job
from index.automation.assets import join_scans
from index.errors import StoreError
from index.files.location import bundled_index
from index.files.published import SCANS_NAME, PublishedError, PublishedIndex
from index.files.update import update_index

TAG_PREFIX = "index-"
"""Of the releases that hold an index; the others are none of ours."""


class Origin(StrEnum):
    """Where a crawl starts from."""

    PUBLISHED = "published"
    BUNDLED = "bundled"
    BLANK = "blank"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a crawl starts from; `path` holds it, unless it is blank. `notes` say what was wrong."""

    origin: Origin
    path: Path
    tag: str | None = None
    notes: tuple[str, ...] = ()


def fetch_base(job: Job, path: Path, *, with_scans: bool) -> Base:
    """Put the last published index that is whole at `path`; without one, the bundled one.

    A release that is damaged is passed over and named. One that can only not be reached now is
    not: the history of the index would be lost for a network that was down.

    Raises:
        GithubError: The releases cannot be listed.
        PublishedError: The published index cannot be reached now.
        StoreError: The folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    notes = []
    for release in published_releases(job):
        published = PublishedIndex(f"{job.releases_address}/{release.tag}")
        try:
            update_index(path, published)
        except PublishedError as error:
            if error.may_pass:
                raise
            notes.append(f"{release.tag} is damaged: {error}")
            continue
        if with_scans:
            notes += _fetch_scans(published, path)
        return Base(origin=Origin.PUBLISHED, path=path, tag=release.tag, notes=tuple(notes))
    bundled = bundled_index(notes.append)
    if bundled is not None:
        shutil.copyfile(bundled, path)
    origin = Origin.BLANK if bundled is None else Origin.BUNDLED
    return Base(origin=origin, path=path, notes=(*notes, f"the crawl starts {origin}"))


def published_releases(job: Job) -> tuple[Release, ...]:
    """Return the releases that hold an index, the latest first."""
    with job.client() as client:
        releases = Releases(client, job.repo).latest()
    ours = (one for one in releases if one.tag.startswith(TAG_PREFIX) and not one.is_draft)
    return tuple(sorted(ours, key=lambda one: one.tag, reverse=True))


def _fetch_scans(published: PublishedIndex, path: Path) -> list[str]:
    """Give the index its cache of scans; without it a crawl only parses more than it must."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        scans = Path(folder) / SCANS_NAME
        try:
            published.fetch(SCANS_NAME, scans, published.sums())
            join_scans(path, scans)
        except (PublishedError, StoreError) as error:
            return [f"without what earlier crawls parsed: {error}"]
    return []
