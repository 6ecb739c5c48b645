"""One pending key: what is known since it was last delivered. Merges; it does not know when it is due."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How the deliveries of a key have gone; it outlives a change, which only makes a new version."""

    id: str
    count: int
    """The entry's count when this version was sent: another count is another version."""
    attempts: int = 0
    """Of this version."""
    failures: int = 0
    """Of this key since it was last acknowledged: what the backoff grows with."""
    alone: bool = False
    """Its batch was refused: sent by itself until acknowledged."""


class Entry:
    """A key and its changes, mutable and small: there may be a hundred thousand, and every notification touches one."""

    __slots__ = ("changed", "count", "events", "first", "first_at", "key", "last_at", "not_before", "sending")

    def __init__(self, key: str, event: str, at: str, now: float, not_before: float) -> None:
        self.key = key
        self.events = event
        """Letters of `hints.EVENTS`, in order of arrival, each once."""
        self.count = 1
        self.first_at = at
        self.last_at = at
        """Statement times as 16 digits; empty or anything else when a stranger's payload said so."""
        self.first = now
        self.changed = now
        """Arrival here, loop time in seconds."""
        self.not_before = not_before
        """Loop time; from backoff or minInterval."""
        self.sending: Sending | None = None

    def touch(self, event: str, at: str, now: float) -> None:
        """One more change of the key: the hot path."""
        self.count += 1
        self.changed = now
        if event not in self.events:
            self.events += event
        if at > self.last_at:
            self.last_at = at
        elif at < self.first_at:
            self.first_at = at

    def touch_often(self, event: str, times: int, *, since: str, till: str, now: float) -> None:
        """That many changes at once, the first and the last of them at these statement times."""
        self.touch(event, since, now)
        self.touch(event, till, now)
        self.count += times - 2

    def absorb(self, older: Entry) -> None:
        """Take over what an older entry of the same key knew, which comes back undelivered."""
        self.count += older.count
        self.events = older.events + "".join(letter for letter in self.events if letter not in older.events)
        self.first_at = min(self.first_at, older.first_at)
        self.last_at = max(self.last_at, older.last_at)
        self.first = older.first
        self.not_before = max(self.not_before, older.not_before)
        self.sending = older.sending
