from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The path of an index that is not there yet."""
    return tmp_path / "index.duckdb"
