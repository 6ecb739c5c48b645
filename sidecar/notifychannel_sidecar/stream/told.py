"""One key's newest hint as the shelf keeps it: the last change by itself, and all of them merged. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from notifychannel_sidecar.inbox.work import Hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What readers are told of one key, at its place in the sequence."""

    seq: int
    before: int
    """Where the key stood last; 0: it is new on the shelf."""
    last: Hint[None]
    """For who knows what was told before."""
    merged: Hint[None]
    """For who may have missed that."""

    def to(self, seen: int) -> Hint[None]:
        """The hint for a reader that was told everything up to `seen`."""
        return self.last if seen >= self.before else self.merged


def told(hint: Hint[Any], seq: int, older: Told | None) -> Told:
    """The key's newest hint, joined to the older one."""
    bare = replace(hint, entry=None)
    if older is None:
        return Told(seq=seq, before=0, last=bare, merged=bare)
    return Told(seq=seq, before=older.seq, last=bare, merged=_merged(older.merged, bare))


def _merged(older: Hint[None], newer: Hint[None]) -> Hint[None]:
    return replace(
        newer,
        events=tuple(dict.fromkeys((*older.events, *newer.events))),
        count=older.count + newer.count,
        first_at_us=min(older.first_at_us, newer.first_at_us),
        last_at_us=max(older.last_at_us, newer.last_at_us),
    )
