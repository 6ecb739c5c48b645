"""The demo's host application: on a hint it reads the row again, on a resync it reads every row. The whole contract.

It remembers the version it last read of each order, so that the demo can prove that nothing was lost, and when
each hint came. Refuses to believe a hint: it only ever says where to look.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

READ_SOME = "SELECT id, version FROM orders WHERE id = ANY($1)"
READ_ALL = "SELECT id, version FROM orders"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One hint or resync that the application has acknowledged."""

    reason: str
    order_id: int | None
    """None: a resync."""
    events: tuple[str, ...] = ()
    count: int = 0
    attempt: int = 1
    latency_s: float = 0.0
    """First change → rows read."""


@dataclass(slots=True, kw_only=True)
class HostApplication:
    """`async with` it: it listens on 127.0.0.1 until the end of the block."""

    database: asyncpg.Pool
    port: int = 0
    path: str = "/hints"
    failing: bool = False
    """While true it answers 500, as an application does that has a bad day."""
    versions: dict[int, int] = field(default_factory=dict)
    """Order → the version last read."""
    seen: list[Seen] = field(default_factory=list)
    refused: int = 0
    on_seen: Callable[[Seen], None] = field(default=lambda _: None)
    _runner: web.AppRunner = field(init=False)
    _changed: asyncio.Condition = field(init=False, default_factory=asyncio.Condition)

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post(self.path, self._hints)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until that is so after some POST; False when the time is over."""
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(done), timeout_s)
            except TimeoutError:
                return False
        return True

    async def _hints(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.failing:
            self.refused += 1
            answer = web.Response(status=500)
        else:
            await self._read(body["hints"])
            for seen in _seen(body):
                self.seen.append(seen)
                self.on_seen(seen)
            answer = web.Response(status=204)
        async with self._changed:
            self._changed.notify_all()
        return answer

    async def _read(self, hints: list[dict[str, Any]]) -> None:
        if not hints:
            self.versions = _versions(await self.database.fetch(READ_ALL))
            return
        orders = [hint["key"]["order_id"] for hint in hints]
        found = _versions(await self.database.fetch(READ_SOME, orders))
        for order in orders:
            self.versions.pop(order, None)
        self.versions.update(found)


def _versions(rows: list[asyncpg.Record]) -> dict[int, int]:
    return {row["id"]: row["version"] for row in rows}


def _seen(body: dict[str, Any]) -> list[Seen]:
    if not body["hints"]:
        return [Seen(reason=body["reason"], order_id=None)]
    now = time.time()
    return [
        Seen(
            reason=body["reason"],
            order_id=hint["key"]["order_id"],
            events=tuple(hint["events"]),
            count=hint["count"],
            attempt=hint["attempt"],
            latency_s=now - datetime.fromisoformat(hint["first_at"]).timestamp(),
        )
        for hint in body["hints"]
    ]
