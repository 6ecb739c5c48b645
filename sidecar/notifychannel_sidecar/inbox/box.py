"""One channel of the inbox: hands out POSTs' worth of work and takes it back by its answer.

A resync, when it is taken, swallows all pending keys, and is alone: after all answers, before any other POST.
Told the time as a number (loop time, seconds); no clock, no timers, no asyncio. `Inbox` is the door to it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from notifychannel_sidecar.hints import Reason, earlier
from notifychannel_sidecar.inbox.fence import Fence
from notifychannel_sidecar.inbox.intake import Intake
from notifychannel_sidecar.inbox.keys import MalformedKeyError
from notifychannel_sidecar.inbox.pending import Pending
from notifychannel_sidecar.inbox.resync import Resync, Resyncs
from notifychannel_sidecar.inbox.retry import wait_s
from notifychannel_sidecar.inbox.version import Versions
from notifychannel_sidecar.inbox.work import Counts, Hint, Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from random import Random

    from notifychannel_sidecar.clock import Clock
    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.inbox.budget import Budget
    from notifychannel_sidecar.inbox.entry import Entry


class Box:
    """One channel's keys and resyncs."""

    def __init__(
        self,
        config: ChannelConfig,
        *,
        now: float,
        budget: Budget,
        clock: Clock,
        random: Random,
        on_due: Callable[[], None],
        on_full: Callable[[float], None],
    ) -> None:
        self.config = config
        self._clock = clock
        self._random = random
        self._on_due = on_due
        self._pending = Pending(config, budget=budget)
        self._resyncs = Resyncs(config, now=now, random=random)
        self._versions = Versions(config.name, random=random)
        self._generation = 0
        """Grows when all that was pending stopped to matter; what comes back from before is dropped."""
        self._announced = math.inf
        self._overflows = 0
        self.fence = Fence()
        self.intake = Intake(
            config,
            pending=self._pending,
            resyncs=self._resyncs,
            budget=budget,
            clock=clock,
            random=random,
            fence=self.fence,
            on_due=self._announce,
            on_full=on_full,
        )

    def _announce(self, due: float) -> None:
        if due < self._announced:
            self._announced = due
            self._on_due()

    def next_due(self, now: float) -> float | None:
        """When to call `take`; None while nothing is pending or an answer has to come first."""
        self._announced = -math.inf
        if self.config.suspend or self._resyncs.taken is not None:
            return None
        resync = self._resyncs.next_due(now)
        if resync <= now and self._pending.in_flight:
            return None
        self._announced = min(resync, self._pending.next_due(now))
        return None if self._announced == math.inf else self._announced

    def take(self, now: float) -> Work[Entry] | None:
        """One POST's worth; a resync alone, after all answers and before any other POST."""
        if self.config.suspend or self._resyncs.taken is not None:
            return None
        if self._resyncs.next_due(now) > now:
            return self._take_hints(now)
        return None if self._pending.in_flight else self._take_resync(now)

    def _take_resync(self, now: float) -> Work[Entry] | None:
        resync = self._resyncs.take(now)
        if resync is None:
            return None
        for first_us in self._pending.drop():
            resync.since_us = earlier(resync.since_us, first_us)
        return self._work(now, (), resync)

    def _take_hints(self, now: float) -> Work[Entry] | None:
        hints = [self._hint(entry, now) for entry in self._pending.take(now)]
        good = tuple(hint for hint in hints if hint is not None)
        if good or not hints:
            return self._work(now, good, None) if good else None
        return self.take(now)  # nothing but malformed keys: a resync is due instead

    def _hint(self, entry: Entry, now: float) -> Hint[Entry] | None:
        try:
            return self._versions.hint(entry, self.config, now)
        except MalformedKeyError:
            self._give_up(entry, now)
            return None

    def _give_up(self, entry: Entry, now: float) -> None:
        """Nobody can say which key a stranger's payload meant."""
        self.intake.malformed += 1
        self._pending.forget(entry, -math.inf)
        self.intake.ask(Resync(reason=Reason.BULK, since_us=None, due_at=now))

    def _work(self, now: float, hints: tuple[Hint[Entry], ...], resync: Resync | None) -> Work[Entry]:
        return Work(
            channel=self.config.name,
            hints=hints,
            resync=resync,
            reason=Reason.CHANGE if resync is None else resync.reason,
            since_us=None if resync is None else resync.since_us,
            taken_us=self._clock.database_us(now),
            generation=self._generation,
        )

    def acknowledge(self, work: Work[Entry], now: float, retry_ids: AbstractSet[str]) -> None:
        """2xx: delivered, but for the ids that the application wants again."""
        if work.resync is not None:
            self._resyncs.acknowledge(work.resync, now, taken_us=work.taken_us)
        interval = self.config.min_interval
        for hint in work.hints:
            if hint.id in retry_ids:
                self._fail(hint.entry, now)
                self._return(work, hint.entry)
            else:
                self._pending.forget(hint.entry, now + interval if interval else -math.inf)

    def put_back(self, work: Work[Entry]) -> None:
        """Nobody was there to answer: as if it had not been taken."""
        if work.resync is not None:
            self._resyncs.put_back(work.resync)
        for hint in work.hints:
            self._return(work, hint.entry)

    def retry(self, work: Work[Entry], now: float) -> None:
        """The application would not: a batch is sent again one by one, a single hint after its backoff."""
        if work.resync is not None:
            self._resyncs.retry(work.resync, now)
        for hint in work.hints:
            if len(work.hints) == 1:
                self._fail(hint.entry, now)
            elif hint.entry.sending is not None:
                hint.entry.sending = replace(hint.entry.sending, alone=True)
            self._return(work, hint.entry)

    def _fail(self, entry: Entry, now: float) -> None:
        sending = entry.sending
        if sending is not None:
            failures = sending.failures + 1
            entry.sending = replace(sending, attempts=sending.attempts + 1, failures=failures)
            entry.not_before = now + wait_s(failures, random=self._random)

    def _return(self, work: Work[Entry], entry: Entry) -> None:
        if work.generation == self._generation:
            self._pending.put_back(entry)
        else:
            self._pending.forget(entry, -math.inf)

    @property
    def droppable(self) -> int:
        """Keys that a resync could stand for."""
        return len(self._pending.entries)

    def collapse(self, now: float) -> None:
        """One resync instead of all pending keys."""
        self._overflows += 1
        firsts = self._pending.drop()
        since_us = None if None in firsts else min((first for first in firsts if first is not None), default=None)
        self.intake.ask_settled(Reason.OVERFLOW, since_us, now)

    def drop_remembered(self) -> None:
        """Make room by what is only politeness."""
        self._pending.drop_remembered()

    def hurry(self, now: float) -> None:
        """Everything pending is due at once."""
        self._pending.hurry(now)
        self._resyncs.hurry(now)
        self._on_due()

    def configure(self, config: ChannelConfig, now: float) -> None:
        """Other settings, in place; other rules or a switch back from suspend ask for a resync."""
        old, self.config = self.config, config
        self.intake.configure(config)
        if config.suspend or (old.key, old.format) != (config.key, config.format):
            self._empty()
        self._pending.configure(config)
        self._resyncs.configure(config, now)
        if old.suspend or (old.rules, old.key, old.format) != (config.rules, config.key, config.format):
            self.intake.ask_rules(None, now)
        self._on_due()

    def discard(self) -> None:
        """The channel is gone, with what is in flight."""
        self._empty()
        self._pending.drop_in_flight()

    def counts(self) -> Counts:
        """The numbers of this moment."""
        return Counts(
            notifications=self.intake.notifications,
            keys=self.intake.keys,
            merged=self.intake.keys - self.intake.added,
            pending_keys=len(self._pending.entries) + len(self._pending.in_flight),
            remembered_keys=self._pending.remembered,
            resyncs=dict(self._resyncs.asked),
            overflows=self._overflows,
            malformed=self.intake.malformed,
            suspended=self.intake.suspended,
        )

    def _empty(self) -> None:
        self._generation += 1
        self._pending.drop()
        self._pending.drop_remembered()
        self._resyncs.clear()
