"""Who wrote a file: people counted over its commits."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from crawler.history import MAX_AUTHORS, Commit, Person, file_history, is_bot, people_of

DAYS = tuple(datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 10))


def commit(*people: tuple[str, str], at: datetime | None = DAYS[0]) -> Commit:
    return Commit(tuple(Person(name, address) for name, address in people), at)


def authors(*commits: Commit) -> tuple[str, ...]:
    return file_history("k.py", "b" * 40, commits).authors


ADA, BOB = ("Ada", "ada@x.org"), ("Bob", "bob@x.org")


@pytest.mark.parametrize(
    ("says", "commits", "expected"),
    [
        ("who committed most comes first", [[BOB], [ADA], [ADA]], ("Ada", "Bob")),
        ("of equals, who was there last comes first", [[BOB], [ADA]], ("Bob", "Ada")),
        ("co-authors count as authors do", [[ADA, BOB], [BOB]], ("Bob", "Ada")),
        (
            "one address is one person, by the name of the newest commit",
            [[("Ada L.", "ada@x.org")], [ADA], [BOB]],
            ("Ada L.", "Bob"),
        ),
        (
            "one name is one person, whatever the address",
            [[("ada", "ada@home")], [ADA], [BOB]],
            ("ada", "Bob"),
        ),
        (
            "a person named twice in a commit counts once",
            [[ADA, ("Ada", "")], [BOB], [BOB]],
            ("Bob", "Ada"),
        ),
        ("two without an address are two", [[("Ada", "")], [("Bob", "")]], ("Ada", "Bob")),
        ("programs are no authors", [[("renovate[bot]", "r@x"), ADA]], ("Ada",)),
        ("a file by programs alone has none", [[("dependabot[bot]", "d@x")]], ()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_authors(says, commits, expected):
    assert authors(*(commit(*people) for people in commits)) == expected


def test_no_more_than_eight_authors_are_kept():
    found = authors(*(commit((f"P{n}", f"{n}@x")) for n in range(20)))
    assert found == tuple(f"P{n}" for n in range(MAX_AUTHORS))


def test_the_dates_are_those_of_the_oldest_and_the_newest_commit():
    commits = [commit(ADA, at=DAYS[3]), commit(ADA, at=None), commit(BOB, at=DAYS[5])]
    found = file_history("k.py", "b" * 40, commits)
    assert (found.first_commit_at, found.last_commit_at) == (DAYS[3], DAYS[5])
    cut = file_history("k.py", "b" * 40, commits, is_whole=False)
    assert (cut.first_commit_at, cut.last_commit_at) == (None, DAYS[5])


def test_co_authors_are_read_wherever_the_message_names_them():
    message = (
        "Title\n\nCo-authored-by: Bob <BOB@x.org>\n* one\nCo-Authored-By:Cleo Q.  <c@x.org>\r\n"
        "    co-authored-by: Dan <d@x.org>\nCo-authored-by: no address\nhe co-authored-by: x <y>\n"
    )
    assert people_of("Ada\x1b[31m \n", "ada@x.org", message) == (
        Person("Ada [31m", "ada@x.org"),
        Person("Bob", "bob@x.org"),
        Person("Cleo Q.", "c@x.org"),
        Person("Dan", "d@x.org"),
    )


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("pre-commit-ci[bot]", "66+pre-commit-ci[bot]@users.noreply.github.com"),
        ("GitHub Actions", "actions@github.com"),
        ("facebook-github-bot", "x@y"),
        ("PyTorch MergeBot", "pytorchmergebot@users.noreply.github.com"),
        ("Copilot", "198982749+Copilot@users.noreply.github.com"),
        ("Anything", "49699333+dependabot[bot]@users.noreply.github.com"),
        ("Claude", "noreply@anthropic.com"),
        ("Claude Opus 4.5", "x@y"),
        ("Claude Code", "x@y"),
        ("Release Bot", "x@y"),
        ("Renovate Bot", "x@y"),
    ],
)
def test_programs(name, address):
    assert is_bot(Person(name, address.lower()))


@pytest.mark.parametrize(
    "name",
    [
        "Abbot",
        "Robota",
        "Claudette Dupont",
        "Renova Teo",
        "Bo Tang",
        "Claude",
        "Claude Shannon",
        "Jean Bot",
    ],
)
def test_people(name):
    assert not is_bot(Person(name, "p@x.org"))
