"""Waiting until something is due, or until somebody says that it may be due earlier."""

from __future__ import annotations

import asyncio
import math

TICK_S = 0.001
"""uvloop's clock ticks in milliseconds and its timers round: an alarm a tick late never rings too early."""


class Alarm:
    """For one waiter. Clear it, look what is due, wait: what happens after the look is not missed."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def clear(self) -> None:
        """Forget that it was woken."""
        self._rung.clear()

    def wake(self) -> None:
        """Something may be due now."""
        self._rung.set()

    async def wait_until(self, when: float) -> None:
        """Until then by the loop's clock, in seconds (infinite: for ever), or until woken since `clear`."""
        loop = asyncio.get_running_loop()
        timer = None if math.isinf(when) else loop.call_at(when + TICK_S, self._rung.set)
        try:
            await self._rung.wait()
        finally:
            if timer is not None:
                timer.cancel()
