"""Webhooks of somebody else: an HTTP server whose paths are told apart by name, each answering as the test says."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 40.0


@dataclass(frozen=True, kw_only=True)
class Call:
    """One POST as it arrived."""

    name: str
    body: dict[str, Any]
    headers: dict[str, str]
    at: float
    """Unix time."""


class Webhooks:
    """`async with Webhooks() as hooks`: listens until the end of the block."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: dict[str, int] = {}
        """Name → status; 204 for the others. 0: none at all, until `release`."""
        self.port = 0
        self._changed = asyncio.Condition()
        self._released = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post("/{name}", self._take)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._released.set()
        assert self._runner is not None
        await self._runner.cleanup()

    def url(self, name: str) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/{name}"

    def of(self, name: str) -> list[Call]:
        """In the order in which they came."""
        return [call for call in self.calls if call.name == name]

    def release(self) -> None:
        """Let all who wait have their answer."""
        self._released.set()

    async def until(self, holds: Callable[[list[Call]], bool]) -> None:
        """Return when it holds of the calls; AssertionError after forty seconds."""
        try:
            async with asyncio.timeout(PATIENCE_S), self._changed:
                await self._changed.wait_for(lambda: holds(self.calls))
        except TimeoutError:
            raise AssertionError(f"never; {len(self.calls)} calls, the last: {self.calls[-5:]}") from None

    async def _take(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        call = Call(name=name, body=await request.json(), headers=dict(request.headers), at=time.time())
        async with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        status = self.answers.get(name, 204)
        if status == 0:
            await self._released.wait()
        return web.Response(status=status or 204)
