"""Which repository is meant: renames, other repositories of the same name, what GitHub says."""

from __future__ import annotations

import json

import pytest

from crawler.models import SourceKind, SourceRepo
from tests.github_crawl import command
from tests.github_crawl.crawls import Crawls, kernel_file

OLD, NEW = "octo/kernels", "acme/triton-kernels"
FILES = {"k.py": kernel_file("k"), "gone.py": kernel_file("gone")}


@pytest.fixture
def renamed(crawls: Crawls) -> Crawls:
    """A repository that was crawled and then renamed."""
    crawls.server.world.add(OLD, FILES)
    crawls.one(OLD)
    crawls.server.world.rename(OLD, NEW)
    return crawls


def test_a_renamed_repository_keeps_its_kernels_and_their_dates(renamed):
    dates = renamed.rows("SELECT qualname, first_seen FROM kernels ORDER BY id")
    report = renamed.one(OLD)
    assert (report.repo, report.status, report.renamed_from) == (NEW, "renamed", OLD)
    assert (report.kernels, report.added, report.changed, report.removed) == (2, 0, 0, 0)
    assert renamed.live() == [f"{NEW}:gone.py::gone", f"{NEW}:k.py::k"]
    assert renamed.rows("SELECT qualname, first_seen FROM kernels ORDER BY id") == dates
    assert renamed.rows("SELECT name, former_names FROM repos") == [(NEW, [OLD])]
    served = len(renamed.server.log)
    report = renamed.one(OLD)
    assert (report.repo, report.status, report.requests) == (NEW, "unchanged", 1)
    assert [one.status for one in renamed.server.log[served:]] == [304]


def test_a_rename_and_a_push_at_once(renamed):
    renamed.server.world.repos[NEW].push({"k.py": kernel_file("k", step=2)}, remove=["gone.py"])
    report = renamed.one(OLD)
    assert (report.status, report.renamed_from) == ("renamed", OLD)
    assert (report.added, report.changed, report.removed) == (0, 1, 1)
    assert renamed.live() == [f"{NEW}:k.py::k"]


@pytest.mark.parametrize(
    "source",
    [NEW, SourceRepo(name=NEW, kind=SourceKind.GITHUB, formerly=(OLD,))],
    ids=["unannounced", "announced"],
)
def test_a_list_that_has_the_new_name(renamed, source):
    report = renamed.one(source)
    assert (report.repo, report.status, report.renamed_from) == (NEW, "renamed", OLD)
    assert (report.added, report.removed) == (0, 0)
    assert renamed.rows("SELECT name, former_names FROM repos") == [(NEW, [OLD])]
    assert renamed.one(source).status == "unchanged"


def test_a_list_that_has_both_names(renamed):
    statuses = {repo.repo for repo in renamed.run(OLD, NEW).repos}
    assert statuses == {NEW}
    assert renamed.live() == [f"{NEW}:gone.py::gone", f"{NEW}:k.py::k"]
    assert renamed.rows("SELECT name, former_names FROM repos") == [(NEW, [OLD])]


def test_a_rename_that_only_changes_case(crawls):
    crawls.server.world.add(OLD, FILES)
    crawls.one(OLD)
    crawls.server.world.rename(OLD, OLD.upper())
    assert crawls.one(OLD).kernels == 2
    assert len(crawls.live()) == 2


def test_a_rename_shows_in_every_listing(renamed):
    done = command.run(renamed, "crawl", OLD, "--format", "json")
    (report,) = json.loads(done.out)["repos"]
    assert (done.code, report["status"], report["renamed_from"]) == (0, "renamed", OLD)
    assert f"renamed: {NEW}: 2 kernels, formerly {OLD}\n" in done.err
    (repo,) = json.loads(command.run(renamed, "repos", "--format", "json").out)
    assert (repo["repo"], repo["status"], repo["former_names"]) == (NEW, "renamed", [OLD])
    latest = json.loads(command.run(renamed, "runs", "--format", "json").out)[0]
    assert (latest["renamed"], latest["failed"]) == (1, 0)


