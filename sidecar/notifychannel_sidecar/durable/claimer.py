"""Keeps one connection on which every durable channel of this sidecar claims, and calls it when an agenda says so.

Three loops: `run` tries again, `_serve` holds one session, `_pause` waits once. Where the session ends, whatever was
claimed is dropped here and goes to whom the relay gives it. Refuses to POST: it hands over, and is told.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from notifychannel_sidecar.config import Way
from notifychannel_sidecar.durable.session import Session
from notifychannel_sidecar.durable.turns import Turns
from notifychannel_sidecar.events import Event
from notifychannel_sidecar.listener import failures
from notifychannel_sidecar.listener.connection import Timings, connection
from notifychannel_sidecar.listener.failures import Refused
from notifychannel_sidecar.listener.session import Session as ListenerSession
from notifychannel_sidecar.listener.target import Target
from notifychannel_sidecar.state import Phase, State, Why

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifychannel_sidecar.durable.durable import Durable
    from notifychannel_sidecar.durable.escalation import Escalation
    from notifychannel_sidecar.listener.backoff import Backoff

log = logging.getLogger(__name__)

MOVE_WITHIN_S = 30.0
"""For claims that the application has and may extend for ever: what is out then, the next session does not know."""


class _Moved(Exception):  # noqa: N818 - a change of course
    """The database is another one now, or nothing is durable any more."""


@dataclass(slots=True, kw_only=True)
class Claimer:
    """Aim it as the listener, and run it once; it returns when `durable` was closed and all is told."""

    durable: Durable
    backoff: Backoff
    escalation: Escalation
    on_state: Callable[[State], None] = lambda _: None
    timings: Timings = field(default_factory=Timings)
    _target: Target | Why = Why.NOT_CONFIGURED
    _database: tuple[str, str] | None = None
    """Whose rows were claimed and told of last."""
    _moving_s: float | None = None
    """Since when (time.monotonic()) this session is to be left."""

    def aim(self, target: Target | Why) -> None:
        """Where the queue is, as far as the files say."""
        self._target = target
        self.durable.news.set()

    async def run(self) -> None:
        """Claim until there is nothing to claim for and the end has come; raises only what is a bug."""
        while not self.durable.is_closed:
            target = self._target
            if isinstance(target, Why) or not self.durable.agendas:
                await self._news()
                continue
            started_s = time.monotonic()
            try:
                await self._serve(target)
                self._say(Phase.FINISHED)
            except _Moved:
                log.info("claiming anew: the configuration has changed", extra=Event.CLAIMING_ANEW.tag)
            except Exception as error:
                why = failures.why(error)
                if why is None:
                    raise
                await self._wait(why, error, lived_s=time.monotonic() - started_s)
            finally:
                self.durable.lose()
        self.escalation.stop()

    async def _serve(self, target: Target) -> None:
        self._say(Phase.CONNECTING)
        self._moving_s = None
        async with connection(target.arguments, self.timings) as opened:
            identity = await ListenerSession(opened, target.arguments, self.timings).identify()
            if not target.means(system_identifier=identity.system_identifier, dbname=identity.dbname):
                raise Refused(Why.WRONG_DATABASE)
            self._arrive((identity.system_identifier, identity.dbname))
            session = Session(opened)
            await session.settle_in(target.claim_name, self.durable.news.set)
            turns = Turns(durable=self.durable, escalation=self.escalation, session=session, target=target)
            self._say(Phase.LISTENING)
            log.info("claiming for %d channels", len(self.durable.agendas), extra=Event.CLAIMING.tag)
            while self.durable.agendas:
                self.durable.news.clear()
                if self._has_moved(target):
                    await self._move(session)
                for agenda in list(self.durable.agendas):
                    if agenda.next_at <= time.monotonic():
                        await turns.take(agenda)
                await self._pause()

    def _arrive(self, database: tuple[str, str]) -> None:
        if self._database not in (None, database):
            self.escalation.stop()
            self.durable.forget_told()
        self._database = database

    async def _pause(self) -> None:
        """Wait once: until an agenda wants something, or there is news."""
        next_at = min((agenda.next_at for agenda in self.durable.agendas), default=0.0)
        await self._news(next_at - time.monotonic())

    async def _news(self, timeout_s: float | None = None) -> None:
        if timeout_s is not None and timeout_s <= 0:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.durable.news.wait()
        self.durable.news.clear()

    def _has_moved(self, target: Target) -> bool:
        return not isinstance(self._target, Target) or self._target.server != target.server

    async def _move(self, session: Session) -> None:
        """Away from this session, when all that is in flight is answered and told, so that nothing comes twice. What
        goes on too long is left to the time that it has: nobody gives it back before.
        """
        self._moving_s = time.monotonic() if self._moving_s is None else self._moving_s
        may_wait = time.monotonic() < self._moving_s + MOVE_WITHIN_S
        for agenda in self.durable.agendas:
            agenda.hold.pause()
        holds = [agenda.hold for agenda in self.durable.agendas if agenda.hold.claims]
        if any(may_wait or hold.config.way is Way.POST for hold in holds):
            return
        for agenda in self.durable.agendas:
            if agenda.claimer is not None and agenda.hold not in holds:
                await session.leave(agenda.claimer)
        raise _Moved

    async def _wait(self, why: Why, error: Exception, *, lived_s: float) -> None:
        self.durable.lose()
        self.backoff.lived(lived_s)
        delay_s = self.backoff.next_s()
        self._say(Phase.WAITING, why=why, retry_in_s=delay_s)
        log.warning(
            "not claiming, %s (%s); trying again in %.1f s",
            why.value,
            failures.label(error),
            delay_s,
            extra=Event.NOT_CLAIMING.tag,
        )
        ends = time.monotonic() + delay_s
        aimed = self._target
        while self._target is aimed and not self.durable.is_closed and (left_s := ends - time.monotonic()) > 0:
            await self._news(left_s)

    def _say(self, phase: Phase, *, why: Why | None = None, retry_in_s: float | None = None) -> None:
        self.on_state(State(phase=phase, since_s=time.time(), why=why, retry_in_s=retry_in_s))
