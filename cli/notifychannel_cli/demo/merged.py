"""What has come for one order since a moment: hints, what they count, and resyncs, which make counting needless."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notifychannel_cli.demo.application import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Grows with `seen`; as text: `2 hints with count 50 and 1 resync`."""

    order: int
    seen: list[Seen]
    before: int
    """How much had come until that moment."""

    def covers(self, number: int) -> bool:
        """So many changes are in the hints' counts, or a resync has made counting needless."""
        return self._count >= number or bool(self._resyncs)

    def __str__(self) -> str:
        hints = len(self._hints)
        resyncs = f" and {self._resyncs} {_plural(self._resyncs, 'resync')}" if self._resyncs else ""
        return f"{hints} {_plural(hints, 'hint')} with count {self._count}{resyncs}"

    @property
    def _hints(self) -> list[Seen]:
        return [seen for seen in self.seen[self.before :] if seen.order_id == self.order]

    @property
    def _count(self) -> int:
        return sum(seen.count for seen in self._hints)

    @property
    def _resyncs(self) -> int:
        return sum(seen.order_id is None for seen in self.seen[self.before :])


def _plural(number: int, word: str) -> str:
    return word if number == 1 else f"{word}s"
