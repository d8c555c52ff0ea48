"""What a crawl asks of GitHub, counted there."""

from __future__ import annotations

import os

from crawler.github.history import FILES_A_CRAWL, RESERVE
from tests.github_crawl.crawls import Crawls, kernel_file, requests_of
from tests.github_server import git_repo

MANY = 100 if os.environ.get("TEST_EVERYTHING") else 20


def test_an_unchanged_repository_costs_one_conditional_request_and_no_git(crawls):
    crawls.server.world.add("octo/kernels", {"k.py": kernel_file("k")})
    first = crawls.one("octo/kernels")
    # One more tells who wrote the file.
    assert (first.status, first.kernels, first.requests) == ("updated", 1, 3)
    crawls.server.log.clear()
    second = crawls.one("octo/kernels")
    assert (second.status, second.kernels, second.requests) == ("unchanged", 1, 1)
    assert [(served.is_api, served.status) for served in crawls.server.log] == [(True, 304)]


def test_a_change_to_one_file_fetches_one_blob_and_parses_one_file(crawls):
    files = {f"k{number}.py": kernel_file(f"k{number}") for number in range(5)}
    repo = crawls.server.world.add("octo/kernels", files)
    assert crawls.one("octo/kernels").files_parsed == 5
    before = blobs_at_hand(crawls)
    repo.push({"k3.py": kernel_file("k3", step=2)})
    report = crawls.one("octo/kernels")
    assert (report.files_seen, report.files_parsed) == (5, 1)
    assert (report.added, report.changed, report.removed) == (0, 1, 0)
    changed = git_repo.git("rev-parse", "HEAD:k3.py", cwd=repo.git_dir)
    assert blobs_at_hand(crawls) - before == {changed}


def test_a_file_known_from_another_repository_is_neither_fetched_nor_parsed(crawls):
    crawls.server.world.add("octo/kernels", {"k.py": kernel_file("k")})
    crawls.one("octo/kernels")
    crawls.server.world.add("fork/kernels", {"moved/k.py": kernel_file("k")})
    report = crawls.one("fork/kernels")
    assert (report.kernels, report.files_parsed) == (1, 0)
    assert blobs_at_hand(crawls, "fork-kernels") == set()


def test_many_changed_repositories_fit_the_hourly_limit(crawls):
    names = [f"octo/k{number:03}" for number in range(MANY)]
    for name in names:
        crawls.server.world.add(name, {"k.py": kernel_file("k")})
    crawls.run(*names)
    for name in names:
        crawls.server.world.repos[name].push({"k.py": kernel_file("k", step=2)})
    crawls.server.log.clear()
    report = crawls.run(*names)
    assert [repo.changed for repo in report.repos] == [1] * MANY
    log = crawls.server.api_log()
    about_authors = [served for served in log if "/commits?" in served.path]
    assert len(log) - len(about_authors) == 2 * MANY
    assert requests_of(report.repos) == len(log)
    assert len(about_authors) <= FILES_A_CRAWL * MANY
    assert crawls.server.used < crawls.server.limit
    assert crawls.rows("SELECT sum(requests) FROM run_repos") == [(crawls.server.used,)]


def test_what_authors_cost_is_bounded(crawls):
    files = {f"k{number}.py": kernel_file(f"k{number}") for number in range(9)}
    repo = crawls.server.world.add("octo/kernels", files)
    assert crawls.one("octo/kernels").requests == 2 + FILES_A_CRAWL
    assert crawls.rows("SELECT count(*) FROM kernels WHERE authors = ['Ada Example']") == [(4,)]
    repo.push({"k8.py": kernel_file("k8", step=2)})
    assert crawls.one("octo/kernels").requests == 2 + FILES_A_CRAWL
    assert crawls.rows("SELECT count(*) FROM kernels WHERE authors = ['Ada Example']") == [(8,)]
    repo.push({"plain.py": "x = 1"})
    assert crawls.one("octo/kernels").requests == 3
    repo.push({"plain.py": "x = 2"})
    assert crawls.one("octo/kernels").requests == 2


def test_near_the_limit_no_authors_are_asked_for(crawls):
    crawls.server.world.add("octo/kernels", {"k.py": kernel_file("k")})
    crawls.server.used = crawls.server.limit - RESERVE
    report = crawls.one("octo/kernels")
    assert (report.status, report.requests) == ("updated", 2)
    assert crawls.one("octo/kernels").requests == 1


def blobs_at_hand(crawls: Crawls, slug: str = "octo-kernels") -> set[str]:
    """Return the files that the clone of one repository holds."""
    (clone,) = (crawls.cache / "clones").glob(f"*-{slug}-*")
    listed = git_repo.git("cat-file", "--batch-all-objects", "--batch-check", cwd=clone)
    return {line.split()[0] for line in listed.splitlines() if line.split()[1] == "blob"}
