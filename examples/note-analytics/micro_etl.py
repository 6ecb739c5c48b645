"""From comments to facts: the same for ten comments, for one that is tried again, and for all of them.

An upsert: to do it twice, or beside the batch, changes nothing but who did it last.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import asyncpg
from aiohttp import web

if TYPE_CHECKING:
    import asyncio

    from aiohttp.typedefs import Handler

AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What it raises where the database can't be asked now."""
ITS_OWN = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""What it raises where a row is one that no table would take: later it will not be another."""
READ = """
SELECT c.id, c.note_id, c.country, c.event, n.status, c.body, c.stars
FROM note_comments c JOIN notes n ON n.id = c.note_id
WHERE c.event IN ('opened', 'closed', 'reopened', 'commented')
"""
SOME = f"{READ} AND c.id = ANY ($1) ORDER BY c.id"  # in one order: no two wait for each other
MISSING = f"{READ} AND NOT EXISTS (SELECT FROM facts f WHERE f.comment_id = c.id) ORDER BY c.id"
UPSERT = """
INSERT INTO facts (comment_id, note_id, country, event, note_status, words, stars, processed_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (comment_id) DO UPDATE SET
    note_status = excluded.note_status, words = excluded.words, stars = excluded.stars,
    processed_by = excluded.processed_by, processed_at = now()
"""


async def process(database: asyncpg.Pool | asyncpg.Connection, ids: list[int] | None, who: str) -> dict[int, str]:
    """These comments, or all that have no fact yet (None); those that can't be processed, and why."""
    rows = await (database.fetch(MISSING) if ids is None else database.fetch(SOME, ids))
    facts, failed = [], {}
    for row in rows:
        try:
            facts.append(fact(row, who))
        except ValueError as error:
            failed[row["id"]] = str(error)
    return failed | await upsert(database, facts)


async def upsert(database: asyncpg.Pool | asyncpg.Connection, facts: list[tuple[object, ...]]) -> dict[int, str]:
    """Those that the table refuses, and why. For one of them it refuses all at once: so by halves, down to that one."""
    try:
        await database.executemany(UPSERT, facts)
    except ITS_OWN as error:
        half = len(facts) // 2
        if not half:
            return {facts[0][0]: str(error)}
        return await upsert(database, facts[:half]) | await upsert(database, facts[half:])
    return {}


def fact(row: asyncpg.Record, who: str) -> tuple[object, ...]:
    """Raises ValueError where what somebody wrote is no number; whether it is too large, the table says."""
    stars = None if row["stars"] is None else int(row["stars"])
    words = len(row["body"].split())
    return (row["id"], row["note_id"], row["country"], row["event"], row["status"], words, stars, who)


def end(net: asyncio.Task[None]) -> None:
    """Nothing goes on here without its safety net: it says why, and ends, and whoever started it starts it again."""
    if not net.cancelled():
        traceback.print_exception(net.exception())
        raise SystemExit(1)


@web.middleware
async def try_later(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Without a database nothing can be done here: 503 says so, and is no attempt of any hint."""
    try:
        return await handler(request)
    except AWAY as error:
        return web.Response(status=503, text=type(error).__name__)
