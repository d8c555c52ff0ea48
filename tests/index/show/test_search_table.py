from __future__ import annotations

import pytest

from index.show.search_table import FIT_COLUMNS, room_for_id, search_table, triton_range
from index.table import Table

RECORD = {
    "ops": ["fused_add_rms_norm", "quantize_fp8"],
    "license": "Apache-2.0 AND BSD-3-Clause",
    "triton_min": "2.1.0",
    "triton_max": "3.6.0",
    "verified": {"result": "passed", "gpu": "NVIDIA H200"},
}


@pytest.mark.parametrize(
    ("oldest", "newest", "text"),
    [
        ("3.2.0", None, "3.2+"),
        ("2.1.0", "3.6.0", "2.1-3.6"),
        (None, "3.3.1", "to 3.3.1"),
        (None, None, ""),
    ],
)
def test_a_range_in_few_letters(oldest: str | None, newest: str | None, text: str) -> None:
    assert triton_range(oldest, newest) == text


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_each_row_fits_whatever_it_holds(width: int) -> None:
    found = Table(columns=tuple(RECORD), rows=(tuple(RECORD.values()),))
    table = search_table(found, ["i" * room_for_id(width)], width)
    assert table.columns == FIT_COLUMNS
    (row,) = table.rows
    assert row[3:] == ("2.1-3.6", "yes")
    assert sum(len(str(cell)) for cell in row) + 2 * (len(row) - 1) <= width
