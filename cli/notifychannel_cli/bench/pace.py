"""Changes at a steady rate, each with the time (time.monotonic) just before it was made; what the times come to."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def paced(change: Callable[[int], Awaitable[int]], times: int, *, per_second: int) -> dict[int, float]:
    """Make so many changes, one after the other; `change` is told which (from 0) and gives its key."""
    started: dict[int, float] = {}
    began = time.monotonic()
    for number in range(times):
        await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
        now = time.monotonic()
        started[await change(number)] = now
    return started


def percentiles(milliseconds: list[float]) -> tuple[float, float]:
    """p50 and p99."""
    cuts = statistics.quantiles(milliseconds, n=100)
    return cuts[49], cuts[98]
