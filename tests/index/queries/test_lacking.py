from __future__ import annotations

from pathlib import Path

from crawler.models import SourceKind, SourceRepo
from index.database import open_index
from index.queries.lacking import NAMED, lacking_sentence, list_lacking
from tests.index.samples import crawled, kernel, save


def listed(name: str, *formerly: str) -> SourceRepo:
    return SourceRepo(name=name, kind=SourceKind.GITHUB, formerly=formerly)


def test_lacks_what_is_listed_and_was_not_read(db: Path) -> None:
    save(db, crawled(kernel("k", repo="acme/Kernels")), crawled(kernel("k", repo="old/name")))
    sources = (listed("acme/kernels"), listed("new/name", "Old/Name"), listed("other/missing"))
    with open_index(db) as con:
        assert [source.name for source in list_lacking(con, sources)] == ["other/missing"]


def test_the_sentence_names_the_first_and_counts_the_rest() -> None:
    lacking = tuple(listed(f"acme/n{number}") for number in range(NAMED + 3))
    sentence = lacking_sentence(lacking, 40)
    assert f"lacks {NAMED + 3} of the 40" in sentence
    assert f"acme/n{NAMED - 1} and 3 more" in sentence
    assert f"acme/n{NAMED}," not in sentence
    assert "more" not in lacking_sentence(lacking[:2], 40)
