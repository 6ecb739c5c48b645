"""The relay's work while it has the role: woken by the doorbell, it drains until nobody is left who did not ring.

    ASLEEP ── ring ──► AWAKE: flag up, a drain every 20 ms ── three found nothing ──► flag down, fence ──► DOZING
       ▲                 ▲                                                                                  │
       │                 └────────────────────────────────────── ring ─────────────────────────────────────┤
       └──────────── a drain that began after all below the fence had ended, and found nothing more ───────┘

Who appended while the flag was up did not ring; it has a transaction id below the fence. docs/model/ proves it.
Asleep it drains every two seconds all the same: that is its beat, by which others know that it lives. Where there is a
queue it looks after that too, each second.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NoReturn

from notifychannel_sidecar.events import Event
from notifychannel_sidecar.relay.blockade import Blockade
from notifychannel_sidecar.relay.milestone import Milestone
from notifychannel_sidecar.relay.position import Position
from notifychannel_sidecar.relay.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifychannel_sidecar.relay.position import Drained
    from notifychannel_sidecar.relay.session import Session

log = logging.getLogger(__name__)


class Wakefulness(Enum):
    """How closely the relay looks."""

    ASLEEP = "asleep"
    AWAKE = "awake"
    DOZING = "dozing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long it waits between two drains, in seconds."""

    awake_s: float = 0.02
    merging_s: float = 0.004
    """The same after a drain that put something into the queue, but never less than it took."""
    empty_drains: int = 3
    """In a row, before it dozes."""
    dozing_s: float = 0.02
    patient_after_s: float = 2.0
    """Of dozing: somebody has been in a transaction for long, and may be for hours."""
    patient_s: float = 0.25
    asleep_s: float = 2.0
    held_s: float = 0.5
    """While the NOTIFY queue is more than half full."""
    behind_s: float = 5.0
    """Without an end in sight: then it asks whether more waits than may."""
    cap_bytes: int = 1 << 30
    """Of rows in one table."""


class Relay:
    """One holder of the role; `await run()` until the session fails or the task is cancelled."""

    def __init__(self, session: Session, *, on_drain: Callable[[Drained, float], None], pace: Pace) -> None:
        """`on_drain`: what each drain did, and in how many seconds."""
        self.wakefulness = Wakefulness.AWAKE
        self._session = session
        self._on_drain = on_drain
        self._pace = pace
        self._position = Position()
        self._blockade = Blockade()
        self._level_s = math.inf
        """When a drain last left nothing behind it."""
        self._milestone = Milestone(session, on_sweep=on_drain)
        self._upkeep = Upkeep(session)
        self._rung = asyncio.Event()

    async def run(self) -> NoReturn:
        """Drain for ever; raises what the session raises."""
        await self._session.listen(self._rung.set)
        self._rung.set()
        self._position = await self._milestone.begin()
        while True:
            if self._rung.is_set() or await self._sleeps_in_vain():
                self._level_s = time.monotonic()
                await self._be_awake()
                while await self._doze():
                    await self._be_awake()

    async def _be_awake(self) -> None:
        self.wakefulness = Wakefulness.AWAKE
        empty = 0
        while empty < self._pace.empty_drains:
            self._rung.clear()  # who rang has committed: this drain finds it
            began_s = time.monotonic()
            drained, _ = await self._drain(awake=True)
            took_s = time.monotonic() - began_s
            empty = 0 if drained.taken or drained.held else empty + 1
            if drained.held:
                await asyncio.sleep(self._pace.held_s)
            elif not drained.more:
                rest_s = max(self._pace.merging_s, took_s) if drained.merged else self._pace.awake_s
                await asyncio.sleep(min(rest_s, self._pace.awake_s))
        await self._session.lower_flag()

    async def _shed(self) -> None:
        """Writers are faster than we, or a queue takes nothing: what waits must not fill the disk."""
        shed = await self._session.shed(self._pace.cap_bytes, self._position.proven)
        if shed:
            log.warning(
                "more than %d bytes waited in the outbox: %d rows became resyncs",
                self._pace.cap_bytes,
                shed,
                extra=Event.OUTBOX_OVERFLOWED.tag,
            )

    async def _doze(self) -> bool:
        """Until all have ended who may not have rung; True when there is reason to be awake again."""
        self.wakefulness = Wakefulness.DOZING
        fence = await self._session.fence()
        since_s = time.monotonic()
        while True:
            drained, whole = await self._drain(awake=False)
            if whole and drained.round.xmin >= fence:
                self.wakefulness = Wakefulness.ASLEEP
                return False
            patient = time.monotonic() - since_s > self._pace.patient_after_s
            if await self._rings_within(self._pace.patient_s if patient else self._pace.dozing_s):
                return True

    async def _sleeps_in_vain(self) -> bool:
        """Wait for a ring; without one look, which is also the beat. True when there is something to do."""
        ends_s = time.monotonic() + self._pace.asleep_s
        while (rest_s := ends_s - time.monotonic()) > 0:
            await self._upkeep.look()
            if await self._rings_within(min(rest_s, self._upkeep.due_in_s)):
                return True
        drained, _ = await self._drain(awake=False)
        return bool(drained.taken or drained.held)

    async def _rings_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        return self._rung.is_set()

    async def _drain(self, *, awake: bool) -> tuple[Drained, bool]:
        """What it did, and whether nothing is left of what was committed when it began."""
        started_s = time.monotonic()
        logged = self._blockade.may_be_over and not self._position.goes_on_blocked
        drained = await self._session.drain(self._position, awake=awake, logged=logged)
        self._on_drain(drained, time.monotonic() - started_s)
        whole = self._position.advance(drained)
        if not drained.held:
            self._blockade.look(blocked=self._position.is_blocked, tried=logged)
        if not (drained.more or drained.held or self._position.is_blocked):
            self._level_s = time.monotonic()
        elif time.monotonic() - self._level_s > self._pace.behind_s:
            await self._shed()
            self._level_s = time.monotonic()
        await self._milestone.look(self._position, drained)
        await self._upkeep.look()
        return drained, whole
