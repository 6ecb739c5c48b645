"""A pod: a real sidecar, and an application that reads the rows it is told to look at before it answers 2xx."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import asyncpg
from aiohttp import web

from tests.checker.writer import AGAIN, LOST
from tests.sidecar import SidecarProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifychannel_sidecar.config import Config
    from tests.checker.ledger import Ledger, Reader

LOST_CLAIMS = "not claiming, "
ESCALATIONS = "/escalations"
READ = "SELECT id, version FROM orders WHERE id = ANY($1::bigint[])"
READ_ALL = "SELECT id, version FROM orders"


@dataclass(kw_only=True)
class Pod:
    """`async with Pod(...)`; `configured` makes the sidecar's configuration for the application's port."""

    name: str
    dsn: str
    """The application's way to the database."""
    uri: str
    """The sidecar's."""
    configured: Callable[[int], Config]
    ledger: Ledger
    reader: Reader
    pods: list[Pod]
    """All of them."""
    forgets_every: int | None = None
    """A mutant: it answers 2xx to each so-many-th hint and never looks."""
    is_down: bool = False
    """It answers 503 to hints."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    sidecar: SidecarProcess = field(init=False)
    _port: int = 0
    _given_up: int = 0
    _pool: list[asyncpg.Connection] = field(default_factory=list)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        runner = web.ServerRunner(web.Server(self._handle, keepalive_timeout=3600), shutdown_timeout=0)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._port = runner.addresses[0][1]
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sidecar.__aexit__()
        await self._stack.aclose()
        for connection in self._pool:
            connection.terminate()

    @property
    def given_up(self) -> int:
        """How often its sidecars have said that they lost the session over which they claim."""
        return self._given_up + sum(LOST_CLAIMS in line for line in self.sidecar.logged)

    async def kill(self) -> None:
        """The sidecar, by SIGKILL; a new one comes, as the kubelet sees to it."""
        self._given_up = self.given_up
        await self.sidecar.__aexit__()
        await self._start()

    async def _start(self) -> None:
        process = SidecarProcess(
            config=self.configured(self._port), uri=self.uri, environment={"NOTIFYCHANNEL_POD": self.name}
        )
        self.sidecar = await process.__aenter__()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await request.content.read())
        hints = {hint["key"]["id"]: hint["id"] for hint in body["hints"]}
        if request.path == ESCALATIONS:
            self.reader.escalated.update(hints.keys())
            return web.Response()
        if self.is_down:
            return web.Response(status=503)
        self.ledger.hinted(hints)
        try:
            await (self._look(hints) if hints else self._look_at_all(body["reason"]))
        except (*LOST, *AGAIN, asyncpg.PostgresError):
            return web.Response(status=503)
        async with self.changed:
            self.changed.notify_all()
        return web.Response()

    async def _look(self, hints: dict[int, str]) -> None:
        forgotten = self._forgotten(hints)
        self.reader.begin(hints)
        try:
            rows = await self._read(READ, list(hints))
        except BaseException:
            self.reader.give_up(hints)
            raise
        self.reader.give_up(forgotten)
        kept = {key: hint_id for key, hint_id in hints.items() if key not in forgotten}
        now = asyncio.get_running_loop().time()
        self.ledger.gave_up(sum(pod.given_up for pod in self.pods), now)
        after_kill = self.ledger.after_kill(now)
        self.reader.acknowledge(kept, dict(rows), after_kill=after_kill)

    async def _look_at_all(self, reason: str) -> None:
        meanwhile = self.reader.begin_resync()
        try:
            rows = await self._read(READ_ALL)
        except BaseException:
            self.reader.end_resync(meanwhile)
            raise
        self.reader.resync(reason, dict(rows), meanwhile)

    def _forgotten(self, hints: dict[int, str]) -> set[int]:
        every = self.forgets_every
        return {key for n, key in enumerate(hints, start=self.reader.hinted + 1) if every and n % every == 0}

    async def _read(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """On a connection of its own: several requests come at once."""
        connection = self._pool.pop() if self._pool else await asyncpg.connect(self.dsn, timeout=5, command_timeout=30)
        try:
            rows = await connection.fetch(query, *arguments)
        except BaseException:
            connection.terminate()
            raise
        self._pool.append(connection)
        return list(rows)
