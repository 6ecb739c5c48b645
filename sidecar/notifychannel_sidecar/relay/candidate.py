"""A sidecar as one that may become the relay: goes for the role when a look says so, and works while it has it.

A connection of its own only while it tries or has the role. Gives the role up when it fails, and waits before it tries
again, so that another one may. Refuses to look at the database by itself: the listener's session does, and tells.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from notifychannel_sidecar.events import Event
from notifychannel_sidecar.listener import failures
from notifychannel_sidecar.listener.connection import Timings, connection
from notifychannel_sidecar.listener.session import Session as ListenerSession
from notifychannel_sidecar.listener.target import Target
from notifychannel_sidecar.relay.relay import Pace, Relay, Wakefulness
from notifychannel_sidecar.relay.session import Session
from notifychannel_sidecar.relay.standby import StandBy, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifychannel_sidecar.listener.backoff import Backoff
    from notifychannel_sidecar.listener.look import Look
    from notifychannel_sidecar.relay.position import Drained
    from notifychannel_sidecar.state import Why

log = logging.getLogger(__name__)

HESITATION_S = 0.5
"""At most, before going for the role: many see at the same moment that it is free."""
TRIES, TRY_EVERY_S = 30, 0.1
"""For a session that was told to end to be gone."""


class _Moved(Exception):  # noqa: N818 - a change of course
    """The database is another one now, or no channel has triggers in it any more."""


@dataclass(slots=True, kw_only=True)
class Candidate:
    """Aim it as the listener, tell it every look, and run it once."""

    backoff: Backoff
    on_drain: Callable[[Drained, float], None] = lambda _drained, _seconds: None
    on_role: Callable[[bool], None] = lambda _has: None
    timings: Timings = field(default_factory=Timings)
    pace: Pace = field(default_factory=Pace)
    hesitate: Callable[[float, float], float] = random.uniform
    stand_by: StandBy = field(default_factory=StandBy)
    _relay: Relay | None = None
    _target: Target | None = None
    _wanted: tuple[Verdict, Look] | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def wakefulness(self) -> Wakefulness | None:
        """How closely it looks; None without the role."""
        return self._relay.wakefulness if self._relay else None

    def aim(self, target: Target | Why) -> None:
        """Where the outbox is, as far as the files say."""
        wanted = target if isinstance(target, Target) and target.may_relay else None
        if (wanted and wanted.server) != (self._target and self._target.server):
            self.stand_by.forget()
            self._wanted = None
        self._target = wanted
        self._news.set()

    def look(self, look: Look) -> None:
        """What the listener's session saw."""
        verdict = self.stand_by.look(look, time.monotonic())
        self._wanted = None if verdict is Verdict.LEAVE else (verdict, look)
        if self._wanted and self._relay is None:
            self._news.set()

    async def run(self) -> NoReturn:
        """Stand by for ever; raises only what is a bug."""
        while True:
            await self._news.wait()
            self._news.clear()
            target, wanted = self._target, self._wanted
            if target is None or wanted is None:
                continue
            self._wanted = None
            await asyncio.sleep(self.hesitate(0.0, HESITATION_S))
            started_s = time.monotonic()
            try:
                await self._try(target, *wanted)
            except _Moved:
                log.info("the relay's role is given up: the configuration has changed", extra=Event.RELAY_GIVEN_UP.tag)
            except Exception as error:
                why = failures.why(error)
                if why is None:
                    raise
                self.backoff.lived(time.monotonic() - started_s)
                delay_s = self.backoff.next_s()
                log.warning(
                    "not the relay, %s (%s); standing by for %.1f s",
                    why.value,
                    failures.label(error),
                    delay_s,
                    extra=Event.NOT_THE_RELAY.tag,
                )
                await asyncio.sleep(delay_s)

    async def _try(self, target: Target, verdict: Verdict, seen: Look) -> None:
        async with connection(target.arguments, self.timings) as opened:
            identity = await ListenerSession(opened, target.arguments, self.timings).identify()
            if not target.means(system_identifier=identity.system_identifier, dbname=identity.dbname):
                return
            session = Session(opened)
            await session.settle_in(target.relay_name)
            if verdict is Verdict.REPLACE:
                if not await session.replace(seen):
                    return
                log.warning(
                    "the relay (process %d) stood still with rows waiting: its session was ended",
                    seen.holder,
                    extra=Event.RELAY_REPLACED.tag,
                )
            if await self._take_role(session, patiently=verdict is Verdict.REPLACE):
                await self._work(session, target)

    async def _take_role(self, session: Session, *, patiently: bool) -> bool:
        for _ in range(TRIES if patiently else 1):
            if await session.take_role():
                return True
            await asyncio.sleep(TRY_EVERY_S if patiently else 0.0)
        return False

    async def _work(self, session: Session, target: Target) -> None:
        self._relay = relay = Relay(session, on_drain=self.on_drain, pace=self.pace)
        self.on_role(True)
        log.info("this sidecar is the relay of the database", extra=Event.RELAY.tag)
        work = asyncio.create_task(relay.run())
        moved = asyncio.create_task(self._moves(target))
        try:
            await asyncio.wait({work, moved}, return_when=asyncio.FIRST_COMPLETED)
            if moved.done():
                raise _Moved
            await work
        finally:
            self._relay = None
            self.on_role(False)
            for task in (work, moved):
                task.cancel()
            await asyncio.wait({work, moved})

    async def _moves(self, target: Target) -> None:
        """Return when the outbox is no longer where it was."""
        while self._target is not None and self._target.server == target.server:
            self._news.clear()
            await self._news.wait()
