"""What the relay does for the queue beside filling it: claims of the dead, the queue's clock, rules, what is old.

A look each second, where there is a queue at all. What the server would not do is tried again later, and keeps neither
the drain nor anything else from being done. Refuses to judge: `claimers` and `server_clock` do.
"""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from notifychannel_sidecar.listener import failures
from notifychannel_sidecar.listener.backoff import Backoff
from notifychannel_sidecar.relay.claimers import Claimers, Verdict
from notifychannel_sidecar.relay.server_clock import ServerClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from notifychannel_sidecar.relay.claimers import Claimer
    from notifychannel_sidecar.relay.session import Session

log = logging.getLogger(__name__)
T = TypeVar("T")

LOOK_EVERY_S = 1.0
FIND_EVERY_S = 10.0
"""While there is no queue."""
TRIM_EVERY_S = 60.0
BATCH_ROWS = 5000
AGAIN_S, AGAIN_AT_MOST_S = 1.0, 60.0
"""After a failure, doubling."""


class Task(Enum):
    """What may fail by itself."""

    FIND = "to find the queue"
    LOOK = "to look at claimers"
    SET_CLOCK = "to set the clock"
    MEND_CLOCK = "to mend the clock"
    END = "to end a claimer"
    RECLAIM = "to give rows to others"
    SETTLE_RULES = "to settle rules"
    TRIM = "to trim the queue"


@dataclass(slots=True)
class _Tries:
    """Of one task."""

    again_s: float = -math.inf
    backoff: Backoff = field(
        default_factory=lambda: Backoff(initial_s=AGAIN_S, maximum_s=AGAIN_AT_MOST_S, jitter=lambda _, full: full)
    )
    said: set[str] = field(default_factory=set)
    """Kinds of failure that the log has."""


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
        self._tries: defaultdict[Task, _Tries] = defaultdict(_Tries)

    @property
    def due_in_s(self) -> float:
        """Seconds until `look` has something to do."""
        return max(0.0, self._next_look_s - time.monotonic())

    async def look(self) -> None:
        """If one is due; raises what the session raises when it is lost."""
        if self.due_in_s > 0:
            return
        self._has_queue = self._has_queue or bool(await self._try(Task.FIND, self._session.has_queue))
        if self._has_queue:
            await self._mind()
        self._next_look_s = time.monotonic() + (LOOK_EVERY_S if self._has_queue else FIND_EVERY_S)

    async def _mind(self) -> None:
        verdict = await self._try(Task.LOOK, self._look_at_claimers) or Verdict()
        await self._mind_clock()
        for it in verdict.end:
            await self._try(Task.END, partial(self._end, it))
        if verdict.reclaim:
            await self._try(Task.RECLAIM, partial(self._reclaim, verdict.reclaim))
        await self._try(Task.SETTLE_RULES, self._session.settle_rules)
        if time.monotonic() >= self._next_trim_s:
            await self._try(Task.TRIM, self._trim)

    async def _try(self, task: Task, call: Callable[[], Awaitable[T]]) -> T | None:
        """What it answers; None when the server would not, and for a while after that."""
        tries = self._tries[task]
        if time.monotonic() < tries.again_s:
            return None
        try:
            answer = await call()
        except (asyncpg.UndefinedFunctionError, asyncpg.UndefinedTableError):  # it was dropped a moment ago
            self._has_queue = False
            return None
        except asyncpg.PostgresError as error:
            if self._session.lost:
                raise
            self._rest(task, failures.label(error))
            return None
        tries.backoff.lived(math.inf)
        return answer

    def _rest(self, task: Task, label: str) -> None:
        tries = self._tries[task]
        wait_s = tries.backoff.next_s()
        tries.again_s = time.monotonic() + wait_s
        if label not in tries.said:
            tries.said.add(label)
            log.warning("the relay failed %s (%s); trying again in %.1f s", task.value, label, wait_s)

    async def _look_at_claimers(self) -> Verdict:
        began_s = time.monotonic()
        server_s, found = await self._session.look_at_claimers()
        ended_s = time.monotonic()
        if jumped_s := self._clock.jumped_s(server_s, began_s=began_s, ended_s=ended_s):
            log.warning("the server's clock was set by %+.1f s: the queue goes on by the old one", jumped_s)
            self._jumped_s += jumped_s
        return self._claimers.look(found, began_s=began_s, ended_s=ended_s)

    async def _mind_clock(self) -> None:
        """A new relay does not know what the clock has done before it: it only puts right what is in the future. What
        that is can't be said while the queue's clock is wrong.
        """
        if self._jumped_s:
            await self._try(Task.SET_CLOCK, self._set_clock)
        if self._mends and not self._jumped_s:
            await self._try(Task.MEND_CLOCK, self._mend_clock)

    async def _set_clock(self) -> None:
        await self._session.set_clock(self._jumped_s)
        self._jumped_s, self._mends = 0.0, True

    async def _mend_clock(self) -> None:
        self._mends = await self._session.mend_clock(BATCH_ROWS) == BATCH_ROWS

    async def _trim(self) -> None:
        if await self._session.trim_queue(BATCH_ROWS) < BATCH_ROWS:
            self._next_trim_s = time.monotonic() + TRIM_EVERY_S

    async def _end(self, claimer: Claimer) -> None:
        try:
            ended = await self._session.end_claimer(claimer)
        except asyncpg.InsufficientPrivilegeError:  # of a role that is not ours: it is given up a little later
            return
        if ended:
            log.warning("a sidecar (process %d) stood still with the queue's rows: its session was ended", claimer.pid)

    async def _reclaim(self, claimers: Sequence[Claimer]) -> None:
        given = await self._session.reclaim(claimers)
        if given:
            log.warning("%d of the queue's rows were with sidecars that are gone: others get them", given)
