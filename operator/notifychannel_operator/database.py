"""The edge to one database: look at it, take the steps of a plan, remove what a channel has left there.

The only file that runs DDL, in short transactions that give up rather than queue in front of the users' traffic.
Looking writes nothing and locks no user's table. Refuses to decide: see `plan.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_operator import blocker, inventory, names, removal, roster, statements
from notifychannel_operator import observe as catalog
from notifychannel_operator.catalog import PlanError
from notifychannel_operator.objects import Existing, Facts
from notifychannel_operator.queue_statements import Rows
from notifychannel_operator.quote import ident
from notifychannel_operator.shared import Needs
from notifychannel_operator.step import Kind
from notifychannel_operator.triggers import triggers

if TYPE_CHECKING:
    from collections.abc import Collection

    from notifychannel_operator.blocker import Blocker
    from notifychannel_operator.consumers import Registered
    from notifychannel_operator.objects import Schema, Server
    from notifychannel_operator.spec import Channel
    from notifychannel_operator.step import Plan, Step

    Connection = asyncpg.Connection[asyncpg.Record]


FIRST = frozenset({Kind.SCHEMA, Kind.REGISTER})
"""What the steps behind it stand on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveUp:
    """A step that waited 200 ms for a lock, and was rolled back; `plan.next_try` says when to try again."""

    step: Step
    blockers: tuple[Blocker, ...]

    @property
    def is_behind_a_pass(self) -> bool:
        """Nobody but passes of NotifyChannel held it, which takes them milliseconds."""
        return bool(self.blockers) and all(it.is_a_pass for it in self.blockers)

    def __str__(self) -> str:
        held = " and ".join(map(str, self.blockers)) or "somebody who is gone by now"
        return f"{self.step.sentence}: gave up after 200 ms, for the lock is held by {held}; nothing was changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a plan."""

    done: tuple[Step, ...] = ()
    gave_up: tuple[GaveUp, ...] = ()
    stale: tuple[Step, ...] = ()
    """Not taken, because the function is not as the plan saw it: look again."""
    failed: tuple[str, ...] = ()
    """A sentence for each step that PostgreSQL refused."""

    @property
    def is_complete(self) -> bool:
        """Every step was taken."""
        return not (self.gave_up or self.stale or self.failed)

    @property
    def repaired(self) -> bool:
        """Drift was mended: the listeners were told, in the same transaction, to look at everything."""
        return any(step.kind is Kind.REPAIR for step in self.done)


async def observe(
    connection: Connection,
    channel: Channel,
    owner: names.Owner,
    *,
    role: str | None = None,
    listener: str | None = None,
) -> Facts:
    """The database as this channel's pass sees it, in one read-only snapshot; in no transaction but such a one.

    Rights are those of `role` (the connection's) and, where it is named, of the role `listener`.
    Raises PlanError when there is no such role, asyncpg.PostgresError and OSError when the database can't be asked.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        server, schema = await _server(connection, role)
        needs = Needs.of(channel)
        wanted = [names.function(owner, source.schema, source.table) for source in channel.sources]
        functions = await inventory.functions(connection, named=wanted, owner=owner)
        installer = Existing(server=server, schema=schema).installer
        tables = await catalog.tables(connection, triggers.table_names(channel), role=installer)
        there = roster.NOBODY
        if schema and schema.has_queue:
            there = await roster.read(connection, [owner], role=installer, every_installation=channel.take_over)
        return Facts(
            owner=owner,
            pg_channel=channel.pg_channel or names.pg_channel(owner),
            take_over=channel.take_over,
            server=server,
            schema=schema,
            functions=functions,
            tables=tables,
            taken=await inventory.taken(connection, tables.values()),
            listener=await inventory.listener(connection, listener) if listener else None,
            outbox=await inventory.outbox(connection) if needs.outbox and schema and schema.has_outbox else None,
            needs_queue=needs.queue,
            queue=await roster.queue(connection) if needs.queue and schema and schema.has_queue else None,
            consumers=there.consumers,
            audited=there.audited,
            uncastable={
                (source.schema, source.table): await inventory.uncastable(connection, triggers.literals(source, tables))
                for source in channel.sources
            },
        )


async def apply(connection: Connection, plan: Plan) -> Result:
    """Take the steps, each in a transaction of its own; what gives up, fails or is stale does not stop the others.

    Raises OSError, asyncpg.PostgresError or asyncpg.InterfaceError when the connection breaks; no step is half done
    then.
    """
    result = Result()
    for step in plan.steps:
        result = await _take(connection, step, plan.installer, result)
        if step.then is not None and step in result.done:
            after = await _take(connection, step.then, plan.installer, result)
            result = replace(after, done=result.done)
        if step.kind in FIRST and step not in result.done:
            break
    return result


async def observe_removal(
    connection: Connection, owners: Collection[names.Owner], *, role: str | None = None, rows: Rows = Rows.REFUSE
) -> Plan:
    """What would take all of these away, read-only; `rows` as in `removal.of`. Raises as `observe`."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        server, schema = await _server(connection, role)
        functions = await inventory.functions_of(connection, owners)
        existing = Existing(server=server, schema=schema, functions=functions)
        if schema and schema.has_queue:
            there = await roster.read(connection, owners, role=existing.installer, is_counted=True)
            existing = replace(existing, consumers=there.consumers, has_others=there.has_others, named=there.named)
    return removal.of(existing, owners, rows=rows)


