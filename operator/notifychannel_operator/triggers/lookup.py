"""A key part that stands in another table: the subquery that fetches it, and why it may be refused.

A correlated subquery, not a join: plans are kept for a session, and a plan made for a bulk statement must not make
the next single row read the whole looked-up table. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator import sqlfile
from notifychannel_operator.quote import ident, qualified
from notifychannel_operator.triggers import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from notifychannel_operator.catalog import Column, Table, Type
    from notifychannel_operator.spec import Lookup

FAMILIES = ({"int2", "int4", "int8", "oid"}, {"text", "varchar", "bpchar", "name"}, {"float4", "float8"})
"""Types of pg_catalog that `=` compares, with an index, without a cast that the user would have to choose."""


def fetch(lookup: Lookup, value: Callable[[str], str], picked: str) -> str:
    """The subquery: `picked` (SQL over the row `l`) of the one row that matches, NULL where there is none.

    `value` gives the SQL of a column of the source's row.
    """
    matches = " AND ".join(f"l.{ident(theirs)} = {value(ours)}" for theirs, ours in lookup.match)
    return sqlfile.fill(
        "trigger/lookup.sql", picked=picked, table=qualified(lookup.schema, lookup.table), matches=matches
    )


def printed(lookup: Lookup, column: Column, value: Callable[[str], str]) -> str:
    """The JSON text of the looked-up value; 'null' for NULL in a row that exists, NULL without a row."""
    read = keys.seen(column.type, f"l.{ident(column.name)}")
    return fetch(lookup, value, keys.printed(column.type, read))


def problems(lookup: Lookup, source: Table, found: Table) -> Iterator[str]:
    """Sentences about what keeps this lookup from working; none when all is well. Rights are `refusals.py`'s."""
    label = f"{lookup.schema}.{lookup.table}"
    for name in sorted({lookup.column, *(theirs for theirs, _ in lookup.match)}):
        if found.column(name) is None:
            yield f"{label} has no column {name}: correct `lookup`"
    if not any(set(key) <= {theirs for theirs, _ in lookup.match} for key in found.unique_keys):
        yield (
            f"`match` may find several rows of {label}: match a primary key or all columns of a unique index "
            "that is neither partial nor deferrable"
        )
    for theirs, ours in lookup.match:
        yield from _incomparable(label, found.column(theirs), source.column(ours))
    picked = found.column(lookup.column)
    if picked is not None and (why := keys.refusal(picked.type)):
        yield f"{label}.{picked.name} can't stand in a key: its type {picked.type.sql} {why}"


def _incomparable(label: str, theirs: Column | None, ours: Column | None) -> Iterator[str]:
    if theirs is None or ours is None:
        return
    pair = f"{label}.{theirs.name} ({theirs.type.sql}) and {ours.name} ({ours.type.sql})"
    if not _comparable(theirs.type.base, ours.type.base):
        yield f"{pair} can't be compared: match columns of the same built-in type"
    elif theirs.collation != ours.collation:
        yield f"{pair} have different collations: match columns of the same collation"


def _comparable(theirs: Type, ours: Type) -> bool:
    # of other types the owner may make an implicit cast, which `=` would call with the installer's rights
    if not (theirs.schema == ours.schema == "pg_catalog" and theirs.equality):
        return False
    return theirs.oid == ours.oid or any({theirs.name, ours.name} <= family for family in FAMILIES)
