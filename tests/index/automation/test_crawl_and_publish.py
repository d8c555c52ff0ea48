"""The crawl workflow's steps from one run to the next, as on machines that keep nothing."""

from __future__ import annotations

import hashlib

import duckdb
import pytest

from index.database import open_index
from index.files.bundle import bundle_reach, write_bundle
from index.files.published import FACTS_NAME, INDEX_NAME, SCANS_NAME, SUMS_NAME
from tests.github_crawl.crawls import SECRET, kernel_file
from tests.github_server import Fault, What
from tests.github_server.releases import add_release
from tests.index.automation.jobs import Jobs, rows


def test_a_first_run_publishes_all_files_with_their_checksums(jobs: Jobs) -> None:
    done = jobs.crawl_and_publish()
    assert done.code == 0, done.err
    (release,) = jobs.releases()
    assert set(release.assets) == {INDEX_NAME, FACTS_NAME, SCANS_NAME, SUMS_NAME}
    listed = dict(
        reversed(line.split("  ")) for line in release.assets[SUMS_NAME].decode().splitlines()
    )
    assert listed == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in release.assets.items()
        if name != SUMS_NAME
    }
    assert len(jobs.live()) == 12
    assert rows(jobs.fetch(), "SELECT count(*) FROM scan_cache") == [(0,)]
    assert "begun from blank" in jobs.summary
    assert "| sources updated | 4 |" in jobs.summary
    assert f"published&#58; {release.tag}" in jobs.summary
    assert jobs.own.tracker.issues == {}


def test_a_first_run_begins_from_what_comes_with_the_package(jobs: Jobs) -> None:
    jobs.crawl()
    jobs.bundle = jobs.folder / "bundle"
    with open_index(jobs.index, reach=bundle_reach(jobs.folder / "scratch", jobs.bundle)) as con:
        write_bundle(con, jobs.folder / "scratch", jobs.bundle)
        dates = con.execute("SELECT id, first_seen FROM kernels ORDER BY id").fetchall()
    assert jobs.crawl_and_publish().code == 0
    assert "begun from bundled" in jobs.summary
    assert rows(jobs.fetch(), "SELECT id, first_seen FROM kernels ORDER BY id") == dates
    texts = rows(jobs.fetch(), "SELECT DISTINCT source LIKE '@triton.jit%' FROM kernel_rows")
    assert texts == [(True,)]


def test_an_unchanged_run_costs_a_free_request_each_and_publishes_nothing(jobs: Jobs) -> None:
    jobs.crawl_and_publish()
    before = len(jobs.server.log)
    done = jobs.crawl_and_publish()
    assert done.code == 0
    assert done.err.startswith("unchanged: index-")
    asked = [one for one in jobs.server.log[before:] if "/acme/" in one.path]
    assert [(one.is_api, one.status) for one in asked] == [(True, 304)] * 4
    assert len(jobs.releases()) == 1


def test_only_what_changed_is_parsed_again(jobs: Jobs) -> None:
    jobs.crawl_and_publish()
    jobs.hosted("acme/b").push({"k1.py": kernel_file("k1", step=2), "k9.py": kernel_file("k9")})
    assert jobs.crawl_and_publish().code == 0
    assert "| files parsed | 2 |" in jobs.summary
    assert "| kernels added | 1 |" in jobs.summary
    assert "acme/b:k9.py::k9" in jobs.live()
    assert len(jobs.releases()) == 2


def test_a_run_cut_short_by_the_limit_is_gone_on_with_by_the_next(jobs: Jobs) -> None:
    jobs.crawl_and_publish()
    names = ["acme/a", "acme/b", "acme/c", "acme/d"]
    for name in names:
        jobs.hosted(name).push({"new.py": kernel_file("new")})
    jobs.server.limit = jobs.server.used + 5
    cut = jobs.crawl()
    assert cut.code == 0, cut.err
    assert "left for the next run" in cut.err
    jobs.server.limit = 1000
    assert jobs.publish().code == 0
    first = {id for id in jobs.live() if id.endswith("new")}
    assert 1 <= len(first) < 4
    assert jobs.own.tracker.issues == {}
    assert jobs.crawl_and_publish().code == 0
    assert len([id for id in jobs.live() if id.endswith("new")]) == 4


def test_the_requests_and_minutes_granted_are_kept_to(jobs: Jobs) -> None:
    jobs.list_sources("acme/a", "acme/b")
    done = jobs.crawl("--requests", "0")
    assert done.code == 0
    assert done.err.count("left for the next run: the 0 requests granted") == 2
    done = jobs.crawl("--minutes", "0")
    assert done.err.count("left for the next run: the time granted") == 2


def empty_all(jobs: Jobs) -> None:
    """Make the crawled index one that lost kernels for no reason that can be seen."""
    with duckdb.connect(jobs.index) as con:
        con.execute("UPDATE kernel_rows SET removed_at = now() WHERE repo = 'acme/a'")


def test_a_result_that_is_not_sound_is_not_published_and_one_issue_says_why(jobs: Jobs) -> None:
    jobs.crawl_and_publish()
    good = jobs.releases()[0].tag
    for _ in range(2):
        jobs.crawl()
        empty_all(jobs)
        done = jobs.publish()
        assert done.code == 1
    (issue,) = jobs.own.tracker.issues.values()
    assert issue.is_open
    assert issue.labels == ["crawl-report"]
    assert "3 of 12 kernels are gone although their sources did not change" in (issue.body or "")
    assert f"The index of release {good} stays in place." in (issue.body or "")
    assert "/actions/runs/77" in (issue.body or "")
    assert [release.tag for release in jobs.releases()] == [good]
    assert len(jobs.live()) == 12
    jobs.hosted("acme/b").push({"new.py": kernel_file("new")})
    assert jobs.crawl_and_publish().code == 0
    assert not issue.is_open
    assert len(jobs.own.tracker.issues) == 1
    jobs.crawl()
    empty_all(jobs)
    jobs.publish()
    assert issue.is_open, "the same issue is opened again"
    assert len(jobs.own.tracker.issues) == 1


