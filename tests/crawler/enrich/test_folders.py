"""The walk up from a file ends, whatever its path is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.enrich.folders import folders_above
from crawler.enrich.license import file_license
from crawler.enrich.requirement import nearest_requirement, read_requirements


@pytest.mark.parametrize(
    ("path", "folders"),
    [
        ("a/b/c.py", ["a/b", "a", ""]),
        ("c.py", [""]),
        ("/c.py", [""]),
        ("/a/c.py", ["/a", ""]),
        ("//c.py", ["/", ""]),
        ("../c.py", ["..", ""]),
        ("", []),
    ],
)
def test_the_nearest_folder_comes_first_and_the_root_last(path: str, folders: list[str]) -> None:
    assert list(folders_above(path)) == folders


@given(st.text("/.a", max_size=12))
def test_no_path_is_walked_without_end(path: str) -> None:
    manifest = {f"{path}/pyproject.toml": b'[project]\ndependencies = ["triton"]'}
    nearest_requirement(path, read_requirements(manifest))
    file_license(path, b"", {f"{path}/LICENSE": b"MIT"}, "MIT")
