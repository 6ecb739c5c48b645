"""What the queue has to be told of one channel's claims, and what it may have to be told later. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from notifychannel_sidecar.durable.settlement import Outcome, Settlement

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from notifychannel_sidecar.durable.claim import Claim


class Settlements:
    """Told once: those of a call are under way until `told` or `lose`. Seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, Claim]] = []
        self._settled: list[Settlement] = []
        self._telling: list[Settlement] = []
        """Of a call that is under way."""

    def __len__(self) -> int:
        """Claims that the queue has not been told of."""
        return len(self._kept) + len(self._settled)

    @property
    def due_at(self) -> float:
        """When `take` has something."""
        return -math.inf if self._settled else min((until_s for until_s, _ in self._kept), default=math.inf)

    def add(
        self,
        outcome: Outcome,
        error: str | None,
        claims: Iterable[Claim],
        on_told: Callable[[bool], None] | None = None,
    ) -> None:
        """Have an outcome of these to tell. `on_told`: whether the queue has heard of it."""
        self._settled += [Settlement(claim, outcome, error, on_told) for claim in claims]

    def keep(self, claims: Iterable[Claim], until_s: float) -> None:
        """Somebody may work on these until then: they can be taken up again, or go back."""
        self._kept += [(until_s, claim) for claim in claims]

    def take_up(self, keys: Container[str]) -> list[Claim]:
        """Those that are kept under these keys, and kept no more."""
        found = [claim for _, claim in self._kept if claim.key in keys]
        self._kept = [(until_s, claim) for until_s, claim in self._kept if claim.key not in keys]
        return found

    def take(self, clock_s: float) -> list[Settlement]:
        """What the queue has to be told now."""
        self.add(Outcome.BACK, None, [claim for until_s, claim in self._kept if until_s <= clock_s])
        self._kept = [(until_s, claim) for until_s, claim in self._kept if until_s > clock_s]
        self._telling, self._settled = self._settled, []
        return self._telling

    def told(self) -> None:
        """The queue has heard of what was taken last."""
        told, self._telling = self._telling, []
        _say(told, is_told=True)

    def lose(self) -> None:
        """The claims are not ours any more, and nobody will hear of them."""
        lost = [*self._telling, *self._settled]
        self._kept, self._settled, self._telling = [], [], []
        _say(lost, is_told=False)


def _say(settlements: Iterable[Settlement], *, is_told: bool) -> None:
    for it in settlements:
        if it.on_told is not None:
            it.on_told(is_told)
