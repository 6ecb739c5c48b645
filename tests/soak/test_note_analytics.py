"""Comments at a steady rate, and very many at once."""

from __future__ import annotations

import asyncio

import pytest

from tests.examples import example
from tests.figures import milliseconds
from tests.soak.load import CHANGES, STEADY_RATE, STEADY_S, none_is_left

pytestmark = pytest.mark.timeout(3600)
BURST = max(2000, CHANGES // 10)
COMMENTS = """
INSERT INTO note_comments (note_id, country, region, event)
SELECT n.id, n.country, n.region, 'commented' FROM notes n, generate_series(1, $1::int)
"""
MISSING = """
SELECT count(*) FROM note_comments c WHERE NOT EXISTS (SELECT FROM facts f WHERE f.comment_id = c.id)
"""
LATENCIES = """
SELECT extract(epoch FROM f.processed_at - c.created_at)::float8 FROM facts f JOIN note_comments c ON c.id = comment_id
"""


@pytest.fixture(scope="session")
def server(newest):
    return newest


async def test_example_comments_at_a_steady_rate_and_in_a_burst_all_become_facts(database, tmp_path, record_property):
    async with example("note-analytics", database, tmp_path) as started:
        admin = started.admin
        await admin.execute("INSERT INTO notes (country, region) VALUES ('DE', 'europe'), ('BR', 'americas')")
        loop = asyncio.get_running_loop()
        began = loop.time()
        for turn in range(int(STEADY_S * 10)):
            await admin.execute(COMMENTS, STEADY_RATE // 20)
            await asyncio.sleep(max(0.0, began + (turn + 1) / 10 - loop.time()))  # the rate is what is tested
        await none_is_left(admin, MISSING)
        steady = milliseconds([row[0] for row in await admin.fetch(LATENCIES)])
        began = loop.time()
        for _ in range(BURST // 1000):  # below maxKeys, so that each is a key
            await admin.execute(COMMENTS, 500)
        await none_is_left(admin, MISSING)
        burst_s = loop.time() - began
    record_property(
        "figures",
        f"{STEADY_RATE} comments/s for {STEADY_S:.0f} s: facts after {steady} (a batch waits up to 5 s to fill); "
        f"{BURST:,} in a burst: {burst_s:.0f} s",
    )
