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
COMBINATIONS = pytest.mark.parametrize("combination", list(Combination), ids=lambda it: it.name.lower())
CHANGES = 100_000
ONE_IN = 10_000


@COMBINATIONS
async def test_no_key_is_lost_while_everything_is_killed_at_random(combination, record_property):
    """Mutants: a drain that never looks at `late`; a reclaim that does nothing."""
    found = await trial(version=18, combination=combination, changes=CHANGES)
    record_property("figures", found)
    assert found.verdict.is_clean, found


@COMBINATIONS
async def test_the_checker_finds_whoever_loses_one_hint_in_10_000(combination):
    """A test of the checker: the mutant is in the database, and what it never tells is what is lost."""
    async with site(version=18, combination=combination) as run:
        await lose_keys(run.dsn())
        while not (dropped := await run.keys(DROPPED)):
            await run.write(ONE_IN)
        verdict = await run.judge()
    assert verdict.lost == dropped
    assert replace(verdict, lost=frozenset()).is_clean, verdict
