"""From a crawled index to a release, if it is sound; the last good release stays otherwise.

Readers see a release with all of its files or not at all: it is filled as a draft and then shown
in one step, as the latest. The ones before stay for a while, so that a reader who has begun with
one can end with it, and so that a damaged one has a predecessor.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crawler.github.releases import Release, Releases
from crawler.models import SourceRepo
from index.automation.actions import Job
from index.automation.assets import build_assets
from index.automation.base import TAG_PREFIX, Base, Origin, fetch_base
from index.automation.news import has_news
from index.automation.publication import Publication, Verdict
from index.automation.soundness import find_doubts
from index.automation.summary import contents_table, markdown
from index.database import open_index, schema_faults
from index.errors import StoreError
from index.files.published import INDEX_NAME

KEPT = 3
"""So many releases of the index stay."""
MAX_AGE = timedelta(days=7)
"""After so long an index without news is published too: its dates tell that all was looked at."""

_TAG_FORM = f"{TAG_PREFIX}%Y%m%dT%H%M%SZ"


def publish(
    job: Job,
    folder: Path,
    listed: Sequence[SourceRepo],
    *,
    now: datetime,
    accept: bool = False,
) -> Publication:
    """Publish the index that a crawl left in `folder`, if it is sound and has news.

    With `accept` a person has looked at the doubts and wants it published all the same.

    Raises:
        GithubError: GitHub does not do its part; what was published stays.
        PublishedError: The published index cannot be reached to hold the new one against.
        StoreError: The disk is full, or the like.
    """
    crawled = folder / INDEX_NAME
    base = fetch_base(job, folder / "published" / INDEX_NAME, with_scans=False)
    if not crawled.exists():
        return _refused(base, ("the crawl ended without an index; its log says why",))
    try:
        # The crawl job reads what strangers wrote; nothing is built from what it hands over
        # before that is known to be an index of this program's make.
        with open_index(crawled) as con:
            faults = schema_faults(con)
        if faults:
            return _refused(base, tuple(f"the schema is not this program's: {f}" for f in faults))
        files = build_assets(crawled, folder / "release")
        with ExitStack() as stack:
            new = stack.enter_context(open_index(folder / "release" / INDEX_NAME))
            is_old = base.origin is Origin.PUBLISHED
            old = stack.enter_context(open_index(base.path)) if is_old else None
            doubts = find_doubts(new, old, listed)
            is_news = old is None or has_news(old, new)
            notes = markdown(contents_table(new, old))
    except StoreError as error:
        return _refused(base, (f"the crawled index cannot be opened: {error}",))
    if doubts and not accept:
        return _refused(base, doubts)
    if not is_news and base.tag is not None and now - _moment(base.tag) < MAX_AGE:
        return Publication(verdict=Verdict.UNCHANGED, tag=base.tag, notes=base.notes)
    tag = release(job, files, notes=notes, now=now)
    return Publication(
        verdict=Verdict.PUBLISHED,
        tag=tag,
        reasons=doubts,
        notes=base.notes,
        files=tuple((file.name, file.stat().st_size) for file in files),
    )


def release(job: Job, files: Sequence[Path], *, notes: str, now: datetime) -> str:
    """Show these files as the latest release and return its tag; old releases are cleared away.

    Raises:
        GithubError: GitHub does not do its part; no reader sees anything of it.
    """
    tag = now.astimezone(UTC).strftime(_TAG_FORM)
    with job.client() as client:
        releases = Releases(client, job.repo)
        for unfinished in _ours(releases, drafts=True):
            releases.delete(unfinished)
        title = f"Index of {now:%Y-%m-%d %H:%M} UTC"
        draft = releases.make_draft(tag, commit=job.commit, title=title, notes=notes)
        for file in files:
            releases.upload(draft, file)
        releases.publish(draft)
        for old in _ours(releases, drafts=False)[KEPT:]:
            releases.delete(old)
    return tag


def _ours(releases: Releases, *, drafts: bool) -> list[Release]:
    """Return the releases that hold an index, the latest first."""
    found = (one for one in releases.latest() if one.tag.startswith(TAG_PREFIX))
    return sorted((one for one in found if one.is_draft is drafts), key=lambda one: one.tag)[::-1]


def _refused(base: Base, reasons: tuple[str, ...]) -> Publication:
    return Publication(verdict=Verdict.REFUSED, tag=base.tag, reasons=reasons, notes=base.notes)


def _moment(tag: str) -> datetime:
    """Return when an index was published, by its tag; long ago if that does not tell."""
    try:
        return datetime.strptime(tag, _TAG_FORM).replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
