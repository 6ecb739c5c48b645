"""Where one reader stands in the stream, and what it is told next. Pure, and a few numbers: what waits is the shelves'.

base ─────── everything up to here was told, of all its channels: the id of its last event
  ahead ──── of this channel more than that
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from notifychannel_sidecar.hints import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notifychannel_sidecar.inbox.work import Hint
    from notifychannel_sidecar.stream.shelf import Shelf
    from notifychannel_sidecar.stream.wanted import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One event's worth, of one channel."""

    channel: str
    reason: Reason
    since_us: int | None = None
    hints: tuple[Hint[None], ...] = ()
    """Empty: look at every key."""
    missed: bool = False
    """The reader fell behind, or was away for too long: a resync for hints that are gone."""
    up_to: int
    """Everything up to here was told with it."""


class Place:
    """One reader's."""

    def __init__(self, wanted: Wanted, *, seen: int = 0) -> None:
        """`seen`: up to where it was told everything; 0: nothing yet."""
        self.wanted = wanted
        self.base = seen
        self._ahead: dict[str, int] = {}

    def skip(self, before: int, newest: int) -> None:
        """The stream went on from `before` to `newest` with nothing that is asked for here."""
        if self.base == before:
            self.base = newest

    def next(self, shelves: Mapping[str, Shelf], *, newest: int, most: Mapping[str, int]) -> Piece | None:
        """What to tell now; None when all is told up to `newest`. `most`: channel → hints of one event."""
        waiting = self._waiting(shelves)
        if not waiting:
            self._settle(waiting, newest)
            return None
        name = min(waiting, key=lambda each: waiting[each])
        told, piece = self._take(name, shelves[name], most[name])
        self._ahead[name] = told
        self._settle(self._waiting(shelves), newest)
        return replace(piece, up_to=self.base)

    def _take(self, name: str, shelf: Shelf, most: int) -> tuple[int, Piece]:
        """Up to where this channel is told with it; and it."""
        seen = self._seen(name)
        if (resync := shelf.resync_after(seen)) is not None:
            since_us = resync.since_for(seen)
            return resync.seq, Piece(
                channel=name, reason=resync.reason, since_us=since_us, missed=resync.missed, up_to=seen
            )
        wanted = [it for it in shelf.hints_after(seen) if self.wanted.has_key(it.last.key)][:most]
        hints = tuple(it.to(seen) for it in wanted)
        return wanted[-1].seq, Piece(channel=name, reason=Reason.CHANGE, hints=hints, up_to=seen)

    def _waiting(self, shelves: Mapping[str, Shelf]) -> dict[str, int]:
        """Channel → the first place that it was not told of."""
        found = {}
        for name, shelf in shelves.items():
            if shelf.newest > self._seen(name) and self.wanted.has_channel(name):
                first = self._first(name, shelf)
                if first is not None:
                    found[name] = first
        return found

    def _first(self, name: str, shelf: Shelf) -> int | None:
        seen = self._seen(name)
        if shelf.resync_after(seen) is not None:
            return seen + 1
        return next((it.seq for it in shelf.hints_after(seen) if self.wanted.has_key(it.last.key)), None)

    def _seen(self, name: str) -> int:
        return max(self.base, self._ahead.get(name, 0))

    def _settle(self, waiting: Mapping[str, int], newest: int) -> None:
        self.base = min(waiting.values(), default=newest + 1) - 1
        self._ahead = {name: seen for name, seen in self._ahead.items() if seen > self.base}
