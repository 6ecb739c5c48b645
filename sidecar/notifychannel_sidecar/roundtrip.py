"""What a round trip brings home: proof that the wire carries notifications, the database's clock, its queue.

Pure: values, and what follows from a row of them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    import asyncpg

SAMPLES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """One NOTIFY that came back to its sender."""

    at: datetime
    """Database time before its commit: everything committed earlier had been heard when it came back."""
    received_at_s: float
    """Unix time, ours, when it was back."""
    offset_s: float
    """Database clock minus ours, from the statement that sent it."""
    statement_s: float
    """How long that statement took: the offset is right to half of it."""
    trip_s: float
    """From the statement's start until the notification was back."""
    queue_usage: float
    """pg_notification_queue_usage(), 0 to 1."""
    skipped: int | None
    """notifychannel.skipped(); None where it is missing or not permitted."""
    oldest_running: int
    next_transaction: int
    """Transaction ids: those below `oldest_running` had ended, those from `next_transaction` on had not begun."""

    @classmethod
    def of(cls, row: asyncpg.Record, *, skipped: int | None, sent_s: float, answered_s: float, back_s: float) -> Self:
        """From the row of round_trip.sql and three times of our clock (Unix)."""
        at: datetime = row["at"]
        return cls(
            at=at.astimezone(UTC),
            received_at_s=back_s,
            offset_s=at.timestamp() - (sent_s + answered_s) / 2,
            statement_s=answered_s - sent_s,
            trip_s=back_s - sent_s,
            queue_usage=float(row["queue_usage"]),
            skipped=skipped,
            oldest_running=row["oldest_running"],
            next_transaction=row["next_transaction"],
        )


@dataclass(slots=True)
class Clock:
    """The offset of the database's clock: the sample of the shortest statement among the last few."""

    _samples: deque[RoundTrip] = field(default_factory=lambda: deque(maxlen=SAMPLES))

    def add(self, trip: RoundTrip) -> None:
        """One more sample."""
        self._samples.append(trip)

    def forget(self) -> None:
        """Another server has another clock."""
        self._samples.clear()

    @property
    def offset_s(self) -> float | None:
        """Database clock minus ours; None as long as nobody has looked."""
        return min(self._samples, key=lambda trip: trip.statement_s).offset_s if self._samples else None


@dataclass(slots=True)
class Skips:
    """Whether changes went by without a NOTIFY (the queue was too full), so that a resync is due.

    A trigger counts before its transaction commits: a resync at once may look too early. So a second one follows
    when every transaction that was running at the look has ended.
    """

    since: datetime | None = None
    """Database time at which nothing had been skipped."""
    _known: int = 0
    _until: int | None = None

    def look(self, trip: RoundTrip, *, whole_at: datetime | None) -> bool:
        """Whether a resync is due after this round trip; `whole_at` is the one before."""
        if trip.skipped is None:
            return False
        if trip.skipped != self._known:
            if self._until is None:
                self.since = whole_at
            self._known, self._until = trip.skipped, trip.next_transaction
            return True
        if self._until is not None and trip.oldest_running >= self._until:
            self._until = None
            return True
        return False
