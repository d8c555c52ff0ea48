"""The families of tests/data/copies.toml, looked up in the index that comes with the package."""

from __future__ import annotations

import tomllib
from pathlib import Path

import duckdb
import pytest

from index.files.bundle import KERNELS
from index.files.location import BUNDLE

FAMILIES = tomllib.loads((Path(__file__).parent.parent / "data/copies.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def groups() -> dict[str, str | None]:
    """Return the group of each live kernel by id."""
    found = duckdb.execute(
        "SELECT id, clone_group FROM read_parquet(?) WHERE removed_at IS NULL",
        [str(BUNDLE / KERNELS)],
    ).fetchall()
    return dict(found)


@pytest.mark.parametrize("family", FAMILIES["together"], ids=lambda family: family["note"])
def test_a_family_is_one_group(groups: dict[str, str | None], family: dict[str, list[str]]) -> None:
    found = {groups[id] for id in family["ids"] if id in groups}
    assert len(found) == 1
    assert found != {None}


@pytest.mark.parametrize("family", FAMILIES["apart"], ids=lambda family: family["note"])
def test_others_share_none(groups: dict[str, str | None], family: dict[str, list[str]]) -> None:
    found = [groups[id] for id in family["ids"] if groups.get(id) is not None]
    assert len(found) == len(set(found))
