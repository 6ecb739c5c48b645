"""One who has to know every row: an application of its own, or all pods of a group that share a queue.

Pure. What it knows by hints stands by itself; what a resync told it first has to be excused by a kill.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.checker.kills import FLIGHT_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.checker.kills import Kills

OF_THE_QUEUE = re.compile("([0-9a-f]+)-[0-9a-f]{12}")
"""A hint's id that begins with the version of its key."""

Versions = dict[int, int]
"""Key → version of its row; a row that is gone has none."""


class Change(NamedTuple):
    """When its COMMIT was sent, and when its end was known."""

    sent_s: float
    known_s: float


class Look(NamedTuple):
    """A resync that told something new: when it was POSTed, and since when changes may have gone unheard before it."""

    posted_s: float
    since_s: float

    def excuses(self, change: Change | None) -> bool:
        """Nobody had to hint it: it was made in that gap."""
        return change is not None and change.sent_s <= self.posted_s and change.known_s >= self.since_s


@dataclass(kw_only=True)
class Reader:
    """What it knows, and what was wrong with the way in which it got to know it."""

    kills: Kills
    changes: Mapping[int, Change]
    """Key → its last change in this stretch."""
    seen: Versions = field(default_factory=dict)
    acknowledged: int = 0
    duplicates: int = 0
    unexplained: int = 0
    """Of these, those that no kill explains."""
    backwards: int = 0
    overlaps: int = 0
    resyncs: Counter[str] = field(default_factory=Counter)
    unasked: Counter[str] = field(default_factory=Counter)
    """Of these, those that no kill explains."""
    looked: int = 0
    """Keys that were excused."""
    escalated: Counter[int] = field(default_factory=Counter)
    """Key → how often somebody was told that nobody has acknowledged it."""
    owes_look: bool = False
    """A resync was refused, so it will come again."""
    _looks: dict[int, list[Look]] = field(default_factory=dict)
    """Key → the resyncs by which alone it is known as it is: one that told it, and those that saw the same after."""
    _fronts: list[tuple[float, float]] = field(default_factory=list)
    """When something was acknowledged, and the time of the latest change that had been hinted by then."""
    _ids: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Id → the pod that POSTed it, and when."""
    _newest: dict[int, int] = field(default_factory=dict)
    _working: set[int] = field(default_factory=set)
    _meanwhile: list[set[int]] = field(default_factory=list)

    def begin(self, keys: Iterable[int]) -> None:
        """A request with these keys came."""
        for key in keys:
            self.overlaps += key in self._working
            self._working.add(key)

    def give_up(self, keys: Iterable[int]) -> None:
        """It was not acknowledged."""
        self._working.difference_update(keys)

    def give_up_all(self) -> None:
        """Who asked, and alone asks here, is dead."""
        self._working.clear()

    def acknowledge(self, hints: Mapping[int, str], read: Versions, *, pod: str, posted_s: float, now_s: float) -> None:
        """Key → id of hints that this pod POSTed, whose rows were `read`, and who is about to be answered 2xx."""
        self.acknowledged += len(hints)
        self._working.difference_update(hints)
        known = [self.changes[key].known_s for key in hints if key in self.changes]
        self._fronts.append((now_s, max([*known, self._front(math.inf)])))
        for key, hint_id in hints.items():
            self._note(key, hint_id, pod, posted_s, now_s)
            self._see(key, read.get(key))

    def begin_resync(self) -> set[int]:
        """One came; the keys that are told of meanwhile, to be handed back with it."""
        self._meanwhile.append(set())
        return self._meanwhile[-1]

    def resync(self, reason: str, table: Versions, meanwhile: set[int], *, pod: str, posted_s: float) -> None:
        """Every row was read; of what others were told meanwhile they know better."""
        self.resyncs[reason] += 1
        kill = self.kills.resync(pod, reason, posted_s)
        if kill is None:
            self.unasked[reason] += 1
        look = Look(posted_s, math.inf if kill is None else self._front(kill.began_s) - FLIGHT_S)
        for key in (different(self.seen, table) | self._looks.keys()) - meanwhile:
            self._looks.setdefault(key, []).append(look)
        theirs = {key: self.seen[key] for key in meanwhile if key in self.seen}
        self.seen = {key: version for key, version in table.items() if key not in meanwhile} | theirs
        self._end_resync(meanwhile)
        self.owes_look = False

    def refuse_resync(self, meanwhile: set[int]) -> None:
        """It was not acknowledged."""
        self._end_resync(meanwhile)
        self.owes_look = True

    def was_hinted(self, key: int, version: int) -> bool:
        """It knows this version or a later one, and by a hint; and no resync is on its way to it."""
        has_it = self.seen.get(key, -1) >= version and key not in self._looks
        return has_it and not self._meanwhile and not self.owes_look

    def hidden(self) -> set[int]:
        """Keys that it knows only by a resync that is no excuse."""
        found = {
            key for key, looks in self._looks.items() if not any(look.excuses(self.changes.get(key)) for look in looks)
        }
        self.looked += len(self._looks) - len(found)
        return found

    def begin_stretch(self, table: Versions) -> None:
        """It knows these rows, and nothing is on its way."""
        self.seen = dict(table)
        self._looks.clear()
        self._fronts.clear()
        self._ids.clear()
        self._newest = {key: number for key, number in self._newest.items() if key in table}

    def _front(self, now_s: float) -> float:
        number = bisect_left(self._fronts, (now_s,))
        return min(now_s, self._fronts[number - 1][1]) if number else -math.inf

    def _end_resync(self, meanwhile: set[int]) -> None:
        self._meanwhile = [it for it in self._meanwhile if it is not meanwhile]

    def _note(self, key: int, hint_id: str, pod: str, posted_s: float, now_s: float) -> None:
        if first := self._ids.get(hint_id):
            self.duplicates += 1
            self.unexplained += not self.kills.explain_duplicate(*first, now_s)
        else:
            self._ids[hint_id] = (pod, posted_s)
        if found := OF_THE_QUEUE.fullmatch(hint_id):  # others say nothing of order
            number, newest = int(found[1], 16), self._newest.get(key, 0)
            self.backwards += number < newest or (number == newest and not first)
            self._newest[key] = max(number, newest)

    def _see(self, key: int, version: int | None) -> None:
        for each in self._meanwhile:
            each.add(key)
        self._looks.pop(key, None)
        if version is None:
            self.seen.pop(key, None)
            return
        self.backwards += version < self.seen.get(key, 0)
        self.seen[key] = version


def different(one: Versions, other: Versions) -> set[int]:
    """Keys of which they say different things."""
    return {key for key, _ in one.items() ^ other.items()}
