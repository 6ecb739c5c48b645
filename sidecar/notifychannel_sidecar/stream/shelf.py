"""What one channel's readers can still be told: the newest hint of each key, and the last resync. A compacted log.

    floor ≤ resync ≤ hints, each at its place in the sequence; who was told less than `floor` looks at every key

All readers share it, so one that does not read costs a number. Pure; the sequence is the stream's.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.hints import Reason
from notifychannel_sidecar.stream.told import Told, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_sidecar.inbox.work import Hint

KEYS = 1_000
"""On one shelf. A reader that reconnects within a second or two misses fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """A resync at its place in the sequence."""

    seq: int
    reason: Reason
    since_us: int | None
    exact_from: int
    """Who was told everything up to here may rely on `since_us`."""
    missed: bool = False
    """It stands for hints that are on the shelf no more."""

    def since_for(self, seen: int) -> int | None:
        """None: unknown, for more than this resync was missed."""
        return self.since_us if seen >= self.exact_from else None


class Shelf:
    """One channel's."""

    def __init__(self, *, seq: int, keys: int = KEYS) -> None:
        """`seq`: its place in the sequence: whoever was told less starts with a resync. `keys`: kept at most."""
        self.floor = self.newest = seq
        self.keys = keys
        self._resync: Everything | None = None
        self._told: dict[str, Told] = {}
        """By key, in the order of the sequence."""

    def __len__(self) -> int:
        return len(self._told)

    def put(self, hint: Hint[Any], seq: int) -> None:
        """A key has changed."""
        self._told[hint.key] = told(hint, seq, self._told.pop(hint.key, None))
        self.newest = seq
        while len(self._told) > self.keys:
            self.floor = self._told.pop(next(iter(self._told))).seq

    def clear(self, *, reason: Reason, since_us: int | None, seq: int) -> None:
        """Every key may have changed: nothing else has to be told to those who hear this."""
        self._told.clear()
        self._resync = Everything(seq=seq, reason=reason, since_us=since_us, exact_from=self.newest)
        self.newest = seq

    def resync_after(self, seen: int) -> Everything | None:
        """What a reader that was told everything up to `seen` has to hear first: look at every key."""
        if not seen:
            return Everything(seq=self.newest, reason=Reason.START, since_us=None, exact_from=0)
        if self._resync is not None and self._resync.seq > max(seen, self.floor):
            return self._resync
        if seen < self.floor:
            return Everything(seq=self.newest, reason=Reason.OVERFLOW, since_us=None, exact_from=0, missed=True)
        return None

    def hints_after(self, seen: int) -> Sequence[Told]:
        """Keys that changed after `seen`, in the order of the sequence."""
        newer = list(takewhile(lambda it: it.seq > seen, reversed(self._told.values())))
        newer.reverse()
        return newer
