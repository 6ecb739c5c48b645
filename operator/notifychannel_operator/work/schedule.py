"""Pure: which keys are due, and which of them may start now. Told the time; knows nothing of tasks.

    absent ── add ──► delayed ── due ──► waiting (in its lane) ── take ──► running ── done ──► delayed
                         ▲ add: sooner                     add: once more ──┘   └─ gone ──► absent

A *lane* is what has its own bound beside the global one: a channel's Secret, because it stands for its database.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import NamedTuple


class Key(NamedTuple):
    """Of a channel."""

    namespace: str
    name: str


Lane = tuple[str, str]
"""Namespace and name of the Secret. Two Secrets of one database are two lanes: a proxy, and good enough as one."""

NO_LANE: Lane = ("", "")


@dataclass(slots=True, kw_only=True)
class _Entry:
    lane: Lane
    due_s: float
    is_waiting: bool = False
    is_running: bool = False
    again_at_s: float | None = None
    """Asked for while it runs."""


@dataclass(slots=True, kw_only=True)
class Schedule:
    """Times are seconds of the event loop's clock."""

    most: int
    """Keys running at once."""
    most_in_lane: int
    running: int = 0
    waiting: int = 0
    """Due, and held back only by the bounds."""
    _entries: dict[tuple[str, str], _Entry] = field(default_factory=dict)
    _delayed: list[tuple[float, tuple[str, str]]] = field(default_factory=list)
    _lanes: dict[Lane, dict[tuple[str, str], None]] = field(default_factory=dict)
    _running_in: dict[Lane, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._entries

    def add(self, key: tuple[str, str], *, at_s: float, lane: Lane | None = None) -> None:
        """Look at it then, or at the time already planned when that is sooner. A lane changes at the next run."""
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(lane=lane or NO_LANE, due_s=at_s)
            heapq.heappush(self._delayed, (at_s, key))
            return
        if entry.is_running:
            entry.again_at_s = at_s if entry.again_at_s is None else min(at_s, entry.again_at_s)
        elif not entry.is_waiting and at_s < entry.due_s:
            entry.due_s = at_s
            heapq.heappush(self._delayed, (at_s, key))
        if lane is not None and not entry.is_running:
            self._move(key, entry, lane)

    def take(self, now_s: float) -> list[tuple[str, str]]:
        """The keys to start now; each is running until `done`. Lanes take turns."""
        self._ripen(now_s)
        taken: list[tuple[str, str]] = []
        while lanes := [lane for lane in self._lanes if self._has_room(lane)]:
            for lane in lanes:
                if self.running == self.most:
                    return taken
                taken.append(self._start(lane))
        return taken

    def done(self, key: tuple[str, str], *, next_at_s: float) -> None:
        """It has run; look at it again then, or sooner if that was asked for meanwhile."""
        entry = self._stopped(key)
        entry.due_s = next_at_s if entry.again_at_s is None else min(next_at_s, entry.again_at_s)
        entry.again_at_s = None
        heapq.heappush(self._delayed, (entry.due_s, key))

    def gone(self, key: tuple[str, str]) -> None:
        """It has run and is no more; but one that was asked for meanwhile (made anew) is looked at."""
        entry = self._stopped(key)
        del self._entries[key]
        if entry.again_at_s is not None:
            self.add(key, at_s=entry.again_at_s, lane=entry.lane)

    def next_s(self) -> float | None:
        """When the next key ripens; None when there is none. What waits for room is started by the next `done`."""
        while self._delayed:
            due_s, key = self._delayed[0]
            if self._is_current(due_s, key):
                return due_s
            heapq.heappop(self._delayed)
        return None

    def _ripen(self, now_s: float) -> None:
        while self._delayed and self._delayed[0][0] <= now_s:
            due_s, key = heapq.heappop(self._delayed)
            if self._is_current(due_s, key):
                entry = self._entries[key]
                entry.is_waiting = True
                self.waiting += 1
                self._lanes.setdefault(entry.lane, {})[key] = None

    def _is_current(self, due_s: float, key: tuple[str, str]) -> bool:
        entry = self._entries.get(key)
        return entry is not None and not (entry.is_running or entry.is_waiting) and entry.due_s == due_s

    def _has_room(self, lane: Lane) -> bool:
        return self._running_in.get(lane, 0) < self.most_in_lane

    def _start(self, lane: Lane) -> tuple[str, str]:
        keys = self._lanes.pop(lane)
        key = next(iter(keys))
        del keys[key]
        if keys:
            self._lanes[lane] = keys  # put back behind the other lanes
        entry = self._entries[key]
        entry.is_waiting, entry.is_running = False, True
        self.waiting -= 1
        self.running += 1
        self._running_in[lane] = self._running_in.get(lane, 0) + 1
        return key

    def _stopped(self, key: tuple[str, str]) -> _Entry:
        entry = self._entries[key]
        entry.is_running = False
        self.running -= 1
        self._running_in[entry.lane] -= 1
        if not self._running_in[entry.lane]:
            del self._running_in[entry.lane]
        return entry

    def _move(self, key: tuple[str, str], entry: _Entry, lane: Lane) -> None:
        if lane == entry.lane:
            return
        if entry.is_waiting:
            old = self._lanes[entry.lane]
            del old[key]
            if not old:
                del self._lanes[entry.lane]
            self._lanes.setdefault(lane, {})[key] = None
        entry.lane = lane
