"""Candidates for the relay's role on a real database, with their looks made here; and writers that append and ring."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self

import asyncpg

from notifychannel_sidecar.listener.backoff import Backoff
from notifychannel_sidecar.listener.session import Session
from notifychannel_sidecar.listener.target import Target
from notifychannel_sidecar.relay.candidate import Candidate
from notifychannel_sidecar.relay.relay import Pace, Wakefulness
from notifychannel_sidecar.relay.standby import StandBy
from tests.listening import QUICK, channel, config

if TYPE_CHECKING:
    from notifychannel_sidecar.listener.connection import Timings
    from notifychannel_sidecar.relay.position import Drained
    from tests.conftest import Database

PATIENCE_S = 30.0
LOOK_EVERY_S = 0.1
STILL_S = 1.0
ONLY_RUNG = Pace(asleep_s=3600.0)
"""Asleep it never looks by itself: only the doorbell wakes it."""
APPEND = """
CREATE FUNCTION public.append(channel text, payload text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $append$
BEGIN
    INSERT INTO notifychannel.outbox (channel, payload) VALUES (append.channel, append.payload);
    IF pg_try_advisory_lock_shared(1852008556, 2) THEN
        PERFORM pg_advisory_unlock_shared(1852008556, 2);
        PERFORM pg_notify('notifychannel_relay', '');
    END IF;
END
$append$
"""
"""What the trigger function does with a payload."""


def payload(key: int, *, at_us: int = 1_767_225_600_000_000) -> str:
    """As a trigger writes it."""
    return f"1ababababI{at_us:016d}\n[{key}]"


@dataclass(kw_only=True)
class Outbox:
    """A database with an outbox, and what was heard on the PostgreSQL channel `orders`."""

    database: Database
    admin: asyncpg.Connection
    heard: list[str] = field(default_factory=list)
    rings: int = 0
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def on(cls, database: Database) -> Self:
        """Make it."""
        admin = await database.connect()
        sql = files("notifychannel_operator") / "sql"
        for name in ("010_schema", "020_outbox"):
            await admin.execute((sql / f"{name}.sql").read_text())
        await admin.execute(APPEND)
        made = cls(database=database, admin=admin)
        ears = await database.connect()
        await ears.add_listener("orders", made._hear)
        await ears.add_listener("notifychannel_relay", made._ring)
        return made

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self.heard += [line[line.index("[") :] for line in str(payload).split("\n")[1:]]
        self._more.set()

    def _ring(self, *_: object) -> None:
        self.rings += 1
        self._more.set()

    async def append(self, key: int, connection: asyncpg.Connection | None = None) -> None:
        """As a writer does, in the connection's transaction."""
        await (connection or self.admin).execute("SELECT append('orders', $1)", payload(key))

    async def hears(self, *keys: int) -> None:
        """Wait until all of these were heard."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not {f"[{key}]" for key in keys} <= set(self.heard):
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"{keys} were never all heard: {self.heard[-20:]}") from None

    async def waiting(self) -> int:
        """Rows that anybody may see."""
        return int(await self.admin.fetchval("SELECT count(*) FROM notifychannel.outbox"))


@dataclass(kw_only=True)
class StandingBy:
    """`async with StandingBy(database=…) as one:` a candidate, told ten looks a second."""

    database: Database
    pod: str = "api-1"
    pace: Pace = field(default_factory=Pace)
    dsn: str | None = None
    """Of the candidate's own connections; the looks go straight to the database."""
    timings: Timings = QUICK
    drains: list[Drained] = field(default_factory=list)
    roles: int = 0
    candidate: Candidate = field(init=False)
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self.candidate = Candidate(
            backoff=Backoff(initial_s=0.05, maximum_s=0.3), timings=self.timings, pace=self.pace,
            on_drain=self._on_drain, on_role=self._on_role, hesitate=lambda *_: 0.0, stand_by=StandBy(still_s=STILL_S),
        )  # fmt: skip
        dsn = self.dsn or self.database.dsn()
        known = config(channel(sources=True, capture="Outbox"))
        self.candidate.aim(Target(config=known, pod=self.pod, fingerprint="1", arguments={"dsn": dsn}))
        self._looking = await asyncpg.connect(self.database.dsn())
        self._tasks = [asyncio.create_task(self.candidate.run()), asyncio.create_task(self._look())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._looking.close(timeout=5)

    async def becomes(self, wakefulness: Wakefulness | None) -> None:
        """Wait until the relay is in this state; None: until it is the relay no more."""
        async with asyncio.timeout(PATIENCE_S):
            while self.candidate.wakefulness is not wakefulness:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):  # falling asleep is no event of its own
                        await self._changed.wait()

    async def drains_again(self) -> None:
        """Wait for one more drain."""
        before = len(self.drains)
        async with asyncio.timeout(PATIENCE_S):
            while len(self.drains) == before:
                self._changed.clear()
                await self._changed.wait()

    def _on_drain(self, drained: Drained, _seconds: float) -> None:
        self.drains.append(drained)
        self._changed.set()

    def _on_role(self, has: bool) -> None:
        self.roles += has
        self._changed.set()

    async def _look(self) -> None:
        session = Session(self._looking, {}, replace(QUICK, statement_timeout_s=10.0))
        while True:
            look = await session.look_at_relay()
            if look is not None:
                self.candidate.look(look)
            await asyncio.sleep(LOOK_EVERY_S)
