"""A run of the checker: so many changes while everything is killed at random, and the verdict."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.checker.killer import DECK
from tests.checker.site import site

if TYPE_CHECKING:
    from collections import Counter

    from notifychannel_operator.spec import Delivery
    from tests.checker.ledger import Verdict

SEED = 5
CHUNK = 2_000
KILL_EVERY_S = 2.0


async def trial(*, version: int, delivery: Delivery, changes: int) -> tuple[Verdict, Counter[str], str]:
    """At least `changes`, and until each kind of kill was dealt; verdict, the resyncs before it began, and figures."""
    async with site(version=version, delivery=delivery, seed=SEED) as run:
        before = run.ledger.verdict({}).resyncs
        started_s, written = time.monotonic(), 0
        async with run.killing(every_s=KILL_EVERY_S):
            while written < changes or not all(run.ledger.kills[what] for what in DECK):
                await run.write(CHUNK)
                written += CHUNK
        wrote_s = time.monotonic() - started_s
        verdict = await run.verdict()
    took_s = time.monotonic() - started_s
    return verdict, before, f"{written:,} changes in {wrote_s:.0f} s, all told after {took_s:.0f} s: {verdict}"
