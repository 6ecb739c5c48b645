"""One channel's turn on a claimer's session: what became of its claims for others, and then what can wait.

What it tells comes first. Where the queue refuses something, that is the end of this one thing: it comes later.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_sidecar.durable.agenda import BEAT_S, ESCALATE_S
from notifychannel_sidecar.durable.session import GIVEN_UP, NOT_NOW
from notifychannel_sidecar.events import Event
from notifychannel_sidecar.listener import failures

if TYPE_CHECKING:
    from notifychannel_sidecar.durable.agenda import Agenda
    from notifychannel_sidecar.durable.durable import Durable
    from notifychannel_sidecar.durable.escalation import Escalation
    from notifychannel_sidecar.durable.session import Session
    from notifychannel_sidecar.listener.target import Target

log = logging.getLogger(__name__)
ESCALATED_AT_ONCE = 5
"""For so many POSTs the queue leaves them to us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Of all channels, on one session."""

    durable: Durable
    escalation: Escalation
    session: Session
    target: Target

    async def take(self, agenda: Agenda) -> None:
        """A turn of one channel. Its end is not that of the others: where its consumer was dropped, or its claims were
        given to others.
        """
        try:
            await self._turn(agenda)
        except asyncpg.ObjectNotInPrerequisiteStateError as error:
            if error.sqlstate != GIVEN_UP:
                raise
            log.warning(
                "the queue knows us as a claimer for %s no more: entering anew",
                agenda.hold.config.name,
                extra=Event.CLAIMER_FORGOTTEN.tag,
            )
            agenda.lose()

    async def _turn(self, agenda: Agenda) -> None:
        """All that this channel has to tell and to ask; what it tells comes first."""
        if agenda.claimer is None:
            claimer = await self.session.enter(self.target.config, agenda.hold.config.name, self.target.claim_name)
            agenda.entered(claimer, time.monotonic())
            if claimer is not None:
                self.durable.on_entered(agenda.hold.config.name)
            return
        if agenda.may_leave:
            await self._mark(agenda, agenda.claimer)
            await self.session.leave(agenda.claimer)
            agenda.has_left = True
            return
        await self._exchange(agenda, agenda.claimer)
        await self._look(agenda, agenda.claimer)

    async def _exchange(self, agenda: Agenda, claimer: int) -> None:
        """What became of claims, for other claims; or a sign of life. A resync that stands for a claim goes first."""
        settlements = agenda.hold.settlements.take(time.monotonic())
        if (reason := agenda.asking(time.monotonic())) is not None:
            await self.session.want_resync(claimer, reason)
            agenda.asked()
        began_s, config = time.monotonic(), agenda.hold.config
        most = agenda.begin_claim(began_s)
        if settlements or most:
            claims, due_s = await self.session.turn(claimer, settlements, most, config)
            agenda.exchanged(settlements, claims, most, time.monotonic())
            in_vain = most > 0 and not claims
        elif began_s >= agenda.beat_at:
            due_s, in_vain = await self.session.beat(claimer, config), False
        else:
            return
        agenda.called(began_s, due_s, time.monotonic(), in_vain=in_vain, timeout_s=config.timeout)
        self.durable.on_due(agenda.hold.config.name)

    async def _look(self, agenda: Agenda, claimer: int) -> None:
        """What can wait: where the server would not, the claims are kept and it is asked later."""
        if time.monotonic() >= agenda.mark_at:
            await self._mark(agenda, claimer)
        if time.monotonic() >= agenda.count_at:
            await self._count(agenda, claimer)
        if agenda.escalates and time.monotonic() >= max(agenda.escalate_at, agenda.hold.quiet_until):
            agenda.escalate_at = time.monotonic() + ESCALATE_S
            if not self.escalation.is_busy(agenda):
                await self._escalate(agenda, claimer)

    async def _mark(self, agenda: Agenda, claimer: int) -> None:
        if not (keys := list(agenda.told)):
            return
        try:
            await self.session.escalated(claimer, keys)
        except NOT_NOW as error:
            agenda.not_marked(time.monotonic())
            self._spare("mark what was escalated", agenda, error)
        else:
            agenda.marked(len(keys))

    async def _count(self, agenda: Agenda, claimer: int) -> None:
        began_s = time.monotonic()
        try:
            waiting = await self.session.look(claimer)
        except NOT_NOW as error:
            agenda.not_counted(time.monotonic())
            self._spare("count", agenda, error)
        else:
            agenda.counted(waiting, began_s, time.monotonic())

    async def _escalate(self, agenda: Agenda, claimer: int) -> None:
        timeout_s = agenda.hold.config.timeout
        ends_s = time.monotonic() + (ESCALATED_AT_ONCE - 1) * timeout_s + ESCALATE_S
        try:
            found = await self.session.escalations(claimer, ESCALATED_AT_ONCE)
        except NOT_NOW as error:
            agenda.not_named(time.monotonic())
            self._spare("say what to escalate", agenda, error)
        else:
            agenda.named()
            self.escalation.start(agenda, found, ends_s=ends_s, on_told=self.durable.news.set)

    def _spare(self, what: str, agenda: Agenda, error: Exception) -> None:
        """It may have taken seconds: every channel shows that it lives before the next that may."""
        for each in self.durable.agendas:
            each.spare(time.monotonic() + BEAT_S)
        name = agenda.hold.config.name
        log.warning(
            "the queue would not %s for %s (%s): later",
            what,
            name,
            failures.label(error),
            extra=Event.QUEUE_REFUSED.tag,
        )
