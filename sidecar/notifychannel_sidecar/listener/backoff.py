"""How long to wait before the next attempt: doubling with jitter, forgiven only by a connection that has lived.

A connection that dies at once must not reset the wait, or a server in trouble is hammered. Waits for nothing itself:
it is told what happened and answers a number.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True, kw_only=True)
class Backoff:
    """The waits of one thing that is tried again."""

    initial_s: float = 0.25
    maximum_s: float = 10.0
    forgive_after_s: float = 30.0
    """A connection that lived as long was a good one."""
    jitter: Callable[[float, float], float] = random.uniform
    attempts: int = field(init=False, default=0)

    def next_s(self) -> float:
        """The next wait: between half of the doubled wait and all of it, so that many pods don't come at once."""
        full = min(self.maximum_s, self.initial_s * 2.0 ** min(self.attempts, 60))
        self.attempts += 1
        return self.jitter(full / 2, full)

    def lived(self, lived_s: float) -> None:
        """A connection has ended that was proven for `lived_s`."""
        if lived_s >= self.forgive_after_s:
            self.attempts = 0
