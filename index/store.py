"""The one writer of the index.

A source is one transaction. Nothing is published while a crawl runs: readers see whole runs, and
what a killed crawl had finished is taken up by the next (see `index.files.working`), so publishing
in between would buy nothing for the copies of the index that it costs.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Self

import duckdb

from crawler.models import (
    CrawledRepo,
    CrawlReport,
    KernelRecord,
    KnownRepo,
    RepoReport,
    RepoStatus,
    ScanSkip,
)
from index.compiling.results import CompileResult
from index.database import storage_errors
from index.errors import StoreError
from index.files.working import WorkingCopy
from index.matching import MatchedWish, save_matches
from index.tables.bookkeeping import (
    SEEN,
    WHOLE,
    decode_state,
    drop_unused_scans,
    save_files,
    save_repo,
    save_report,
    scanner_of,
)
from index.tables.compilations import mark_compiled, save_compilations
from index.tables.copies import refresh_copies
from index.tables.enriching import enrich_stale, save_documents, save_marks
from index.tables.forgetting import count_kernels, forget_repo
from index.tables.hardware import fill_hardware
from index.tables.histories import save_histories
from index.tables.merging import Merge, merge_kernels
from index.tables.operations import (
    drop_operations,
    list_operations,
    name_ops,
    save_operations,
)
from index.tables.renames import name_of_id, rename_repo, stored_name
from index.tables.search_tables import mark_search_stale, refresh_search
from index.tables.staging import Staging, clean_text
from index.tables.standing import fill_standing
from index.tables.verifications import mark_verified, save_verifications
from index.tables.wish_rows import known_wishes, save_reply, save_wishes
from verified_kernels.records import Record
from wishlist.models import KnownWishes, SyncedWishes
from wishlist.reply import Comment


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One crawl in progress."""

    id: str
    started_at: datetime


