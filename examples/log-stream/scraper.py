"""A scraper that finds something to log a few times a second: here instead of yours."""

from __future__ import annotations

import asyncio
import os
import random

import asyncpg

SAID = (
    ("INFO", "page {}: 24 items"), ("INFO", "page {}: 19 items, 2 of them new"),
    ("WARNING", "page {} answered 429; trying again in 2 s"), ("ERROR", "page {}: item 4711 has no price"),
)  # fmt: skip


async def main() -> None:
    database = await asyncpg.connect(os.environ["DATABASE_URL"])
    run = await database.fetchval("INSERT INTO runs (spider) VALUES ('catalogue') RETURNING id")
    for number in range(1, 100_000):
        level, line = random.choices(SAID, weights=(10, 8, 2, 1))[0]
        insert = "INSERT INTO log_lines (run_id, level, line) VALUES ($1, $2, $3)"
        await database.execute(insert, run, level, line.format(number))
        await asyncio.sleep(random.uniform(0.05, 1))


asyncio.run(main())
