"""Keeps POSTs from an endpoint that is in trouble: refused, reset, 429, 502 to 504.

    CLOSED ── trouble ──► OPEN ── backoff over ──► one trial through ── any answer of an application ──► CLOSED
                           ▲                              │
                           └────────── trouble ───────────┘

Pure: told the time (loop time, seconds) and what happened; answers when the next POST may start.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FIRST_S = 0.2
LONGEST_S = 5.0
SHORTEST_RETRY_AFTER_S = 0.1
"""`Retry-After: 0` must not become a loop without a pause."""


class Breaker:
    """One endpoint's."""

    def __init__(self, *, random: Random) -> None:
        self._random = random
        self._troubles = 0
        self._opens_at = -math.inf
        self._trial = False

    @property
    def open(self) -> bool:
        """The endpoint is in trouble; at most one POST tries it."""
        return self._troubles > 0

    def may_start_at(self) -> float:
        """Loop time at which a POST may start; infinite while a trial is under way."""
        return math.inf if self._trial else self._opens_at

    def start(self) -> bool:
        """A POST starts; answers whether it is the trial. Give that back with its result."""
        self._trial = self.open
        return self._trial

    def trouble(self, now: float, *, trial: bool, retry_after_s: float | None) -> None:
        """The endpoint could not answer. `retry_after_s` is what it asked for, bounded by the caller."""
        if self.open and not trial:
            return  # started before it opened: the same trouble, not a further one
        wait_s = min(LONGEST_S, FIRST_S * 2.0 ** min(self._troubles, 10))
        wait_s = self._random.uniform(wait_s / 2, wait_s)
        if retry_after_s is not None:
            wait_s = max(retry_after_s, SHORTEST_RETRY_AFTER_S)
        self._troubles += 1
        self._opens_at = now + wait_s
        self._trial = False

    def answered(self) -> None:
        """An application answered, whatever it said: the endpoint is there."""
        self._troubles = 0
        self._opens_at = -math.inf
        self._trial = False

    def unanswered(self, now: float, *, trial: bool) -> None:
        """A timeout: no sign of trouble by itself, but no sign of recovery from it either."""
        if trial:
            self.trouble(now, trial=True, retry_after_s=None)

    def hurry(self, now: float) -> None:
        """The end is near: the trial may start at once."""
        self._opens_at = min(self._opens_at, now)