class Store:
    """An index open for writing; answers, as `KnownState`, what earlier crawls left.

    Leaving the `with` block publishes what was saved. After an error, or an interruption from the
    keyboard, nothing is published, and the sources that were saved wait beside the index for the
    next writer. Nor is a new index that started from a seed and to which nothing was added: it
    would hide the seed's successors. Safe to use from several threads.
    """

    def __init__(self, copy: WorkingCopy, con: duckdb.DuckDBPyConnection) -> None:
        self._copy = copy
        self._con = con
        self._staging = Staging(con, copy.staging)
        self._turn = RLock()
        self._has_news = False

    @classmethod
    def open_for_writing(cls, path: Path, *, seed: Path | None = None) -> Self:
        """Return the store of the index at `path`; a new index starts from `seed` or blank.

        Raises:
            StoreError: another writer is at work, `path` is no index or one of a newer schema,
                or its folder cannot be written.
        """
        copy = WorkingCopy(path, seed)
        con = copy.open()
        try:
            with storage_errors(path):
                return cls(copy, con)
        except StoreError:
            copy.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and (self._has_news or not self._copy.is_seeded):
                self._publish()
        finally:
            with self._turn:
                self._copy.close()

    def repo(self, name: str) -> KnownRepo | None:
        """Return what is known of this repository, None if it was never seen whole.

        It is known under its former names too. The commit of an empty one is empty.
        """
        with self._turn, storage_errors(self._copy.path):
            stored = stored_name(self._con, clean_text(name))
        rows = self._fetch(
            "SELECT name, commit, scanner_version, location, github, last_seen_at, is_history_due "
            "FROM repos "
            "WHERE name = $name AND (commit IS NOT NULL OR github IS NOT NULL)",
            name=stored,
        )
        return next((_known_repo(*row) for row in rows), None)

    def scans(self, blobs: Sequence[str], scanner_version: str) -> Mapping[str, bytes]:
        """Return the cached facts of those of the blobs that this scanner version has read."""
        rows = self._fetch(
            "SELECT blob, facts FROM scan_cache WHERE scanner_version = $version "
            "AND blob IN (SELECT unnest($blobs::VARCHAR[]))",
            version=scanner_version,
            blobs=list(blobs),
        )
        return dict(rows)

    def scans_of(self, repo: str, scanner_version: str) -> Mapping[str, bytes]:
        """Return the cached facts of all blobs that a repository had, likewise."""
        with self._turn, storage_errors(self._copy.path):
            stored = stored_name(self._con, clean_text(repo))
        rows = self._fetch(
            "SELECT blob, facts FROM scan_cache WHERE scanner_version = $version "
            "AND blob IN (SELECT blob FROM repo_blobs WHERE repo = $repo)",
            version=scanner_version,
            repo=stored,
        )
        return dict(rows)

    def histories(self, repo: str) -> Mapping[str, str]:
        """Return the files of a repository whose history is known: path -> blob it is that of."""
        with self._turn, storage_errors(self._copy.path):
            stored = stored_name(self._con, clean_text(repo))
        rows = self._fetch("SELECT path, blob FROM file_history WHERE repo = $repo", repo=stored)
        return dict(rows)

    def begin_run(self) -> Run:
        """Record that a crawl begins; its moment dates all that it finds."""
        started_at = datetime.now(UTC)
        run_id = f"{started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        with self._transaction() as con:
            con.execute(
                "INSERT INTO runs (run_id, started_at) VALUES (?, ?)", [run_id, _utc(started_at)]
            )
        return Run(id=run_id, started_at=started_at)

    def save(self, crawled: CrawledRepo, run: Run) -> RepoReport:
        """Store all that one source gave, or nothing of it; return what that changed.

        Raises:
            StoreError: the disk or the database refused; sources saved before are safe.
        """
        crawled = _without_doubles(crawled)
        with self._transaction() as con:
            crawled = self._follow_name(con, crawled)
            is_settled = crawled.status in WHOLE or crawled.status is RepoStatus.GONE
            merge = self._save_kernels(crawled, run) if is_settled else Merge()
            if crawled.status in WHOLE:
                save_files(con, self._staging, crawled)
                save_operations(con, self._staging, crawled)
            elif crawled.status is RepoStatus.GONE:
                drop_operations(con, clean_text(crawled.name))
            save_repo(con, crawled, _utc(run.started_at))
            if crawled.status in SEEN:
                save_marks(con, crawled)
            if crawled.status in WHOLE:
                save_documents(con, self._staging, crawled)
                save_histories(con, self._staging, crawled)
            self._has_news |= crawled.status in SEEN
            return save_report(con, self._staging, crawled, merge, run.id)

    def forget(self, name: str, *, with_kernels: bool) -> tuple[str | None, int]:
        """Take a source out, if no kernels are known of it or they may go too.

        Return the name it is stored under, None if it is not known, and how many kernels it has.
        """
        with self._transaction() as con:
            stored = stored_name(con, clean_text(name))
            if stored is None:
                return None, 0
            kernels = count_kernels(con, stored)
            if with_kernels or not kernels:
                forget_repo(con, stored)
                self._has_news = True
            return stored, kernels

    def save_verifications(self, records: Sequence[Record]) -> int:
        """Store what a run of the bundled kernels found; return how many kernels bear a result."""
        with self._transaction() as con:
            self._has_news = True
            save_verifications(con, self._staging, records, _utc(datetime.now(UTC)))
            return mark_verified(con, self._staging)

    def save_compilations(self, results: Sequence[CompileResult]) -> int:
        """Store what compiling kernels gave; return of how many kernels something is known."""
        with self._transaction() as con:
            self._has_news = True
            save_compilations(con, self._staging, results, _utc(datetime.now(UTC)))
            return mark_compiled(con)

    def finish_run(self, run: Run, repos: Sequence[RepoReport]) -> CrawlReport:
        """Record that a crawl has ended; return the report on all of it."""
        finished_at = datetime.now(UTC)
        seconds = round((finished_at - run.started_at).total_seconds(), 3)
        with self._transaction() as con:
            con.execute(
                "UPDATE runs SET finished_at = ?, seconds = ? WHERE run_id = ?",
                [_utc(finished_at), seconds, run.id],
            )
        return CrawlReport(
            run_id=run.id, started_at=run.started_at, seconds=seconds, repos=tuple(repos)
        )

    def wishes(self, repo: str) -> KnownWishes:
        """Return what earlier syncs left of the wish-list of a repository."""
        with self._turn, storage_errors(self._copy.path):
            return known_wishes(self._con, clean_text(repo))

    def save_wishes(self, synced: SyncedWishes) -> None:
        """Store what one sync found, or nothing of it."""
        with self._transaction() as con:
            self._has_news = True
            save_wishes(con, self._staging, synced)

    def save_reply(self, repo: str, number: int, comment: Comment, at: datetime) -> None:
        """Remember the comment that answers a wish."""
        with self._transaction() as con:
            self._has_news = True
            save_reply(con, repo, number, comment, _utc(at))

    def save_matches(self, matched: Iterable[MatchedWish]) -> None:
        """Store which kernels serve which wishes."""
        with self._transaction() as con:
            self._has_news = True
            save_matches(con, self._staging, matched)

    def _follow_name(self, con: duckdb.DuckDBPyConnection, crawled: CrawledRepo) -> CrawledRepo:
        """Return the source under the name that it is stored by, which may be its new one."""
        name = clean_text(crawled.name)
        stored = stored_name(con, name)
        if crawled.status not in WHOLE and crawled.renamed_from is None:
            # It came without kernels: what it is called elsewhere changes nothing.
            return crawled if stored is None else replace(crawled, name=stored)
        earlier = None if crawled.metadata is None else name_of_id(con, crawled.metadata.id)
        if crawled.renamed_from is None and earlier and earlier.lower() != name.lower():
            # Whoever named it knew its new name already.
            crawled = replace(crawled, renamed_from=earlier)
        known_as = {crawled.renamed_from and clean_text(crawled.renamed_from), stored, earlier}
        former = known_as - {name, None}
        for old in sorted(filter(None, former)):
            rename_repo(con, old, name)
            mark_search_stale(con)
        return crawled

    def _save_kernels(self, crawled: CrawledRepo, run: Run) -> Merge:
        known = self.repo(crawled.name)
        scanner = scanner_of(crawled.scanner_version)
        self._staging.load_kernels(crawled.kernels)
        merge = merge_kernels(
            self._con,
            self._staging,
            clean_text(crawled.name),
            run_id=run.id,
            at=_utc(run.started_at),
            is_same_scanner=known is None or scanner_of(known.scanner_version) == scanner,
            kept=map(clean_text, crawled.kept),
        )
        if merge.rows:
            mark_search_stale(self._con)
        return merge

    def _publish(self) -> None:
        with self._copy.publishing(), self._transaction() as con:
            drop_unused_scans(con)
            enrich_stale(con, self._staging)
            if name_ops(con, self._staging):
                mark_search_stale(con)
            list_operations(con)
            fill_hardware(con, self._staging)
            mark_verified(con, self._staging)
            mark_compiled(con)
            refresh_copies(con, self._staging)
            fill_standing(con, self._staging)
            refresh_search(con, self._staging)

    def _fetch(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        with self._turn, storage_errors(self._copy.path):
            return self._con.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._turn, storage_errors(self._copy.path):
            self._con.begin()
            try:
                yield self._con
            except BaseException:
                with suppress(duckdb.Error):
                    self._con.rollback()
                raise
            self._con.commit()


def _known_repo(
    name: str,
    commit: str | None,
    scanner: str | None,
    location: str,
    github: str | None,
    seen_at: datetime,
    is_history_due: bool,
) -> KnownRepo:
    return KnownRepo(
        name=name,
        commit=commit or "",
        # None: it came with the package, so there is nothing that a crawl could go on from.
        scanner_version=scanner or "",
        location=location,
        github=None if github is None else decode_state(github),
        crawled_at=seen_at.replace(tzinfo=UTC),
        is_history_due=is_history_due,
    )


def _utc(moment: datetime) -> datetime:
    """Return an aware moment as the index keeps it: UTC, unmarked."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _without_doubles(crawled: CrawledRepo) -> CrawledRepo:
    """Return the source with one kernel an id; the others become skips.

    Only names that UTF-8 cannot carry, or that were made to, can come out as one id.
    """
    kernels: dict[str, KernelRecord] = {}
    doubles: list[ScanSkip] = []
    for kernel in crawled.kernels:
        if kernels.setdefault(clean_text(kernel.id), kernel) is not kernel:
            reason = f"{kernel.qualname}: its id belongs to another definition"
            doubles.append(ScanSkip(path=kernel.path, reason=reason))
    if not doubles:
        return crawled
    skipped = (*crawled.skipped, *doubles)
    return replace(crawled, kernels=tuple(kernels.values()), skipped=skipped)
