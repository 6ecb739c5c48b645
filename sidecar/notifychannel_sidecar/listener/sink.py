"""Where the listener puts what it hears: the inbox, as the listener sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from notifychannel_sidecar.hints import Reason


class Sink(Protocol):
    """Where hints go: the inbox. No call may block."""

    def put(self, name: str, payload: str, now: float) -> None:
        """A notification for that channel, heard at `now` (loop time)."""

    def resync(self, name: str, reason: Reason, now: float, *, since: str | None, delay: float) -> None:
        """Every key of that channel is to be looked at, `delay` seconds after `now`; `since`: RFC 3339."""

    def set_clock(self, now: float, database_us: int) -> None:
        """At `now` the database's clock showed at least that."""

    def round_trip_starts(self) -> bool:
        """The next call of `round_trip` is about transactions that ran after this; whether somebody waits for it."""

    def round_trip(self, now: float, *, transaction: int, oldest_running: int, late: Collection[str]) -> None:
        """All below `oldest_running` have ended; `transaction` is above all that had written by then; `late`: channels
        subscribed to after other rules while somebody was open who wrote under the old ones.
        """

    def another_server(self) -> None:
        """Transaction ids of before mean nothing now."""
