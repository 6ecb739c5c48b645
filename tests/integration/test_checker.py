"""Nothing is lost: what applications acknowledged is what the table holds, whoever is killed meanwhile.

16 writers abort, roll back to savepoints, commit late; others sit idle, one of them in a transaction. First all is
killed that can be, then nothing. `make soak` does it with a million changes.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.checker.shop import DROPPED, Combination, lose_keys
from tests.checker.site import site
from tests.checker.trial import trial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
CHANGES = {Combination.NOTIFY: 50_000, Combination.OUTBOX: 50_000, Combination.DURABLE: 100_000}
"""What fits into ten minutes of all tests on two cores."""
A_FEW = 3_000


@pytest.mark.parametrize("combination", list(Combination), ids=lambda it: it.name.lower())
async def test_no_key_is_lost_while_everything_is_killed_at_random(combination, record_property):
    """Mutants: a drain that never looks at `late`; a reclaim that does nothing; and one that it tries itself."""
    async with site(version=18, combination=combination) as run:
        found = await trial(run, changes=CHANGES[combination])
        record_property("figures", str(found))
        assert found.verdict.is_clean, found
        await finds_whoever_loses_one_hint_in_10_000(run)


async def finds_whoever_loses_one_hint_in_10_000(run):
    """Whoever has just found nothing would have: the mutant is in the database, and what it never tells is lost."""
    await lose_keys(run.dsn())
    while not (dropped := await run.keys(DROPPED)):
        await run.write(A_FEW)
    verdict = await run.judge()
    assert verdict.lost == dropped
    assert replace(verdict, lost=frozenset()).is_clean, verdict