async def observe_waiting(connection: Connection, owner: names.Owner) -> tuple[Registered, ...]:
    """Who of this owner is registered with the queue, and what waits for each; raises as `observe`."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        server, schema = await _server(connection, None)
        if schema is None or not schema.has_queue:
            return ()
        role = Existing(server=server, schema=schema).installer
        there = await roster.read(connection, [owner], role=role, is_counted=True)
    return there.consumers


async def remove(connection: Connection, owner: names.Owner, *, rows: Rows = Rows.REFUSE) -> Result:
    """Drop exactly this owner's functions with their triggers, and behind the last owner what all shared.

    Nothing where rows wait and are to be refused: `observe_removal` says it.
    """
    made = await observe_removal(connection, [owner], rows=rows)
    return Result(failed=made.problems) if made.problems else await apply(connection, made)


async def _server(connection: Connection, role: str | None) -> tuple[Server, Schema | None]:
    """What is asked first: from here on in the transaction all names print as when our objects were made."""
    await connection.fetchval(catalog.SET_PATH, catalog.PATH)
    try:
        return await inventory.server(connection, role=role)
    except LookupError:
        message = f"there is no role {role} for the installer; run: CREATE ROLE {ident(role or '')} LOGIN;"
        raise PlanError(message) from None


async def _take(connection: Connection, step: Step, installer: str, before: Result) -> Result:
    try:
        async with connection.transaction():
            await connection.execute(statements.begin(installer))
            if await _is_stale(connection, step):
                return replace(before, stale=(*before.stale, step))
            for statement in step.statements:
                await connection.execute(statement)
    except asyncpg.LockNotAvailableError:
        gave_up = GaveUp(step=step, blockers=await blocker.find(connection, step))
        return replace(before, gave_up=(*before.gave_up, gave_up))
    except asyncpg.PostgresError as error:
        if connection.is_closed():
            raise
        failed = f"{step.sentence}: PostgreSQL refused ({error.sqlstate}): {error.args[0]}"
        return replace(before, failed=(*before.failed, failed))
    return replace(before, done=(*before.done, step))


async def _is_stale(connection: Connection, step: Step) -> bool:
    if step.is_last:
        others = (await inventory.functions(connection)).keys() - {"skipped"}
        return bool(others) or await roster.has_consumers(connection)
    if step.behind:
        return bool((await inventory.functions(connection, named=step.behind)).keys() & set(step.behind))
    if step.function is None:
        return False
    return (await inventory.functions(connection, named=[step.function])).get(step.function) != step.seen
