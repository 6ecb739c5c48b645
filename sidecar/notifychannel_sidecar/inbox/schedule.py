"""When which pending entry is due, and what may go into one batch.

A heap with at most one item per entry: a change only updates the entry, and an item that comes up too early is put
back at its entry's real time. So a key that changes a thousand times a second costs one heap step per window.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from heapq import heappop, heappush, heapreplace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.inbox.entry import Entry


class Schedule:
    """Entries by due time. Every entry is in it once, or not at all (taken, or waiting for an answer of its key)."""

    def __init__(self, config: ChannelConfig) -> None:
        self._configure(config)
        self._heap: list[tuple[float, int, Entry]] = []
        self._numbers = itertools.count()
        self._ripe: deque[tuple[float, Entry]] = deque()
        """(when it became due, entry), for those that wait for company (maxWait) or for the deliverer."""
        self._hurried_at = -math.inf

    def due(self, entry: Entry) -> float:
        """min(last change + window, first change + maxDelay), not before backoff and minInterval allow."""
        if entry.changed <= self._hurried_at:
            return max(entry.changed, entry.not_before)
        settled = entry.changed + self._window
        latest = entry.first + self._max_delay
        settled = min(settled, latest)
        return max(entry.not_before, settled)

    def add(self, entry: Entry) -> float:
        """Wait for this entry; answers when it is due."""
        due = self.due(entry)
        heappush(self._heap, (due, next(self._numbers), entry))
        return due

    def next_due(self, now: float) -> float:
        """When `take` will have something, or a time before that at which to ask again; infinite when empty."""
        self._ripen(now)
        head = self._heap[0][0] if self._heap else math.inf
        if not self._ripe:
            return head
        due, first = self._ripe[0]
        if _alone(first) or len(self._ripe) >= self._max_hints:
            return due
        return min(due + self._max_wait, head)

    def take(self, now: float) -> list[Entry]:
        """What goes into one POST now: up to maxHints, or one that is sent alone, or nothing."""
        if self.next_due(now) > now:
            return []
        if _alone(self._ripe[0][1]):
            return [self._ripe.popleft()[1]]
        batch: list[Entry] = []
        while self._ripe and len(batch) < self._max_hints and not _alone(self._ripe[0][1]):
            batch.append(self._ripe.popleft()[1])
        return batch

    def hurry(self, now: float) -> None:
        """Everything here is due at once; what comes back later waits for its backoff again."""
        self._hurried_at = now
        self._ripe.extend((-math.inf, entry) for _, _, entry in sorted(self._heap))
        self._heap.clear()

    def rebuild(self, config: ChannelConfig, entries: Iterable[Entry]) -> None:
        """Other settings: every due time is worked out again."""
        self.clear()
        self._configure(config)
        for entry in entries:
            self.add(entry)

    def clear(self) -> None:
        """Forget all."""
        self._heap.clear()
        self._ripe.clear()

    def _configure(self, config: ChannelConfig) -> None:
        self._window = config.window
        self._max_delay = config.max_delay
        self._max_hints = config.max_hints
        self._max_wait = config.max_wait

    def _ripen(self, now: float) -> None:
        while self._heap and self._heap[0][0] <= now and len(self._ripe) < self._max_hints:
            entry = self._heap[0][2]
            due = self.due(entry)
            if due > now:
                heapreplace(self._heap, (due, next(self._numbers), entry))
            else:
                heappop(self._heap)
                self._ripe.append((due, entry))


def _alone(entry: Entry) -> bool:
    return entry.sending is not None and entry.sending.alone
