"""Sites made of small indexes by hand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from crawler.models import Role
from index.database import open_index
from index.site.build import Built, build_site, drafts
from index.site.folder import site_folder
from index.store import Store
from tests.index.samples import crawled, kernel, record, save
from verified_kernels.records import Record

NORM: dict[str, object] = {"ops": ["rms_norm"], "tags": ["norm"], "license": "MIT",
                           "triton_min": "3.0.0", "dtypes": ["float32"]}  # fmt: skip
# What is known of kernels by their names, whatever the rules of today make of them.
FACTS: dict[str, dict[str, object]] = {
    "rms_norm_fwd_kernel": {**NORM, "dtypes": ["float32", "bfloat16"]},
    "rms_norm_bwd_kernel": NORM,
    "softmax_kernel": {"ops": ["softmax"], "tags": ["softmax"], "license": "GPL-3.0-only",
                       "triton_min": "2.1.0", "triton_max": "3.3.0"},
    "test_softmax_kernel": {"ops": ["softmax"], "is_test": True},
}  # fmt: skip


def write_site(db: Path, dest: Path, **options: Any) -> Built:
    """Make the site of an index."""
    with open_index(db, reach=drafts(dest)) as con, site_folder(dest) as folder:
        return build_site(con, folder, **options)


def save_small_world(db: Path) -> None:
    """Make an index of kernels that differ in all that the page filters by."""
    acme = (
        kernel("rms_norm_fwd_kernel", path="ops/norm.py", launchers=("ops/norm.py::rms_norm",)),
        kernel("rms_norm_bwd_kernel", path="ops/norm.py"),
        kernel("softmax_kernel", path="ops/softmax.py"),
        kernel("load_tile", path="ops/tile.py", role=Role.DEVICE_FUNCTION),
        kernel("test_softmax_kernel", path="tests/test_softmax.py"),
    )
    letters = "abcdefghijklmnopqrstuvwxyz"
    gemm = (kernel(f"matmul_kernel_{c}", repo="zeta/gemm", path=f"gemm/{c}.py") for c in letters)
    save(db, crawled(*acme), crawled(*gemm))
    matmul = {"ops": ["matmul"], "tags": ["matmul"], "license": "Apache-2.0"}
    state_facts(db, FACTS | {f"matmul_kernel_{c}": matmul for c in letters})
    with Store.open_for_writing(db) as store:
        store.save_verifications(timed())
    make_wish(db, title="Fused RMS norm with a residual", ops=["rms_norm"])


def timed() -> list[Record]:
    """Return checks of a verified kernel with the times of a peer."""
    sizes = (("4096x1024", 16_781_312), ("16384x4096", 268_435_456))
    return [
        record(
            case=case, bytes=size, flops=size, ms=size / 4e9, peers={"eager": size / 2e9},
            copy_gb_per_s=4200.0, rel_rms_err=1e-3,
        )
        for case, size in sizes
    ]  # fmt: skip


def make_wish(db: Path, **facts: object) -> None:
    """Put an open wish into an index, as a sync would."""
    now = datetime(2026, 11, 1)
    row: dict[str, object] = {
        "number": 7, "repo": "acme/index", "url": "https://github.com/acme/index/issues/7",
        "title": "A wish", "ops": [], "passes": [], "dtypes": [], "hardware": [], "features": [],
        "created_at": now, "updated_at": now, "offers_help": False, "assignees": [], "notes": [],
        "issue_id": 7, "is_open": True, "labels": [], "n_comments": 0, "reactors": [],
        "askers": [], "pulls": [], "is_due": False, "votes": 3,
    } | facts  # fmt: skip
    with duckdb.connect(db) as con:
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        con.execute(f"INSERT INTO wishes ({names}) VALUES ({marks})", list(row.values()))


def state_facts(db: Path, facts: dict[str, dict[str, object]]) -> None:
    """Say what is known of kernels by name; of copies nothing is, and they are no tests."""
    with duckdb.connect(db) as con:
        con.execute(
            "UPDATE kernel_rows SET ops = [], tags = [], dtypes = [], is_test = false, "
            "clone_group = NULL, n_copies = 0, origin = NULL, triton_min = NULL, triton_max = NULL"
        )
        for name, known in facts.items():
            for column, value in known.items():
                con.execute(
                    f"UPDATE kernel_rows SET {column} = $value WHERE name = $name",
                    {"value": value, "name": name},
                )
        con.execute("UPDATE meta SET value = 'stale' WHERE key = 'search_version'")
    save(db)
