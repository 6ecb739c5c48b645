"""Which runs are watched, and what the sidecar says of them: one connection to its stream for all of them.

The sidecar has the one LISTEN connection. Where it is away itself, everything is looked at every ten seconds or sooner.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import aiohttp
from runs import Run, Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

SILENT_S = 120
"""Before the sidecar has said how often it says something."""


class Hub:
    def __init__(self, database: asyncpg.Pool, http: aiohttp.ClientSession, sidecar: str) -> None:
        self.database, self.http, self.sidecar = database, http, sidecar
        self.told = Told()
        self.connected = False
        self.runs: dict[int, Run] = {}

    @asynccontextmanager
    async def watching(self, number: int) -> AsyncIterator[Run]:
        """The run, looked at as long as it has a client."""
        if number not in self.runs:
            self.runs[number] = Run(self.database, number, self.told)
        run = self.runs[number]
        run.clients += 1
        try:
            yield run
        finally:
            run.clients -= 1
            if not run.clients:
                run.keeping.cancel()
                del self.runs[number]

    async def hear(self) -> None:
        """For ever, with pauses of up to ten seconds; whenever we were deaf, every run is looked at."""
        pause_s = 0.25
        while True:
            began = time.monotonic()
            with suppress(aiohttp.ClientError, OSError):
                await self.session()
            self.connected = False
            self.mode("Polling")
            self.look()
            pause_s = 0.25 if time.monotonic() > began + 30 else min(10.0, 2 * pause_s)
            await asyncio.sleep(random.uniform(pause_s / 2, pause_s))

    async def session(self) -> None:
        """One connection. It begins with a resync of each channel."""
        silent_s = SILENT_S
        async with self.http.ws_connect(self.sidecar, heartbeat=20) as socket:
            self.connected = True
            while (message := await socket.receive(timeout=silent_s)).type is aiohttp.WSMsgType.TEXT:
                told = json.loads(message.data)
                self.mode(told["data"]["mode"])
                if told["event"] == "hint":
                    self.look(*(int(hint["key"]["run_id"]) for hint in told["data"]["hints"]))
                    silent_s = 2 * (told["data"]["next_within"] or SILENT_S)

    def mode(self, mode: str) -> None:
        if mode != self.told.mode:
            self.told.mode = mode
            for run in self.runs.values():
                run.wake()

    def look(self, *numbers: int) -> None:
        """At these runs; without any, at all of them."""
        for number in numbers or self.runs:
            if number in self.runs:
                self.runs[number].asked.set()
