"""What was killed and when, and what of what is odd it explains: which resync, which duplicate, and for how long after.

Pure: it is told the time, seconds of the loop's clock.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

RESYNC_S = 45.0
"""Within that time after a kill its resync begins: the server's recovery, the sidecar's backoff, the application's."""
FLIGHT_S = 15.0
"""What was changed so long before the latest change that had been hinted at a kill may have been on its way still."""
DUPLICATE_S = 60.0
"""Within that time after a kill what it had claimed is delivered by others: the queue's patience with the dead."""
NOTICE_S = 2.0
"""So long a sidecar may go on before it knows that its session was ended."""


@dataclass(slots=True, kw_only=True, eq=False)
class Kill:
    """Of one thing; until `ended_s` it is away."""

    began_s: float
    ended_s: float = math.inf
    pod: str | None = None
    """Whose; None: every pod's."""
    resync: str | None = None
    """The reason of the one resync that each of these pods owes its application for it; None: it owes none."""
    claims: bool = False
    """Whether what was claimed there is claimed once more, though it may have been acknowledged."""

    def hits(self, pod: str) -> bool:
        """It is that pod's."""
        return self.pod in (None, pod)


@dataclass(kw_only=True)
class Kills:
    """Of one run."""

    counts: Counter[str] = field(default_factory=Counter)
    _kills: list[Kill] = field(default_factory=list)
    _answered: set[tuple[Kill, str]] = field(default_factory=set)

    def add(self, kill: Kill, what: str | None = None) -> Kill:
        """It begins; `what` is counted."""
        if what is not None:
            self.counts[what] += 1
        self._kills.append(kill)
        return kill

    @property
    def none(self) -> bool:
        """Nothing since `forget`."""
        return not self._kills

    def forget(self) -> None:
        """All is told that any of them can explain."""
        self._kills.clear()
        self._answered.clear()

    def resync(self, pod: str, reason: str, posted_s: float) -> Kill | None:
        """The kill for which this pod says "look at everything" now. Each explains one resync, of one reason."""
        for kill in self._kills:
            if (
                kill.resync == reason
                and kill.hits(pod)
                and kill.began_s <= posted_s <= kill.ended_s + RESYNC_S
                and (kill, pod) not in self._answered
            ):
                self._answered.add((kill, pod))
                return kill
        return None

    def explain_duplicate(self, pod: str, posted_s: float, again_s: float) -> bool:
        """A hint that this pod had POSTed came again: something ended its claims after that, and not too long ago."""
        return any(
            kill.claims
            and kill.hits(pod)
            and posted_s - NOTICE_S <= kill.ended_s
            and kill.began_s <= again_s <= kill.ended_s + DUPLICATE_S
            for kill in self._kills
        )
