"""The outbox and its relay from outside, as any listener sees them, and up to when all that waited has been NOTIFYed.

Pure. Whether somebody else should be the relay is judged in `relay/standby.py`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    import asyncpg

ROUNDS = 3
"""A round is counted before its commit, so of three that were counted between two looks one began after the first look
and was committed before the second.
"""
REMEMBERED = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The outbox from outside: what notifychannel.relay_look() answers."""

    at_us: int
    """Database time before anything else was read, microseconds since 1970."""
    holder: int | None
    """The process that holds the role."""
    beats: int
    rounds: int
    size_bytes: int

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """From that row."""
        return cls(
            at_us=(row["at"] - _EPOCH) // timedelta(microseconds=1),
            holder=row["holder"],
            beats=row["beats"],
            rounds=row["rounds"],
            size_bytes=row["bytes"],
        )


@dataclass(slots=True)
class Drains:
    """The last few looks at one database."""

    _looks: deque[Look] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def look(self, look: Look) -> None:
        """Another look."""
        self._looks.append(look)

    @property
    def whole_us(self) -> int | None:
        """All that was committed before this database time had been NOTIFYed at the last look; None: not known."""
        if not self._looks:
            return None
        whole = [it.at_us for it in self._looks if it.rounds + ROUNDS <= self._looks[-1].rounds]
        return max(whole, default=None)