def test_a_person_may_publish_in_spite_of_doubts(jobs: Jobs) -> None:
    jobs.crawl_and_publish()
    jobs.crawl()
    empty_all(jobs)
    assert jobs.publish("--accept").code == 0
    assert len(jobs.live()) == 9


def test_a_crawl_that_left_no_index_is_told_in_the_issue(jobs: Jobs) -> None:
    jobs.crawl_and_publish()
    jobs.machine += 1
    assert jobs.publish().code == 1
    (issue,) = jobs.own.tracker.issues.values()
    assert "the crawl ended without an index" in (issue.body or "")


@pytest.mark.parametrize(
    ("name", "content"),
    [(INDEX_NAME, b"garbage"), (SUMS_NAME, None)],
    ids=["index altered", "checksums gone"],
)
def test_after_damage_the_release_before_is_gone_on_from(jobs: Jobs, name, content) -> None:
    jobs.crawl_and_publish()
    dates = rows(jobs.fetch(), "SELECT id, first_seen FROM kernels ORDER BY id")
    first = jobs.releases()[0].tag
    jobs.hosted("acme/a").push({"new.py": kernel_file("new")})
    jobs.crawl_and_publish()
    damaged = jobs.releases()[0]
    if content is None:
        del damaged.assets[name]
    else:
        damaged.assets[name] = content
    assert jobs.crawl_and_publish().code == 0
    assert f"begun from published {first}" in jobs.summary
    assert f"{damaged.tag} is damaged" in jobs.summary
    assert len(jobs.live()) == 13
    after = dict(rows(jobs.fetch(), "SELECT id, first_seen FROM kernels ORDER BY id"))
    assert [(id, after[id]) for id, _ in dates] == dates


def test_after_damage_of_all_that_was_published_the_crawl_begins_anew(jobs: Jobs) -> None:
    jobs.crawl_and_publish()
    (damaged,) = jobs.releases()
    damaged.assets[INDEX_NAME] = b"garbage"
    assert jobs.crawl_and_publish().code == 0
    assert f"{damaged.tag} is damaged" in jobs.summary
    assert "the crawl starts blank" in jobs.summary
    assert len(jobs.live()) == 12


def test_a_damaged_cache_of_scans_only_costs_time(jobs: Jobs) -> None:
    jobs.crawl_and_publish()
    jobs.releases()[0].assets[SCANS_NAME] = b"garbage"
    jobs.hosted("acme/a").push({"new.py": kernel_file("new")})
    assert jobs.crawl_and_publish().code == 0
    assert "without what earlier crawls parsed" in jobs.summary
    assert "| files parsed | 4 |" in jobs.summary
    assert len(jobs.live()) == 13


def test_a_published_index_out_of_reach_is_not_begun_without(jobs: Jobs) -> None:
    jobs.crawl_and_publish()
    jobs.server.script(Fault(what=What.BAD_GATEWAY, on="/octo/index/releases/*", times=None))
    assert jobs.crawl().code == 2
    assert jobs.publish().code == 1
    jobs.server.heal()
    assert len(jobs.releases()) == 1


def test_a_release_that_fails_half_way_is_seen_by_nobody(jobs: Jobs) -> None:
    jobs.crawl_and_publish()
    jobs.hosted("acme/a").push({"new.py": kernel_file("new")})
    jobs.crawl()
    jobs.server.script(Fault(what=What.BAD_GATEWAY, on="/api/uploads/*", first=2))
    assert jobs.publish().code == 1
    assert [release.draft for release in jobs.releases()] == [True, False]
    assert len(jobs.live()) == 12
    (issue,) = jobs.own.tracker.issues.values()
    assert issue.is_open
    jobs.server.heal()
    assert jobs.publish().code == 0
    assert [release.draft for release in jobs.releases()] == [False, False]
    assert len(jobs.live()) == 13
    assert not issue.is_open


def test_old_releases_are_cleared_away_and_others_left_alone(jobs: Jobs) -> None:
    tags = [f"index-2025010{day}T000000Z" for day in range(1, 5)]
    for tag in ("v0.1.0", *tags):
        add_release(jobs.own, tag)
    assert jobs.crawl_and_publish().code == 0
    left = [release.tag for release in jobs.releases()]
    assert left[1:] == [tags[3], tags[2], "v0.1.0"]
    for tag in tags:
        assert f"{tag} is damaged" in jobs.summary


def test_the_token_shows_nowhere(jobs: Jobs) -> None:
    said = []
    jobs.server.script(Fault(what=What.FORBIDDEN, on="*acme/b*"))
    for done in (jobs.crawl(), jobs.publish(), jobs.publish()):
        said += [done.out, done.err]
    written = [path.read_bytes() for path in jobs.folder.rglob("*") if path.is_file()]
    kept = [asset for release in jobs.releases() for asset in release.assets.values()]
    assert SECRET not in "".join(said)
    assert not any(SECRET.encode() in content for content in (*written, *kept))


def test_a_marker_in_somebodys_issue_is_not_ours(jobs: Jobs) -> None:
    jobs.own.tracker.ask("mine", "<!-- triton-index: why no index is published -->\nhello")
    assert jobs.publish().code == 1
    mine, ours = jobs.own.tracker.issues.values()
    assert (mine.title, mine.body) == (
        "mine",
        "<!-- triton-index: why no index is published -->\nhello",
    )
    assert ours.labels == ["crawl-report"]
