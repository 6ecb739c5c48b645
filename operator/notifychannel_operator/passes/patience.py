"""Which steps of a channel's plan wait behind somebody's lock, and until when. Pure: told the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from notifychannel_operator import plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from notifychannel_operator.passes.whereabouts import Ref
    from notifychannel_operator.step import Step

BEHIND_A_PASS_S = 1.0
"""Another pass holds its lock for milliseconds; there is nobody to be patient with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One step that gave up."""

    attempt: int
    until_s: float
    sentence: str
    """What was said when it gave up: it stays the message until the next try."""


@dataclass(slots=True)
class Patience:
    """Per channel and function; forgotten when the step was taken or is not wanted any more."""

    _waiting: dict[Ref, dict[str, Waiting]] = field(default_factory=dict)

    def held(self, ref: Ref, steps: Iterable[Step], now_s: float) -> dict[str, Waiting]:
        """Of these steps those that are not to be tried yet, by `key`."""
        return {name: it for name, it in self.waiting(ref, steps).items() if it.until_s > now_s}

    def waiting(self, ref: Ref, steps: Iterable[Step]) -> dict[str, Waiting]:
        """Of these steps those that gave up and were not taken since, by `key`; steps that are gone are forgotten."""
        wanted = {key(step) for step in steps}
        kept = {name: it for name, it in self._waiting.get(ref, {}).items() if name in wanted}
        self._keep(ref, kept)
        return kept

    def gave_up(self, ref: Ref, step: Step, sentence: str, now_s: float, *, behind_a_pass: bool) -> None:
        """Count one more vain attempt."""
        mine = self._waiting.setdefault(ref, {})
        before = mine.get(key(step))
        attempt = before.attempt if before else 0
        if behind_a_pass:
            mine[key(step)] = Waiting(attempt=attempt, until_s=now_s + BEHIND_A_PASS_S, sentence=sentence)
            return
        until_s = now_s + plan.next_try(attempt + 1)
        mine[key(step)] = Waiting(attempt=attempt + 1, until_s=until_s, sentence=sentence)

    def taken(self, ref: Ref, step: Step) -> None:
        """It went through: the next time begins anew."""
        mine = self._waiting.get(ref, {})
        mine.pop(key(step), None)
        self._keep(ref, mine)

    def forget(self, ref: Ref) -> None:
        """The channel is gone, or says something else."""
        self._waiting.pop(ref, None)

    def next_in_s(self, ref: Ref, now_s: float) -> float | None:
        """Seconds until the first of its steps is to be tried again."""
        mine = self._waiting.get(ref, {})
        return max(0.0, min(it.until_s for it in mine.values()) - now_s) if mine else None

    def _keep(self, ref: Ref, mine: dict[str, Waiting]) -> None:
        if mine:
            self._waiting[ref] = mine
        else:
            self._waiting.pop(ref, None)


def key(step: Step) -> str:
    """What tells a channel's steps apart: the function, or what is shared."""
    return f"{step.kind.value}:{step.function}" if step.function is None else step.function
