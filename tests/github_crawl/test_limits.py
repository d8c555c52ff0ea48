"""What one run may take: so many requests, so many seconds; the rest is for the next run."""

from __future__ import annotations

from dataclasses import replace

from crawler.opened import is_left_for_next_run
from tests.github_crawl.crawls import kernel_file

NAMES = [f"octo/k{number}" for number in range(4)]


def test_requests_granted_to_a_run_are_not_exceeded(crawls):
    for name in NAMES:
        crawls.server.world.add(name, {"k.py": kernel_file("k")})
    crawls.pace = replace(crawls.pace, requests=5)
    first = crawls.run(*NAMES).repos
    assert len(crawls.server.api_log()) <= 5
    left = [repo.repo for repo in first if is_left_for_next_run(repo.error)]
    assert 1 <= len(left) < len(NAMES)
    assert {repo.status for repo in first if repo.repo not in left} == {"updated"}
    crawls.pace = replace(crawls.pace, requests=None)
    second = crawls.run(*NAMES).repos
    assert [repo.repo for repo in second[: len(left)]] == left
    assert {repo.status for repo in second[: len(left)]} == {"updated"}


def test_after_the_time_granted_no_source_is_opened(crawls):
    for name in NAMES:
        crawls.server.world.add(name, {"k.py": kernel_file("k")})
    crawls.pace = replace(crawls.pace, granted=0.0)
    repos = crawls.run(*NAMES).repos
    assert all(is_left_for_next_run(repo.error) for repo in repos)
    assert {repo.status for repo in repos} == {"failed"}
    assert crawls.server.log == []


def test_a_fault_of_its_own_is_not_left_for_the_next_run(crawls):
    assert not is_left_for_next_run(crawls.one("octo/none").error)
    assert not is_left_for_next_run(None)
