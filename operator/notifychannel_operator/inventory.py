"""Asks a database what it holds of ours: server, role, schema, functions, triggers, and the names that are taken.

Reads only the catalog, so it locks no user's table. Each question is a file in `sql/observe`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_operator import marker, queue_statements, sqlfile
from notifychannel_operator.catalog import Relation
from notifychannel_operator.objects import Firing, Function, Listener, Outbox, Schema, Server, Trigger, When, shape
from notifychannel_operator.quote import literal
from notifychannel_operator.triggers import keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from notifychannel_operator.catalog import Table
    from notifychannel_operator.names import Owner

    Connection = asyncpg.Connection[asyncpg.Record]

MADE_BY_US = "made by NotifyChannel; dropped with its last channel"
"""The comment that 010_schema.sql gives to a schema that it makes."""


async def server(connection: Connection, *, role: str | None) -> tuple[Server, Schema | None]:
    """Server, `role` (None: the connection's) and our schema; raises LookupError when there is no such role."""
    made = (queue_statements.relations_by_kind(), queue_statements.routines())
    row = await connection.fetchrow(sqlfile.read("observe/our_server.sql"), role, *made)
    if row is None:
        raise LookupError(role)
    found = Server(
        version=row["version"],
        is_standby=row["is_standby"],
        dbname=row["dbname"],
        login=row["role"],
        login_is_superuser=row["is_superuser"],
        may_create_schema=row["may_create_schema"],
        encoding=row["encoding"],
    )
    return found, None if row["schema_owner"] is None else _schema(row)


def _schema(row: asyncpg.Record) -> Schema:
    return Schema(
        owner=row["schema_owner"],
        owner_is_superuser=row["schema_owner_is_superuser"],
        may_become_owner=row["may_become_owner"],
        is_made_by_us=row["schema_comment"] == MADE_BY_US,
        is_granted=row["schema_is_granted"],
        has_counter=row["has_counter"],
        has_outbox=row["has_outbox"],
        has_queue=row["has_queue"],
        is_changing=row["is_changing"],
        others=tuple(row["others"]),
    )


async def functions(
    connection: Connection, *, named: Iterable[str] | None = None, owner: Owner | None = None
) -> dict[str, Function]:
    """Every routine without arguments in our schema, by name, with the triggers that call it.

    Where `named` is given, only those and what `owner`'s namespace and name have from any installation: a pass over one
    of a thousand channels must not read the others' bodies.
    """
    only = None if named is None else sorted({"skipped", *named})
    mark = marker.whose(owner) if owner else None
    found = await connection.fetch(sqlfile.read("observe/our_functions.sql"), only, mark, queue_statements.routines())
    rows = await connection.fetch(sqlfile.read("observe/our_triggers.sql"), [row["oid"] for row in found])
    calling = defaultdict(list)
    for row in rows:
        calling[row["function"]].append(_trigger(row))
    return {row["name"]: _function(row, calling[row["oid"]]) for row in found}


async def functions_of(connection: Connection, owners: Iterable[Owner]) -> dict[str, Function]:
    """Those of these owners' namespaces and names, `skipped`, and one of somebody else's where there is any: whether
    one is the last can't be told otherwise, and a thousand others' bodies need not be read for it.
    """
    found: dict[str, Function] = {}
    for owner in owners:
        found |= await functions(connection, named=(), owner=owner)
    known = (["skipped", *found], queue_statements.routines())
    other = await connection.fetchval(sqlfile.read("observe/our_other.sql"), *known)
    return found if other is None else found | await functions(connection, named=[other])


def _function(row: asyncpg.Record, calling: Iterable[Trigger]) -> Function:
    return Function(
        oid=row["oid"],
        name=row["name"],
        owner=row["owner"],
        marker=marker.parse(row["comment"]),
        body=row["body"],
        settings=frozenset(row["settings"]),
        is_shaped=row["is_shaped"],
        is_public=row["is_public"],
        is_granted=row["is_granted"],
        triggers=tuple(calling),
    )


def _trigger(row: asyncpg.Record) -> Trigger:
    return Trigger(
        oid=row["trigger"],
        name=row["trigger_name"],
        relation=Relation(oid=row["oid"], schema=row["schema"], name=row["name"]),
        shape=shape(
            row["type"],
            old_table=row["old_table"],
            new_table=row["new_table"],
            when=When(row["condition"]),
            is_plain=row["is_plain"],
        ),
        firing=Firing(row["firing"]),
        is_clone=row["is_clone"],
    )


async def taken(connection: Connection, tables: Iterable[Table]) -> dict[int, frozenset[tuple[str, int]]]:
    """Name and function (oid) of every trigger on these tables and their partitions, by the table's oid."""
    oids = [oid for it in tables for oid in (it.relation.oid, *(part.relation.oid for part in it.partitions))]
    rows = await connection.fetch(sqlfile.read("observe/our_names.sql"), oids)
    names: dict[int, set[tuple[str, int]]] = defaultdict(set)
    for row in rows:
        names[row["table"]].add((row["name"], row["function"]))
    return {oid: frozenset(found) for oid, found in names.items()}


async def listener(connection: Connection, role: str) -> Listener:
    """What that role may do of what a listener needs."""
    row = await connection.fetchrow(sqlfile.read("observe/our_listener.sql"), role, queue_statements.claiming())
    if row is None:
        return Listener(role=role, exists=False)
    return Listener(role=role, exists=True, **row)


async def outbox(connection: Connection) -> Outbox:
    """What there is of the outbox."""
    state = sqlfile.read("observe/outbox_state.sql")
    row = await connection.fetchrow(sqlfile.fill("observe/our_outbox.sql", state=state))
    if row is None:
        raise LookupError
    return Outbox(**row)


async def uncastable(connection: Connection, values: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """A sentence for each of (where, SQL of the type, value) that PostgreSQL does not take as that type.

    Read under the settings that are pinned in trigger functions, which stay until the caller's transaction ends.
    """
    refused = []
    for name, pinned in keys.ALL_PINS:
        await connection.execute("SELECT pg_catalog.set_config($1, $2, true)", name, pinned)
    for where, type_sql, value in values:
        try:
            async with connection.transaction():
                await connection.execute(sqlfile.fill("observe/cast.sql", value=literal(value), type=type_sql))
        except asyncpg.PostgresError as error:
            refused.append(f"{where}: the value can't be read as {type_sql} ({error.args[0]}): correct it")
    return tuple(refused)
