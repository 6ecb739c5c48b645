"""How far the outbox is drained, noted in the database, so that the next relay begins there and not at the beginning.

The walk from the beginning passes rows that are dead, but that somebody's snapshot keeps: millions, where that is old.
It is taken all the same now and then, as an attempt: for rows of a dump that was restored, or of a cluster whose
transactions were set back. Only what is behind dead rows is noted, for a note takes a transaction id: an idle relay
would note for ever. Refuses to drain.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from notifychannel_sidecar.relay.attempts import Attempts, Task
from notifychannel_sidecar.relay.position import Position

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifychannel_sidecar.relay.position import Drained
    from notifychannel_sidecar.relay.session import Session

NOTE_EVERY_S = 1.0
FAR = 1_000_000
"""Transactions, after which it is noted though nothing was taken."""
SWEEP_EVERY_S = 60.0


class Milestone:
    """Of one holder of the role."""

    def __init__(self, session: Session, *, on_sweep: Callable[[Drained, float], None]) -> None:
        """`on_sweep`: what it did, and in how many seconds."""
        self._session = session
        self._on_sweep = on_sweep
        self._attempts = Attempts(session)
        self._noted = 0
        self._taken_below: int | None = None
        """All that was taken was written by transactions below it; None: what others have taken is not known."""
        self._next_note_s = self._next_sweep_s = 0.0

    async def begin(self) -> Position:
        """Where the last one has come to."""
        self._noted = await self._attempts.at(Task.NOTE, partial(self._session.drained, None)) or 0
        self._next_sweep_s = time.monotonic()
        return Position(self._noted)

    async def look(self, position: Position, drained: Drained) -> None:
        """After a drain. Raises what the session raises when it is lost."""
        if drained.taken or self._taken_below is None:
            self._taken_below = drained.round.xmax
        is_news = self._noted < min(self._taken_below, position.proven) or position.proven >= self._noted + FAR
        if is_news and time.monotonic() >= self._next_note_s:
            self._next_note_s = time.monotonic() + NOTE_EVERY_S
            if await self._attempts.at(Task.NOTE, partial(self._session.drained, position.proven)) is not None:
                self._noted = position.proven
        if time.monotonic() >= self._next_sweep_s:
            await self._attempts.at(Task.SWEEP, self._sweep)

    async def _sweep(self) -> None:
        began_s = time.monotonic()
        swept = await self._session.sweep(self._attempts.rows(Task.SWEEP))
        self._on_sweep(swept, time.monotonic() - began_s)
        if not swept.more:
            self._next_sweep_s = time.monotonic() + SWEEP_EVERY_S
