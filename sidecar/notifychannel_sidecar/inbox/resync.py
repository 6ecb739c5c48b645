"""A channel's resyncs: "look at every key". All that are asked for merge into one; polls come from here too.

A resync says when it is due and how it goes back after a failure. It knows no keys: that it swallows the pending ones
when it is taken is the box's doing. Loop times in seconds, database times in microseconds.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_sidecar.hints import Reason, earlier, stronger
from notifychannel_sidecar.inbox.retry import wait_s

if TYPE_CHECKING:
    from random import Random

    from notifychannel_sidecar.config import ChannelConfig


@dataclass(slots=True, kw_only=True)
class Resync:
    """What all that were asked for since the last one have merged into."""

    reason: Reason
    since_us: int | None
    """Database time at which the channel was last known to be whole; None: unknown."""
    due_at: float = math.inf
    """Asked for at a certain time (a start, a reconnection after its spread, a poll)."""
    first: float = math.inf
    changed: float = -math.inf
    """Caused by notifications: debounced like a key, between the first and the last of them."""
    not_before: float = -math.inf
    failures: int = 0

    def absorb(self, other: Resync) -> None:
        """Merge: the stronger reason, the earlier `since` (unknown wins), the earlier due time, the later backoff."""
        self.reason = stronger(self.reason, other.reason)
        self.since_us = earlier(self.since_us, other.since_us)
        self.due_at = min(self.due_at, other.due_at)
        self.first = min(self.first, other.first)
        self.changed = max(self.changed, other.changed)
        self.not_before = max(self.not_before, other.not_before)
        self.failures = max(self.failures, other.failures)


class Resyncs:
    """At most one pending, at most one in flight."""

    def __init__(self, config: ChannelConfig, *, now: float, random: Random) -> None:
        self.asked: Counter[Reason] = Counter()
        self.taken: Resync | None = None
        self.pending: Resync | None = None
        self._config = config
        self._random = random
        self._rested_at = -math.inf
        """Before it no resync that notifications ask for: the last one's answer plus minInterval."""
        self._whole_us: int | None = None
        """Database time at which the last acknowledged resync was taken."""
        self._poll_at = self._next_poll(now)

    def ask(self, resync: Resync) -> None:
        """Somebody wants one."""
        self.asked[resync.reason] += 1
        self._merge(resync)

    def next_due(self, now: float) -> float:
        """When one is due; infinite when none is pending and polls are off."""
        self._poll(now)
        return min(self._poll_at, self._due())

    def take(self, now: float) -> Resync | None:
        """The pending one, if it is due; until it is answered no other is taken and no poll comes."""
        if self.taken is not None or self.next_due(now) > now:
            return None
        self.taken, self.pending = self.pending, None
        self._poll_at = math.inf
        return self.taken

    def acknowledge(self, resync: Resync, now: float, *, taken_us: int | None) -> None:
        """The application has looked."""
        if self.taken is resync:
            self.taken = None
            self._whole_us = taken_us
            self._rested_at = now + self._config.min_interval
            self._poll_at = self._next_poll(now)

    def put_back(self, resync: Resync) -> None:
        """Nobody has answered: as if it had not been taken."""
        if self.taken is resync:
            self.taken = None
            self._merge(resync)

    def retry(self, resync: Resync, now: float) -> None:
        """The application would not: later again."""
        resync.failures += 1
        resync.not_before = now + wait_s(resync.failures, random=self._random)
        self.put_back(resync)

    def hurry(self, now: float) -> None:
        """Due at once, if one is pending."""
        if self.pending is not None:
            self.pending.due_at = now
            self.pending.not_before = -math.inf

    def configure(self, config: ChannelConfig, now: float) -> None:
        """Other settings; the poll clock starts anew where it changed, or where the channel was suspended."""
        anew = config.poll_interval != self._config.poll_interval or config.suspend != self._config.suspend
        self._config = config
        if anew and self.taken is None:
            self._poll_at = self._next_poll(now)

    def clear(self) -> None:
        """Nothing is wanted any more; one in flight still has to be answered before another is taken."""
        self.pending = None

    def _due(self) -> float:
        pending = self.pending
        if pending is None or self.taken is not None:
            return math.inf
        settled = min(pending.changed + self._config.window, pending.first + self._config.max_delay)
        asked = math.inf if math.isinf(pending.first) else max(settled, self._rested_at)
        return max(min(pending.due_at, asked), pending.not_before)

    def _poll(self, now: float) -> None:
        if now >= self._poll_at:
            self.ask(Resync(reason=Reason.POLL, since_us=self._whole_us, due_at=self._poll_at))
            self._poll_at = math.inf

    def _next_poll(self, now: float) -> float:
        interval = 0.0 if self._config.suspend else self._config.poll_interval
        return now + interval * self._random.uniform(0.9, 1.1) if interval else math.inf

    def _merge(self, resync: Resync) -> None:
        if self.pending is None:
            self.pending = resync
        else:
            self.pending.absorb(resync)
