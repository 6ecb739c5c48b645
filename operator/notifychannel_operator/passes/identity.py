"""Two questions to a database: which one it is, and which sessions of listeners are proven there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator import sqlfile
from notifychannel_operator.passes.whereabouts import Identity

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

MAX_SESSIONS = 10_000


async def identify(connection: asyncpg.Connection[asyncpg.Record]) -> Identity:
    """Raises asyncpg.PostgresError."""
    (row,) = await connection.fetch(sqlfile.read("observe/our_identity.sql"))
    return Identity(row["system_identifier"], row["dbname"])


async def sessions(connection: asyncpg.Connection[asyncpg.Record], prefixes: Iterable[str]) -> frozenset[str]:
    """The names of the sessions that begin so. Raises asyncpg.PostgresError."""
    rows = await connection.fetch(sqlfile.read("observe/our_sessions.sql"), sorted(prefixes), MAX_SESSIONS)
    return frozenset(row["name"] for row in rows)
