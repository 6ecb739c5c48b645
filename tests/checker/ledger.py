"""What applications acknowledged, what writers took back, what was killed; and the verdict beside what tables hold.

Pure: it is told the time. Knows nothing of how hints travel, so it judges every capture and delivery alike.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

AFTERMATH_S = 60.0
"""A duplicate so long after a kill is explained by it: the queue's patience with a dead sidecar, and what follows."""

GIVEN_UP = "session by its sidecar"
OF_THE_QUEUE = re.compile("([0-9a-f]+)-[0-9a-f]{12}")
"""A hint's id that begins with the version of its key."""

Versions = dict[int, int]
"""Key → version of its row; a row that is gone has none."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Keys by what became of them."""

    lost: set[int]
    """What was acknowledged last is not what the table holds."""
    phantoms: set[int]
    """Hinted, though only transactions that never happened had touched them."""
    backwards: int
    """Hints of a key that are older than one that was acknowledged before."""
    overlaps: int
    """A key in two requests at once."""
    acknowledged: int
    duplicates: int
    """Hints that were acknowledged once more."""
    unexplained: int
    """Of these, those that no kill explains."""
    resyncs: Counter[str]
    kills: Counter[str]

    @property
    def is_clean(self) -> bool:
        """Nothing is wrong; duplicates after a kill are as promised."""
        return not (self.lost or self.phantoms or self.backwards or self.overlaps or self.unexplained)

    def __str__(self) -> str:
        killed = ", ".join(f"{number} {what}" for what, number in sorted(self.kills.items())) or "nothing"
        return (
            f"{self.acknowledged:,} hints acknowledged; {len(self.lost)} keys lost, {len(self.phantoms)} not written, "
            f"{self.backwards} out of order, {self.overlaps} at once; {self.duplicates} duplicates, "
            f"{self.unexplained} without a kill; resyncs {dict(self.resyncs)}; killed {killed}"
        )


@dataclass(kw_only=True)
class Reader:
    """One who has to know every row: an application of its own, or all pods of a group that share a queue."""

    seen: Versions = field(default_factory=dict)
    hinted: int = 0
    acknowledged: int = 0
    duplicates: int = 0
    unexplained: int = 0
    backwards: int = 0
    overlaps: int = 0
    resyncs: Counter[str] = field(default_factory=Counter)
    escalated: Counter[int] = field(default_factory=Counter)
    """Key → how often somebody was told that nobody has acknowledged it."""
    _ids: set[str] = field(default_factory=set)
    _newest: dict[int, int] = field(default_factory=dict)
    _working: set[int] = field(default_factory=set)
    _meanwhile: list[set[int]] = field(default_factory=list)

    def begin(self, keys: Iterable[int]) -> None:
        """A request with these keys came."""
        for key in keys:
            self.hinted += 1
            self.overlaps += key in self._working
            self._working.add(key)

    def give_up(self, keys: Iterable[int]) -> None:
        """It was not acknowledged."""
        self._working.difference_update(keys)

    def acknowledge(self, hints: Mapping[int, str], read: Versions, *, after_kill: bool) -> None:
        """Key → id of hints whose rows were `read`, and who is about to be answered 2xx."""
        for key, hint_id in hints.items():
            self._working.discard(key)
            self.acknowledged += 1
            if hint_id in self._ids:
                self.duplicates += 1
                self.unexplained += not after_kill
            self._ids.add(hint_id)
            self._note_order(key, hint_id)
            self._see(key, read.get(key))

    def begin_resync(self) -> set[int]:
        """One came; the keys that are told of meanwhile, to be handed back with it."""
        self._meanwhile.append(set())
        return self._meanwhile[-1]

    def resync(self, reason: str, table: Versions, meanwhile: set[int]) -> None:
        """Every row was read; of what others were told meanwhile they know better."""
        self.resyncs[reason] += 1
        theirs = {key: self.seen[key] for key in meanwhile if key in self.seen}
        self.seen = {key: version for key, version in table.items() if key not in meanwhile} | theirs
        self.end_resync(meanwhile)

    def end_resync(self, meanwhile: set[int]) -> None:
        """It was not acknowledged."""
        self._meanwhile = [it for it in self._meanwhile if it is not meanwhile]

    def _note_order(self, key: int, hint_id: str) -> None:
        if found := OF_THE_QUEUE.fullmatch(hint_id):  # others say nothing of order
            number = int(found[1], 16)
            self.backwards += number < self._newest.get(key, 0)
            self._newest[key] = max(number, self._newest.get(key, 0))

    def _see(self, key: int, version: int | None) -> None:
        for each in self._meanwhile:
            each.add(key)
        if version is None:
            self.seen.pop(key, None)
            return
        self.backwards += version < self.seen.get(key, 0)
        self.seen[key] = version


@dataclass(kw_only=True)
class Ledger:
    """Of one run."""

    readers: list[Reader] = field(default_factory=list)
    phantoms: set[int] = field(default_factory=set)
    kills: Counter[str] = field(default_factory=Counter)
    _never: set[int] = field(default_factory=set)
    _disturbed_at: float = float("-inf")

    def reader(self) -> Reader:
        """One more."""
        self.readers.append(Reader())
        return self.readers[-1]

    def took_back(self, keys: Iterable[int]) -> None:
        """Rows with these keys were only in what was rolled back, and the server has said so."""
        self._never.update(keys)

    def hinted(self, keys: Iterable[int]) -> None:
        """To whomever."""
        self.phantoms.update(self._never.intersection(keys))

    def killed(self, what: str) -> None:
        """One of these."""
        self.kills[what] += 1

    def disturbed(self, now: float) -> None:
        """Something is being killed, or is coming back."""
        self._disturbed_at = now

    def gave_up(self, sessions: int, now: float) -> None:
        """So many sessions until now were given up by sidecars, whose calls were not answered in time: as if killed."""
        if sessions > self.kills[GIVEN_UP]:
            self.kills[GIVEN_UP] = sessions
            self.disturbed(now)

    def after_kill(self, now: float) -> bool:
        """Whether a kill explains what is odd now."""
        return now - self._disturbed_at < AFTERMATH_S

    def verdict(self, table: Versions) -> Verdict:
        """Beside what the table holds when nobody writes any more."""
        return Verdict(
            lost={key for reader in self.readers for key in _different(reader.seen, table)},
            phantoms=self.phantoms | (self._never & table.keys()),
            backwards=sum(reader.backwards for reader in self.readers),
            overlaps=sum(reader.overlaps for reader in self.readers),
            acknowledged=sum(reader.acknowledged for reader in self.readers),
            duplicates=sum(reader.duplicates for reader in self.readers),
            unexplained=sum(reader.unexplained for reader in self.readers),
            resyncs=sum((reader.resyncs for reader in self.readers), Counter()),
            kills=self.kills,
        )


def _different(seen: Versions, table: Versions) -> Iterable[int]:
    return (key for key in seen.keys() | table.keys() if seen.get(key) != table.get(key))
