"""A poll as applications have it: every 5 s what is newer than the newest that was seen. poll.py DSN prepare | URL.

Where it has got to is kept in the database, so that it goes on from there when it is started again.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import asyncpg

EVERY_S = 5.0
AT_A_TIME = 1000
PREPARE = """
CREATE INDEX ON orders (changed_at);
CREATE TABLE seen AS SELECT '-infinity'::timestamptz AS last;
"""
NEWER = "SELECT id, changed_at FROM orders WHERE changed_at > (SELECT last FROM seen) ORDER BY changed_at"


async def prepare(dsn: str) -> None:
    """Its index, and where it has got to."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(PREPARE)
    await connection.close()


async def poll(dsn: str, url: str) -> None:
    """For ever."""
    connection = await asyncpg.connect(dsn)
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        while True:
            rows = await connection.fetch(NEWER)
            for first in range(0, len(rows), AT_A_TIME):
                hints = [{"key": {"id": row["id"]}} for row in rows[first : first + AT_A_TIME]]
                await session.post(url, json={"hints": hints})
            if rows:
                await connection.execute("UPDATE seen SET last = $1", rows[-1]["changed_at"])
            await asyncio.sleep(EVERY_S)


if __name__ == "__main__":
    _, dsn, what = sys.argv
    asyncio.run(prepare(dsn) if what == "prepare" else poll(dsn, what))
