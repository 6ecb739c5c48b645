"""How soon to look again at pods that run and do not listen or deliver yet, and at a database. Pure: told the time.

Nothing tells of a sidecar that has just got through, or of a server that is there again: no object changes. So a
channel is looked at again after as long as it has been as it is, at least two seconds: soon after a roll-out, a repair
or a restart, and by the minute (the work queue's interval, which bounds this) where it stays so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from notifychannel_operator.passes.conditions import Reason, Status, Type

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from notifychannel_operator.passes.conditions import Condition
    from notifychannel_operator.passes.status import Pods
    from notifychannel_operator.passes.whereabouts import Ref

SOONEST_S = 2.0
"""A sidecar connects within one when everything is right; a pass costs the database some milliseconds."""
WANTED = (Type.LISTENING, Type.DELIVERING)


@dataclass(slots=True)
class Settling:
    """Per channel: what it was found to be that is not settled, and since when."""

    _since_s: dict[Ref, tuple[Hashable, float]] = field(default_factory=dict)

    def next_in_s(self, ref: Ref, found: Hashable | None, now_s: float) -> float | None:
        """Seconds until the next look; `found` None: settled, so nothing is sooner than the interval."""
        if found is None:
            self.forget(ref)
            return None
        before, since_s = self._since_s.get(ref, (None, now_s))
        if before != found:
            since_s = now_s
        self._since_s[ref] = found, since_s
        return max(SOONEST_S, now_s - since_s)

    def forget(self, ref: Ref) -> None:
        """The channel is gone."""
        self._since_s.pop(ref, None)


def unsettled(said: Iterable[Condition], pods: Pods, *, seats: int, generation: int) -> Hashable | None:
    """What is so while the database can't be reached, or pods run (`seats`) and one of WANTED is not True, or not of
    all; None: nothing to wait for.
    """
    said = tuple(said)
    if any(it.reason is Reason.UNREACHABLE for it in said if it.type is Type.TRIGGERS_INSTALLED):
        return generation, Reason.UNREACHABLE
    found = tuple((it.type, it.status, it.reason) for it in said if it.type in WANTED)
    if not seats or (all(status is Status.TRUE for _, status, _ in found) and pods.delivering >= seats):
        return None
    return generation, seats, pods, found
