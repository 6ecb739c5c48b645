"""The durable channels of a sidecar: what the deliverer takes from, where a channel is delivered AtLeastOnce.

Speaks as the inbox does, and keeps nothing: what it holds are claims on rows of the queue, which `Claimer` fetches and
settles. What the listener hears is only a reason to look. Refuses to know an application or a connection.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from typing import TYPE_CHECKING

from notifychannel_sidecar.durable.agenda import Agenda
from notifychannel_sidecar.durable.hold import Hold
from notifychannel_sidecar.hints import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.durable.claim import Claim
    from notifychannel_sidecar.durable.settlement import Outcome
    from notifychannel_sidecar.inbox.work import Counts, Work

ASKED_FOR = frozenset({Reason.BULK, Reason.SKIPPED, Reason.RULES})
"""What the listener may know and the queue not; after a start or a lost connection the queue is whole."""


class Durable:
    """All channels with `delivery: AtLeastOnce`. An unknown name is ignored, as in the inbox."""

    def __init__(self, *, on_due: Callable[[str], None], on_entered: Callable[[str], None]) -> None:
        """`on_due(name)`: ask `next_due` again; `on_entered(name)`: from now on the channel can be delivered."""
        self.on_due = on_due
        self.on_entered = on_entered
        self.news = asyncio.Event()
        """An agenda has changed."""
        self._agendas: dict[str, Agenda] = {}
        self._removed: list[Agenda] = []
        self._epochs = itertools.count()
        self._closed = False

    # ---- what the app calls

    def configure(self, channels: Iterable[ChannelConfig]) -> None:
        """The durable channels from now on. One that goes is left when its POSTs are answered."""
        wanted = {channel.name: channel for channel in channels}
        for name in self._agendas.keys() - wanted.keys():
            self._removed.append(gone := self._agendas.pop(name))
            gone.close()
        for name, channel in wanted.items():
            if (agenda := self._agendas.get(name)) is None:
                self._agendas[name] = Agenda(Hold(channel, epochs=self._epochs))
            else:
                self._reconfigure(agenda, channel)
        self.news.set()

    def has_entered(self, name: str) -> bool:
        """Whether the queue knows this channel's consumer, and us."""
        agenda = self._agendas.get(name)
        return agenda is not None and agenda.claimer is not None

    def ask(self, name: str, reason: Reason) -> None:
        """Want a resync of the queue."""
        if (agenda := self._agendas.get(name)) is not None and agenda.ask(reason):
            self.news.set()

    # ---- what the listener calls

    def put(self, name: str, payload: str, _now: float) -> None:
        """Something of this channel may be due, when it has rested for its window."""
        agenda = self._agendas.get(name)
        if agenda is not None and agenda.heard(payload, time.monotonic()):
            self.news.set()

    def resync(self, name: str, reason: Reason) -> None:
        """The listener may have missed something, which the queue has not; unless its writers knew no queue."""
        if reason in ASKED_FOR:
            self.ask(name, reason)

    # ---- what the deliverer calls: `Source` in deliverer/source.py. Loop times of a slow round of the loop are of
    # before it was slow, so whether a POST may start is asked of the clock itself.

    def next_due(self, name: str, _now: float) -> float | None:
        """When to call `take`; None until `on_due`, or an answer."""
        agenda = self._agendas.get(name)
        return None if agenda is None else agenda.hold.next_due(time.monotonic())

    def take(self, name: str, _now: float) -> Work[Claim] | None:
        """One POST's worth, if the claims are still ours for as long as it takes."""
        agenda = self._agendas.get(name)
        if agenda is None:
            return None
        work = agenda.hold.take(time.monotonic())
        self.news.set()
        return work

    def acknowledge(self, work: Work[Claim], _now: float, retry_ids: Iterable[str] = ()) -> None:
        """2xx, but for these ids."""
        for hold in self._of(work):
            hold.acknowledge(work, frozenset(retry_ids))

    def retry(self, work: Work[Claim], _now: float, *, error: str) -> None:
        """The application would not."""
        for hold in self._of(work):
            hold.retry(work, error)

    def put_back(self, work: Work[Claim], *, until: float, error: str) -> None:
        """Nobody answers here before `until`."""
        for hold in self._of(work):
            hold.put_back(work, until=until, error=error)

    def broke_off(self, work: Work[Claim]) -> None:
        """The POST was cancelled."""
        for hold in self._of(work):
            hold.broke_off(work, time.monotonic())

    def hurry(self, _now: float) -> None:
        """The end is near: claim nothing more, give back what is not in flight."""
        self._closed = True
        for agenda in self._agendas.values():
            agenda.close()
        self.news.set()

    # ---- what a desk calls beside these, where the application claims its hints

    def want(self, name: str, hints: int) -> None:
        """The application waits for so many now; nothing is claimed for it beyond that."""
        if (agenda := self._agendas.get(name)) is not None and agenda.hold.want(hints):
            self.news.set()

    def look(self, name: str) -> None:
        """Somebody has just begun to wait."""
        if (agenda := self._agendas.get(name)) is not None:
            agenda.look(time.monotonic())
            self.news.set()

    def has_looked(self, name: str, since_s: float) -> bool:
        """Whether the queue was asked for rows by a call that began since then (time.monotonic()), or will not be."""
        agenda = self._agendas.get(name)
        return agenda is None or agenda.hold.rests or agenda.asked_s >= since_s

    def ours_until(self, work: Work[Claim], clock_s: float) -> float:
        """Until when (time.monotonic()) it is left alone, going out or extended then; -inf: not ours any more."""
        return max((hold.ours_until(clock_s) for hold in self._of(work)), default=-math.inf)

    def answer(self, work: Work[Claim], outcome: Outcome, error: str | None, on_told: Callable[[bool], None]) -> bool:
        """What became of it; `on_told`: whether the queue has heard. False: it is not ours any more."""
        return any(hold.answer(work, outcome, error, on_told) for hold in self._of(work))

    def keep(self, work: Work[Claim], until_s: float) -> None:
        """Nobody minds it any more; it may be worked on, and answered, until then."""
        for hold in self._of(work):
            hold.keep(work, until_s)

    # ---- what the claimer calls

    @property
    def agendas(self) -> Sequence[Agenda]:
        """All that may have to be called about."""
        return [agenda for agenda in (*self._agendas.values(), *self._removed) if not agenda.has_left]

    @property
    def is_closed(self) -> bool:
        """The end has come, and nothing is left to be told."""
        return self._closed and not self.agendas

    def lose(self) -> None:
        """The session is gone, and with it all claims."""
        for agenda in self.agendas:
            agenda.lose()
        self._removed = []

    def forget_told(self) -> None:
        """Another database: its rows are not those that were told of."""
        for agenda in self.agendas:
            agenda.told.clear()

    # ---- what metrics and status read

    def counts(self, name: str) -> Counts:
        """One channel's numbers as the inbox gives them. KeyError for an unknown name."""
        return self._agendas[name].counts()

    def agenda(self, name: str) -> Agenda | None:
        """One channel's; None where it is not durable."""
        return self._agendas.get(name)

    def named(self) -> Iterator[tuple[str, Agenda]]:
        """Every channel and its agenda."""
        yield from self._agendas.items()

    def _of(self, work: Work[Claim]) -> Iterator[Hold]:
        """Who may have taken this; a hold knows whether it has."""
        self.news.set()
        known = self._agendas.get(work.channel)
        for agenda in (*self._removed, *(() if known is None else (known,))):
            if agenda.hold.epoch == work.generation:
                yield agenda.hold

    def _reconfigure(self, agenda: Agenda, channel: ChannelConfig) -> None:
        resumed = agenda.hold.config.suspend and not channel.suspend
        if channel.rules != agenda.hold.config.rules:
            agenda.claim_at = -math.inf
        agenda.hold.configure(channel)
        if resumed:
            agenda.ask(Reason.RULES)
