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
