"""Figures of examples, each measured in one run: latencies as text, and by how much inserts are slower than without."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import Database


def milliseconds(seconds: Sequence[float]) -> str:
    """`p50 12 ms, worst 40 ms`."""
    return f"p50 {statistics.median(seconds) * 1000:.0f} ms, worst {max(seconds) * 1000:.0f} ms"


async def ratio_of_inserts(database: Database, insert: str, table: str, *, number: int, at_once: int) -> float:
    """Seconds for so many single inserts of `at_once` writers, by those into a copy of the table without triggers.

    The bare table is measured before and behind it, and the mean counts: a machine's mood changes.
    """
    async with asyncpg.create_pool(database.dsn(), min_size=at_once, max_size=at_once) as pool:
        await pool.execute(f"CREATE TABLE bare (LIKE {table} INCLUDING ALL)")
        before = await _seconds(pool, insert.format("bare"), number, at_once)
        measured = await _seconds(pool, insert.format(table), number, at_once)
        behind = await _seconds(pool, insert.format("bare"), number, at_once)
        await pool.execute("DROP TABLE bare")
    return measured / ((before + behind) / 2)


async def _seconds(pool: asyncpg.Pool, insert: str, number: int, at_once: int) -> float:
    async def write() -> None:
        async with pool.acquire() as connection:
            for _ in range(number // at_once):
                await connection.execute(insert)

    began = time.perf_counter()
    await asyncio.gather(*(write() for _ in range(at_once)))
    return time.perf_counter() - began
