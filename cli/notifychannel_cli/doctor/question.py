"""One question to a database: read-only, it waits for nobody and is soon over; why it was not answered is a value."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from notifychannel_cli import registry
from notifychannel_cli.doctor.finding import Unseen
from notifychannel_operator import sqlfile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    Connection = asyncpg.Connection[asyncpg.Record]

T = TypeVar("T")

NO_RIGHT = Unseen(why=registry.NO_RIGHT, remedy=('notifychannel doctor --dsn "$DSN_OF_THE_INSTALLER"',))


@asynccontextmanager
async def asking(connection: Connection) -> AsyncIterator[None]:
    """On one server connection, whatever stands between."""
    async with connection.transaction(readonly=True):
        await connection.execute(sqlfile.read("doctor/begin.sql"))
        yield


async def seen(question: Awaitable[T]) -> T | Unseen:
    """The answer; raises what asyncpg raises where the server is lost."""
    try:
        return await question
    except asyncpg.InsufficientPrivilegeError:
        return NO_RIGHT
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError, asyncpg.UndefinedColumnError) as error:
        return Unseen(why=registry.LACKING.format(error.sqlstate))
    except (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError):
        return Unseen(why="the server took too long for this question, or somebody has locked our tables")


def one(row: asyncpg.Record | None) -> asyncpg.Record:
    """Of a question that always has a row."""
    assert row is not None  # noqa: S101 - an aggregate, or a row of constants
    return row
