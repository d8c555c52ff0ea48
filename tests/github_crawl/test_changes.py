"""What a crawl changed, as it can be listed afterwards."""

from __future__ import annotations

import json

from tests.github_crawl import command
from tests.github_crawl.crawls import kernel_file

REPO = "octo/kernels"


def test_runs_list_what_each_changed(crawls):
    names = ("same", "change", "move", "drop")
    repo = crawls.server.world.add(REPO, {f"{name}.py": kernel_file(name) for name in names})
    first = crawls.run(REPO)
    changed = {
        "change.py": kernel_file("change", step=2),
        "moved/move.py": kernel_file("move"),
        "add.py": kernel_file("add").replace("+ 1", "* tl.load(x_ptr)"),
    }
    repo.push(changed, remove=["move.py", "drop.py"])
    second = crawls.run(REPO)
    third = crawls.run(REPO)
    expected = [
        {"kind": "added", "id": f"{REPO}:add.py::add", "previous_id": None},
        {"kind": "changed", "id": f"{REPO}:change.py::change", "previous_id": None},
        {
            "kind": "moved",
            "id": f"{REPO}:moved/move.py::move",
            "previous_id": f"{REPO}:move.py::move",
        },
        {"kind": "removed", "id": f"{REPO}:drop.py::drop", "previous_id": None},
    ]

    def changes(*run: str) -> list[dict[str, str | None]]:
        done = command.run(crawls, "runs", "--changes", *run, "--format", "json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    whole = [{"run_id": second.run_id, **change, "repo": REPO} for change in expected]
    assert changes(second.run_id) == whole
    assert [change["kind"] for change in changes(first.run_id)] == ["added"] * 4
    assert changes() == changes(third.run_id) == []
    table = command.run(crawls, "runs", "--changes", second.run_id)
    assert [line.split()[1] for line in table.out.splitlines()[1:]] == [
        "added",
        "changed",
        "moved",
        "removed",
    ]


def test_the_kernel_of_a_cell_that_no_longer_parses_stays_as_it_was(crawls):
    def notebook(*cells: str) -> str:
        return json.dumps({"cells": [{"cell_type": "code", "source": text} for text in cells]})

    good = [kernel_file("a"), kernel_file("b")]
    repo = crawls.server.world.add(REPO, {"n.ipynb": notebook(*good)})
    crawls.one(REPO)
    assert crawls.live() == [f"{REPO}:n.ipynb[0]::a", f"{REPO}:n.ipynb[1]::b"]
    repo.push({"n.ipynb": notebook(good[0] + "def broken(:\n", good[1])})
    report = crawls.one(REPO)
    assert [skip.path for skip in report.skipped] == ["n.ipynb[0]"]
    assert (report.kernels, report.removed) == (2, 0)
    repo.push({"n.ipynb": notebook("x = 1", good[1])})
    assert (crawls.one(REPO).removed, crawls.live()) == (1, [f"{REPO}:n.ipynb[1]::b"])


def test_kernels_of_a_file_that_cannot_be_read_any_more_stay_as_they_were(crawls):
    repo = crawls.server.world.add(REPO, {"k.py": kernel_file("k"), "other.py": kernel_file("o")})
    crawls.one(REPO)
    repo.push({"k.py": kernel_file("k", step=2) + "\ndef broken(:\n"}, remove=["other.py"])
    report = crawls.one(REPO)
    assert [skip.path for skip in report.skipped] == ["k.py"]
    assert (report.kernels, report.changed, report.removed) == (1, 0, 1)
    assert crawls.live() == [f"{REPO}:k.py::k"]
    repo.push({}, remove=["k.py"])
    assert (crawls.one(REPO).removed, crawls.live()) == (1, [])
