"""What a database says of its consumers and audited channels, and why it can't be asked; for the installer's role.

Texts of the server are not shown: they may hold keys.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_cli.exits import UnreachableError, WrongError
from notifychannel_cli.identity import connected, reason
from notifychannel_operator import sqlfile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from notifychannel_cli.selection import Selection

NO_QUEUE = (
    "this database has no queue: no channel with `delivery: AtLeastOnce` or `audit` was installed in it. Check the "
    "DSN's database, and the channel's condition TriggersInstalled"
)
SOME = 10
"""In a sentence."""
NO_RIGHT = (
    "the role may not look into the schema notifychannel: give the DSN of the installer, who owns it (the Secret of "
    "`database.secretRef`)"
)

LACKING = (
    "something that this command asks for is not in this database (SQLSTATE {}): what is installed there may be of "
    "another version; see notifychannel --version, and that the operator's, or who runs notifychannel sql, is the same"
)


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection for a command; WrongError and UnreachableError say what to do where it fails."""
    try:
        async with connected(dsn) as connection:
            yield connection
    except asyncpg.InsufficientPrivilegeError:
        raise WrongError(NO_RIGHT) from None
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError, asyncpg.UndefinedColumnError) as error:
        raise WrongError(LACKING.format(error.sqlstate)) from None
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError) as error:  # lost on the way
        raise UnreachableError(reason(error)) from None
    except asyncpg.PostgresError as error:
        raise WrongError(f"the server refuses (SQLSTATE {error.sqlstate}); see its log") from None


async def consumers(connection: asyncpg.Connection, selection: Selection) -> list[asyncpg.Record]:
    """Rows of sql/queue/consumers.sql; raises WrongError where nothing is meant that there is."""
    there = await connection.fetchrow(sqlfile.read("queue/there.sql"))
    if there is None or not there["has_queue"]:
        raise WrongError(NO_QUEUE)
    found = await connection.fetch(
        sqlfile.read("queue/consumers.sql"),
        selection.installation, selection.namespace, selection.channel, selection.group,
    )  # fmt: skip
    if not found and str(selection):
        every = await connection.fetch(sqlfile.read("queue/consumers.sql"), None, None, None, None)
        raise WrongError(f"no consumer with `delivery: AtLeastOnce` is {selection}; {_there(every)}")
    return found


def _there(consumers: Sequence[asyncpg.Record]) -> str:
    names = ", ".join(f"{channel_name(row)} {row['group']}" for row in consumers[:SOME])
    more = f", and {len(consumers) - SOME} more" if len(consumers) > SOME else ""
    return f"this database has: {names}{more}" if consumers else "this database has none"


async def audited(connection: asyncpg.Connection, selection: Selection) -> asyncpg.Record:
    """The one channel that is meant: a row of sql/queue/audited.sql; raises WrongError where it is not one."""
    there = await connection.fetchrow(sqlfile.read("queue/there.sql"))
    if there is None or not there["has_queue"]:
        raise WrongError(NO_QUEUE)
    asked = sqlfile.read("queue/audited.sql")
    found = await connection.fetch(asked, selection.installation, selection.namespace, selection.channel)
    if not found:
        raise WrongError(_unkept(selection, await connection.fetch(asked, None, None, None)))
    if len(found) > 1:
        raise WrongError(
            f"several channels keep their history; choose one by --channel or --installation: {_kept(found)}"
        )
    return found[0]


def _unkept(selection: Selection, kept: Sequence[asyncpg.Record]) -> str:
    others = f"; this database keeps that of {_kept(kept)}" if kept else " in this database"
    spec = "to have it kept, write into the channel's spec: capture: Outbox, audit: {enabled: true}"
    return f"no history is kept of {selection or 'any channel'}{others}; {spec}"


def _kept(rows: Sequence[asyncpg.Record]) -> str:
    return ", ".join(f"{channel_name(row)} (installation {row['installation']})" for row in rows)


def channel_name(row: asyncpg.Record) -> str:
    """`namespace/name`."""
    return f"{row['namespace']}/{row['channel']}"
