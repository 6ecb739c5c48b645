"""A row of the queue that this sidecar has claimed, and the hint that it becomes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_sidecar.hints import EVENTS, Reason
from notifychannel_sidecar.inbox.payload import key_object
from notifychannel_sidecar.inbox.work import Hint

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self

    from notifychannel_sidecar.config import ChannelConfig

_REASONS = {reason.value: reason for reason in Reason}


@dataclass(slots=True, kw_only=True)
class Claim:
    """One row as notifychannel.turn() answers it; never changed after, but frozen ones take twice as long to make."""

    id: str
    """Of channel, group, key and version: the same in whatever sidecar, however often it is claimed."""
    key: str
    """A JSON array; empty: a resync."""
    version: int
    events: str
    """Letters of `hints.EVENTS`."""
    count: int
    first_at_us: int
    last_at_us: int
    reason: Reason
    attempt: int
    alone: bool
    waited_s: float

    @classmethod
    def of(cls, row: Iterable[Any]) -> Self:
        """From that row; a reason that this version does not know is `bulk`."""
        identity, key, version, events, count, first_us, last_us, reason, attempt, alone, waited_s = row
        return cls(
            id=identity, key=key, version=version, events=events, count=count, first_at_us=first_us or 0,
            last_at_us=last_us or 0, reason=_REASONS.get(reason or "", Reason.BULK), attempt=attempt, alone=alone,
            waited_s=waited_s,
        )  # fmt: skip

    def hint(self, config: ChannelConfig) -> Hint[Claim]:
        """What is told to the application; MalformedKeyError when it is no key of the channel as we know it."""
        return Hint(
            id=self.id, key=key_object(config, self.key),
            events=tuple([EVENTS[letter] for letter in self.events if letter in EVENTS]), count=self.count,
            first_at_us=self.first_at_us, last_at_us=self.last_at_us, attempt=self.attempt, waited_s=self.waited_s,
            entry=self,
        )  # fmt: skip
