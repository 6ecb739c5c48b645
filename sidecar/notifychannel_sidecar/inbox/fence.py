"""When a channel is to be looked at once more: when every transaction has ended that may have written unheard.

Other rules (a trigger's function replaced, a channel no longer suspended) ask for a resync at once. A transaction that
was open then has written under the old rules, unheard, and commits after the application has looked: so a second
resync follows. Pure: told of rules and round trips. Refuses to know what changed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Fence:
    """One channel's: the transaction id below which all have to end. Told again meanwhile, it moves."""

    _told: bool = False
    _starting: bool = False
    """Told before the round trip that runs: only its transaction id is above all that were open then."""
    _below: int | None = None

    def tell(self) -> None:
        """The channel got other rules just now."""
        self._told = True

    def start(self) -> bool:
        """A round trip starts; whether somebody waits here."""
        self._starting |= self._told
        self._told = False
        return self._starting or self._below is not None

    def look(self, *, transaction: int, oldest_running: int, late: bool) -> bool:
        """Take in the round trip that was started; whether all who ran when it was told have ended. `late`: the channel
        was subscribed to after other rules, and not all who wrote under the old ones have ended.
        """
        if self._starting or late:
            self._starting, self._below = False, transaction
        if self._below is None or oldest_running < self._below:
            return False
        self._below = None
        return True

    def anew(self) -> None:
        """Another server, whose transaction ids are others: it begins again where it waited."""
        self._starting |= self._below is not None
        self._below = None
