"""What the system refuses a closed process, whatever runs in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WALLS = Path(__file__).parents[3] / "index" / "compiling" / "box" / "walls.py"
ALONE = Path(__file__).parent / "walls_alone.py"


@pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")
def test_the_system_holds_without_python(tmp_path: Path) -> None:
    canary, scratch = tmp_path / "canary", tmp_path / "scratch"
    canary.write_text("a secret")
    scratch.mkdir()
    words = [sys.executable, "-I", str(ALONE), str(WALLS), str(canary), str(scratch)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    stand = said[0].split()[1:]
    if "landlock" not in stand:
        pytest.skip("this system has no Landlock")
    assert said[1:] == ["scratch"]
    assert canary.read_text() == "a secret"
