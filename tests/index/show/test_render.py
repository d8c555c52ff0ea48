from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from index.plain_text import cut, display_width, one_line, printable
from index.show.render import (
    WRITERS,
    cell_text,
    plain_markdown,
    to_json,
    without_what_does_not_fit,
    write_csv,
    write_json,
    write_jsonl,
    write_md,
    write_table,
)
from index.table import Table

TABLE = Table(
    columns=("id", "count", "tags", "seen", "is_test"),
    rows=(
        ("a/b:k.py::k", 7, ["norm", "fused"], datetime(2026, 1, 2, 3, 4, 5), False),
        ("c/d:q.py::q", 1234, [], None, None),
    ),
)
# What steers a terminal or a page: colours, titles, C1 controls, directions, line ends.
# And what nothing is seen of: interlinear notes, tags, fillers, variants without number.
UNSEEN = "\ufff9x\ufffay\ufffb \U000e0041\U000e007f \U000e0101 \u3164 \u034f \xad \u180e \U0001d173"
HOSTILE = f"{UNSEEN} "
HOSTILE += "\x1b[31mred\x1b]0;t\x07 \x9b1m \x7f \u202eevil\u2066 \r\n\0 \u2028 \ud800"


def written(style: str, table: Table) -> str:
    out = io.StringIO()
    WRITERS[style](table, out)
    return out.getvalue()


def test_table_is_aligned() -> None:
    assert written("table", TABLE).splitlines() == [
        "id           count  tags         seen              is_test",
        "a/b:k.py::k      7  norm, fused  2026-01-02 03:04  no",
        "c/d:q.py::q   1234",
    ]


def test_table_fits_a_terminal_but_ids_stay_whole() -> None:
    table = Table(columns=("id", "summary"), rows=(("i" * 50, "s" * 100), ("j", "short")))
    out = io.StringIO()
    write_table(table, out, width=80)
    _, first, second = out.getvalue().splitlines()
    assert first == "i" * 50 + "  " + "s" * 27 + "…"
    assert len(first) == 80
    assert second.startswith("j  ")
    write_table(table, out, width=10)
    assert "i" * 50 in out.getvalue()


def test_columns_for_which_there_is_no_room_are_left_out() -> None:
    table = Table(columns=("id", "role", "summary"), rows=(("i" * 50, "kernel", "s" * 100),))
    assert without_what_does_not_fit(table, 80).columns == table.columns
    assert without_what_does_not_fit(table, 70).columns == ("id", "role")
    assert without_what_does_not_fit(table, 10) == Table(columns=("id",), rows=(("i" * 50,),))


def test_wide_characters_take_two_columns() -> None:
    table = Table(columns=("a", "b"), rows=(("日本", "x"), ("e\u0301", "y")))
    assert written("table", table).splitlines()[1:] == ["日本  x", "e\u0301     y"]
    assert display_width("日本é") == 5
    assert cut("日本語", 4) == "日…"


def test_json_is_one_array_of_objects() -> None:
    assert json.loads(written("json", TABLE)) == [
        {
            "id": "a/b:k.py::k",
            "count": 7,
            "tags": ["norm", "fused"],
            "seen": "2026-01-02T03:04:05Z",
            "is_test": False,
        },
        {"id": "c/d:q.py::q", "count": 1234, "tags": [], "seen": None, "is_test": None},
    ]
    assert list(json.loads(written("json", TABLE))[0]) == list(TABLE.columns)


def test_jsonl_is_an_object_a_line() -> None:
    lines = written("jsonl", TABLE).splitlines()
    assert [json.loads(line) for line in lines] == json.loads(written("json", TABLE))


@pytest.mark.parametrize(
    ("style", "expected"),
    [("table", ""), ("json", "[]\n"), ("jsonl", ""), ("csv", "a,b\n")],
)
def test_no_rows(style: str, expected: str) -> None:
    assert written(style, Table(columns=("a", "b"), rows=())) == expected


def test_csv_reads_back() -> None:
    rows = list(csv.reader(io.StringIO(written("csv", TABLE))))
    assert rows == [
        list(TABLE.columns),
        ["a/b:k.py::k", "7", '["norm", "fused"]', "2026-01-02T03:04:05Z", "false"],
        ["c/d:q.py::q", "1234", "[]", "", ""],
    ]


def test_csv_keeps_lines_and_quotes() -> None:
    text = 'one, "two"\nthree\tfour'
    out = written("csv", Table(columns=("a",), rows=((text,),)))
    assert list(csv.reader(io.StringIO(out)))[1] == [text]


