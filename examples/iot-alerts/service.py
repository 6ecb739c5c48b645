"""What the services share: hints by POST, 503 while the database is away, a net for who is told nothing for long."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

SIDECAR = f"http://127.0.0.1:{os.environ.get('NOTIFYCHANNEL_LOCAL_PORT') or 9790}"
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What it raises where the database can't be asked now."""
SILENCE_S = int(os.environ.get("SILENCE_S", "8"))


def database() -> asyncpg.Pool:
    """It connects when it is asked for something: a service starts without a database too. Nobody waits for ever."""
    return asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=0, max_size=4, timeout=5, command_timeout=10)


def background(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """A task until it is cancelled. Where it fails the program ends, for whoever started it to start it again."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            logging.getLogger(__name__).error("a task failed, so this ends", exc_info=error)
            signal.raise_signal(signal.SIGTERM)

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task


class Net:
    """The safety net: who was told nothing for so long looks at everything, whatever became of its sidecar."""

    def __init__(self, look: Callable[[], Awaitable[None]]) -> None:
        self.look = look
        self.heard()

    def heard(self) -> None:
        self.silent_at = time.monotonic() + SILENCE_S

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(1)
            if time.monotonic() >= self.silent_at:
                with suppress(*AWAY):
                    await self.look()
                self.heard()


def serve(work: Callable[[asyncpg.Pool, list[dict] | None], Awaitable[None]]) -> None:
    """Until SIGTERM. `work` gets the keys of hints, or None: everything has to be looked at."""
    port = int(os.environ.get("PORT", "8080"))
    web.run_app(_application(work), host="127.0.0.1", port=port, print=None, access_log=None)


async def _application(work: Callable[[asyncpg.Pool, list[dict] | None], Awaitable[None]]) -> web.Application:
    pool = await database()
    net = Net(lambda: work(pool, None))
    watching = background(net.watch())

    async def hints(request: web.Request) -> web.Response:
        net.heard()
        keys = [hint["key"] for hint in (await request.json())["hints"]]
        try:
            await work(pool, keys or None)
        except AWAY as error:
            return web.Response(status=503, text=type(error).__name__)
        return web.Response(status=204)

    async def close(_: web.Application) -> None:
        watching.cancel()
        await pool.close()

    application = web.Application()
    application.router.add_post("/hints", hints)
    application.on_cleanup.append(close)
    return application
