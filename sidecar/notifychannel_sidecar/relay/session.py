"""The relay's connection: who has the role drains over it, and gives the role back by losing it.

Both advisory locks are the session's, so whatever ends it (a crash, a kill, a cut wire that the server has noticed)
lets the next one in and makes writers ring. Every statement is bounded. Refuses to decide anything.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from notifychannel_sidecar.relay import statements
from notifychannel_sidecar.relay.claimers import Claimer
from notifychannel_sidecar.relay.position import Drained, Position
from notifychannel_sidecar.transaction import transaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from notifychannel_sidecar.listener.look import Look

DOORBELL = "notifychannel_relay"
"""The PostgreSQL channel that writers ring."""
STATEMENT_TIMEOUT_S = 8.0
"""More than the server allows a statement, so that it is the server who ends a slow one."""
BATCH_ROWS = 5000
SHED_ROWS = 50_000
"""In one statement, which only deletes."""


class Session:
    """A connection that may become the relay; every method raises what asyncpg raises, or TimeoutError."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._flag = False
        self._batch_rows = BATCH_ROWS

    async def settle_in(self, application_name: str) -> None:
        """Name the session and bound how long the server waits for it."""
        await self._value(statements.SETTLE_IN, application_name)

    @property
    def lost(self) -> bool:
        """Whether the connection is known to be gone."""
        return self._connection.is_closed()

    async def take_role(self) -> bool:
        """Whether the role is ours now, until this connection ends."""
        return bool(await self._value(statements.TAKE_ROLE))

    async def replace(self, still: Look) -> bool:
        """End the session that holds the role, if rows wait and it has not moved since that look."""
        if not await self._value(statements.WAITING):
            return False
        return bool(await self._value(statements.REPLACE, still.holder, still.beats))

    async def listen(self, rung: Callable[[], None]) -> None:
        """Hear the doorbell from here on: before the first drain, or a ring between the two would be nobody's."""
        async with asyncio.timeout(STATEMENT_TIMEOUT_S):
            await self._connection.add_listener(DOORBELL, lambda *_: rung())

    async def drain(self, position: Position, *, awake: bool, logged: bool = True) -> Drained:
        """One call; while awake it raises the flag too, if that is not up yet. Where so many rows took the server too
        long, with fewer: the next relay would come no further. Not `logged`: what is for the queue stays.
        """
        statement = statements.DRAIN if logged else statements.DRAIN_UNLOGGED
        while True:
            try:
                row = await self._drain(position, self._batch_rows, awake and not self._flag, statement)
            except asyncpg.QueryCanceledError:
                if self._batch_rows == 1:
                    raise
                self._batch_rows = max(1, self._batch_rows // 8)
            else:
                break
        self._batch_rows = min(BATCH_ROWS, self._batch_rows * 2)
        self._flag = self._flag or bool(row["raised"])
        return Drained.of(row)

    async def sweep(self, most: int) -> Drained:
        """So many rows from the beginning on, wherever the position is."""
        return Drained.of(await self._drain(Position(), most, False))

    async def _drain(
        self, position: Position, most: int, raises: bool, statement: str = statements.DRAIN
    ) -> asyncpg.Record:
        async with asyncio.timeout(STATEMENT_TIMEOUT_S):
            [row] = await self._connection.fetch(statement, position.low, position.late, most, raises)
        return row

    async def shed(self, cap_bytes: int, low: int) -> int:
        """Where more than that waits, from the transaction `low` on: one resync per PostgreSQL channel instead of
        its rows. How many.
        """
        cap, taken = cap_bytes, 0
        while True:
            async with asyncio.timeout(STATEMENT_TIMEOUT_S):
                [row] = await self._connection.fetch(statements.COLLAPSE, cap, low, SHED_ROWS)
            taken += row["taken"]
            if not row["more"]:
                return int(taken)
            cap, low = 0, row["last"]

    async def lower_flag(self) -> None:
        """Writers ring again."""
        if self._flag:
            await self._value(statements.LOWER_FLAG)
            self._flag = False

    async def fence(self) -> int:
        """A transaction id above that of all who have written something by now; only with the flag down."""
        fence: int = await self._value(statements.FENCE)
        return fence

    @asynccontextmanager
    async def bounded(self, seconds: float) -> AsyncIterator[None]:
        """A transaction of which no statement takes longer, and which waits for nobody's lock."""
        async with transaction(self._connection, timeout_s=STATEMENT_TIMEOUT_S):
            await self._value(statements.BOUND, f"{seconds * 1000:.0f}ms")
            yield

    async def drained(self, below: int | None) -> int:
        """Note that all transactions below it are drained; from which one on anything may wait."""
        return int(await self._value(statements.DRAINED, below))

    async def has_queue(self) -> bool:
        """Whether this database has one."""
        return bool(await self._value(statements.HAS_QUEUE))

    async def look_at_claimers(self) -> tuple[float, list[Claimer]]:
        """The server's clock (seconds since 1970), and who claims."""
        async with asyncio.timeout(STATEMENT_TIMEOUT_S):
            rows = await self._connection.fetch(statements.LOOK_AT_CLAIMERS)
        return rows[0]["server_s"], [Claimer.of(row) for row in rows if row["claimer"] is not None]

    async def end_claimer(self, claimer: Claimer) -> bool:
        """End its session, if it still stands where it was seen."""
        return bool(await self._value(statements.END_CLAIMER, claimer.id, claimer.beats))

    async def reclaim(self, claimer: Claimer) -> int:
        """Give others what it holds, if it still stands where it was seen; how many rows."""
        return int(await self._value(statements.RECLAIM, [claimer.id], [claimer.beats]))

    async def set_clock(self, jumped_s: float) -> None:
        """The server's was set by so much; the queue's goes on."""
        await self._value(statements.SET_CLOCK, jumped_s)

    async def mend_clock(self, most: int) -> int:
        """Put right rows that wait for a future that is none any more; how many."""
        return int(await self._value(statements.MEND_CLOCK, most))

    async def trim_queue(self, most: int) -> int:
        """Delete what is old; how much of it."""
        return int(await self._value(statements.TRIM_QUEUE, most))

    async def settle_rules(self) -> None:
        """Ask for the resyncs of rules under which nobody writes any more."""
        await self._value(statements.SETTLE_RULES)

    async def _value(self, statement: str, *arguments: object) -> Any:
        async with asyncio.timeout(STATEMENT_TIMEOUT_S):
            return await self._connection.fetchval(statement, *arguments)
