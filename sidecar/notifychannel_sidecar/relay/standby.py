"""When a stand-by goes for the relay's role: nobody has it, or whoever has it stands still.

Pure: told what each look at the database showed. A relay moves its beats with every drain, before whatever it does for
the queue, and every two seconds when it sleeps, so one that is busy with a backlog or waits for a long transaction is
never taken for dead.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notifychannel_sidecar.listener.look import Look

STILL_S = 7.5
"""Without a beat: more than a drain may take (5 s by the server's limit) and the pause before it (2 s) together."""


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

    still_s: float = STILL_S
    last: Look | None = None
    _moved_s: float = 0.0
    """When it was first seen as it was seen last."""

    def look(self, look: Look, now_s: float) -> Verdict:
        """Another look; `now_s` is time.monotonic() before it, for looks may follow each other closely."""
        before, self.last = self.last, look
        if look.holder is None:
            return Verdict.TAKE
        if before is None or (before.holder, before.beats) != (look.holder, look.beats):
            self._moved_s = now_s
        return Verdict.REPLACE if now_s - self._moved_s >= self.still_s else Verdict.LEAVE

    def forget(self) -> None:
        """Another server: its numbers say nothing about these."""
        self.last = None