@pytest.mark.parametrize(
    "formula",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "  =1",
        "\t=1",
        "\n=1",
        "\uff1d1+1",
        "\uff0b1",
        "\uff0d1",
        "\uff20A1",
        "\ufe661",
        "\u2212 1",
    ],
)
def test_csv_text_is_no_formula(formula: str) -> None:
    out = written("csv", Table(columns=("a",), rows=((formula,), (-1,))))
    (_, (cell,), (number,)) = csv.reader(io.StringIO(out))
    assert cell == "'" + formula
    assert number == "-1"


def test_md_has_no_markup_but_its_own() -> None:
    hostile = "a|b\n<script>*x*_y_`z`[l](http://e.vil) @all #1 ![i](x) ~~s~~ \\|"
    text = written("md", Table(columns=("a", "b_c"), rows=((hostile, 1),)))
    head, rule, row = text.splitlines()
    assert (head, rule) == (r"| a | b\_c |", "| --- | --- |")
    assert row == (
        r"| a\|b &lt;script&gt;\*x\*\_y\_\`z\`\[l\](http&#58;//e.vil) &#64;all \#1 "
        r"!\[i\](x) \~\~s\~\~ \\\| | 1 |"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see www.e.vil/x", "see www&#46;e.vil/x"),
        ("(WWW.e.vil)", "(WWW&#46;e.vil)"),
        ("_www.e.vil", r"\_www&#46;e.vil"),
        ("mail me.x-y@e.vil", "mail me.x-y&#8203;&#64;e.vil"),
        ("mailto:a@e.vil", "mailto&#58;a&#8203;&#64;e.vil"),
        ("a_@b@c", r"a\_&#8203;&#64;b&#8203;&#64;c"),
        ("owww.x and a @ b", "owww.x and a &#64; b"),
    ],
)
def test_md_has_no_link_that_nobody_wrote(text: str, shown: str) -> None:
    """GitHub makes them of `www.` and of mail addresses, even where the sign is spelled out."""
    assert plain_markdown(text) == shown


def test_md_links_permalinks_and_nothing_else() -> None:
    link = f"https://github.com/a/b/blob/{'1' * 40}/ops/k_1.py#L3-L9"
    bad = link.replace("k_1", "k>(x")
    _, _, good_row, bad_row = written(
        "md", Table(columns=("permalink",), rows=((link,), (bad,)))
    ).splitlines()
    assert good_row == f"| <{link}> |"
    assert "<" not in bad_row


@pytest.mark.parametrize("style", WRITERS)
def test_nothing_steers_a_terminal(style: str) -> None:
    table = Table(columns=("a", "b", "c"), rows=((HOSTILE, [HOSTILE], {"name": HOSTILE, "x": 1}),))
    text = written(style, table)
    allowed = "\n\t" if style == "csv" else "\n"
    assert [c for c in text if c not in allowed and not c.isprintable()] == []


def test_json_of_any_value() -> None:
    values = {
        "float": float("nan"),
        "infinite": [float("inf")],
        "bytes": b"\0\xff",
        "decimal": Decimal("1.5"),
        "date": date(2026, 1, 2),
        "aware": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "map": {1: (2, 3)},
        "big": 2**100,
    }
    assert json.loads(to_json(values)) == {
        "float": None,
        "infinite": [None],
        "bytes": "00ff",
        "decimal": "1.5",
        "date": "2026-01-02",
        "aware": "2026-01-02T03:04:05Z",
        "map": {"1": [2, 3]},
        "big": 2**100,
    }


def test_printable_keeps_lines_and_tabs() -> None:
    assert printable("a\tb\nc\x1b\u202e") == "a\tb\nc\\x1b\\u202e"
    assert one_line(" a\tb\n c\x07 ") == "a b c\\x07"


@pytest.mark.parametrize("write", [write_json, write_jsonl, write_csv, write_md])
def test_columns_stand_in_their_order(write: object) -> None:
    out = io.StringIO()
    write(Table(columns=("z", "a", "m"), rows=((1, 2, 3),)), out)  # type: ignore[operator]
    places = [out.getvalue().index(name) for name in ("z", "a", "m")]
    assert places == sorted(places)


def test_a_record_of_plain_values_is_read_as_words() -> None:
    verified = {"result": "passed", "gpu": "H200", "torch": None, "seconds": 1.5}
    assert cell_text(verified) == "result passed, gpu H200, seconds 1.5"
    assert cell_text({"configs": [{"a": 1}]}) == '{"configs": [{"a": 1}]}'
