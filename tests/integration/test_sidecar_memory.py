"""A sidecar whose application is down while a million keys change holds its budget of them, and owns up to the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.application import Application
from tests.listening import channel, config
from tests.sidecar import SidecarProcess

KEYS = 1_000_000
PER_STATEMENT = 100
RULES = "0a1b2c3d"
WRITE = """
SELECT count(pg_notify('orders', (
    SELECT '1' || $1 || 'I' || to_char(extract(epoch FROM clock_timestamp()) * 1000000, 'FM0000000000000000')
        || string_agg(E'\\n[' || key || ']', '')
    FROM generate_series(first, first + $2 - 1) AS key)))
FROM generate_series($3::int, $4::int, $2::int) AS first
"""
"""What a trigger of ours sends for statements of a hundred rows each, here without the table."""
BATCH = 20_000
MIB = 1024


def peak_rss_mib(pid: int) -> float:
    """VmHWM (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / MIB


@pytest.fixture(scope="session")
def server(newest):
    """What is measured is in the sidecar."""
    return newest


@pytest.mark.slow
async def test_a_million_keys_while_the_application_is_down_are_one_resync_after(database, record_property):
    """Mutant: `Inbox(budget=…)` without `settings.max_keys`, or a budget that is never looked at."""
    admin = await database.connect()
    async with Application() as application:
        ours = channel(
            "orders", key=("id",), rules=RULES, port=application.port, path="/hints", poll_interval=0.0, timeout=30.0
        )
        async with SidecarProcess(config=config(ours), uri=database.dsn()) as sidecar:
            await sidecar.listens()
            assert (await application.next_post()).body["reason"] == "start"
            idle_mib = peak_rss_mib(sidecar.process.pid)
            await application.refuse()
            for first in range(1, KEYS, BATCH):
                await admin.execute(f"SET application_name = 'writer {first}'")
                await admin.fetchval(WRITE, RULES, PER_STATEMENT, first, first + BATCH - 1)
            await sidecar.says(lambda said: said["channels"]["orders"]["notifications"] == KEYS / PER_STATEMENT)
            assert await sidecar.metric("notifychannel_hints_received_total") == KEYS
            overflows = await sidecar.metric("notifychannel_overflows_total")
            pending = await sidecar.metric("notifychannel_pending_keys")
            peak_mib = peak_rss_mib(sidecar.process.pid)
            assert overflows >= 1
            assert pending <= 100_000
            await application.listen()
            await application.until(lambda posts: any(post.body["reason"] == "overflow" for post in posts))
            await admin.execute(f"NOTIFY orders, '1{RULES}I0000000000000000\n[0]'")
            await application.until(lambda posts: any({"id": 0} in post.keys for post in posts))
    after = [post.body["reason"] for post in application.posts if not post.body["hints"]]
    assert after == ["start", "overflow"]
    assert peak_mib < idle_mib + 150
    figures = {"idle_mib": idle_mib, "peak_mib": peak_mib, "overflows": overflows, "pending": pending}
    record_property("figures", json.dumps(figures))
