"""A server that is full: whoever is thrown out gets no connection back for a while, nor does an application."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import AsyncExitStack, suppress

import asyncpg
import pytest

from tests.examples import example
from tests.servers import quick
from tests.soak.load import none_is_left

pytestmark = pytest.mark.timeout(3600)
MAX_CONNECTIONS, FULL_S = 40, 60.0
COMMENT = """
INSERT INTO note_comments (note_id, country, region, event) SELECT id, country, region, 'commented' FROM notes
"""
MISSING = """
SELECT count(*) FROM note_comments c WHERE NOT EXISTS (SELECT FROM facts f WHERE f.comment_id = c.id)
"""
OTHERS_END = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1 AND pid <> ALL ($2)"
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'nch%'"
RECONNECTED = re.compile(r'^notifychannel_reconnections_total{reason="TooManyConnections"} (\S+)$', re.MULTILINE)


@pytest.fixture(scope="session")
def server():
    with quick(18, {"max_connections": str(MAX_CONNECTIONS)}) as running:
        yield running


class Crowd:
    """Takes every connection that there is, and each that becomes free."""

    def __init__(self, dsn, stack):
        self.dsn, self.stack = dsn, stack
        self.pids = []

    async def fill(self):
        """Until the server says that it is full."""
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                connection = await asyncpg.connect(self.dsn)
                self.stack.push_async_callback(connection.close)
                self.pids.append(connection.get_server_pid())


async def test_example_comments_on_a_server_that_is_full_all_become_facts_when_it_is_not(
    database, tmp_path, record_property
):
    """`max_connections` itself is reached, not a role's limit; what is written meanwhile is written by who is in."""
    async with example("note-analytics", database, tmp_path) as started:
        admin = started.admin
        await admin.execute("INSERT INTO notes (country, region) VALUES ('DE', 'europe'), ('BR', 'americas')")
        owner = next(iter(database.passwords))
        async with AsyncExitStack() as stack:
            crowd = Crowd(database.dsn(owner), stack)
            until = time.monotonic() + FULL_S
            while time.monotonic() < until:
                await crowd.fill()
                await admin.execute(OTHERS_END, owner, crowd.pids)
                await crowd.fill()
                await admin.execute(COMMENT)
                await asyncio.sleep(0.05)
            with pytest.raises(asyncpg.TooManyConnectionsError):
                await asyncpg.connect(crowd.dsn)
            assert await admin.fetchval(OURS) == 0
            waiting = await admin.fetchval(MISSING)
            texts = [await started.metrics(service) for service in started.status_ports]
            refused = [sum(map(float, RECONNECTED.findall(text))) for text in texts]
            assert all(refused)
        began = time.monotonic()
        await none_is_left(admin, MISSING)
        took_s = time.monotonic() - began
        await started.until_row("SELECT count(*) = 0 FROM notifychannel.jobs")
    record_property(
        "figures",
        f"all {MAX_CONNECTIONS} connections taken by others for {FULL_S:.0f} s, sidecars refused {sum(refused):.0f} "
        f"times: {waiting} comments waited, all were facts {took_s:.1f} s after, and none is a dead letter",
    )
