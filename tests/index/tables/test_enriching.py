"""What is worked out of the kernels before an index is published, from the index alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from crawler.enrich.kernels import enrich_kernels
from crawler.models import ApiUse, CrawledRepo, Document, DocumentKind, KernelRecord
from index.cli import main
from index.store import Store
from tests.index.samples import column, crawled, kernel, rows, save

MIT = Path(__file__).parents[3].joinpath("LICENSE").read_bytes()
DOT = ApiUse(name="triton.language.make_tensor_descriptor", keywords=())


def source(*documents: tuple[str, bytes, DocumentKind]) -> CrawledRepo:
    """Return a source with an RMS norm that only newer releases of Triton can compile."""
    found = kernel("rms_norm_kernel", path="ops/rms_norm.py", uses=(DOT,))
    return crawled(
        found,
        documents=tuple(Document(path=p, text=t, kind=k) for p, t, k in documents),
    )


def test_ops_tags_versions_and_licence_are_filled_in(db: Path) -> None:
    manifest = b'[project]\nname = "x"\nversion = "1"\ndependencies = ["triton>=3.4"]\n'
    save(
        db,
        source(
            ("LICENSE", MIT, DocumentKind.FILE), ("pyproject.toml", manifest, DocumentKind.FILE)
        ),
    )
    found = rows(db, "SELECT ops, tags, triton_min, triton_declared, license, is_test FROM kernels")
    assert found == [(["rms_norm"], ["norm"], "3.4.0", "triton>=3.4", "MIT", False)]


def test_the_head_of_a_file_comes_before_the_licence_of_its_repository(db: Path) -> None:
    head = b"# SPDX-License-Identifier: BSD-3-Clause\n"
    save(
        db,
        source(("LICENSE", MIT, DocumentKind.FILE), ("ops/rms_norm.py", head, DocumentKind.HEAD)),
    )
    assert column(db, "SELECT license FROM kernels") == ["BSD-3-Clause"]


def test_nothing_known_stays_null(db: Path) -> None:
    save(db, crawled(kernel("_k1")))
    assert rows(db, "SELECT ops, license, triton_declared FROM kernels") == [([], None, None)]


def test_a_change_of_the_rules_is_applied_to_what_is_stored(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(db, source())
    con = duckdb.connect(str(db))
    con.execute("UPDATE kernel_rows SET ops = []")
    con.close()
    with Store.open_for_writing(db):
        pass
    assert column(db, "SELECT ops FROM kernels") == [[]]
    monkeypatch.setattr("index.tables.enriching.enrichment_version", lambda: "next")
    with Store.open_for_writing(db):
        pass
    assert column(db, "SELECT ops FROM kernels") == [["rms_norm"]]


def test_a_source_that_the_rules_fail_on_costs_the_others_nothing(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_on_one(kernels: Sequence[KernelRecord], *given: Any, **more: Any) -> Any:
        if kernels[0].repo == "bad/bad":
            raise ZeroDivisionError
        return enrich_kernels(kernels, *given, **more)

    bad, good = (kernel("rms_norm_kernel", repo=name) for name in ("bad/bad", "good/good"))
    with monkeypatch.context() as patch:
        patch.setattr("index.tables.enriching.enrich_kernels", fail_on_one)
        save(db, crawled(bad), crawled(good))
    assert rows(db, "SELECT repo, ops FROM kernels ORDER BY repo") == [
        ("bad/bad", []),
        ("good/good", ["rms_norm"]),
    ]
    assert column(db, "SELECT error FROM repos WHERE name = 'bad/bad'") == [
        "its kernels could not be enriched: ZeroDivisionError()"
    ]
    save(db, crawled(bad))
    assert column(db, "SELECT ops FROM kernels") == [["rms_norm"]] * 2
    assert column(db, "SELECT error FROM repos") == [None, None]


def test_a_copy_left_behind_with_hostile_paths_does_not_hold_the_next_crawl(db: Path) -> None:
    paths = ("/abs/x.py", "//x.py", "../../x.py", "")
    hostile = [kernel(f"k{n}", repo="bad/bad", path=path) for n, path in enumerate(paths)]
    documents = tuple(
        Document(path=path, text=b"triton", kind=DocumentKind.FILE)
        for path in ("/LICENSE", "/requirements.txt", "//requirements/x.txt")
    )
    with pytest.raises(ZeroDivisionError), Store.open_for_writing(db) as store:
        store.save(crawled(*hostile, documents=documents), store.begin_run())
        _ = 1 / 0
    save(db, crawled(kernel("rms_norm_kernel", repo="good/good")))
    assert column(db, "SELECT ops FROM kernels WHERE repo = 'good/good'") == [["rms_norm"]]


def test_a_second_crawl_writes_nothing_anew(db: Path) -> None:
    save(db, source())
    before = rows(db, "SELECT * FROM kernel_rows")
    save(db, replace(source(), kernels=source().kernels))
    assert rows(db, "SELECT * FROM kernel_rows") == before


def test_show_tells_why(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(db, source())
    assert main(["--db", str(db), "show", "rms_norm_kernel"]) == 0
    shown = capsys.readouterr().out
    assert "rms_norm: its name says" in shown
    assert "make_tensor_descriptor came with 3.4.0" in shown


def test_hazards_are_those_that_a_check_of_the_code_finds(db: Path) -> None:
    head = "@triton.jit\ndef k(x_ptr, y_ptr, n, B: tl.constexpr):\n"
    add = "    a = tl.zeros((B,), dtype=tl.float32)\n    tl.atomic_add(y_ptr + tl.arange(0, B), a)"
    known = "  # triton-index: ignore[nondeterministic]\n"
    save(
        db,
        crawled(
            kernel("adds", source=f"{head}{add}\n"),
            kernel("knows", source=f"{head}{add}{known}"),
            kernel("stores", source=f"{head}    tl.store(y_ptr, 1)\n"),
        ),
    )
    found = rows(db, "SELECT name, hazards FROM kernels ORDER BY name")
    assert found == [("adds", ["nondeterministic"]), ("knows", []), ("stores", [])]
