"""What readers are told: short at first, and every link inside the project leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from index.cli.group import COMMANDS
from index.queries.sealed import run_sql
from tests.index.samples import crawled, kernel, save

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "skills").rglob("*.md")]
)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)(#[^)]*)?\)")
COMMAND = re.compile(r"^\$ triton-index (?:--db \S+ )?([a-z]+)", re.MULTILINE)
MOST_WORDS = 1_200


def test_the_first_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < MOST_WORDS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_what_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    gone = [link for link, _ in LINK.findall(text) if not (page.parent / link).exists()]
    assert not gone


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_told_of_are_commands(page: Path) -> None:
    assert set(COMMAND.findall(page.read_text(encoding="utf-8"))) <= set(COMMANDS)


QUERY = re.compile(r"```sql\n(.*?)```", re.DOTALL)
QUERIES = QUERY.findall((ROOT / "docs" / "data.md").read_text(encoding="utf-8"))
FEWEST_QUERIES = 12


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("docs") / "index.duckdb"
    save(path, crawled(kernel("add_kernel")))
    return path


def test_there_is_an_example_for_what_maintainers_ask() -> None:
    assert len(QUERIES) >= FEWEST_QUERIES


@pytest.mark.parametrize("query", QUERIES)
def test_examples_of_sql_run(index: Path, query: str) -> None:
    assert run_sql(index, query, limit=None).columns
