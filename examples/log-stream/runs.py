"""One look for all who watch a run: what is new is read once, and kept for them for a while.

sidecar ── hint ──► Run.look ──► pages ◄── Run.follow ── a client, which is a place in them and nothing else
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import statistics
import time
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg
from lines import NOTHING, NOW, Event, Page, read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

log = logging.getLogger(__name__)
BUFFER = 100
"""Lines of a run that are kept; who is further behind reads the database."""
HEARTBEAT_S = 15
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What it raises where the database can't be asked now."""


class Told:
    """What clients of all runs are told, and how it goes."""

    def __init__(self) -> None:
        self.mode = "Polling"
        self.counts: Counter[str] = Counter()
        self.ages_s: deque[float] = deque(maxlen=1000)
        """Of the newest line of each look that found something."""
        self.seconds = [(0, 0)] * 10
        """The last ten that had lines: which second it was, and how many lines."""

    def saw(self, page: Page) -> None:
        if page.event.lines:
            self.counts["read"] += page.event.lines
            self.ages_s.append(page.age_s)
            now = int(time.monotonic())
            second, lines = self.seconds[now % 10]
            self.seconds[now % 10] = (now, page.event.lines + (lines if second == now else 0))

    def lines_per_second(self) -> float:
        """Of the last ten seconds, of which the last is not over."""
        now = time.monotonic()
        return round(sum(lines for second, lines in self.seconds if second > now - 10) / (9 + now % 1), 1)

    def latency_ms(self) -> float | None:
        """From a line's `at` until it was read for everybody: half of the last 1000 looks were faster."""
        return round(1000 * statistics.median(self.ages_s), 1) if self.ages_s else None


class Run:
    """Followed by its clients; `keep` looks whenever it was asked to."""

    def __init__(self, database: asyncpg.Pool, number: int, told: Told) -> None:
        self.database, self.number, self.told = database, number, told
        self.clients = 0
        self.state: str | None = None
        self.cursor = ""
        """Up to where was looked; empty: not yet."""
        self.pages: dict[str, Page] = {}
        """The newest: by the cursor before them."""
        self.asked, self.changed = asyncio.Event(), asyncio.Event()
        self.looking = asyncio.Lock()
        self.keeping = for_ever(self.keep())

    async def keep(self) -> None:
        while True:
            await self.asked.wait()
            self.asked.clear()
            await patiently(self.look)

    async def look(self) -> None:
        """Read what is new, once for all."""
        async with self.looking:
            self.state = await self.database.fetchval("SELECT state FROM runs WHERE id = $1", self.number)
            self.cursor = self.cursor or await self.database.fetchval(NOW)
            while (page := await read(self.database, self.number, self.cursor)).cursor != self.cursor:
                self.put(page)
                if "/" not in page.cursor:
                    break
        self.wake()

    def put(self, page: Page) -> None:
        self.pages[self.cursor] = page
        self.cursor = page.cursor
        while sum(it.event.lines for it in self.pages.values()) > BUFFER:
            self.pages.pop(next(iter(self.pages)))
        self.told.saw(page)
        self.wake()

    def wake(self) -> None:
        self.changed.set()
        self.changed.clear()

    async def something_changes(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT_S):
                return await self.changed.wait()
        return False

    async def follow(self, cursor: str = NOTHING) -> AsyncIterator[Event | None]:
        """Every line behind the cursor, for ever; None where nothing has happened for 15 s."""
        await patiently(self.look)  # the cursor may come from another server, which has looked later than we have
        said, abreast = {}, False
        while True:
            until = self.cursor.split("/")[1] if "/" in self.cursor else self.cursor
            now = {"mode": self.told.mode, "run": self.state}
            if said != now:
                for name in [it for it in now if said.get(it, ...) != now[it]]:
                    yield Event(name, now[name])
                said = now
            elif page := self.pages.get(cursor):
                cursor, abreast = page.cursor, True
                if page.event.lines:
                    yield page.event
            elif cursor in (self.cursor, until):
                abreast = True
                if not await self.something_changes():
                    yield None
            else:  # came late, or fell behind
                if abreast:
                    self.told.counts["overflows"] += 1
                    yield Event("overflow", {"buffer": BUFFER})
                abreast = False
                page = await patiently(read, self.database, self.number, cursor, until)
                cursor = page.cursor
                if page.event.lines:
                    yield page.event


async def patiently(ask: Callable[..., Awaitable], *arguments: object) -> object:
    """Until the database answers; a cursor that it can't read it never will."""
    pause_s = 0.25
    while True:
        try:
            return await ask(*arguments)
        except (asyncpg.DataError, ValueError):
            raise
        except AWAY:
            await asyncio.sleep(random.uniform(pause_s / 2, pause_s))
            pause_s = min(10.0, 2 * pause_s)


def for_ever(work: Coroutine) -> asyncio.Task:
    """A task without which nobody is told anything: should it fail, the program ends, and is started anew."""

    def ended(task: asyncio.Task) -> None:
        if not task.cancelled():
            log.critical("Ending, for this should go on for ever.", exc_info=task.exception())
            os.kill(os.getpid(), signal.SIGTERM)

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task
