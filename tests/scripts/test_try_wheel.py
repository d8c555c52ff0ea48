"""What the script that tries the wheel would notice; that it goes well is for `make wheel`."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from scripts.try_wheel import NOT_INSTALLED, TREE, check_contents

TRACKED = subprocess.run(
    ("git", "ls-files", "crawler", "index", "wishlist", "verified_kernels"),
    cwd=TREE,
    capture_output=True,
    text=True,
    check=False,
).stdout.splitlines()

pytestmark = pytest.mark.skipif(not TRACKED, reason="the tree is no checkout")


def wheel_with(path: Path, *names: str) -> Path:
    wheel = path / "triton_index-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return wheel


def test_a_wheel_with_all_that_is_tracked(tmp_path: Path) -> None:
    check_contents(wheel_with(tmp_path, *TRACKED, "triton_index-1.dist-info/METADATA"))


def test_a_wheel_that_forgets_a_file(tmp_path: Path) -> None:
    forgotten = "index/migrations/0001_first_schema.sql"
    kept = [name for name in TRACKED if name != forgotten]
    with pytest.raises(SystemExit, match=f"lacks 1 files of the tree, such as {forgotten}"):
        check_contents(wheel_with(tmp_path, *kept))


def test_the_kernels_alone_bring_no_other_package(tmp_path: Path) -> None:
    kernels = [n for n in TRACKED if n.startswith("verified_kernels/") and n not in NOT_INSTALLED]
    check_contents(wheel_with(tmp_path, *kernels), ("verified_kernels",))
    with pytest.raises(SystemExit, match=r"holds index/text\.py"):
        check_contents(wheel_with(tmp_path, *kernels, "index/text.py"), ("verified_kernels",))


def test_a_wheel_that_brings_the_tests(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"holds tests/conftest\.py"):
        check_contents(wheel_with(tmp_path, *TRACKED, "tests/conftest.py"))
