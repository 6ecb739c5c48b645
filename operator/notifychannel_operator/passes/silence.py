"""Which pods' addresses let a question go unanswered, and until when they are not asked again. Pure: told the time.

A network policy drops packets: each question then costs the whole time limit, and it is the same in the next pass.
Refuses to grow for ever: whom nobody has found silent for a while is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

Address: TypeAlias = tuple[str, int]
"""Host and port."""

AT_FIRST_S = 5.0
"""A sidecar may be busy, or throttled, for a moment."""
AGAIN_S = 50.0
"""Silent twice: asked by one pass a minute, so that a policy that was mended is seen by the next."""
FORGOTTEN_S = 600.0
"""Longer than a round of the few places (`probe.py`) takes for three thousand of them."""


@dataclass(slots=True)
class Silence:
    """One for the process; its size is that of the addresses found silent within FORGOTTEN_S."""

    _since_s: dict[Address, tuple[float, float]] = field(default_factory=dict)
    """When it was found silent last, and for how long it is left alone; the oldest first."""

    def __len__(self) -> int:
        return len(self._since_s)

    def holds(self, address: Address, now_s: float) -> bool:
        """Not to be asked now."""
        since_s, pause_s = self._since_s.get(address, (now_s, 0.0))
        return now_s < since_s + pause_s

    def is_known(self, address: Address) -> bool:
        """Silent twice, and not heard since: not to be asked in the way of others. Once may be a moment's."""
        return self._since_s.get(address, (0.0, 0.0))[1] == AGAIN_S

    def heard(self, address: Address) -> None:
        """Something answers there, whatever it says, or refuses at once."""
        self._since_s.pop(address, None)

    def unheard(self, address: Address, now_s: float) -> None:
        """It let the time limit pass."""
        was_silent = self._since_s.pop(address, None) is not None
        self._since_s[address] = now_s, AGAIN_S if was_silent else AT_FIRST_S
        while self._since_s and (oldest := next(iter(self._since_s.items())))[1][0] < now_s - FORGOTTEN_S:
            del self._since_s[oldest[0]]
