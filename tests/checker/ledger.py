"""What writers committed and took back, what applications acknowledged, what was killed; and the verdict on it.

A run is judged by stretches: at the end of each everything has been told, and readers begin the next knowing the table.
So nothing that is told later hides what was lost before, and in a stretch without kills every change has to be hinted
by its key. Pure: it is told the time. Knows nothing of how hints travel, so it judges every capture and delivery alike.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.checker.kills import Kills
from tests.checker.reader import Change, Reader, different
from tests.checker.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.checker.reader import Versions


@dataclass(kw_only=True)
class Ledger:
    """Of one run."""

    readers: list[Reader] = field(default_factory=list)
    kills: Kills = field(default_factory=Kills)
    committed: int = 0
    calm: int = 0
    """Of these, those of whole stretches in which nothing was killed."""
    lost: set[int] = field(default_factory=set)
    hidden: set[int] = field(default_factory=set)
    phantoms: set[int] = field(default_factory=set)
    _changes: dict[int, Change] = field(default_factory=dict)
    """Key → its last change of this stretch."""
    _never: set[int] = field(default_factory=set)
    _before: int = 0
    """Committed before this stretch."""

    def reader(self) -> Reader:
        """One more."""
        self.readers.append(Reader(kills=self.kills, changes=self._changes))
        return self.readers[-1]

    def changed(self, keys: Iterable[int], *, sent_s: float, now_s: float) -> None:
        """The server has said that it committed them."""
        change = Change(sent_s, now_s)
        for key in keys:
            self.committed += 1
            self._changes[key] = change

    def may_have_changed(self, keys: Iterable[int], *, sent_s: float, now_s: float) -> None:
        """COMMIT was sent, and nobody knows what became of it: as it is kinder to whom is judged."""
        for key in keys:
            before = self._changes.get(key)
            self._changes[key] = Change(sent_s if before is None else min(before.sent_s, sent_s), now_s)

    def took_back(self, keys: Iterable[int]) -> None:
        """Rows with these keys were only in what was rolled back, and the server has said so."""
        self._never.update(keys)

    def hinted(self, keys: Iterable[int]) -> None:
        """To whomever."""
        self.phantoms.update(self._never.intersection(keys))

    def judge(self, table: Versions) -> Verdict:
        """Beside what the table holds when nobody writes any more and all has been told; and a new stretch begins."""
        for reader in self.readers:
            self.lost |= different(reader.seen, table)
            self.hidden |= reader.hidden()
        self.phantoms |= self._never & table.keys()
        if self.kills.none:
            self.calm += self.committed - self._before
        self.begin_stretch(table)
        return self.verdict()

    def begin_stretch(self, table: Versions) -> None:
        """Everybody knows these rows, by whatever way, and nothing is on its way."""
        for reader in self.readers:
            reader.begin_stretch(table)
        self._changes.clear()
        self._never.clear()
        self._before = self.committed
        self.kills.forget()

    def verdict(self) -> Verdict:
        """So far."""
        readers = self.readers
        return Verdict(
            lost=frozenset(self.lost),
            hidden=frozenset(self.hidden),
            phantoms=frozenset(self.phantoms),
            backwards=sum(reader.backwards for reader in readers),
            overlaps=sum(reader.overlaps for reader in readers),
            changes=self.committed,
            calm=self.calm,
            acknowledged=sum(reader.acknowledged for reader in readers),
            looked=sum(reader.looked for reader in readers),
            duplicates=sum(reader.duplicates for reader in readers),
            unexplained=sum(reader.unexplained for reader in readers),
            resyncs=sum((reader.resyncs for reader in readers), Counter()),
            unasked=sum((reader.unasked for reader in readers), Counter()),
            kills=self.kills.counts,
        )
