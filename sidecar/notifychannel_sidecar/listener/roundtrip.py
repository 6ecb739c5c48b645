"""What a round trip brings home: proof that the wire carries notifications, the database's clock, its queue.

Pure: values, and what follows from a row of them. Database times are microseconds since 1970; ours are those of
time.monotonic(), which is also what the loop counts in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    import asyncpg

SAMPLES = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """One NOTIFY that came back to its sender."""

    at_us: int
    """Database time before its commit: everything committed earlier had been heard when it came back."""
    answered_s: float
    """Ours, when the statement that says `at_us` had its answer: the database's clock showed at least that."""
    statement_s: float
    """How long that statement took: the two clocks are compared to that precision."""
    trip_s: float
    """From the statement's start until the notification was back."""
    queue_usage: float
    """pg_notification_queue_usage(), 0 to 1."""
    skipped: int | None
    """notifychannel.skipped(); None where it is missing or not permitted."""
    oldest_running: int
    """Transaction id: all below it had ended; after a thorough one also no statement that writes was as old."""
    transaction: int
    """Its own id, above that of all who had written something by then."""
    rules_since: int | None = None
    """Transaction id: from it on all write under the rules as they were before this round trip; None where nobody said
    so, or it was not asked.
    """

    @property
    def is_late(self) -> bool:
        """Somebody may be open who wrote under older rules. An id above our own is of another history."""
        return self.rules_since is not None and self.oldest_running < self.rules_since <= self.transaction

    @classmethod
    def of(
        cls,
        row: asyncpg.Record,
        *,
        skipped: int | None,
        rules: asyncpg.Record | None,
        sent_s: float,
        answered_s: float,
        back_s: float,
    ) -> Self:
        """From the rows of round_trip.sql and, read before it, rules_since.sql, and three times of ours.

        While rules are being changed, all who ran at the round trip may have written under the old ones.
        """
        return cls(
            at_us=(row["at"] - _EPOCH) // timedelta(microseconds=1),
            answered_s=answered_s,
            statement_s=answered_s - sent_s,
            trip_s=back_s - sent_s,
            queue_usage=float(row["queue_usage"]),
            skipped=skipped,
            oldest_running=row["oldest_running"],
            transaction=row["transaction"],
            rules_since=None if rules is None else row["transaction"] if rules["are_changing"] else rules["since"],
        )


@dataclass(slots=True)
class Samples:
    """The last few looks at the database's clock."""

    _trips: deque[RoundTrip] = field(default_factory=lambda: deque(maxlen=SAMPLES))

    def best(self, trip: RoundTrip) -> RoundTrip:
        """Of these and one more, the one whose statement was the shortest, so the most precise."""
        self._trips.append(trip)
        return min(self._trips, key=lambda sample: sample.statement_s)


@dataclass(slots=True)
class Skips:
    """Whether changes went by without a NOTIFY (the queue was too full), so that a resync is due.

    A trigger counts before its transaction commits: a resync at once may look too early. So a second one follows
    when every transaction that was running at the look has ended.
    """

    since_us: int | None = None
    """Database time at which nothing had been skipped."""
    _known: int | None = 0
    _fence: int | None = None

    def look(self, trip: RoundTrip, *, whole_us: int | None) -> bool:
        """Whether a resync is due after this round trip; `whole_us` is the database time of the one before."""
        if trip.skipped not in (None, self._known):
            if self._fence is None:
                self.since_us = whole_us
            self._known, self._fence = trip.skipped, trip.transaction
            return True
        if self._fence is not None and trip.oldest_running >= self._fence:
            self._fence = None
            return True
        return False
