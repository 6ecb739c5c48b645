"""Serves a scraper's log to many browsers: by server-sent events, by WebSocket, as a page; and how it goes, as JSON."""

from __future__ import annotations

import asyncio
import hmac
import os
import socket
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import asyncpg
from aiohttp import web
from hub import Hub
from lines import CURSOR, NOTHING
from runs import for_ever

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FOLDER = Path(__file__).parent
RUN = "/runs/{run:[0-9]{1,18}}"
STREAM = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
PAGE = {"Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'", "X-Content-Type-Options": "nosniff"}
WRITE_S = float(os.environ.get("WRITE_S", "30"))
"""For one event to get through; who takes longer may come back."""
SEND_BUFFER_BYTES = 64 * 1024
"""The kernel's, for each client; else it would be megabytes for one that does not read."""
CURSOR_BYTES = 64 * 1024
"""Of an id: it names the transactions that were writing, so some 2,500 of them."""


class Application:
    def __init__(self, database: asyncpg.Pool, hub: Hub, token: str) -> None:
        self.database, self.hub, self.token = database, hub, token

    async def events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=STREAM)
        cursor = self.cursor(request)
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        await self.carry(
            request, cursor, lambda event: response.write(b": heartbeat\n\n" if event is None else event.sse)
        )
        return response

    async def messages(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise web.HTTPForbidden  # a page of somebody else's
        response = web.WebSocketResponse(heartbeat=15, max_msg_size=4096)
        cursor = self.cursor(request)
        await response.prepare(request)

        async def send(event) -> None:
            if event is not None:  # pings are sent by themselves
                await response.send_str(event.message)

        carrying = asyncio.create_task(self.carry(request, cursor, send))
        try:
            async for _ in response:
                pass
        finally:
            carrying.cancel()
        return response

    async def carry(self, request: web.Request, cursor: str, send: Callable[..., Awaitable]) -> None:
        """What is told of the run to one client. Nobody waits for it: it reads on when it likes to."""
        transport, counts = request.transport, self.hub.told.counts
        if transport is None:  # gone already
            return
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        async with self.hub.watching(int(request.match_info["run"])) as run, aclosing(run.follow(cursor)) as told:
            try:
                async for event in told:
                    async with asyncio.timeout(WRITE_S):
                        await send(event)
                    counts["sent"] += event.lines if event else 0
            except TimeoutError:
                counts["cut_off"] += 1
            except (ConnectionError, asyncpg.DataError, ValueError):  # gone; or a cursor that nobody has got from us
                pass
            finally:
                transport.abort()

    def cursor(self, request: web.Request) -> str:
        """Up to where this client has read: a browser's EventSource says so by itself when it comes back."""
        cursor = request.headers.get("Last-Event-ID") or request.query.get("last", NOTHING)
        if not CURSOR.fullmatch(cursor):
            raise web.HTTPBadRequest(text="this is the id of no event")
        return cursor

    async def newest(self, _: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"/runs/{await self.database.fetchval('SELECT max(id) FROM runs') or 1}")

    async def page(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(FOLDER / request.match_info.get("file", "page.html"), headers=PAGE)

    async def health(self, _: web.Request) -> web.StreamResponse:
        """503 where nothing is heard of the sidecar: then lines come late."""
        return web.json_response({"mode": self.hub.told.mode}, status=200 if self.hub.connected else 503)

    async def status(self, request: web.Request) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "").encode(errors="replace")
        if not self.token or not hmac.compare_digest(shown, f"Bearer {self.token}".encode()):
            return web.json_response({"error": "needs the token"}, status=401, headers={"WWW-Authenticate": "Bearer"})
        told = self.hub.told
        return web.json_response({
            "mode": told.mode, "sidecar": self.hub.connected,
            "clients": {number: run.clients for number, run in self.hub.runs.items()},
            "lines_read": told.counts["read"], "lines_sent": told.counts["sent"],
            "overflows": told.counts["overflows"], "cut_off": told.counts["cut_off"],
            "lines_per_second": told.lines_per_second(), "latency_ms": told.latency_ms(),
        })  # fmt: skip


async def main() -> web.Application:
    database = await asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=0, max_size=4, timeout=5, command_timeout=10,
        server_settings={"application_name": "log-stream"},
    )  # fmt: skip
    http = aiohttp.ClientSession()
    port = os.environ.get("NOTIFYCHANNEL_LOCAL_PORT") or "9790"
    hub = Hub(database, http, f"ws://127.0.0.1:{port}/v1/stream")
    hearing = for_ever(hub.hear())
    served = Application(database, hub, os.environ.get("STATUS_TOKEN", ""))

    async def close(_: web.Application) -> None:
        hearing.cancel()
        await http.close()
        await database.close()

    application = web.Application()
    application.add_routes([
        web.get("/", served.newest), web.get(RUN, served.page), web.get(r"/{file:page\.(?:js|css)}", served.page),
        web.get(f"{RUN}/lines", served.events), web.get(f"{RUN}/socket", served.messages),
        web.get("/health", served.health), web.get("/status", served.status),
    ])  # fmt: skip
    application.on_cleanup.append(close)
    return application


if __name__ == "__main__":
    web.run_app(
        main(), host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8080")), print=None,
        access_log=None, handler_cancellation=True, shutdown_timeout=1,
        max_field_size=CURSOR_BYTES, max_line_size=CURSOR_BYTES,
    )  # fmt: skip
