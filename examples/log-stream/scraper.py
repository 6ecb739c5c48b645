"""A scraper that finds something to log a few times a second: here instead of yours."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import sys

import asyncpg

SAID = (
    ("INFO", "page {}: 24 items"), ("INFO", "page {}: 19 items, 2 of them new"),
    ("WARNING", "page {} answered 429; trying again in 2 s"), ("ERROR", "page {}: item 4711 has no price"),
)  # fmt: skip
RUN = "INSERT INTO runs (spider) VALUES ('catalogue') RETURNING id"
LINE = "INSERT INTO log_lines (run_id, level, line) VALUES ($1, $2, $3)"


async def main() -> None:
    """For ever: what can't be logged now is said here, and the next page is scraped."""
    database, run = asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=0, timeout=5, command_timeout=10), None
    async with database:
        for number in itertools.count(1):
            level, line = random.choices(SAID, weights=(10, 8, 2, 1))[0]
            try:
                run = run or await database.fetchval(RUN)
                await database.execute(LINE, run, level, line.format(number))
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                print(f"page {number} is not logged: {error!r}", file=sys.stderr)
            await asyncio.sleep(random.uniform(0.05, 1))


asyncio.run(main())
