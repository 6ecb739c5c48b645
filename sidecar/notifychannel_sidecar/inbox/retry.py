"""How long a hint or resync that the application would not take waits before the next attempt. BestEffort: for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FIRST_S = 1.0
LONGEST_S = 60.0
_MAX_DOUBLINGS = 10
"""Past it the longest wait is long reached, and a float would overflow one day."""


def wait_s(failures: int, *, random: Random) -> float:
    """Seconds to wait after that many failures in a row: 1 to 2, 2 to 4, 4 to 8 … 30 to 60."""
    full = min(LONGEST_S, 2 * FIRST_S * 2.0 ** min(failures - 1, _MAX_DOUBLINGS))
    return random.uniform(full / 2, full)
