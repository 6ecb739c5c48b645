"""Triggers of channels into a database and out again, for `dev`, `demo`, `bench`: one pass as the operator makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from notifychannel_cli.exits import WrongError
from notifychannel_cli.identity import connected
from notifychannel_operator import database, grants, observe, plan, refusals, speech
from notifychannel_operator.names import Owner
from notifychannel_operator.queue_statements import Rows
from notifychannel_operator.triggers import triggers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from notifychannel_operator.database import Result
    from notifychannel_operator.objects import Facts
    from notifychannel_operator.spec import Channel


class InstallError(WrongError):
    """The database is not as a channel needs it, or a lock was not to be had; one problem a line."""


class RowsWaitError(InstallError):
    """Keys wait that no application has acknowledged: nothing is removed without force."""


async def grant(channels: Sequence[Channel], *, dsn: str, installer: str, listener: str) -> None:
    """Give two roles exactly what these channels need, as `notifychannel sql --grants` prints it; as the DSN's role.

    Raises InstallError where a table is not there, or PostgreSQL refuses.
    """
    async with connected(dsn) as connection:
        names = {name for channel in channels for name in triggers.table_names(channel)}
        tables = await observe.tables(connection, names)
        if missing := sorted(names - tables.keys()):
            raise InstallError("\n".join(refusals.missing(f"{schema}.{table}") for schema, table in missing))
        dbname = await connection.fetchval("SELECT current_database()")
        script = grants.script(channels, installer=installer, listener=listener, dbname=dbname, tables=tables)
        # Lines with a backslash are for psql; the server does not know them.
        try:
            await connection.execute("\n".join(line for line in script.splitlines() if not line.startswith("\\")))
        except asyncpg.PostgresError as error:
            raise InstallError(f"PostgreSQL refuses the rights: {error}") from None


async def install(
    channels: Sequence[Channel],
    *,
    dsn: str,
    installation: str,
    allow_superuser: bool = False,
    on_installed: Callable[[Channel], None] = lambda _: None,
) -> tuple[str, ...]:
    """One pass for each channel, as the DSN's role: what is worth saying. Raises InstallError with every problem.

    `on_installed` hears of each channel of which nothing was there before; of one that was only changed it does not.
    """
    notes: list[str] = []
    problems: list[str] = []
    async with connected(dsn) as connection:
        for channel in channels:
            facts = await database.observe(connection, channel, _owner(channel, installation))
            steps = plan.of(channel, facts, allow_superuser=allow_superuser)
            notes += (*steps.notes, *steps.remarks)
            problems += steps.problems
            if not steps.problems:
                result = await database.apply(connection, steps)
                problems += _left_undone(result)
                if result.done and not _was_there(facts):
                    on_installed(channel)
            if facts.server.login_is_superuser and not allow_superuser:
                problems.append("For a database of your own `notifychannel dev` accepts one with --allow-superuser.")
    if problems:
        raise InstallError("\n".join(dict.fromkeys(problems)))
    return tuple(notes)


async def remove(channels: Sequence[Channel], *, dsn: str, installation: str, force: bool = False) -> bool:
    """Leave nothing of these channels; whether there was anything.

    Raises InstallError where a lock is held, and without `force` RowsWaitError.
    """
    rows = Rows.DROP if force else Rows.REFUSE
    owners = [_owner(channel, installation) for channel in channels]
    async with connected(dsn) as connection:
        results = [await database.remove(connection, owner, rows=rows) for owner in owners]
        problems = [problem for result in results for problem in _left_undone(result)]
        there = [it for owner in owners for it in await database.observe_waiting(connection, owner)] if problems else []
    if problems:
        waits = not force and any(it.waiting for it in there)
        raise (RowsWaitError if waits else InstallError)("\n".join(problems))
    return any(result.done for result in results)


def _left_undone(result: Result) -> tuple[str, ...]:
    stale = tuple(f"{step.sentence}: somebody else changed it meanwhile; run it again" for step in result.stale)
    return (*map(str, result.gave_up), *stale, *result.failed)


def _was_there(facts: Facts) -> bool:
    return bool(speech.ours(facts)) or any(it.owner == facts.owner for it in facts.consumers)


def _owner(channel: Channel, installation: str) -> Owner:
    return Owner(installation=installation, namespace=channel.namespace, name=channel.name)
