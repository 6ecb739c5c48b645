"""Nothing is lost: what applications acknowledged is what the table holds, whoever is killed meanwhile.

16 writers abort, roll back to savepoints, commit late; others sit idle, one of them in a transaction. `make soak` does
it with a million changes, and with an application that is down for ten minutes.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from notifychannel_operator.spec import Delivery
from tests.checker.site import site
from tests.checker.trial import SEED, trial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
CHANGES = {Delivery.BEST_EFFORT: 15_000, Delivery.AT_LEAST_ONCE: 40_000}
"""What fits into a minute on two cores that are not idle; a million in `make soak`."""
ONE_IN = 10_000


@pytest.mark.parametrize("delivery", list(Delivery), ids=lambda it: it.value)
async def test_no_key_is_lost_while_everything_is_killed_at_random(delivery, record_property):
    """Mutants: a drain that never looks at `late`; a reclaim that does nothing."""
    verdict, before, figures = await trial(version=18, delivery=delivery, changes=CHANGES[delivery])
    record_property("figures", figures)
    assert verdict.is_clean, verdict
    if delivery is Delivery.AT_LEAST_ONCE:
        assert verdict.resyncs == before, "a job is never replaced by a resync"


async def test_the_checker_finds_who_forgets_one_hint_in_10_000():
    """A test of the checker: the application is the mutant."""
    async with site(version=18, delivery=Delivery.AT_LEAST_ONCE, seed=SEED, forgets_every=ONE_IN) as run:
        await run.write(3 * ONE_IN)
        verdict = await run.verdict()
    assert 1 <= len(verdict.lost) <= 3, verdict
    assert replace(verdict, lost=set()).is_clean, verdict
