from __future__ import annotations

from pathlib import Path

import pytest

from index.database import open_index
from index.queries.lookup import Lookup, find_kernel
from tests.index.samples import FIRST_COMMIT, crawled, kernel, save

HERE = f"https://github.com/acme/kernels/blob/{FIRST_COMMIT}/ops/add.py"
ELSEWHERE = f"https://github.com/acme/kernels/blob/{'9' * 40}/ops/add.py"
FIRST, SECOND = "acme/kernels:ops/add.py::first", "acme/kernels:ops/add.py::second"


@pytest.fixture
def library(db: Path) -> Path:
    second = {"start_line": 20, "def_line": 21, "end_line": 40}
    link = f"{HERE}#L20-L40"
    save(
        db,
        crawled(
            kernel("first"),
            kernel("second", permalink=link, **second),
            kernel("other", path="add.py", start_line=100, def_line=101, end_line=120),
        ),
    )
    return db


def found(library: Path, wanted: str) -> Lookup:
    with open_index(library) as con:
        return find_kernel(con, wanted)


@pytest.mark.parametrize(
    ("address", "id"),
    [
        (f"{HERE}#L1-L9", FIRST),
        (f"{HERE}#L20-L40", SECOND),
        (f"{HERE}#L25", SECOND),
        (f"{HERE}?plain=1#L25C4-L26C1", SECOND),
        # Another commit: whose lines they are most.
        (f"{ELSEWHERE}#L22-L42", SECOND),
        (f"{ELSEWHERE}#L5-L22", FIRST),
        ("https://github.com/Acme/Kernels/blob/feature/a/ops/add.py#L3", FIRST),
        ("github.com/acme/kernels/blame/main/ops/add.py#L3", FIRST),
    ],
)
def test_a_permalink_of_any_commit_names_the_kernel_at_its_lines(
    library: Path, address: str, id: str
) -> None:
    assert found(library, address) == Lookup(id=id)


@pytest.mark.parametrize("address", [HERE, f"{ELSEWHERE}#L900-L910"])
def test_an_address_of_no_kernels_lines_leads_to_those_of_its_file(
    library: Path, address: str
) -> None:
    assert found(library, address) == Lookup(id=None, is_ambiguous=True, others=(FIRST, SECOND))


@pytest.mark.parametrize(
    "address",
    [
        f"{HERE}#L900-L910",
        "https://github.com/acme/other/blob/main/ops/add.py#L3",
        "https://github.com/acme/kernels/blob/main/ops/sub.py#L3",
    ],
)
def test_an_address_of_nothing_finds_nothing(library: Path, address: str) -> None:
    assert found(library, address) == Lookup(id=None)


@pytest.mark.parametrize(
    ("repo", "begin"), [("pypi:acme", "pypi:acme==1.0"), ("local/acme", "local/acme@" + "1" * 40)]
)
def test_a_permalink_of_a_package_or_folder_is_an_address_too(
    db: Path, repo: str, begin: str
) -> None:
    second = {"start_line": 20, "def_line": 21, "end_line": 40}
    one = kernel("first", repo=repo, permalink=f"{begin}/ops/add.py#L1-L9")
    two = kernel("second", repo=repo, permalink=f"{begin}/ops/add.py#L20-L40", **second)
    save(db, crawled(one, two))
    assert found(db, f"{begin}/ops/add.py#L20-L40") == Lookup(id=two.id)
    assert found(db, f"{begin}/ops/add.py#L3-L5") == Lookup(id=one.id)
    assert found(db, f"{begin}9/ops/add.py#L21-L41") == Lookup(id=two.id)
    assert found(db, f"{begin}/ops/sub.py#L3-L5") == Lookup(id=None)
    assert found(db, one.id) == Lookup(id=one.id)
