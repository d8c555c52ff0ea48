"""`site build`, as a user runs it: where it writes, what it refuses, and hostile names."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from markupsafe import escape

from index.cli import main
from index.learning.plan import load_exercises, load_stages
from tests.index.samples import crawled, kernel, save
from tests.index.site.browser import Visit
from tests.index.site.sites import save_small_world, write_site

HOSTILE = (
    "<script>fault()</script>",
    '"><img src=x onerror=fault()>',
    "javascript:fault()",
    "\u202ereversed\u202c \u2028 \u2029",
    "{{ 7 * 7 }}",
    "</title></script><svg onload=fault()>",
    "x" * 10_000,
)


def test_a_site_is_written_again_but_never_over_other_files(
    db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_small_world(db)
    site = tmp_path / "site"
    assert main(["--db", str(db), "site", "build", str(site)]) == 0
    assert "pages written to" in capsys.readouterr().err
    assert (site / "index.html").exists()
    assert not (site / "sitemap.xml").exists()
    (site / "old.html").write_text("of an earlier index")
    assert main(["--db", str(db), "site", "build", str(site)]) == 0
    assert not (site / "old.html").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    assert main(["--db", str(db), "site", "build", str(mine)]) == 2
    assert "holds files that are no site of ours" in capsys.readouterr().err
    assert (mine / "thesis.txt").exists()
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_dir()) == ["mine", "site"]


def test_two_builds_of_one_index_are_the_same_to_the_byte(db: Path, tmp_path: Path) -> None:
    save_small_world(db)
    for name in ("a", "b"):
        write_site(db, tmp_path / name)
    files = {p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file()}
    different = [
        str(file)
        for file in files
        if (tmp_path / "a" / file).read_bytes() != (tmp_path / "b" / file).read_bytes()
    ]
    assert different == []


def test_an_empty_index_has_a_page_too(db: Path, tmp_path: Path, browser: Any) -> None:
    save(db)
    write_site(db, tmp_path / "site")
    visit = Visit(browser, tmp_path / "site")
    page = visit.open("index.html")
    assert visit.count() == 0
    page.fill("#q", "softmax")
    page.wait_for_selector("body[data-settled]")
    assert visit.count() == 0
    assert visit.faults == []
    visit.close()


def test_hostile_text_in_every_field_is_shown_as_text(
    db: Path, tmp_path: Path, browser: Any
) -> None:
    kernels = [
        kernel(
            text,
            repo="bad/actor",
            path=f"{text}.py",
            summary=text,
            docstring=text,
            usage=text,
            launchers=(f"a.py::{text}",),
            tl_calls=(text,),
            decorators=(text,),
            permalink=text,
        )
        for text in HOSTILE
    ]
    save(db, crawled(*kernels))
    write_site(db, tmp_path / "site", base_url="https://example.org/")
    visit = Visit(browser, tmp_path / "site")
    for page in sorted((tmp_path / "site").rglob("*.html")):
        address = page.relative_to(tmp_path / "site").as_posix()
        if address != "kernel.html":
            opened = visit.open(quote(address))
            assert opened.locator("main script, main img:not([src$='.svg'])").count() == 0
            assert opened.locator('main [href^="javascript"]').count() == 0
    for each in kernels:
        opened = visit.open(f"kernel.html#{quote(each.id, safe='')}")
        assert opened.inner_text("[data-field=name]").strip() != "No such kernel"
        assert opened.locator("main script, main img, main svg").count() == 0
        assert opened.locator('main [href^="javascript"]').count() == 0
    assert visit.faults == []
    visit.close()


def test_the_learning_path_is_there_exercise_by_exercise(db: Path, tmp_path: Path) -> None:
    save_small_world(db)
    write_site(db, tmp_path / "site")
    page = (tmp_path / "site" / "learn" / "index.html").read_text(encoding="utf-8")
    for stage in load_stages():
        assert f'id="stage-{stage.number}"' in page
    for exercise in load_exercises():
        assert f'id="{exercise.id}"' in page
        for part in exercise.trap.split("`"):
            assert str(escape(part)) in page
        assert (f"learn check {exercise.id} " in page) == bool(exercise.functions)
