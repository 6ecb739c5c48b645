"""What became of a run: what was lost, doubled, out of order, never written or never asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Of all stretches so far."""

    lost: frozenset[int]
    """What was acknowledged last is not what the table holds."""
    hidden: frozenset[int]
    """It is, but only a resync had told it, and nothing that was killed explains that nobody was hinted."""
    phantoms: frozenset[int]
    """Hinted, though only transactions that never happened had touched them."""
    backwards: int
    """Hints of a key that are older than one that was acknowledged before."""
    overlaps: int
    """A key in two requests at once."""
    changes: int
    calm: int
    """Of these, those while nothing was killed: each was hinted by its key."""
    acknowledged: int
    looked: int
    """Keys that nobody was hinted, for which a resync stood that a kill explains."""
    duplicates: int
    """Hints that were acknowledged once more."""
    unexplained: int
    """Of these, those that no kill explains."""
    resyncs: Counter[str]
    unasked: Counter[str]
    """Of these, those that no kill explains."""
    kills: Counter[str]

    @property
    def is_clean(self) -> bool:
        """Nothing is wrong; duplicates and resyncs after a kill are as promised."""
        wrong = (self.lost, self.hidden, self.phantoms, self.backwards, self.overlaps, self.unexplained, self.unasked)
        return not any(wrong)

    def __str__(self) -> str:
        killed = ", ".join(f"{number} {what}" for what, number in sorted(self.kills.items())) or "nothing"
        return (
            f"{self.changes:,} changes, {self.calm:,} of them without a kill, {self.acknowledged:,} acknowledged; "
            f"{_named(self.lost, 'lost')}, {_named(self.hidden, 'hidden')}, {_named(self.phantoms, 'not written')}, "
            f"{self.backwards} out of order, {self.overlaps} at once; "
            f"{self.duplicates} duplicates, {self.unexplained} without a kill; "
            f"resyncs {dict(self.resyncs)} for {self.looked:,} keys, without a kill {dict(self.unasked)}; "
            f"killed {killed}"
        )


def _named(keys: frozenset[int], what: str) -> str:
    return f"{len(keys)} keys {what}" + (f" ({sorted(keys)[:5]} …)" if keys else "")
