"""A run of the checker in chapters: each has kills at random, then a long stretch without one, both judged."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.checker.site import site

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.checker.shop import Combination
    from tests.checker.site import Site
    from tests.checker.verdict import Verdict

CHAPTER = 100_000
"""Changes of one at most, so that in its calm no sidecar has to remember more keys than it may."""
PER_KILL = 2_000


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What it found."""

    verdict: Verdict
    took_s: float

    def __str__(self) -> str:
        return f"{self.took_s:.0f} s, {self.verdict.changes / self.took_s:,.0f} changes/s: {self.verdict}"


async def trial(
    *, version: int, combination: Combination, changes: int, on_progress: Callable[[Trial], None] = lambda _: None
) -> Trial:
    """At least so many changes; what is found wrong is in the verdict. `on_progress`: so far, twice a chapter."""
    async with site(version=version, combination=combination) as run:
        started_s = time.monotonic()
        while (before := run.ledger.committed) < changes:
            for stretch in (_storm, _calm):
                await stretch(run, min(CHAPTER, changes - before) - (run.ledger.committed - before))
                so_far = Trial(verdict=await run.judge(), took_s=time.monotonic() - started_s)
                on_progress(so_far)
            await run.clear()
    return so_far


async def _storm(run: Site, _: int) -> None:
    """Each kind of kill at least once."""
    for what in run.deck():
        await run.write_and_kill(PER_KILL, what)


async def _calm(run: Site, changes: int) -> None:
    """No kill: every one of these changes is to be hinted by its key, and nothing else."""
    await run.write(max(changes, PER_KILL))
