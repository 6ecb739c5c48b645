"""Whose claims on the queue are to be given to others: of a session that has ended, or one that stands still.

A sidecar starts no POST unless its last call of the database began less than 5 s ago, and each call is a beat. So where
the beats have not moved for 5 s, the time that a POST may take and a second more, none is under way or will start.
Pure: told what each look showed, and when by this process's own clock; no clock of a server's is part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    import asyncpg

POST_WITHIN_S = 5.0
"""After the start of its last call, a sidecar may start a POST."""
MARGIN_S = 1.0
IDLE_S = 30.0
"""Without a beat, of one that holds nothing: it may be in the middle of a claim that nobody sees yet."""
ENDING_S = 5.0
"""For a session that was told to end; one that we may not end is given up then, for it can't do anything any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimer:
    """A row of notifychannel.claimers_look()."""

    id: int
    pid: int
    is_alive: bool
    """Its session lives."""
    holds: bool
    """Rows of the queue."""
    beats: int
    timeout_s: float
    """Of one POST."""

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """From the row that the function answers."""
        return cls(
            id=row["claimer"],
            pid=row["pid"],
            is_alive=row["is_alive"],
            holds=row["holds"],
            beats=row["beats"],
            timeout_s=row["timeout"],
        )

    @property
    def patience_s(self) -> float:
        """How long it may stand still."""
        return POST_WITHIN_S + self.timeout_s + MARGIN_S if self.holds else IDLE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one look asks for."""

    end: tuple[Claimer, ...] = ()
    """Their sessions live and stand still."""
    reclaim: tuple[Claimer, ...] = ()
    """If they have the same beats still."""


class Claimers:
    """What one relay has seen of them; a new relay begins to wait anew."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, float]] = {}

    def look(self, found: Sequence[Claimer], *, began_s: float, ended_s: float) -> Verdict:
        """A look that was sent and answered at these times (time.monotonic()): the earlier one counts for how long a
        claimer has stood still, the later one for when it was first seen so.
        """
        self._seen = {
            it.id: before if (before := self._seen.get(it.id)) and before[0] == it.beats else (it.beats, ended_s)
            for it in found
        }
        end, reclaim = [], []
        for it in found:
            still_s = began_s - self._seen[it.id][1]
            if not it.is_alive:
                if not it.holds or still_s >= it.patience_s:
                    reclaim.append(it)
            elif still_s >= it.patience_s + ENDING_S:
                reclaim.append(it)
            elif still_s >= it.patience_s:
                end.append(it)
        return Verdict(end=tuple(end), reclaim=tuple(reclaim))
