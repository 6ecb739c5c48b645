"""Asks a database's catalog about the tables that a channel names: columns, types, keys, partitions, privileges.

Reads only the catalog, takes no lock on a user's table, and answers with the values of `catalog.py`. Each question
is a file in `sql/observe`. What the answers mean is decided elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from notifychannel_operator import sqlfile
from notifychannel_operator.catalog import Column, Generated, Kind, Partition, Relation, Table, Type

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    import asyncpg

PATH = "pg_catalog, pg_temp"
SET_PATH = "SELECT pg_catalog.set_config('search_path', $1, true)"


async def tables(
    connection: asyncpg.Connection[asyncpg.Record], names: Iterable[tuple[str, str]], *, role: str | None = None
) -> dict[tuple[str, str], Table]:
    """The tables of these (schema, name) and the rights of `role` (the connection's user) on them; a missing table
    is absent.

    In a REPEATABLE READ transaction of the caller's the answers are one picture. Raises asyncpg.PostgresError.
    """
    wanted = sorted(set(names))
    async with _pinned_path(connection):
        installer = role or await connection.fetchval("SELECT current_user::text")
        rows = await connection.fetch(
            sqlfile.read("observe/tables.sql"),
            [schema for schema, _ in wanted],
            [table for _, table in wanted],
            installer,
        )
        found = await _details(connection, rows, installer)
    return {(table.relation.schema, table.relation.name): table for table in found}


async def types(connection: asyncpg.Connection[asyncpg.Record], oids: Iterable[int]) -> tuple[Type, ...]:
    """These types, as a column of the default collation would have them. Raises asyncpg.PostgresError."""
    async with _pinned_path(connection):
        wanted = list(dict.fromkeys(oids))
        rows = await connection.fetch(sqlfile.read("observe/types.sql"), wanted)
    found = {row["oid"]: row for row in rows}
    return tuple(_type(oid, found, deterministic=True) for oid in wanted)


@asynccontextmanager
async def _pinned_path(connection: asyncpg.Connection[asyncpg.Record]) -> AsyncIterator[None]:
    """With it format_type() qualifies all but PostgreSQL's own types; in the caller's transaction it is put back."""
    async with connection.transaction():
        before = await connection.fetchval("SELECT pg_catalog.current_setting('search_path')")
        await connection.fetchval(SET_PATH, PATH)
        yield
        await connection.fetchval(SET_PATH, before)


async def _details(
    connection: asyncpg.Connection[asyncpg.Record], rows: Sequence[asyncpg.Record], installer: str
) -> tuple[Table, ...]:
    oids = [row["oid"] for row in rows]
    columns = await connection.fetch(sqlfile.read("observe/columns.sql"), oids, installer)
    types = await connection.fetch(sqlfile.read("observe/types.sql"), list({row["type"] for row in columns}))
    keys = await connection.fetch(sqlfile.read("observe/keys.sql"), oids)
    partitions = await connection.fetch(sqlfile.read("observe/partitions.sql"), oids, installer)
    columns_of, keys_of = _group(columns, "table"), _group(keys, "table")
    partitions_of, type_of = _group(partitions, "root"), {row["oid"]: row for row in types}
    return tuple(
        _table(row, columns_of[row["oid"]], keys_of[row["oid"]], partitions_of[row["oid"]], type_of) for row in rows
    )


def _group(rows: Iterable[asyncpg.Record], by: str) -> Mapping[int, list[asyncpg.Record]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row[by]].append(row)
    return groups


def _table(
    row: asyncpg.Record,
    columns: Sequence[asyncpg.Record],
    keys: Sequence[asyncpg.Record],
    partitions: Sequence[asyncpg.Record],
    types: Mapping[int, asyncpg.Record],
) -> Table:
    return Table(
        relation=_relation(row),
        kind=Kind(row["kind"]) if row["kind"] in {kind.value for kind in Kind} else Kind.OTHER,
        is_partition=row["is_partition"],
        inherits=row["inherits"],
        inherited=row["inherited"],
        is_system=row["is_system"],
        columns=tuple(_column(column, types) for column in columns),
        primary_key=next((tuple(key["columns"]) for key in keys if key["is_primary"]), ()),
        unique_keys=tuple(tuple(key["columns"]) for key in keys),
        partitions=tuple(
            Partition(
                relation=_relation(part),
                is_leaf=part["is_leaf"],
                may_trigger=part["may_trigger"],
                may_use_schema=part["may_use_schema"],
            )
            for part in partitions
        ),
        may_use_schema=row["may_use_schema"],
        may_trigger=row["may_trigger"],
        selectable=frozenset(column["name"] for column in columns if column["selectable"]),
        row_security=row["row_security"],
    )


def _relation(row: asyncpg.Record) -> Relation:
    return Relation(oid=row["oid"], schema=row["schema"], name=row["name"])


def _column(row: asyncpg.Record, types: Mapping[int, asyncpg.Record]) -> Column:
    return Column(
        name=row["name"],
        type=_type(row["type"], types, deterministic=row["deterministic"]),
        not_null=row["not_null"],
        generated=Generated(row["generated"]),
        collation=row["collation"],
    )


def _type(oid: int, types: Mapping[int, asyncpg.Record], *, deterministic: bool) -> Type:
    row = types[oid]
    element = None if row["element"] is None else _type(row["element"], types, deterministic=deterministic)
    # a domain is as its base in everything, an array can only do what its elements can
    base = element if row["kind"] == "d" else None
    parts = element if row["is_array"] else base
    return Type(
        oid=oid,
        schema=row["schema"],
        name=row["name"],
        sql=row["sql"],
        kind=row["kind"],
        element=element,
        is_array=row["is_array"],
        equality=parts.equality if parts else row["equality"],
        ordering=parts.ordering if parts else row["ordering"],
        sendable=parts.sendable if parts else row["sendable"],
        exact=base.exact if base else _is_exact(row, deterministic=deterministic),
    )


def _is_exact(row: asyncpg.Record, *, deterministic: bool) -> bool:
    by_collation: bool = deterministic and row["equal_is_same_where_deterministic"]
    return by_collation or row["equal_is_same"]
