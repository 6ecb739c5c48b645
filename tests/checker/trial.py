"""A run of the checker in chapters: each has kills at random, then long stretches without one, each judged."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.checker.site import Site
    from tests.checker.verdict import Verdict

CHAPTER = 100_000
PER_KILL = 2_000
STRETCH = 20_000
"""Changes of a calm one, at most: a sidecar that leaves a session by itself, on a busy machine, spoils one alone."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What it found."""

    verdict: Verdict
    took_s: float

    def __str__(self) -> str:
        return f"{self.took_s:.0f} s, {self.verdict.changes / self.took_s:,.0f} changes/s: {self.verdict}"


async def trial(run: Site, *, changes: int, on_progress: Callable[[Trial], None] = lambda _: None) -> Trial:
    """At least so many changes, half of them in calm; what is wrong is in the verdict. `on_progress`: so far."""
    ledger, started_s = run.ledger, time.monotonic()
    while ledger.committed < changes:
        until = min(ledger.committed + CHAPTER, changes)
        for what in run.deck():
            await run.write_and_kill(PER_KILL, what)
        so_far = Trial(verdict=await run.judge(), took_s=time.monotonic() - started_s)
        on_progress(so_far)
        while ledger.committed < until or ledger.calm < until / 2:
            await run.write(min(STRETCH, max(until - ledger.committed, PER_KILL)))
            so_far = Trial(verdict=await run.judge(), took_s=time.monotonic() - started_s)
        on_progress(so_far)
        await run.clear()
    return so_far
