"""`make rivals` with small numbers: ours and the poll lose nothing when they are away. Rivals only where installed."""

from __future__ import annotations

import pytest

from tests.rivals.ours import OURS
from tests.rivals.program import POLL
from tests.rivals.run import QUICK, measured

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.mark.parametrize("rival", [*OURS, POLL], ids=lambda it: it.name)
async def test_whoever_was_killed_tells_of_what_was_written_while_it_was_away(rival):
    """By a resync, by the queue, or by a `last` that was kept."""
    found = await measured(rival, QUICK)
    assert found.lost == 0, found
    assert found.written >= QUICK.per_second * QUICK.away_s
    assert 0 < found.p50_ms <= found.p99_ms
    assert found.told_per_s > 0
    assert found.memory_mib > 0
