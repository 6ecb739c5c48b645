"""Shows fleets: reads its sidecar's stream, looks again at the tenants that it names, and pushes to their browsers.

One reader and one look for all browsers of a tenant. A browser gets the newest only: a slow one delays nobody.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from service import AWAY, SIDECAR, Net, background, database

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

HERE = Path(__file__).parent
HEARTBEAT_S = 15
REST_S = 0.05
"""A fleet in which much happens is read 20 times a second at most."""
FLEET = """
SELECT jsonb_build_object(
    'devices', (SELECT jsonb_agg(d ORDER BY d.device_id) FROM device_state d WHERE d.tenant_id = $1),
    'alerts', (SELECT jsonb_agg(a ORDER BY a.id DESC) FROM (
        SELECT * FROM fleet_alert f WHERE f.tenant_id = $1 ORDER BY f.id DESC LIMIT 20) a))
"""


class Browser:
    """One open page."""

    def __init__(self, tenant: int) -> None:
        self.tenant = tenant
        self.shown = ""
        self.news = asyncio.Event()

    def show(self, text: str) -> None:
        if text != self.shown:
            self.shown = text
            self.news.set()


class Screens:
    def __init__(self, pool: asyncpg.Pool, http: aiohttp.ClientSession) -> None:
        self.pool, self.http = pool, http
        self.browsers: set[Browser] = set()
        self.stale: set[int] = set()
        self.look = asyncio.Event()
        self.mode = "Polling"
        self.net = Net(self.look_at_all)

    def look_at(self, tenants: Iterable[int]) -> None:
        self.stale.update(tenants)
        self.look.set()

    async def look_at_all(self) -> None:
        self.look_at(browser.tenant for browser in self.browsers)

    async def follow(self) -> None:
        """The stream, for ever; whatever breaks, the sidecar goes on behind the last id that it is shown."""
        last_id = ""
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                headers = {"Last-Event-ID": last_id} if last_id else {}
                async with self.http.get("/v1/stream", headers=headers, raise_for_status=True) as stream:
                    async for line in stream.content:
                        name, _, value = line.decode().strip().partition(": ")
                        if name == "id":
                            last_id = value
                        elif name == "data":
                            await self.told(json.loads(value))
            await self.told({"mode": "Polling"})
            await asyncio.sleep(1)

    async def told(self, message: dict) -> None:
        is_new_mode, self.mode = message["mode"] != self.mode, message["mode"]
        if hints := message.get("hints"):
            self.look_at(hint["key"]["tenant_id"] for hint in hints)
        elif hints is not None or is_new_mode:
            await self.look_at_all()
        if hints is not None:
            self.net.heard()

    async def refresh(self) -> None:
        while True:
            await self.look.wait()
            self.look.clear()
            stale, self.stale = self.stale, set()
            try:
                for tenant in stale & {browser.tenant for browser in self.browsers}:
                    fleet = await self.pool.fetchval(FLEET, tenant)
                    for browser in self.browsers:
                        if browser.tenant == tenant:
                            browser.show(f'{{"mode": "{self.mode}", "fleet": {fleet}}}')
                await asyncio.sleep(REST_S)
            except AWAY:
                for browser in self.browsers:
                    browser.show('{"mode": "Away"}')
                await asyncio.sleep(1)
                await self.look_at_all()

    async def changes(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: at first and after each change, all that the tenant has."""
        browser = Browser(int(request.match_info["tenant"]))  # yours: of the session, never of the address
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        self.browsers.add(browser)
        self.look_at({browser.tenant})
        with suppress(ConnectionError):
            while True:
                try:
                    await asyncio.wait_for(browser.news.wait(), HEARTBEAT_S)
                    browser.news.clear()
                    await response.write(f"data: {browser.shown}\n\n".encode())
                except TimeoutError:
                    await response.write(b": heartbeat\n\n")
        self.browsers.discard(browser)
        return response


async def page(request: web.Request) -> web.StreamResponse:
    name = request.match_info.get("file", "fleet.html")
    return web.FileResponse(HERE / name, headers={"Content-Security-Policy": "default-src 'self'"})


async def main() -> web.Application:
    pool = await database()
    timeout = aiohttp.ClientTimeout(total=None, sock_read=40)  # a heartbeat comes every 15 s
    http = aiohttp.ClientSession(SIDECAR, timeout=timeout, read_bufsize=2**20)  # a line has many hints
    screens = Screens(pool, http)
    tasks = [background(it) for it in (screens.follow(), screens.refresh(), screens.net.watch())]

    async def close(_: web.Application) -> None:
        for task in tasks:
            task.cancel()
        await http.close()
        await pool.close()

    application = web.Application()
    application.router.add_get("/tenants/{tenant:[0-9]{1,9}}", page)
    application.router.add_get("/tenants/{tenant:[0-9]{1,9}}/changes", screens.changes)
    application.router.add_get("/{file:fleet[.](?:css|js)}", page)
    application.on_cleanup.append(close)
    return application


if __name__ == "__main__":
    web.run_app(
        main(), host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8080")), print=None,
        access_log=None, shutdown_timeout=0.1,
    )  # fmt: skip
