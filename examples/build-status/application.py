"""Shows how builds go. A page has a WebSocket to one of the servers; its sidecar tells each server what has changed.

A page is always sent the whole state of its session, read anew. So it does not matter what a page has missed, nor which
server it comes back to.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
from aiohttp import WSCloseCode, web

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.typedefs import Handler

HERE = Path(__file__).parent
PAGE = r"/{project:\d{1,18}}/{session:\d{1,18}}"
HEARTBEAT_S = 1
"""How often a page hears of us, at the least; after three of them without a word it calls again."""
CLOSE_TIMEOUT_S = 5
"""Of a page that does not answer when we go."""
MAX_SAID = 4096
"""Bytes: a page has nothing to say."""
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What it raises where the database can't be asked now."""
HEADERS = {"Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'", "Cache-Control": "no-cache"}
STATE = """
SELECT json_build_object('title', s.title, 'status', s.status,
    'todos', (SELECT json_agg(json_build_array(t.title, t.status) ORDER BY t.id)
        FROM generation_todos t WHERE t.session_id = s.id),
    'tool_calls', (SELECT json_agg(json_build_array(c.tool, c.status) ORDER BY c.id DESC)
        FROM (SELECT * FROM generation_tool_calls WHERE session_id = s.id ORDER BY id DESC LIMIT 8) c),
    'notes', (SELECT json_agg(n.body ORDER BY n.id DESC)
        FROM (SELECT * FROM generation_notes WHERE session_id = s.id ORDER BY id DESC LIMIT 8) n))::text
FROM generation_sessions s WHERE s.project_id = $1 AND s.id = $2
"""


@dataclass(eq=False)
class Session:
    """One that pages of this server show."""

    state: str = "null"
    pages: set[asyncio.Event] = field(default_factory=set)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Server:
    def __init__(self, database: asyncpg.Pool) -> None:
        self.database = database
        self.sessions: dict[tuple[int, int], Session] = {}
        self.sockets: set[web.WebSocketResponse] = set()
        self.silent_at = time.monotonic() + 120

    async def hints(self, request: web.Request) -> web.Response:
        """From the sidecar beside us, and from nobody else: pages are served on the same port."""
        if request.remote != "127.0.0.1":
            return web.Response(status=403)
        body = await request.json()
        self.heard(body["next_within"])
        keys = [(hint["key"]["project_id"], hint["key"]["session_id"]) for hint in body["hints"]]
        await self.read(keys or list(self.sessions))
        return web.Response(status=204)

    async def read(self, keys: Iterable[tuple[int, int]]) -> None:
        """Once for all pages of a session; what nobody looks at costs nothing."""
        for key in keys:
            if session := self.sessions.get(key):
                async with session.reading:  # who reads later knows more, and is the last to say it
                    session.state = await self.database.fetchval(STATE, *key) or "null"
                for changed in session.pages:
                    changed.set()

    async def live(self, request: web.Request) -> web.WebSocketResponse:
        """The WebSocket of a page: the state as it is, as it changes, and an empty message when it does not."""
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise web.HTTPForbidden  # a page of somebody else's
        key = int(request.match_info["project"]), int(request.match_info["session"])
        session, changed = self.sessions.setdefault(key, Session()), asyncio.Event()
        session.pages.add(changed)
        # a browser that is gone is found, too
        socket = web.WebSocketResponse(heartbeat=10 * HEARTBEAT_S, timeout=CLOSE_TIMEOUT_S, max_msg_size=MAX_SAID)
        telling = None
        try:
            await self.read([key])
            await socket.prepare(request)
            self.sockets.add(socket)
            telling = asyncio.create_task(tell(socket, session, changed))
            async for _ in socket:
                pass
        finally:
            if telling:
                telling.cancel()
            self.sockets.discard(socket)
            session.pages.discard(changed)
            if not session.pages:
                self.sessions.pop(key, None)
        return socket

    async def close(self, _: web.Application) -> None:
        """At the end of this server its pages go to another one, and who takes nothing is not waited for."""
        await asyncio.gather(*(it.close(code=WSCloseCode.GOING_AWAY, drain=False) for it in self.sockets))

    def heard(self, next_within: float | None) -> None:
        self.silent_at = time.monotonic() + (2 * next_within if next_within else math.inf)

    async def look_by_itself(self) -> None:
        """The safety net: who hears nothing for twice `next_within` looks at everything."""
        while True:
            await asyncio.sleep(1)
            if time.monotonic() >= self.silent_at:
                with suppress(*AWAY):
                    await self.read(list(self.sessions))
                self.heard(60)


def end(net: asyncio.Task[None]) -> None:
    """Nothing goes on here without its safety net: it says why, and ends, and whoever started it starts it again."""
    if not net.cancelled():
        traceback.print_exception(net.exception())
        raise SystemExit(1)


async def tell(socket: web.WebSocketResponse, session: Session, changed: asyncio.Event) -> None:
    """Who is slow gets the newest state when it can take it, and not those between."""
    told = ""
    with suppress(ConnectionError):
        while True:
            changed.clear()
            news, told = "" if session.state == told else session.state, session.state
            await socket.send_str(news)
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), HEARTBEAT_S)


def file(name: str) -> Handler:
    async def serve(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(HERE / name, headers=HEADERS)

    return serve


@web.middleware
async def try_later(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Without a database nothing can be done here: 503 says so, and whoever asked comes again."""
    try:
        return await handler(request)
    except AWAY as error:
        return web.Response(status=503, text=type(error).__name__)


async def main() -> web.Application:
    dsn = os.environ["DATABASE_URL"]
    database = await asyncpg.create_pool(dsn, min_size=0, max_size=4, timeout=5, command_timeout=5)
    server = Server(database)
    net = asyncio.create_task(server.look_by_itself())
    net.add_done_callback(end)

    async def close(_: web.Application) -> None:
        net.cancel()
        await database.close()

    application = web.Application(middlewares=[try_later])
    application.router.add_post("/hints", server.hints)
    application.router.add_get("/page.js", file("page.js"))
    application.router.add_get("/page.css", file("page.css"))
    application.router.add_get(PAGE, file("page.html"))
    application.router.add_get(f"{PAGE}/live", server.live)
    application.on_shutdown.append(server.close)
    application.on_cleanup.append(close)
    return application


if __name__ == "__main__":
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))
    web.run_app(main(), host=host, port=port, print=None, access_log=None)
