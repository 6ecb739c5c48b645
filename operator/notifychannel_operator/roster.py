"""Asks a database who is registered with its queue, and what waits for each; reads our own tables, as their owner.

Who may not act as the owner is told of nobody: then a plan registers once more, which changes nothing, and what would
drop rows looks for itself.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_operator import queue_statements, sqlfile
from notifychannel_operator.consumers import Audited, Registered, Terms
from notifychannel_operator.names import Owner
from notifychannel_operator.objects import Queue
from notifychannel_operator.quote import array, ident

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    Connection = asyncpg.Connection[asyncpg.Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """What concerns some owners."""

    consumers: tuple[Registered, ...] = ()
    audited: Audited | None = None
    """Of the first owner that is."""
    has_others: bool = False
    """There are consumers of other owners."""
    named: frozenset[Owner] | None = None
    """Those of the owners of whom anything is registered; None: not known."""


NOBODY = Roster()


async def queue(connection: Connection) -> Queue:
    """What there is of the queue's objects."""
    text = sqlfile.fill(
        "observe/our_queue.sql",
        state=queue_statements.state().rstrip("\n"),
        claiming=array(queue_statements.claiming()),
    )
    row = await connection.fetchrow(text)
    if row is None:
        raise LookupError
    return Queue(**row)


async def read(
    connection: Connection,
    owners: Collection[Owner],
    *,
    role: str,
    every_installation: bool = False,
    is_counted: bool = False,
) -> Roster:
    """Within a transaction, as `role`; `is_counted`: with what waits, also for those who have not left."""
    async with _acting(connection, role) as may_act:
        if not may_act or not await connection.fetchval(sqlfile.read("observe/queue_tables.sql")):
            return NOBODY
        found: list[Registered] = []
        audits: dict[Owner, Audited] = {}
        for it in owners:
            whose = None if every_installation else it.installation
            asked = (it.namespace, it.name, whose, is_counted)
            rows = await connection.fetch(sqlfile.read("observe/consumers.sql"), *asked)
            found += [_registered(row, it) for row in rows]
            kept = await connection.fetchrow(
                sqlfile.read("observe/audited.sql"), it.installation, it.namespace, it.name
            )
            if kept is not None:
                audits[it] = Audited(
                    pg_channel=kept["pg_channel"], retention=kept["retention"], key_names=tuple(kept["key_names"])
                )
        has_others = await _has_others(connection, owners)
    return Roster(
        consumers=tuple(found),
        audited=next((audits[it] for it in owners if it in audits), None),
        has_others=has_others,
        named=frozenset((*audits, *(it.owner for it in found))),
    )


async def has_consumers(connection: Connection) -> bool:
    """Whether the queue, if there is one, has any; as the role that the transaction acts as."""
    is_there = await connection.fetchval("SELECT to_regclass('notifychannel.consumer') IS NOT NULL")
    return is_there and await _has_others(connection, ())


async def _has_others(connection: Connection, owners: Collection[Owner]) -> bool:
    columns = [[getattr(it, name) for it in owners] for name in ("installation", "namespace", "name")]
    found: bool = await connection.fetchval(sqlfile.read("observe/consumers_any.sql"), *columns)
    return found


@asynccontextmanager
async def _acting(connection: Connection, role: str) -> AsyncIterator[bool]:
    """As that role for the block, if the connection's may; where that fails, until the transaction is rolled back."""
    may_act = True
    before = await connection.fetchval("SELECT current_user::text")
    try:
        async with connection.transaction():
            await connection.execute(sqlfile.fill("outbox/act_as.sql", role=ident(role)))
    except asyncpg.PostgresError:
        may_act = False
    yield may_act
    if may_act:
        await connection.execute(sqlfile.fill("outbox/act_as.sql", role=ident(before)))


def _registered(row: asyncpg.Record, owner: Owner) -> Registered:
    return Registered(
        owner=Owner(installation=row["installation"], namespace=owner.namespace, name=owner.name),
        terms=Terms(key_names=tuple(row["key_names"]), **{name: row[name] for name in PLAIN}),
        **{name: row[name] for name in HANGING},
    )


PLAIN = (
    "group", "pg_channel", "rules", "suspended", "debounce", "max_delay", "min_interval", "timeout", "max_attempts",
    "initial_delay", "longest_delay", "escalate_after",
)  # fmt: skip
HANGING = ("is_changing", "rows", "dead", "unmerged", "claimers")
