"""When a stand-by goes for the relay's role: nobody has it, or whoever has it stands still.

Pure: told what each look at the database showed. A relay moves its beats with every drain and every two seconds when it
sleeps, so one that is busy with a backlog or waits for a long transaction is never taken for dead.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notifychannel_sidecar.listener.look import Look

STILL_LOOKS = 2
"""So many looks in a row without a beat in between."""


class Verdict(Enum):
    """What a look asks for."""

    LEAVE = "leave"
    TAKE = "take"
    """Nobody has the role."""
    REPLACE = "replace"
    """Its holder stands still; if rows wait, too."""


@dataclass(slots=True)
class StandBy:
    """What one sidecar has seen of the relay."""

    last: Look | None = None
    _still: int = 0

    def look(self, look: Look) -> Verdict:
        """Another look."""
        before, self.last = self.last, look
        if look.holder is None:
            self._still = 0
            return Verdict.TAKE
        moved = before is None or (before.holder, before.beats) != (look.holder, look.beats)
        self._still = 0 if moved else self._still + 1
        return Verdict.REPLACE if self._still >= STILL_LOOKS else Verdict.LEAVE

    def forget(self) -> None:
        """Another server: its numbers say nothing about these."""
        self.last, self._still = None, 0
