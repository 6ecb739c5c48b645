"""Clients of examples/log-stream, as browsers are: what each has shown, and the id that it would come back with."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.reading import Reading, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

ASKED = "SELECT pid, query_start FROM pg_stat_activity WHERE application_name = 'log-stream' ORDER BY pid"
"""Which of the example's connections has asked something, and when."""


@dataclass(kw_only=True)
class Client:
    """One EventSource."""

    reading: Reading
    lines: list[str] = field(default_factory=list)
    """In the order in which they came."""
    late_s: list[float] = field(default_factory=list)
    """Of each: how long ago it was written."""
    last_id: str | None = None
    told: list[tuple[str, Any]] = field(default_factory=list)
    """Other events."""

    async def until(self, line: str) -> float:
        """Read on until it has this line; when that was (Unix time)."""
        while line not in self.lines[-100:]:
            await self._next()
        return time.time()

    async def until_told(self, name: str, data: Any) -> None:
        """Read on until it has this event."""
        while (name, data) not in self.told:
            await self._next()

    def leave(self) -> str | None:
        """As a browser does that is closed; the id that it comes back with, which is that of the last whole event."""
        self.reading.close()
        return self.last_id

    async def _next(self) -> None:
        event = await self.reading.next()
        assert event is not None, "the server has ended the stream"
        if event.kind == "message":
            now, self.last_id = time.time(), event.last_id
            self.lines += [line["line"] for line in event.data]
            self.late_s += [now - datetime.fromisoformat(line["at"]).timestamp() for line in event.data]
        else:
            self.told.append((event.kind, event.data))


@asynccontextmanager
async def clients(port: int, run: int, count: int = 1, **how: Any) -> AsyncIterator[list[Client]]:
    """So many, all of one run; closed at the end of the block. `how`: as `opened`."""
    made = [Client(reading=await opened(port, path=f"/runs/{run}/lines", **how)) for _ in range(count)]
    try:
        yield made
    finally:
        for each in made:
            each.leave()


@asynccontextmanager
async def client(port: int, run: int, **how: Any) -> AsyncIterator[Client]:
    """One."""
    async with clients(port, run, **how) as (made,):
        yield made


async def until_nothing_is_asked(admin: asyncpg.Connection) -> None:
    """For a second, in which the clients by hand asked once each."""
    for _ in range(10):
        before = await admin.fetch(ASKED)
        await asyncio.sleep(1)  # nothing is what is to be seen
        if before and before == await admin.fetch(ASKED):
            return
    raise AssertionError(f"asked at {before}")
