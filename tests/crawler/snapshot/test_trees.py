from __future__ import annotations

from pathlib import Path

import pytest

from crawler.snapshot.trees import blob_id, tree_id
from tests.crawler.snapshot.conftest import git, write_files


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"a.py": "a"}, id="one file"),
        pytest.param({"a/b/c/d.py": "d", "a/b.py": "b", "a/b/e.py": ""}, id="nested folders"),
        pytest.param({"a/x": "1", "a-b": "2", "a.b": "3", "a0": "4"}, id="a folder sorts as a/"),
        pytest.param({"ü/ñ b.py": "1", "new\nline": "2"}, id="odd names"),
    ],
)
def test_ids_are_those_of_git(tmp_path: Path, files: dict[str, str]) -> None:
    git(tmp_path, "init", "-q")
    write_files(tmp_path, files)
    git(tmp_path, "add", "-A")
    blobs = {name.encode(): blob_id(content.encode()) for name, content in files.items()}
    assert tree_id(blobs) == git(tmp_path, "write-tree")
    for name, content in files.items():
        assert blob_id(content.encode()) == git(tmp_path, "hash-object", name)


def test_a_path_cannot_be_file_and_folder() -> None:
    name = blob_id(b"")
    with pytest.raises(ValueError, match="both a file and a folder"):
        tree_id({b"a": name, b"a/b": name})


def test_nesting_deeper_than_python_calls_is_no_crash() -> None:
    assert len(tree_id({b"/".join([b"d"] * 3000): blob_id(b"")})) == 40
