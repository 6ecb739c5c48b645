"""What the relay does for the queue beside filling it: claims of the dead, the queue's clock, rules, what is old.

A look each second, where there is a queue at all. What the server would not do is tried again later (`attempts`).
Refuses to judge: `claimers` and `server_clock` do.
"""

from __future__ import annotations

import logging
import math
import time
from functools import partial
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_sidecar.events import Event
from notifychannel_sidecar.relay.attempts import Attempts, Task
from notifychannel_sidecar.relay.claimers import Claimers, Verdict
from notifychannel_sidecar.relay.server_clock import ServerClock

if TYPE_CHECKING:
    from notifychannel_sidecar.relay.claimers import Claimer
    from notifychannel_sidecar.relay.session import Session

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
FIND_EVERY_S = 10.0
"""While there is no queue."""
TRIM_EVERY_S = 60.0
MEND_FOR_S = 0.1
"""In one look, of a walk over all rows."""
CLEAR_FOR_S = 1.0
"""In one look, of claimers that are gone: the next drain waits for them."""


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
        self._jumped_s = 0.0
        """By how much the server's clock was set, of which the queue does not know yet."""
        self._attempts = Attempts(session)

    @property
    def due_in_s(self) -> float:
        """Seconds until `look` has something to do."""
        return max(0.0, self._next_look_s - time.monotonic())

    async def look(self) -> None:
        """If one is due; raises what the session raises when it is lost."""
        if self.due_in_s > 0:
            return
        self._has_queue = self._has_queue or bool(await self._attempts.at(Task.FIND, self._session.has_queue))
        if self._has_queue:
            await self._mind()
            self._has_queue = not self._attempts.is_missing
        self._attempts.is_missing = False
        self._next_look_s = time.monotonic() + (LOOK_EVERY_S if self._has_queue else FIND_EVERY_S)

    async def _mind(self) -> None:
        verdict = await self._attempts.at(Task.LOOK, self._look_at_claimers) or Verdict()
        if self._jumped_s:
            await self._attempts.at(Task.SET_CLOCK, self._set_clock)
        await self._clear_away(verdict)
        await self._attempts.at(Task.SETTLE_RULES, self._session.settle_rules)
        if self._jumped_s:  # what is in the future, or old, can't be said while the queue's clock is wrong
            return
        if time.monotonic() >= self._next_trim_s:
            await self._attempts.at(Task.TRIM, self._trim)
        ends_s = time.monotonic() + MEND_FOR_S
        while self._mends and await self._attempts.at(Task.MEND_CLOCK, self._mend_clock):
            if time.monotonic() > ends_s:
                break

    async def _clear_away(self, verdict: Verdict) -> None:
        """Each by itself: one that can't be had keeps no other. Those that are left come with the next look."""
        ends_s = time.monotonic() + CLEAR_FOR_S
        for task, act, found in (
            (Task.END, self._end, verdict.end), (Task.RECLAIM, self._reclaim, verdict.reclaim),
        ):  # fmt: skip
            for it in found:
                if time.monotonic() > ends_s:
                    return
                await self._attempts.at(task, partial(act, it), claimer=it.id)

    async def _look_at_claimers(self) -> Verdict:
        began_s = time.monotonic()
        server_s, found = await self._session.look_at_claimers()
        ended_s = time.monotonic()
        if jumped_s := self._clock.jumped_s(server_s, began_s=began_s, ended_s=ended_s):
            log.warning(
                "the server's clock was set by %+.1f s: the queue goes on by the old one",
                jumped_s,
                extra=Event.CLOCK_SET.tag,
            )
            self._jumped_s += jumped_s
        self._attempts.forget_all_but({it.id for it in found})
        return self._claimers.look(found, began_s=began_s, ended_s=ended_s)

    async def _set_clock(self) -> None:
        await self._session.set_clock(self._jumped_s)
        self._jumped_s, self._mends = 0.0, True

    async def _mend_clock(self) -> bool:
        rows = self._attempts.rows(Task.MEND_CLOCK)
        self._mends = await self._session.mend_clock(rows) == rows
        return self._mends

    async def _trim(self) -> None:
        rows = self._attempts.rows(Task.TRIM)
        if await self._session.trim_queue(rows) < rows:
            self._next_trim_s = time.monotonic() + TRIM_EVERY_S
            self._mends = True  # it may have begun a walk

    async def _end(self, claimer: Claimer) -> None:
        try:
            ended = await self._session.end_claimer(claimer)
        except asyncpg.InsufficientPrivilegeError:  # of a role that is not ours: it is given up a little later
            return
        if ended:
            log.warning(
                "a sidecar (process %d) stood still with the queue's rows: its session was ended",
                claimer.pid,
                extra=Event.CLAIMER_ENDED.tag,
            )

    async def _reclaim(self, claimer: Claimer) -> None:
        given = await self._session.reclaim(claimer)
        if given:
            log.warning(
                "%d of the queue's rows were with a sidecar that is gone: others get them",
                given,
                extra=Event.CLAIMS_GIVEN_BACK.tag,
            )
