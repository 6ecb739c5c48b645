"""What a Listener hears, kept until it is printed, up to a limit: nobody may wait for a slow terminal.

A session that LISTENs and does not read keeps PostgreSQL's NOTIFY queue from moving on, for everybody:
https://www.postgresql.org/docs/current/sql-notify.html. So what a slow terminal does not take is dropped, and counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from notifychannel_sidecar.hints import Reason

MOST = 2000
"""Payloads, of at most 8,000 bytes each."""


class Ears:
    """The listener's sink for one channel. `await more()` gives the next, in order."""

    def __init__(self) -> None:
        self._heard: deque[str | Reason] = deque()
        self._dropped = 0
        self._news = asyncio.Event()

    async def more(self) -> tuple[list[str | Reason], int]:
        """Payloads, and a Reason where something may have been missed; and how many were dropped before them."""
        await self._news.wait()
        self._news.clear()
        heard, dropped = list(self._heard), self._dropped
        self._heard.clear()
        self._dropped = 0
        return heard, dropped

    def put(self, name: str, payload: str, now: float) -> None:
        """A notification."""
        del name, now
        self._keep(payload)

    def resync(self, name: str, reason: Reason, now: float, *, since: str | None, delay: float) -> None:
        """The listener may have missed something."""
        del name, now, since, delay
        self._keep(reason)

    def set_clock(self, now: float, database_us: int) -> None:
        """Nothing here is timed."""

    def round_trip_starts(self) -> bool:
        """Nobody waits for one."""
        return False

    def round_trip(self, now: float, *, transaction: int, oldest_running: int, late: Collection[str]) -> None:
        """Nobody waits for one."""

    def another_server(self) -> None:
        """No transaction id is remembered."""

    def _keep(self, heard: str | Reason) -> None:
        if len(self._heard) == MOST:
            self._heard.popleft()
            self._dropped += 1
        self._heard.append(heard)
        self._news.set()
