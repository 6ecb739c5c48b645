"""Which channels are to be looked at once more when every transaction that runs now has ended.

Other rules (a trigger's function replaced, a channel no longer suspended) ask for a resync at once. A transaction that
was open then has written under the old rules, unheard, and commits after the application has looked: so a second
resync follows. Pure: told of names and round trips. Refuses to know what asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notifychannel_sidecar.listener.roundtrip import RoundTrip


@dataclass(slots=True)
class Fences:
    """Per channel the transaction id below which all have to end. A name told again meanwhile moves its fence."""

    _told: set[str] = field(default_factory=set)
    _starting: set[str] = field(default_factory=set)
    """Told before the round trip that runs: only its transaction id is above all that were open then."""
    _fences: dict[str, int] = field(default_factory=dict)

    def tell(self, name: str) -> None:
        """A channel got other rules just now."""
        self._told.add(name)

    def start(self) -> None:
        """A round trip starts."""
        self._starting |= self._told
        self._told.clear()

    def look(self, trip: RoundTrip) -> frozenset[str]:
        """Take in the round trip that was started; the channels of which all who ran when they were told have ended."""
        self._fences |= dict.fromkeys(self._starting, trip.transaction)
        self._starting.clear()
        due = frozenset(name for name, fence in self._fences.items() if trip.oldest_running >= fence)
        for name in due:
            del self._fences[name]
        return due

    def anew(self) -> None:
        """Another server, whose transaction ids are others: all who wait begin again."""
        self._starting |= self._fences.keys()
        self._fences.clear()
