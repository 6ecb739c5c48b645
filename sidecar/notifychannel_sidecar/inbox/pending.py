"""One channel's keys: pending, in flight, and remembered for minInterval. Each is counted in the budget.

    add ──► pending ──due──► take ──► in flight ──► forget ──► (remembered)
               ▲                          │
               └────── put_back ──────────┘

A key that changes while it is in flight is pending too, and not due before its answer.
Knows neither payloads nor POSTs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from notifychannel_sidecar.hints import microseconds
from notifychannel_sidecar.inbox.budget import cost
from notifychannel_sidecar.inbox.entry import Entry
from notifychannel_sidecar.inbox.schedule import Schedule

if TYPE_CHECKING:
    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.inbox.budget import Budget


class Pending:
    """Keys by the text that they are merged by."""

    def __init__(self, config: ChannelConfig, *, budget: Budget) -> None:
        self.entries: dict[str, Entry] = {}
        self.in_flight: dict[str, Entry] = {}
        self._remembered: dict[str, float] = {}
        """Key → loop time until which minInterval holds it back; oldest first."""
        self._schedule = Schedule(config)
        self._budget = budget

    @property
    def remembered(self) -> int:
        """How many keys were delivered less than minInterval ago and have not changed since."""
        return len(self._remembered)

    def add(self, key: str, letter: str, at: str, now: float) -> float:
        """A key that is not pending yet; answers when it is due, infinite while an answer has to come first."""
        self._budget.used += cost(key)
        not_before = -math.inf
        if self._remembered and (rested_at := self._remembered.pop(key, None)) is not None:
            self._budget.used -= cost(key)
            not_before = rested_at
        entry = self.entries[key] = Entry(key, letter, at, now, not_before)
        return math.inf if key in self.in_flight else self._schedule.add(entry)

    def next_due(self, now: float) -> float:
        """When `take` will have something, or earlier; infinite while there is nothing."""
        return self._schedule.next_due(now)

    def take(self, now: float) -> list[Entry]:
        """What goes into one POST; in flight from now on."""
        self._expire(now)
        taken = self._schedule.take(now)
        for entry in taken:
            self.in_flight[entry.key] = self.entries.pop(entry.key)
        return taken

    def put_back(self, entry: Entry) -> None:
        """Undelivered: pending again, merged with what has changed meanwhile."""
        if self.in_flight.get(entry.key) is entry:
            newer = self._land(entry)
            if newer is None:
                self._budget.used += cost(entry.key)
                newer = self.entries[entry.key] = entry
            else:
                newer.absorb(entry)
            self._schedule.add(newer)

    def forget(self, entry: Entry, rested_at: float) -> None:
        """Delivered, or of no use any more; what has changed meanwhile is not due before `rested_at`."""
        if self.in_flight.get(entry.key) is entry:
            newer = self._land(entry)
            if newer is not None:
                newer.not_before = max(newer.not_before, rested_at)
                self._schedule.add(newer)
            elif not math.isinf(rested_at):
                self._budget.used += cost(entry.key)
                self._remembered[entry.key] = rested_at

    def drop(self) -> tuple[int | None, ...]:
        """Forget all that is pending (not what is in flight); answers their first statement times, None: unknown."""
        firsts = tuple({entry.first_at for entry in self.entries.values()})
        self._budget.used -= sum(map(cost, self.entries))
        self.entries.clear()
        self._schedule.clear()
        return tuple(microseconds(first) for first in firsts)

    def drop_remembered(self) -> None:
        """Deliver again earlier than minInterval says rather than lose keys."""
        self._budget.used -= sum(map(cost, self._remembered))
        self._remembered.clear()

    def drop_in_flight(self) -> None:
        """The answers will not come."""
        self._budget.used -= sum(map(cost, self.in_flight))
        self.in_flight.clear()

    def hurry(self, now: float) -> None:
        """All that is pending is due at once."""
        for entry in self.entries.values():
            entry.not_before = -math.inf
        self._schedule.hurry(now)

    def configure(self, config: ChannelConfig) -> None:
        """Other settings: other due times."""
        self._schedule.rebuild(config, [entry for key, entry in self.entries.items() if key not in self.in_flight])

    def _land(self, entry: Entry) -> Entry | None:
        del self.in_flight[entry.key]
        self._budget.used -= cost(entry.key)
        return self.entries.get(entry.key)

    def _expire(self, now: float) -> None:
        while self._remembered:
            key, rested_at = next(iter(self._remembered.items()))
            if rested_at > now:
                return
            del self._remembered[key]
            self._budget.used -= cost(key)
