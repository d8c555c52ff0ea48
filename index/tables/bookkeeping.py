"""What the index keeps of a source besides its kernels: state, skips, scans, reports."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import duckdb
import msgspec

from crawler.models import CrawledRepo, RepoReport, RepoStatus
from crawler.states import GithubState, RepoMetadata
from index.tables.merging import Merge
from index.tables.staging import Staging, clean_text

# With these a crawled source is the whole truth about its repository.
WHOLE = frozenset({RepoStatus.UPDATED, RepoStatus.EMPTY})
# With these its content was seen, if only to find it unchanged.
SEEN = WHOLE | {RepoStatus.UNCHANGED}


def save_files(con: duckdb.DuckDBPyConnection, staging: Staging, crawled: CrawledRepo) -> None:
    """Store what was skipped, which blobs are in use, and what was read in the new ones."""
    values = {"repo": clean_text(crawled.name)}
    path_and_reason = {"path": "VARCHAR", "reason": "VARCHAR"}
    staging.load("staged_skips", map(asdict, crawled.skipped), path_and_reason)
    con.execute("DELETE FROM skips WHERE repo = $repo", values)
    con.execute("INSERT INTO skips SELECT $repo, path, reason FROM staged_skips", values)

    blobs = ({"blob": blob} for blob in sorted(set(crawled.blobs)))
    staging.load("staged_blobs", blobs, {"blob": "VARCHAR"})
    con.execute("DELETE FROM repo_blobs WHERE repo = $repo", values)
    con.execute("INSERT INTO repo_blobs SELECT $repo, blob FROM staged_blobs", values)

    scans = {scan.blob: asdict(scan) for scan in crawled.scans}
    staging.load("staged_scans", scans.values(), {"blob": "VARCHAR", "facts": "VARCHAR"})
    version = {"version": scanner_of(crawled.scanner_version)}
    con.execute(
        "DELETE FROM scan_cache "
        "WHERE scanner_version = $version AND blob IN (SELECT blob FROM staged_scans)",
        version,
    )
    con.execute(
        "INSERT INTO scan_cache SELECT blob, $version, from_base64(facts) FROM staged_scans",
        version,
    )


def save_repo(con: duckdb.DuckDBPyConnection, crawled: CrawledRepo, at: datetime) -> None:
    """Store how the crawl of a source ended; what was known before a failure stays."""
    con.execute(
        """
        INSERT INTO repos (name, location, status, error, first_crawled_at, last_crawled_at)
        VALUES ($name, $location, $status, $error, $at, $at)
        ON CONFLICT (name) DO UPDATE SET
            location = excluded.location, status = excluded.status, error = excluded.error,
            last_crawled_at = excluded.last_crawled_at
        """,
        {
            "name": clean_text(crawled.name),
            "location": clean_text(crawled.location),
            "status": _reported(crawled).value,
            "error": None if crawled.error is None else clean_text(crawled.error),
            "at": at,
        },
    )
    if crawled.status in SEEN:
        con.execute(
            "UPDATE repos SET last_seen_at = ? WHERE name = ?", [at, clean_text(crawled.name)]
        )
    if crawled.status in WHOLE:
        con.execute(
            """
            UPDATE repos SET commit = $commit, version = $version, scanner_version = $scanner,
                files_seen = $files_seen, files_parsed = $files_parsed, kernels = $kernels,
                is_history_due = $is_history_due
            WHERE name = $name
            """,
            {
                "commit": crawled.commit,
                "version": crawled.version,
                "scanner": crawled.scanner_version,
                "files_seen": crawled.files_seen,
                "files_parsed": crawled.files_parsed,
                "kernels": _count_live(con, crawled.name),
                "is_history_due": crawled.is_history_due,
                "name": clean_text(crawled.name),
            },
        )
    if crawled.status is RepoStatus.GONE:
        # Should it come back, even with the same commit, all of it is to be read.
        con.execute(
            "UPDATE repos SET commit = NULL, kernels = 0 WHERE name = ?",
            [clean_text(crawled.name)],
        )
    save_github(con, crawled)


def save_github(con: duckdb.DuckDBPyConnection, crawled: CrawledRepo) -> None:
    """Store what GitHub said of a repository, where it said anything."""
    name = clean_text(crawled.name)
    if crawled.github is not None or crawled.status in WHOLE:
        # Content that came another way: what GitHub once said of other content must not stay.
        state = crawled.github and msgspec.json.encode(crawled.github).decode()
        con.execute("UPDATE repos SET github = ? WHERE name = ?", [state, name])
    if crawled.renamed_from is not None:
        con.execute(
            "UPDATE repos SET former_names = list_distinct(list_append(former_names, $former)) "
            "WHERE name = $name",
            {"former": clean_text(crawled.renamed_from), "name": name},
        )
    if crawled.metadata is not None:
        _save_metadata(con, name, crawled.metadata)


def _save_metadata(con: duckdb.DuckDBPyConnection, name: str, metadata: RepoMetadata) -> None:
    con.execute(
        """
        UPDATE repos SET github_id = $id, stars = $stars, forks = $forks, license = $license,
            description = $description, topics = $topics, is_archived = $archived
        WHERE name = $name
        """,
        {
            "name": name,
            "id": metadata.id,
            "stars": metadata.stars,
            "forks": metadata.forks,
            "license": metadata.license,
            "description": None
            if metadata.description is None
            else clean_text(metadata.description),
            "topics": [clean_text(topic) for topic in metadata.topics],
            "archived": metadata.archived,
        },
    )


def decode_state(data: str) -> GithubState | None:
    """Return the state that was stored; None where another program version wrote it."""
    try:
        return msgspec.json.decode(data, type=GithubState)
    except msgspec.DecodeError:
        return None


def save_report(
    con: duckdb.DuckDBPyConnection,
    staging: Staging,
    crawled: CrawledRepo,
    merge: Merge,
    run_id: str,
) -> RepoReport:
    """Store and return what the crawl of one source did."""
    report = RepoReport(
        repo=crawled.name,
        status=_reported(crawled),
        commit=crawled.commit,
        files_seen=crawled.files_seen,
        files_parsed=crawled.files_parsed,
        kernels=_count_live(con, crawled.name),
        added=merge.added,
        changed=merge.changed,
        removed=merge.removed,
        skipped=crawled.skipped,
        requests=crawled.requests,
        error=crawled.error,
        renamed_from=crawled.renamed_from,
    )
    described = con.execute("DESCRIBE run_repos").fetchall()
    columns = {str(name): str(kind) for name, kind, *_ in described}
    staging.load("staged_report", [{"run_id": run_id, **asdict(report)}], columns)
    con.execute("INSERT INTO run_repos BY NAME SELECT * FROM staged_report")
    return report


def _reported(crawled: CrawledRepo) -> RepoStatus:
    """Return the status for people: that a repository has another name comes first."""
    is_renamed = crawled.renamed_from is not None and crawled.status in SEEN
    return RepoStatus.RENAMED if is_renamed else crawled.status


def scanner_of(version: str) -> str:
    """Return which scanner read a source; what follows its version is which files it was shown."""
    return version.partition("+")[0]


def drop_unused_scans(con: duckdb.DuckDBPyConnection) -> None:
    """Forget the scans of blobs that no source holds any more, and of scanners none was read by.

    Sources that do not tell their blobs keep every scan alive.
    """
    con.execute(
        """
        DELETE FROM scan_cache
        WHERE scanner_version NOT IN (
            SELECT split_part(scanner_version, '+', 1) FROM repos WHERE scanner_version IS NOT NULL
        ) OR (
            blob NOT IN (SELECT blob FROM repo_blobs) AND NOT EXISTS (
                FROM repos WHERE kernels > 0 AND scanner_version IS NOT NULL
                    AND name NOT IN (SELECT repo FROM repo_blobs)
            )
        )
        """
    )


def _count_live(con: duckdb.DuckDBPyConnection, repo: str) -> int:
    row = con.execute(
        "SELECT count(*) FROM kernel_rows WHERE repo = ? AND removed_at IS NULL",
        [clean_text(repo)],
    ).fetchone()
    return 0 if row is None else int(row[0])
