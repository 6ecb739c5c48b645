"""Connections that outlive a pass for some seconds, so that the next one through the same Secret finds a warm server.

A fresh session of PostgreSQL knows no catalog: its first look costs it several times the second. Kept by everything
that is in the Secret (a rotated one leads to a new connection), never by two passes at once. One that fails is cut,
with whatever it had begun. Refuses to hide a server that has gone, or is a standby while the Secret's name may lead to
the primary by now: what was kept is asked before it is lent.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from notifychannel_operator.passes.connect import FAILURES, LIMIT_S, closed, opened, settle, translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from notifychannel_sidecar.credentials import Credentials

    Connection = asyncpg.Connection[asyncpg.Record]

KEEP_S = 3.0
"""Idle: long enough for passes that follow each other, short enough that a quiet database sees no session of ours."""
MOST_S = 60.0
"""Old: then it is closed, however busy, so that a name that leads to another server by now is looked up again."""
WAKE_S = 2.0
"""For a kept one to answer; then a new one is opened."""


@dataclass(eq=False, slots=True, kw_only=True)
class _Session:
    connection: Connection
    opened_s: float
    """The event loop's time."""
    timer: asyncio.TimerHandle | None = None
    """While it is idle."""


@dataclass(slots=True)
class Kept:
    """`async with Kept() as kept: async with kept.connected(credentials) as connection: …`; one for the process."""

    keep_s: float = KEEP_S
    most_s: float = MOST_S
    _idle: dict[str, list[_Session]] = field(default_factory=dict)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for fingerprint, idle in list(self._idle.items()):
            for session in list(idle):
                self._drop(fingerprint, session)
        await asyncio.gather(*self._closing)

    @asynccontextmanager
    async def connected(self, credentials: Credentials, *, limit_s: float = LIMIT_S) -> AsyncIterator[Connection]:
        """As `connect.connected`: for `limit_s` seconds at most. Raises Failed, also for what happens in the block."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + limit_s
        with translated(credentials, ends_s=ends_s):
            session = await self._taken(credentials)
            if session is None:
                session = _Session(connection=await opened(credentials, ends_s=ends_s), opened_s=loop.time())
            watchdog = loop.call_at(ends_s, session.connection.terminate)
            try:
                yield session.connection
            except BaseException:
                session.connection.terminate()
                raise
            finally:
                watchdog.cancel()
        self._keep(credentials.fingerprint(), session)

    async def _taken(self, credentials: Credentials) -> _Session | None:
        """The one used last, if it still answers, and not from a standby."""
        fingerprint = credentials.fingerprint()
        while idle := self._idle.get(fingerprint):
            session = idle[-1]
            self._forget(fingerprint, session)
            try:
                async with asyncio.timeout(WAKE_S):
                    is_standby = await settle(session.connection)
            except FAILURES:
                session.connection.terminate()
            except BaseException:
                session.connection.terminate()
                raise
            else:
                if not is_standby:
                    return session
                session.connection.terminate()
        return None

    def _keep(self, fingerprint: str, session: _Session) -> None:
        loop = asyncio.get_running_loop()
        self._idle.setdefault(fingerprint, []).append(session)
        left_s = min(self.keep_s, session.opened_s + self.most_s - loop.time())
        session.timer = loop.call_later(max(left_s, 0), self._drop, fingerprint, session)

    def _forget(self, fingerprint: str, session: _Session) -> None:
        if session.timer is not None:
            session.timer.cancel()
        idle = self._idle[fingerprint]
        idle.remove(session)
        if not idle:
            del self._idle[fingerprint]

    def _drop(self, fingerprint: str, session: _Session) -> None:
        self._forget(fingerprint, session)
        task = asyncio.get_running_loop().create_task(closed(session.connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
