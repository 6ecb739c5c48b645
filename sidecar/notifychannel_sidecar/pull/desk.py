"""Where the application fetches one channel's hints: hands out what is due to who waits, and minds what is out.

    asked ──► the queue is asked for as many as are waited for ──► out ── done, retry ──► told to the queue ──► answered
                                                                    └── nobody answers in time: an attempt

Nothing is claimed from the database unless somebody waits for it here: a pod whose application never asks holds back
nothing from the others. What nobody could be given goes back at once, and counts as no attempt.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.deliverer.alarm import Alarm
from notifychannel_sidecar.deliverer.carrier import NOTHING_YET
from notifychannel_sidecar.durable.settlement import Outcome
from notifychannel_sidecar.pull import ticket as tickets
from notifychannel_sidecar.pull.silence import silence
from notifychannel_sidecar.pull.ticket import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.deliverer.answer import Answer
    from notifychannel_sidecar.deliverer.source import Source
    from notifychannel_sidecar.durable.durable import Durable
    from notifychannel_sidecar.inbox.work import Work

MOST_OUT = 10_000
"""Claims of one channel that are out at once: memory is bounded, whatever an application asks for."""
MOST_WAITING = 1_000
"""Claims of one channel that wait at once."""
LOOK_WITHIN_S = 2.0
"""Past its wait a claim lasts for so long at most, until the queue has said that nothing is due."""
SWEEP_S = 0.05
"""Between two looks for what nobody has answered in time, for each is one at all that is out."""
CLAIMS = "the application claims"
WORDS = {Outcome.DONE: tickets.DONE, Outcome.RETRY: tickets.RETRY, Outcome.BACK: tickets.RELEASE}


@dataclass(slots=True, kw_only=True, eq=False)
class _Asked:
    """A claim that waits."""

    most: int
    since_s: float
    is_late: bool = False
    """Its wait is over: it is answered as soon as the queue has been asked for it."""
    given: asyncio.Future[list[Ticket]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Desk:
    """Of one channel; `run` minds what is out. A `Carrier`."""

    def __init__(
        self, config: ChannelConfig, *, source: Source, durable: Durable, on_answer: Callable[[Answer], None]
    ) -> None:
        """`source` keeps the channel until the queue knows it; what is handed out comes from `durable`."""
        self.is_closing = False
        """The end has come: nothing is handed out, answers are taken."""
        self._config = config
        self._source = source
        self._durable = durable
        self._on_answer = on_answer
        self._asked: deque[_Asked] = deque()
        self._asked_s: float | None = None
        """When somebody asked, or waited, last."""
        self._began_s = time.monotonic()
        self._out: dict[str, Ticket] = {}
        self._next_s = math.inf
        self._alarm = Alarm()
        self._empty = asyncio.Event()
        self._has_ended = False

    # ---- what the local port calls

    async def claim(self, most: int, wait_s: float) -> list[Ticket]:
        """Up to so many, as soon as there is one; none when none came within `wait_s`. Cancelled, nothing is taken."""
        asked = _Asked(most=most, since_s=time.monotonic())
        self._asked_s = asked.since_s
        self._asked.append(asked)
        self._durable.look(self._config.name)
        self._serve()
        try:
            await asyncio.wait({asked.given}, timeout=wait_s)
            if not asked.given.done():
                asked.is_late = True
                self._serve()
                await asyncio.wait({asked.given}, timeout=LOOK_WITHIN_S)
        except asyncio.CancelledError:
            if asked.given.done():
                self.give_back(asked.given.result())
            raise
        finally:
            self._asked_s = time.monotonic()
            if not asked.given.done():
                self._asked.remove(asked)
                self._want()
        return asked.given.result() if asked.given.done() else []

    def give_back(self, given: Iterable[Ticket]) -> None:
        """Nobody has got these."""
        for ticket in given:
            if self._out.pop(ticket.token, None) is not None:
                self._durable.answer(ticket.work, Outcome.BACK, None, lambda _: None)
        self._serve()

    @property
    def is_full(self) -> bool:
        """Whether as many wait as may."""
        return len(self._asked) >= MOST_WAITING

    def has(self, token: str) -> bool:
        """Whether that is a claim of this desk's, in time or not."""
        return token in self._out

    def settle(self, token: str, outcome: Outcome, error: str | None = None) -> asyncio.Future[bool] | None:
        """What became of a claim (DONE, RETRY or BACK), and whether the queue has heard; None: it is gone already."""
        ticket, now = self._out[token], time.monotonic()
        if ticket.until_s <= now:
            return None
        del self._out[token]
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if not self._durable.answer(ticket.work, outcome, error, told.set_result):
            return None
        self._on_answer(ticket.answer(WORDS[outcome], now))
        self._serve()
        return told

    def extend(self, token: str) -> bool:
        """Its whole time again, from now on; False: it is gone already."""
        ticket, now = self._out[token], time.monotonic()
        until_s = self._durable.ours_until(ticket.work, now)
        if ticket.until_s <= now or until_s == -math.inf:
            return False
        ticket.until_s = max(ticket.until_s, until_s)
        return True

    @property
    def minds(self) -> bool:
        """Whether something is out that may be answered still."""
        return any(ticket.until_s > time.monotonic() for ticket in self._out.values())

    # ---- a Carrier

    @property
    def source(self) -> Source:
        """Where the channel is kept."""
        return self._source

    @property
    def delivering(self) -> tuple[bool, str]:
        """False where something waits and nobody has asked for long."""
        if self._asked or self._out:
            return True, CLAIMS
        agenda = self._durable.agenda(self._config.name)
        waiting = None if agenda is None else agenda.waiting
        last_s = self._began_s if self._asked_s is None else self._asked_s
        said = silence(time.monotonic() - last_s)
        if said is not None and waiting is not None and waiting.pending + waiting.retrying > 0:
            return False, said
        return True, NOTHING_YET if self._asked_s is None else CLAIMS

    @property
    def breaker_open(self) -> bool:
        """Who asks is there."""
        return False

    def configure(self, config: ChannelConfig, source: Source) -> None:
        """Other settings, from the next hint on."""
        self._config = config
        self._source = source
        self.wake()

    def wake(self) -> None:
        """Something may be due, or the queue has been asked."""
        self._serve()

    async def run(self) -> None:
        """Until cancelled; what is out may be answered until its time, and goes back then."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._alarm.clear()
                self._expire()
                self._next_s = min((ticket.until_s for ticket in self._out.values()), default=math.inf)
                pause_s = max(self._next_s - time.monotonic(), SWEEP_S)
                await self._alarm.wait_until(loop.time() + pause_s)
        finally:
            self._has_ended = True
            self._send_away()
            self._empty.set()
            for ticket in self._out.values():
                self._durable.keep(ticket.work, ticket.until_s)

    async def finish(self) -> None:
        """Hand out nothing more; return when all that is out was answered."""
        self.is_closing = True
        self._send_away()
        while self._out and not self._has_ended:
            self._empty.clear()
            await self._empty.wait()

    async def escalate(self, work: Work[Any], path: str) -> bool:  # noqa: ARG002
        """Nobody can be told: the resource allows no escalation without an endpoint."""
        return False

    # ---- inside

    def _serve(self) -> None:
        """Give who has waited longest what is due, and so on; send away whose wait is over."""
        while self._asked and (given := self._take(self._asked[0].most)):
            self._asked.popleft().given.set_result(given)
        for asked in [it for it in self._asked if it.is_late]:
            if self._durable.has_looked(self._config.name, asked.since_s):
                self._asked.remove(asked)
                asked.given.set_result([])
        self._want()
        if not self._out:
            self._empty.set()

    def _take(self, most: int) -> list[Ticket]:
        given: list[Ticket] = []
        now = time.monotonic()
        while len(given) < most and len(self._out) < MOST_OUT and not self.is_closing:
            if (work := self._durable.take(self._config.name, now)) is None:
                break
            ticket = Ticket(work=work, taken_s=now, until_s=self._durable.ours_until(work, now))
            self._out[ticket.token] = ticket
            given.append(ticket)
            if ticket.until_s < self._next_s:
                self._alarm.wake()
        return given

    def _want(self) -> None:
        """As many as are waited for, and may be out."""
        if not self._has_ended:
            wanted = sum(asked.most for asked in self._asked)
            self._durable.want(self._config.name, min(wanted, MOST_OUT - len(self._out)))

    def _expire(self) -> None:
        now = time.monotonic()
        for ticket in [it for it in self._out.values() if it.until_s <= now]:
            del self._out[ticket.token]
            if self._durable.answer(ticket.work, Outcome.RETRY, tickets.TIMEOUT, lambda _: None):
                self._on_answer(ticket.answer(tickets.TIMEOUT, now))
        self._serve()

    def _send_away(self) -> None:
        while self._asked:
            self._asked.popleft().given.set_result([])
