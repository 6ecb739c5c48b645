"""Where what arrives waits until it is due: the listener puts, the deliverer takes; they meet nowhere else.

Keys that are equal merge; past one budget of keys the largest channel's become one resync. Told the time as a number
(loop time, seconds); refuses to know a database, an application, a clock.
"""

from __future__ import annotations

import math
from functools import partial
from random import SystemRandom
from typing import TYPE_CHECKING

from notifychannel_sidecar.clock import Clock
from notifychannel_sidecar.hints import Reason, parse_timestamp
from notifychannel_sidecar.inbox.box import Box
from notifychannel_sidecar.inbox.budget import Budget
from notifychannel_sidecar.inbox.resync import Resync

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from random import Random

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.inbox.entry import Entry
    from notifychannel_sidecar.inbox.work import Counts, Work


class Inbox:
    """All channels of a sidecar. Names are those of the configuration; an unknown one is ignored, for a reload may
    have removed it a moment ago.
    """

    def __init__(
        self,
        *,
        budget: int,
        on_due: Callable[[str], None],
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        """`budget`: keys held at most; `on_due(name)`: something of this channel is due earlier than last answered by
        `next_due`, so ask again.
        """
        self._budget = Budget(limit=budget)
        self._on_due = on_due
        self._clock = clock or Clock()
        self._random = random or SystemRandom()
        self._boxes: dict[str, Box] = {}
        self._puts: dict[str, Callable[[str, float], None]] = {}

    # ---- what the listener calls

    def configure(self, channels: Sequence[ChannelConfig], now: float) -> None:
        """The channels from now on; at the start and at each reload. Removed ones lose what is pending.

        Other rules, and a switch back from suspend, ask for a resync (`rules`); other settings apply in place.
        """
        wanted = {config.name: config for config in channels}
        for name in self._boxes.keys() - wanted.keys():
            self._boxes.pop(name).discard()
        for name, config in wanted.items():
            if (box := self._boxes.get(name)) is None:
                self._boxes[name] = self._box(config, now)
            elif box.config != config:
                box.configure(config, now)
        self._puts = {name: box.intake.put for name, box in self._boxes.items()}

    def put(self, name: str, payload: str, now: float) -> None:
        """Merge one notification's payload, as received. The hot path."""
        put = self._puts.get(name)
        if put is not None:
            put(payload, now)

    def resync(self, name: str, reason: Reason, now: float, *, since: str | None, delay: float = 0.0) -> None:
        """Want a resync in `delay` seconds; `since`: RFC 3339 database time of the last moment when the channel was
        known to be whole, None when unknown.
        """
        box = self._boxes.get(name)
        if box is not None:
            since_us = None if since is None else parse_timestamp(since)
            box.intake.ask(Resync(reason=reason, since_us=since_us, due_at=now + delay))

    def set_clock(self, now: float, database_us: int) -> None:
        """At loop time `now` the database's clock showed at least `database_us` (microseconds since 1970)."""
        self._clock.measured(now=now, database_us=database_us)

    def round_trip_starts(self) -> bool:
        """The listener is about to ask the database which transactions run; whether a channel waits for their end."""
        waiting = [name for name, box in self._boxes.items() if box.fence.start()]
        return bool(waiting)

    def round_trip(self, now: float, *, transaction: int, oldest_running: int, late: Collection[str] = ()) -> None:
        """It has: all transactions below `oldest_running` have ended, and `transaction` is above all that had written
        something when it was asked. The channels `late` were subscribed to after other rules, while somebody who
        wrote under the old ones was open. Wants the second resync (`rules`) of a channel whose time has come.
        """
        for name, box in self._boxes.items():
            if box.fence.look(transaction=transaction, oldest_running=oldest_running, late=name in late):
                box.intake.ask_rules_again(now)

    def another_server(self) -> None:
        """The transactions from here on are another server's."""
        for box in self._boxes.values():
            box.fence.anew()

    # ---- what the deliverer calls

    def next_due(self, name: str, now: float) -> float | None:
        """Loop time at which to call `take`; None while nothing is pending or an answer has to come first.

        Ask again after `on_due` and after each answer. It may be too early, never too late.
        """
        box = self._boxes.get(name)
        return None if box is None else box.next_due(now)

    def take(self, name: str, now: float) -> Work[Entry] | None:
        """One POST's worth of what is due, never a key that is in flight. Give it back by one of the next three."""
        box = self._boxes.get(name)
        return None if box is None else box.take(now)

    def acknowledge(self, work: Work[Entry], now: float, retry_ids: Iterable[str] = ()) -> None:
        """The application answered 2xx; the hints with these ids it wants again, after their backoff."""
        if (box := self._boxes.get(work.channel)) is not None:
            box.acknowledge(work, now, frozenset(retry_ids))

    def put_back(self, work: Work[Entry], *, until: float = -math.inf, error: str = "") -> None:  # noqa: ARG002 - see `Source`
        """The endpoint is in trouble: nothing counts as an attempt."""
        if (box := self._boxes.get(work.channel)) is not None:
            box.put_back(work)

    def retry(self, work: Work[Entry], now: float, *, error: str = "") -> None:  # noqa: ARG002 - see `Source`
        """The application would not: a batch goes one by one, a single hint or a resync waits for its backoff."""
        if (box := self._boxes.get(work.channel)) is not None:
            box.retry(work, now)

    def broke_off(self, work: Work[Entry]) -> None:
        """Its POST was cancelled: the channel has gone, or the end has come, and the inbox keeps nothing for either."""

    def hurry(self, now: float) -> None:
        """Everything that is pending now is due now: the end is near."""
        for box in self._boxes.values():
            box.hurry(now)

    # ---- what metrics and status read

    def counts(self, name: str) -> Counts:
        """One channel's numbers. KeyError for an unknown name."""
        return self._boxes[name].counts()

    def _box(self, config: ChannelConfig, now: float) -> Box:
        return Box(
            config,
            now=now,
            budget=self._budget,
            clock=self._clock,
            random=self._random,
            on_due=partial(self._on_due, config.name),
            on_full=self._make_room,
        )

    def _make_room(self, now: float) -> None:
        for box in self._boxes.values():
            box.drop_remembered()
        if self._budget.used > self._budget.limit:
            max(self._boxes.values(), key=lambda box: box.droppable).collapse(now)
