"""Write the JSON Schemas of the records, made from their types, into docs/schemas.

python scripts/make_schemas.py
"""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from index.database import migrate
from index.queries.record_schemas import kernel_schema, operation_schema, wish_schema

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"


def record_schemas() -> dict[str, str]:
    """Return name of file -> text, for each record."""
    with duckdb.connect() as con:
        migrate(con, since=0)
        made = [kernel_schema(con), operation_schema(con), wish_schema()]
    return {
        f"{each['title']}.json": f"{json.dumps(each, indent=2, ensure_ascii=False)}\n"
        for each in made
    }


if __name__ == "__main__":
    SCHEMAS.mkdir(parents=True, exist_ok=True)
    for name, text in record_schemas().items():
        (SCHEMAS / name).write_text(text, encoding="utf-8")
