"""The connection that claims: the queue's functions as methods. Every call is bounded. Refuses to decide anything.

What it has claimed is lost with it: whatever ends it, the relay gives the claims to others after a while.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg

from notifychannel_sidecar.durable import statements
from notifychannel_sidecar.durable.agenda import Waiting
from notifychannel_sidecar.durable.claim import Claim
from notifychannel_sidecar.transaction import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncpg.prepared_stmt import PreparedStatement

    from notifychannel_sidecar.config import ChannelConfig, Config
    from notifychannel_sidecar.durable.settlement import Settlement
    from notifychannel_sidecar.hints import Reason

CALL_TIMEOUT_S = 8.0
"""More than the server allows a statement, so that it is the server who ends a slow one."""
NOT_NOW = (asyncpg.QueryCanceledError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)
"""The server would not, and the session goes on: for what can wait, a reason to wait."""
GIVEN_UP = "55000"
"""What the queue says to one who is no claimer any more; asyncpg counts locks that can't be had (55P03) as such."""


class Session:
    """A connection on which claimers live; every method raises what asyncpg raises, or TimeoutError."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._prepared: dict[str, PreparedStatement] = {}
        """The connection keeps none by itself, for the listener may be behind a pooler; claimers can't be."""

    async def settle_in(self, application_name: str, on_loss: Callable[[], None]) -> None:
        """Name the session and bound how long the server waits for it; hear of its end."""
        self._connection.add_termination_listener(lambda _: on_loss())
        await self._value(statements.SETTLE_IN, application_name)

    @property
    def lost(self) -> bool:
        """Whether the connection is known to be gone."""
        return self._connection.is_closed()

    async def enter(self, config: Config, channel: str, session_name: str) -> int | None:
        """The number of a new claimer; None: the queue does not know the consumer."""
        claimer: int | None = await self._value(
            statements.ENTER, config.installation, config.namespace, channel, config.group, session_name
        )
        return claimer

    async def turn(
        self, claimer: int, settlements: Sequence[Settlement], most: int, config: ChannelConfig
    ) -> tuple[list[Claim], float | None]:
        """Tell what became of claims, and take up to `most` that are due; and in how many seconds another is due
        (None: nothing waits). Nothing is taken where the consumer has other rules: its keys would get wrong names.
        """
        keys = [it.claim.key for it in settlements]
        versions = [it.claim.version for it in settlements]
        outcomes = [it.outcome.value for it in settlements]
        errors = [it.error for it in settlements]
        whose = (config.rules, config.timeout)
        *rows, last = await self._rows(statements.TURN, claimer, keys, versions, outcomes, errors, most, *whose)
        return [Claim.of(row) for row in rows], last["waited"]

    async def beat(self, claimer: int, config: ChannelConfig) -> float | None:
        """Show that we live, and learn whether others think so; in how many seconds something is due."""
        due_s: float | None = await self._value(statements.BEAT, claimer, config.rules, config.timeout)
        return due_s

    async def want_resync(self, claimer: int, reason: Reason) -> None:
        """Put a resync into the queue."""
        await self._value(statements.WANT_RESYNC, claimer, reason.value)

    async def look(self, claimer: int) -> Waiting | None:
        """What the group has in the queue."""
        rows = await self._within_a_second(statements.LOOK, claimer)
        return Waiting.of(rows[0]) if rows else None

    async def escalations(self, claimer: int, most: int) -> list[Claim]:
        """What nobody has acknowledged for too long, and is ours to tell of for a while."""
        return [Claim.of(row) for row in await self._within_a_second(statements.ESCALATIONS, claimer, most)]

    async def escalated(self, claimer: int, keys: Sequence[str]) -> None:
        """These were told."""
        await self._within_a_second(statements.ESCALATED, claimer, list(keys))

    async def leave(self, claimer: int) -> None:
        """It is a claimer no more, if it was one still."""
        try:
            await self._value(statements.LEAVE, claimer)
        except asyncpg.ObjectNotInPrerequisiteStateError as error:
            if error.sqlstate != GIVEN_UP:
                raise

    async def _value(self, statement: str, *arguments: object) -> Any:
        rows = await self._rows(statement, *arguments)
        return rows[0][0] if rows else None

    async def _within_a_second(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """For what can wait, while claims can't."""
        async with transaction(self._connection, timeout_s=CALL_TIMEOUT_S):
            await self._rows(statements.BOUND)
            return await self._rows(statement, *arguments)

    async def _rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            if statement not in self._prepared:
                self._prepared[statement] = await self._connection.prepare(statement)
            return list(await self._prepared[statement].fetch(*arguments))
