"""The floor as a program: what one would write by hand with asyncpg, aiohttp and prometheus-client, and no more.

It LISTENs, counts, and POSTs each payload where an URL is given. It has no debounce, no retries, no round trip and
no reconnection: everything that the sidecar does beyond it costs what the figures show.
Started by the benchmarks: python bare.py DSN CHANNEL [URL]
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import asyncpg
from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, generate_latest


async def main(dsn: str, channel: str, url: str | None) -> None:
    """Listen until killed; says `ready PORT` on standard output when it listens."""
    registry = CollectorRegistry()
    queue: asyncio.Queue[str] = asyncio.Queue()
    received = 0
    Gauge("bare_notifications", "Notifications received", registry=registry).set_function(lambda: received)

    def on_notification(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        nonlocal received
        received += 1
        if url is not None:
            queue.put_nowait(str(payload))

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), content_type="text/plain")

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    connection = await asyncpg.connect(dsn)
    await connection.add_listener(channel, on_notification)
    async with aiohttp.ClientSession() as session:
        print("ready", runner.addresses[0][1], flush=True)
        while True:
            payload = await queue.get()
            async with session.post(url or "", json={"payload": payload}) as answer:
                await answer.read()


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        runner = asyncio.run
    else:
        runner = uvloop.run
    runner(main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None))  # noqa: PLR2004
