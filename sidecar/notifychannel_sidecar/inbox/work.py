"""What passes between inbox (or what is durable) and deliverer: one POST's worth of work. Values, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notifychannel_sidecar.hints import Reason
    from notifychannel_sidecar.inbox.resync import Resync

E = TypeVar("E")
"""What whoever hands out hints keeps of them: nobody else's business."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint(Generic[E]):
    """One key that the application is asked to look at again."""

    id: str
    key: str
    """A JSON object."""
    events: tuple[str, ...]
    count: int
    first_at_us: int
    last_at_us: int
    attempt: int
    """1 for the first POST of this id that counts."""
    waited_s: float
    """From the arrival of its first change here to its being taken: the debounce time."""
    entry: E


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[E]):
    """One POST: hints, or a resync (`hints` is empty)."""

    channel: str
    hints: tuple[Hint[E], ...] = ()
    resync: Resync | None = None
    """The inbox's own."""
    reason: Reason
    since_us: int | None = None
    taken_us: int | None = None
    """Database time at which it was taken; None while that clock is unknown."""
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """One channel's numbers since it was configured; `pending_keys` and `remembered_keys` are of this moment."""

    notifications: int
    keys: int
    """Keys that notifications named."""
    merged: int
    """Of those, how many went into a hint that was already pending."""
    pending_keys: int
    """Waiting or in flight."""
    remembered_keys: int
    """Delivered less than minInterval ago."""
    resyncs: Mapping[Reason, int]
    """Asked for, before they merge."""
    overflows: int
    malformed: int
    suspended: int
    """Notifications ignored because the channel is suspended."""
