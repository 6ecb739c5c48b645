"""One connection that listens: checked, subscribed, proven, named.

Listening is proven, not assumed: LISTEN says yes behind a pooler in transaction mode, where nothing arrives. Behind
one even a NOTIFY to oneself comes back (on the server connection that both happened to use), so where something
stands between, the proof is a NOTIFY by a second, short-lived connection. Refuses to retry: the listener does.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from notifychannel_sidecar.listener import statements
from notifychannel_sidecar.listener.connection import connection
from notifychannel_sidecar.listener.failures import Refused
from notifychannel_sidecar.listener.look import Look
from notifychannel_sidecar.listener.roundtrip import RoundTrip
from notifychannel_sidecar.state import Why

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from notifychannel_sidecar.listener.connection import Timings

    Heard = Callable[[object, int, str, object], None]
    """(connection, server process, PostgreSQL channel, payload), as asyncpg calls it: not one frame more."""

T = TypeVar("T")

MISSING = (
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedTableError,
)
"""How notifychannel.skipped() fails where it went away between two looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which database answered, and which of its histories: a promoted or restored server begins a new timeline."""

    system_identifier: str
    dbname: str
    timeline: int


class Session:
    """A living connection; every method raises what asyncpg raises, TimeoutError, or Refused."""

    def __init__(self, connection: asyncpg.Connection, arguments: Mapping[str, Any], timings: Timings) -> None:
        self._connection = connection
        self._arguments = arguments
        self._timings = timings
        self._private = f"nch_{secrets.token_hex(16)}"
        self._pooled = False
        self._expected = ""
        self._back = asyncio.Event()
        self._channels: dict[str, Heard] = {}

    @property
    def channels(self) -> frozenset[str]:
        """The PostgreSQL channels it listens to, without its own."""
        return frozenset(self._channels)

    async def identify(self) -> Identity:
        """Who answered; raises Refused(ReadOnlyReplica) for a standby."""
        async with asyncio.timeout(self._timings.statement_timeout_s):
            row = await self._row(statements.IDENTIFY)
        if row["in_recovery"]:
            raise Refused(Why.READ_ONLY_REPLICA)
        self._pooled = row["pid"] != self._connection.get_server_pid()
        return Identity(system_identifier=row["system_identifier"], dbname=row["dbname"], timeline=row["timeline"])

    async def listen(self, channels: frozenset[str], heard: Heard) -> None:
        """LISTEN to these too, in one transaction: committed when this returns."""
        async with asyncio.timeout(self._timings.statement_timeout_s):
            await self._in_one_transaction(self._add, channels - self.channels, heard)

    async def unlisten(self, channels: frozenset[str]) -> None:
        """Stop listening to these."""
        async with asyncio.timeout(self._timings.statement_timeout_s):
            await self._in_one_transaction(self._remove, channels & self.channels)

    async def prove(self) -> RoundTrip:
        """The first round trip; raises Refused(PoolerSwallowsListen) where LISTEN was accepted in vain."""
        try:
            if self._pooled:
                await self._witness()
            return await self.round_trip(thoroughly=True)
        except TimeoutError:
            await self._leave_the_pool()
            raise Refused(Why.POOLER_SWALLOWS_LISTEN if self._pooled else Why.HALF_OPEN) from None

    async def round_trip(self, *, thoroughly: bool = False) -> RoundTrip:
        """NOTIFY ourselves and wait for it; raises TimeoutError when it stays away. `thoroughly`: look also since when
        the rules are as they are, and at statements that write and have no transaction id yet.
        """
        async with asyncio.timeout(self._timings.round_trip_timeout_s):
            rules = await self._connection.fetchrow(statements.RULES_SINCE) if thoroughly else None
            skipped = await self._skipped()
            self._expect()
            sent_s = time.monotonic()
            row = await self._row(statements.ROUND_TRIP, self._private, self._expected, thoroughly)
            answered_s = time.monotonic()
            await self._back.wait()
            back_s = time.monotonic()
        return RoundTrip.of(
            row, skipped=skipped, rules=rules, sent_s=sent_s, answered_s=answered_s, back_s=back_s
        )  # fmt: skip

    async def look_at_relay(self) -> Look | None:
        """The outbox from outside; None where there is none, or not for this role."""
        async with asyncio.timeout(self._timings.statement_timeout_s):
            if not await self._connection.fetchval(statements.MAY_LOOK):
                return None
            try:
                row = await self._connection.fetchrow(statements.LOOK)
            except MISSING:
                return None
        return None if row is None else Look.of(row)

    async def name(self, application_name: str) -> None:
        """Say in pg_stat_activity who we are; only a proven session does."""
        async with asyncio.timeout(self._timings.statement_timeout_s):
            await self._connection.fetchrow(statements.NAME_SESSION, application_name)

    def on_loss(self, callback: Callable[[], None]) -> None:
        """Call when the connection is gone, however."""
        self._connection.add_termination_listener(lambda _: callback())

    @property
    def lost(self) -> bool:
        """Whether the connection is known to be gone."""
        return self._connection.is_closed()

    def _expect(self) -> None:
        self._back.clear()
        self._expected = secrets.token_hex(8)

    def _came_back(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        if payload == self._expected:
            self._back.set()

    async def _skipped(self) -> int | None:
        """Read before the round trip's snapshot: who counted by now is running there or has ended."""
        if not await self._connection.fetchval(statements.MAY_SEE_SKIPPED):
            return None
        try:
            count = await self._connection.fetchval(statements.SKIPPED)
        except MISSING:
            return None
        return count if isinstance(count, int) else None  # somebody's own function may answer anything

    async def _witness(self) -> None:
        self._expect()
        try:
            async with connection(self._arguments, self._timings) as second:
                async with asyncio.timeout(self._timings.statement_timeout_s):
                    await second.fetchval(statements.RING, self._private, self._expected)
        except TimeoutError:  # a pool that is used up lets its clients wait
            raise Refused(Why.TOO_MANY_CONNECTIONS) from None
        async with asyncio.timeout(self._timings.round_trip_timeout_s):
            await self._back.wait()

    async def _leave_the_pool(self) -> None:
        """A pool's server connection would go on listening for nobody; best effort, it may be another one by now."""
        with suppress(
            TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError
        ):
            async with asyncio.timeout(self._timings.close_timeout_s):
                await self._in_one_transaction(self._remove, self.channels)
                await self._connection.remove_listener(self._private, self._came_back)

    async def _add(self, channels: frozenset[str], heard: Heard) -> None:
        await self._connection.add_listener(self._private, self._came_back)
        for channel in sorted(channels):
            await self._connection.add_listener(channel, heard)
            self._channels[channel] = heard

    async def _remove(self, channels: frozenset[str]) -> None:
        for channel in sorted(channels):
            await self._connection.remove_listener(channel, self._channels.pop(channel))

    async def _row(self, statement: str, *arguments: str | bool) -> asyncpg.Record:
        rows = await self._in_one_transaction(self._connection.fetch, statement, *arguments)
        return rows[0]

    async def _in_one_transaction(self, statement: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """On one server connection, whatever stands between.

        Rolls nothing back: over a frozen wire that would hang, and a session that failed is thrown away.
        """
        await self._connection.execute("BEGIN")
        answer = await statement(*arguments)
        await self._connection.execute("COMMIT")
        return answer
