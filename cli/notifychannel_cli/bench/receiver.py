"""An application of the benchmarks: acknowledges every POST, and keeps when each key first came (time.monotonic)."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from notifychannel_cli.bench.rig import PATH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable


@dataclass(slots=True, kw_only=True)
class Receiver:
    """What came so far; keys are one number, `id`."""

    port: int = 0
    look: Callable[[], Awaitable[Iterable[int]]] | None = None
    """What it does when it is told to look at every key: the keys that it finds have come, too."""
    foreign: Callable[[Any], int] | None = None
    """The key in a body that is not ours: rivals that can't be told what to post."""
    arrived: dict[int, float] = field(default_factory=dict)
    resyncs: int = 0
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, keys: int, *, patience_s: float) -> dict[int, float]:
        """Wait until so many different keys have come: when each did. Raises TimeoutError."""
        async with asyncio.timeout(patience_s):
            while len(self.arrived) < keys:
                self._came.clear()
                await self._came.wait()
        return self.arrived

    async def resynced(self, times: int, *, patience_s: float) -> None:
        """Wait until it was told so often to look at every key. Raises TimeoutError."""
        async with asyncio.timeout(patience_s):
            while self.resyncs < times:
                self._came.clear()
                await self._came.wait()

    async def hints(self, request: web.Request) -> web.Response:
        """The endpoint."""
        body = json.loads(await request.read())
        now = time.monotonic()
        if self.foreign is not None and "hints" not in body:
            self.arrived.setdefault(self.foreign(body), now)
            return web.Response(status=204)
        hints = body["hints"]
        for hint in hints:
            self.arrived.setdefault(hint["key"]["id"], now)
        if not hints and self.look is not None:
            for key in await self.look():
                self.arrived.setdefault(key, time.monotonic())
        self.resyncs += not hints
        self._came.set()
        return web.Response(status=204)


@asynccontextmanager
async def receiving(
    look: Callable[[], Awaitable[Iterable[int]]] | None = None, foreign: Callable[[Any], int] | None = None
) -> AsyncIterator[Receiver]:
    """One that answers on a port of its own until the end of the block."""
    receiver = Receiver(look=look, foreign=foreign)
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_post(PATH, receiver.hints)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.port = runner.addresses[0][1]
        yield receiver
    finally:
        await runner.cleanup()
