"""A pod: a real sidecar, and an application that reads the rows it is told to look at before it answers 2xx."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import asyncpg
from aiohttp import web

from tests.checker.kills import Kill
from tests.checker.writer import AGAIN, LOST
from tests.sidecar import SidecarProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifychannel_sidecar.config import Config
    from tests.checker.ledger import Ledger
    from tests.checker.reader import Reader

GIVEN_UP = re.compile(r"not (listening|claiming), .*(?:HalfOpen|TimeoutError|57014)")
"""A sidecar says that it leaves a session over which it was not answered in time."""
GAVE_UP = "session by its sidecar"
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
    is_down: bool = False
    """It answers 503 to hints, or what `down_status` says."""
    down_status: int = 503
    hangs: asyncio.Event | None = None
    """It answers no hint before that is set, and then only that it could not."""
    refuses: set[int] = field(default_factory=set)
    """Keys to which it answers 500, alone or among others."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    sidecar: SidecarProcess = field(init=False)
    _port: int = 0
    _runner: web.ServerRunner | None = None
    _killed: int = 0
    """How often."""
    _lines_read: int = 0
    _pool: list[asyncpg.Connection] = field(default_factory=list)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        self._stack.push_async_callback(self.refuse)
        await self.listen()
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sidecar.__aexit__()
        await self._stack.aclose()
        for connection in self._pool:
            connection.terminate()

    async def listen(self) -> None:
        """The application is there; after a `refuse`, on the same port again."""
        self._runner = web.ServerRunner(web.Server(self._handle, keepalive_timeout=3600), shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def refuse(self) -> None:
        """It has ended: its port is closed, and so are its connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def kill(self, what: str) -> None:
        """The sidecar, by SIGKILL; a new one comes, as the kubelet sees to it."""
        self._note_given_up()
        self._killed += 1
        if not any(pod.reader is self.reader for pod in self.pods if pod is not self):
            self.reader.give_up_all()
        kill = self.ledger.kills.add(Kill(began_s=_now_s(), pod=self.name, claims=True), what)
        await self.sidecar.__aexit__()
        await self._start()
        kill.ended_s = _now_s()

    def _note_given_up(self) -> None:
        """Sessions that sidecars have left since, on a machine that is too busy: as if they had been killed."""
        for pod in self.pods:
            for line in pod.sidecar.logged[pod._lines_read :]:
                if found := GIVEN_UP.search(line):
                    now_s, listened = _now_s(), found[1] == "listening"
                    resync = "reconnect" if listened else None
                    kill = Kill(began_s=now_s, ended_s=now_s, pod=pod.name, resync=resync, claims=not listened)
                    self.ledger.kills.add(kill, GAVE_UP)
            pod._lines_read = len(pod.sidecar.logged)

    async def _start(self) -> None:
        start = self.ledger.kills.add(Kill(began_s=_now_s(), pod=self.name, resync="start"))
        self._lines_read = 0
        process = SidecarProcess(
            config=self.configured(self._port), uri=self.uri, environment={"NOTIFYCHANNEL_POD": self.name}
        )
        self.sidecar = await process.__aenter__()
        start.ended_s = _now_s()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        posted_s = _now_s()
        body = json.loads(await request.content.read())
        hints = {hint["key"]["id"]: hint["id"] for hint in body["hints"]}
        if request.path == ESCALATIONS:
            self.reader.escalated.update(hints.keys())
            return web.Response()
        if self.hangs is not None:
            await self.hangs.wait()
            return web.Response(status=503)
        if self.is_down:
            return web.Response(status=self.down_status)
        if not self.refuses.isdisjoint(hints):
            return web.Response(status=500)
        self.ledger.hinted(hints)
        try:
            await (self._look(hints, posted_s) if hints else self._look_at_all(body["reason"], posted_s))
        except (*LOST, *AGAIN, asyncpg.PostgresError):
            return web.Response(status=503)
        async with self.changed:
            self.changed.notify_all()
        return web.Response()

    async def _look(self, hints: dict[int, str], posted_s: float) -> None:
        killed = self._killed
        self.reader.begin(hints)
        try:
            rows = await self._read(READ, list(hints))
            self._still_asked(killed)
        except BaseException:
            self.reader.give_up(hints)
            raise
        self._note_given_up()
        self.reader.acknowledge(hints, dict(rows), pod=self.name, posted_s=posted_s, now_s=_now_s())

    async def _look_at_all(self, reason: str, posted_s: float) -> None:
        self._note_given_up()
        killed = self._killed
        meanwhile = self.reader.begin_resync()
        try:
            rows = await self._read(READ_ALL)
            self._still_asked(killed)
        except BaseException:
            self.reader.refuse_resync(meanwhile)
            raise
        self.reader.resync(reason, dict(rows), meanwhile, pod=self.name, posted_s=posted_s)

    def _still_asked(self, killed: int) -> None:
        """Raises where the sidecar that asked is dead: nobody hears the answer, and the next may have asked since."""
        if self._killed != killed:
            raise ConnectionAbortedError

    async def _read(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """On a connection of its own: several requests come at once."""
        connection = self._pool.pop() if self._pool else await asyncpg.connect(self.dsn, timeout=5, command_timeout=30)
        try:
            rows = await connection.fetch(query, *arguments)
        except BaseException:
            for each in (connection, *self._pool):
                each.terminate()
            self._pool.clear()
            raise
        self._pool.append(connection)
        return list(rows)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
