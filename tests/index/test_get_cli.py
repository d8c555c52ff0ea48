"""`triton-index get` on an index that a crawl has made: from a clone, and from GitHub."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from index.cli import main
from tests.github_crawl.crawls import SECRET
from tests.github_server import GithubServer, git_repo

MIT = (Path(__file__).parents[2] / "LICENSE").read_text()
HELPERS = """
import triton
import triton.language as tl

@triton.jit
def twice(x):
    return x + x
"""
KERNELS = """
import torch
import triton
import triton.language as tl
from .helpers import twice

@triton.jit
def double_kernel(x_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n)
    tl.store(x_ptr + at, twice(x), mask=at < n)

def double(x: torch.Tensor) -> torch.Tensor:
    n = x.numel()
    double_kernel[(triton.cdiv(n, 128),)](x, n, BLOCK=128)
    return x

@triton.jit
def lost_kernel(x_ptr):
    tl.store(x_ptr, nowhere(1))

lost_kernel[(1,)](None)
"""
FILES = {"pkg/__init__.py": "", "pkg/helpers.py": HELPERS, "pkg/kernels.py": KERNELS}


class Get:
    def __init__(self, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._db, self._capsys = db, capsys

    def __call__(self, *words: str) -> int:
        self._capsys.readouterr()
        code = main(["--db", str(self._db), *words])
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def get(db: Path, capsys: pytest.CaptureFixture[str]) -> Get:
    return Get(db, capsys)


def crawl_clone(get: Get, folder: Path, files: dict[str, str]) -> None:
    git_dir = git_repo.init_bare(folder / "clone.git")
    git_repo.commit(git_dir, files)
    assert get("crawl", f"ada/kernels={git_dir}") == 0
    # What is at the tip later is not what the index is about.
    git_repo.commit(git_dir, {"pkg/helpers.py": "twice = None\n"})


def test_a_kernel_comes_with_its_helper_from_the_commit_that_was_crawled(
    get: Get, tmp_path: Path
) -> None:
    crawl_clone(get, tmp_path, FILES | {"LICENSE": MIT})
    assert get("get", "double_kernel") == 0
    tree = ast.parse(get.out)
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert names == ["twice", "double_kernel"]
    imported = [ast.unparse(n) for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    assert imported == ["import triton", "import triton.language as tl"]
    assert "twice (device_function): MIT, https://github.com/ada/kernels/blob/" in get.out


def test_json_tells_of_the_parts_and_a_file_is_written(get: Get, tmp_path: Path) -> None:
    crawl_clone(get, tmp_path, FILES | {"LICENSE": MIT})
    target = tmp_path / "out.json"
    assert get("get", "double_kernel", "--format", "json", "-o", str(target)) == 0
    assert get.out == ""
    made = json.loads(target.read_text())
    assert list(made) == [
        "id", "source", "parts", "replaced", "left_out", "triton_min", "triton_max"
    ]  # fmt: skip
    assert made["id"] == "ada/kernels:pkg/kernels.py::double_kernel"
    assert [part["kind"] for part in made["parts"]] == ["device_function", "kernel"]


def test_the_launcher_comes_along_on_request(get: Get, tmp_path: Path) -> None:
    crawl_clone(get, tmp_path, FILES | {"LICENSE": MIT})
    assert get("get", "double_kernel", "--launcher") == 0
    assert "import torch" not in get.out.partition("def double_kernel")[0]
    assert "def double(x):\n    n = x.numel()" in get.out


def test_what_cannot_be_whole_is_named(get: Get, tmp_path: Path) -> None:
    crawl_clone(get, tmp_path, FILES | {"LICENSE": MIT})
    assert get("get", "lost_kernel") == 1
    assert get.out == ""
    assert "needs: nowhere (not found)" in get.err


def test_code_of_an_unknown_licence_is_printed_on_request_alone(get: Get, tmp_path: Path) -> None:
    crawl_clone(get, tmp_path, FILES)
    assert get("get", "double_kernel") == 1
    assert get.out == ""
    assert "licence" in get.err
    assert "--any-license" in get.err
    assert get("get", "double_kernel", "--any-license") == 0
    assert "licence unknown" in get.out


@pytest.mark.parametrize("words", [("--triton", "9.9"), ("--target", "cpu")])
def test_an_unknown_release_or_target_is_unusable_input(
    get: Get, tmp_path: Path, words: tuple[str, ...]
) -> None:
    crawl_clone(get, tmp_path, FILES | {"LICENSE": MIT})
    assert get("get", "double_kernel", *words) == 2
    assert words[1] in get.err


def test_an_unknown_kernel_is_a_negative_answer(get: Get, tmp_path: Path) -> None:
    crawl_clone(get, tmp_path, FILES)
    assert get("get", "no_such_kernel_anywhere") == 1


def test_code_is_read_from_github_at_the_commit_of_the_index(
    get: Get, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with GithubServer(tmp_path / "hosted") as server:
        monkeypatch.setenv("GITHUB_API_URL", server.api_url)
        monkeypatch.setenv("GITHUB_TOKEN", SECRET)
        repo = server.world.add("ada/kernels", FILES | {"LICENSE": MIT})
        assert get("crawl", "ada/kernels") == 0
        repo.push({"pkg/helpers.py": "twice = None\n"})
        assert get("get", "double_kernel") == 0
    assert "def twice(x):" in get.out
