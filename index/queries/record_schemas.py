"""JSON Schemas of the records, made from the types that they are stored or kept in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import duckdb
import msgspec

from index.queries.fields import FORMAT_VERSION, KERNEL_FIELDS, OPERATION_FIELDS, WISH_FIELDS
from index.queries.operations import no_operations
from wishlist.models import Wish

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: dict[str, Schema] = {
    "VARCHAR": {"type": "string"},
    "BOOLEAN": {"type": "boolean"},
    "INTEGER": {"type": "integer"},
    "BIGINT": {"type": "integer"},
    "DOUBLE": {"type": "number"},
    "TIMESTAMP": {"type": "string", "format": "date-time"},
    # Read before it is printed: a list of mappings.
    "JSON": {"type": "array", "items": {"type": "object"}},
}
# What may be unknown, or of which there may be none; lists are empty then.
_MAY_BE_NULL = frozenset(
    "cell summary docstring autotune triton_min triton_max triton_declared license stars usage "
    "backward forward clone_group origin removed_at verified doc_chars "
    # Of a parameter, and of configurations that are made where nobody can read them.
    "default n_configs".split()
)


def kernel_schema(con: duckdb.DuckDBPyConnection) -> Schema:
    """Return the schema of a kernel, as the view `kernels` has it."""
    return _record("kernel", KERNEL_FIELDS, _of_columns(con.sql("SELECT * FROM kernels LIMIT 0")))


def operation_schema(con: duckdb.DuckDBPyConnection) -> Schema:
    """Return the schema of an operation."""
    return _record("operation", OPERATION_FIELDS, _of_columns(no_operations(con)))


def wish_schema() -> Schema:
    """Return the schema of a wish, with the types that it refers to."""
    _, known = msgspec.json.schema_components([Wish], ref_template="#/$defs/{name}")
    properties = known.pop("Wish")["properties"]
    record = _record("wish", WISH_FIELDS, {name: properties[name] for name in WISH_FIELDS})
    return record | {"$defs": known}


def _record(name: str, notes: Mapping[str, str], properties: Mapping[str, Schema]) -> Schema:
    return {
        "$schema": _DIALECT,
        "$id": f"triton-index/{name}/{FORMAT_VERSION}",
        "title": name,
        "type": "object",
        "required": list(notes),
        "properties": {
            field: {"description": note} | properties[field] for field, note in notes.items()
        },
    }


def _or_null(field: str, schema: Schema) -> Schema:
    if field not in _MAY_BE_NULL:
        return schema
    return schema | {"type": [schema["type"], "null"]}


def _of_columns(relation: duckdb.DuckDBPyRelation) -> dict[str, Schema]:
    types = zip(relation.columns, relation.types, strict=True)
    return {name: _or_null(name, _of_type(type)) for name, type in types}


def _of_type(type: DuckDBPyType) -> Schema:
    if str(type) in _PLAIN:
        return dict(_PLAIN[str(type)])
    children = dict(cast("Sequence[tuple[str, DuckDBPyType]]", type.children))
    if type.id == "list":
        return {"type": "array", "items": _of_type(children["child"])}
    fields = {name: _or_null(name, _of_type(child)) for name, child in children.items()}
    return {"type": "object", "properties": fields, "required": list(fields)}
