"""Figures of examples, each measured in one run: latencies as text, and how long inserts take."""

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


def percentiles(seconds: Sequence[float]) -> str:
    """`p50 12 ms, p99 40 ms`."""
    p99 = statistics.quantiles(seconds, n=100)[-1]
    return f"p50 {statistics.median(seconds) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"


async def seconds_of_inserts(database: Database, insert: str, *, number: int, at_once: int) -> float:
    """Until so many single inserts of `at_once` writers are committed."""
    took, _ = await durations_of_inserts(database, insert, number=number, at_once=at_once)
    return took


async def durations_of_inserts(
    database: Database, insert: str, *, number: int, at_once: int
) -> tuple[float, list[float]]:
    """That, and how long each of them took; the writers, connected before, all begin together."""
    each: list[float] = []

    async def write(pool: asyncpg.Pool) -> None:
        async with pool.acquire() as connection:
            for _ in range(number // at_once):
                began = time.perf_counter()
                await connection.execute(insert)
                each.append(time.perf_counter() - began)

    async with asyncpg.create_pool(database.dsn(), min_size=at_once, max_size=at_once, timeout=300) as pool:
        began = time.perf_counter()
        await asyncio.gather(*(write(pool) for _ in range(at_once)))
        return time.perf_counter() - began, each
