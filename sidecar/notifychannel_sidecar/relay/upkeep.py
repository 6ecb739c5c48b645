"""What the relay does for the queue beside filling it: claims of the dead, the queue's clock, rules, what is old.

A look each second, where there is a queue at all. Refuses to judge: `claimers` and `server_clock` do.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_sidecar.relay.claimers import Claimers
from notifychannel_sidecar.relay.server_clock import ServerClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_sidecar.relay.claimers import Claimer
    from notifychannel_sidecar.relay.session import Session

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
FIND_EVERY_S = 10.0
"""While there is no queue."""
TRIM_EVERY_S = 60.0
BATCH_ROWS = 5000


class Upkeep:
    """Of one holder of the role."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._claimers = Claimers()
        self._clock = ServerClock()
        self._next_look_s = -math.inf
        self._next_trim_s = -math.inf
        self._has_queue = False
        self._mends = True

    @property
    def due_in_s(self) -> float:
        """Seconds until `look` has something to do."""
        return max(0.0, self._next_look_s - time.monotonic())

    async def look(self) -> None:
        """If one is due; raises what the session raises."""
        if self.due_in_s > 0:
            return
        try:
            self._has_queue = self._has_queue or await self._session.has_queue()
            if self._has_queue:
                await self._mind()
        except (asyncpg.UndefinedFunctionError, asyncpg.UndefinedTableError):  # it was dropped a moment ago
            self._has_queue = False
        self._next_look_s = time.monotonic() + (LOOK_EVERY_S if self._has_queue else FIND_EVERY_S)

    async def _mind(self) -> None:
        began_s = time.monotonic()
        server_s, found = await self._session.look_at_claimers()
        ended_s = time.monotonic()
        await self._mind_clock(self._clock.jumped_s(server_s, began_s=began_s, ended_s=ended_s))
        verdict = self._claimers.look(found, began_s=began_s, ended_s=ended_s)
        for it in verdict.end:
            await self._end(it)
        await self._reclaim(verdict.reclaim)
        await self._session.settle_rules()
        if time.monotonic() >= self._next_trim_s and await self._session.trim_queue(BATCH_ROWS) < BATCH_ROWS:
            self._next_trim_s = time.monotonic() + TRIM_EVERY_S

    async def _mind_clock(self, jumped_s: float) -> None:
        """A new relay does not know what the clock has done before it: it only puts right what is in the future."""
        if jumped_s:
            log.warning("the server's clock was set by %+.1f s: the queue goes on by the old one", jumped_s)
            await self._session.set_clock(jumped_s)
        if jumped_s or self._mends:
            self._mends = await self._session.mend_clock(BATCH_ROWS) == BATCH_ROWS

    async def _end(self, claimer: Claimer) -> None:
        try:
            ended = await self._session.end_claimer(claimer)
        except asyncpg.InsufficientPrivilegeError:  # of a role that is not ours: it is given up a little later
            return
        if ended:
            log.warning("a sidecar (process %d) stood still with the queue's rows: its session was ended", claimer.pid)

    async def _reclaim(self, claimers: Sequence[Claimer]) -> None:
        given = await self._session.reclaim(claimers) if claimers else 0
        if given:
            log.warning("%d of the queue's rows were with sidecars that are gone: others get them", given)
