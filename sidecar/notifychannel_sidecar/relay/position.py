"""How far the outbox is drained: which rows the next drain has to look at, and no others.

A complete round takes everything that its first snapshot could see. What the next one may find are the rows of
transactions that were running at that snapshot (`late`) and of those that came after it (from `low` on). So no drain
walks the dead rows of before, however long somebody keeps vacuum away. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    import asyncpg


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """pg_snapshot: https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT"""

    xmin: int = 0
    """All transactions below it have ended."""
    xmax: int = 0
    """None from it on had ended; one that runs may be above it."""
    running: tuple[int, ...] = ()
    """Of those between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What one call of notifychannel.drain() has done."""

    taken: int
    """Rows."""
    hints: int
    """Keys that were NOTIFYed, equal ones merged."""
    payloads: int
    last: int | None
    """The transaction to go on with, where there was more in order."""
    round: Snapshot
    """Of the call's start."""
    more: bool
    held: bool
    """Nothing was done: the NOTIFY queue is more than half full."""
    merged: int = 0
    """Of these rows, those that went into the queue."""
    blocked: bool = False
    """Others are for the queue and still in the outbox, for it did not take them, or was not asked to."""

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """From the row that the function answers."""
        xmin, xmax, running = row["round"]
        return cls(
            taken=row["taken"],
            hints=row["hints"],
            payloads=row["payloads"],
            last=row["last"],
            round=Snapshot(xmin=xmin, xmax=xmax, running=tuple(running)),
            more=row["more"],
            held=row["held"],
            merged=row.get("merged", 0),  # a database of the version before does not say
            blocked=row.get("blocked", False),
        )


class Position:
    """Of one relay; a new one begins where another one's complete rounds have proven that nothing is before."""

    def __init__(self, low: int = 0) -> None:
        self.low = self.proven = low
        """`proven`: all below it have ended and are drained."""
        self.late: tuple[int, ...] = ()
        self._round: Snapshot | None = None

    def advance(self, drained: Drained) -> bool:
        """After a call; whether it was a round of its own, so that all that was committed at its start is NOTIFYed."""
        if drained.held:
            return False
        begins = self._round is None
        began = _earlier(drained.round if self._round is None else self._round, drained.round)
        if drained.more:
            self._round = began
            self.low = max(self.low, drained.last or 0)
            return False
        self.low, self.late, self._round = began.xmax, began.running, None
        self.proven = began.xmin
        return begins


def _earlier(began: Snapshot, batch: Snapshot) -> Snapshot:
    """The round's, unless rows stay where they are in one of its batches: then all from there on comes again."""
    if batch.xmax >= began.xmax:
        return began
    low = min(began.xmin, batch.xmin)
    return Snapshot(xmin=low, xmax=low)