@pytest.mark.parametrize("change", ["nothing", "full", "choice of files"])
def test_another_repository_of_the_same_name_is_only_taken_when_asked_for(crawls, change):
    crawls.server.world.add(OLD, FILES)
    crawls.one(OLD)
    crawls.server.world.replace(OLD, {"new.py": kernel_file("new")})
    include = ("*.py",) if change == "choice of files" else ()
    source = SourceRepo(name=OLD, kind=SourceKind.GITHUB, include=include)
    report = crawls.one(source, full=change == "full")
    if change == "full":
        assert (report.status, report.added, report.removed) == ("updated", 1, 2)
        assert crawls.one(source).status == "unchanged"
    else:
        assert (report.status, report.kernels, report.removed) == ("gone", 0, 2)
        assert "crawl it with --full to take the new one" in (report.error or "")
        assert crawls.live() == []


@pytest.mark.parametrize("change", ["full", "choice of files"])
def test_a_renamed_repository_whose_old_name_was_taken_is_followed_by_its_id(renamed, change):
    renamed.server.world.add(OLD, {"impostor.py": kernel_file("impostor")})
    include = ("*.py",) if change == "choice of files" else ()
    source = SourceRepo(name=OLD, kind=SourceKind.GITHUB, include=include)
    report = renamed.one(source, full=change == "full")
    assert (report.repo, report.status, report.renamed_from) == (NEW, "renamed", OLD)
    assert renamed.live() == [f"{NEW}:gone.py::gone", f"{NEW}:k.py::k"]


def test_kernels_of_a_repository_that_is_gone_are_dated_until_it_returns(crawls):
    repo = crawls.server.world.add(OLD, FILES)
    crawls.one(OLD)
    repo.private = True
    report = crawls.one(OLD)
    assert (report.status, report.kernels, report.removed) == ("gone", 0, 2)
    assert crawls.live() == []
    assert crawls.rows("SELECT count(*) FROM kernels WHERE removed_at IS NOT NULL") == [(2,)]
    again = crawls.one(OLD)
    assert (again.status, again.removed) == ("gone", 0)
    # The commit is the one that was known: what stands there is read again all the same.
    repo.private = False
    report = crawls.one(OLD)
    assert (report.status, report.kernels, report.files_parsed) == ("updated", 2, 0)
    assert crawls.live() == [f"{OLD}:gone.py::gone", f"{OLD}:k.py::k"]
    assert crawls.one(OLD).status == "unchanged"


def test_what_github_says_is_kept(crawls):
    repo = crawls.server.world.add(OLD, FILES)
    repo.stars, repo.forks, repo.spdx_id = 1234, 56, "Apache-2.0"
    repo.description, repo.topics, repo.archived = "Fast kernels", ("gpu", "triton"), True
    crawls.one(OLD)
    assert crawls.rows(
        "SELECT stars, forks, license, description, topics, is_archived, github_id FROM repos"
    ) == [(1234, 56, "Apache-2.0", "Fast kernels", ["gpu", "triton"], True, repo.id)]
    assert crawls.rows("SELECT DISTINCT stars, license FROM kernels") == [(1234, "Apache-2.0")]
    crawls.server.world.delete(OLD)
    assert crawls.one(OLD).status == "gone"
    assert crawls.rows("SELECT DISTINCT stars, license FROM kernels") == [(1234, "Apache-2.0")]


def test_a_limit_in_the_middle_of_a_list_is_gone_on_from(crawls):
    names = [f"octo/k{number}" for number in range(6)]
    for name in names:
        crawls.server.world.add(name, FILES)
    crawls.server.limit = 6
    seen: set[str] = set()
    for _ in range(10):
        crawls.server.heal()
        for name in names:
            crawls.server.world.repos[name].push({"news.txt": f"{len(seen)}"})
        repos = crawls.run(*names).repos
        left_over = {repo.repo for repo in repos[: len(names) - len(seen)]}
        assert not left_over & seen, "what was left over comes first"
        for repo in repos:
            if repo.status == "updated":
                seen.add(repo.repo)
            else:
                assert repo.status == "failed"
                assert "left for the next run: GitHub's hourly request limit" in (repo.error or "")
        if seen == set(names):
            break
    assert seen == set(names)
    assert {one.status for one in crawls.server.api_log()} == {200}, "nobody asks in vain"
    assert len(crawls.live()) == 2 * len(names)
