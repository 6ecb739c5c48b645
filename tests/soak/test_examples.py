"""The loads of examples, large: `make soak ONLY=example`. The small ones are in tests/integration/test_example_*.py."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from tests.examples import example
from tests.figures import milliseconds, ratio_of_inserts
from tests.webhooks import Webhooks

pytestmark = pytest.mark.timeout(3600)
CHANGES = int(os.environ.get("SOAK_CHANGES", "1000000"))
ALERTS, WRITERS = max(1000, CHANGES // 100), 100
STEADY_S, STEADY_RATE = 60.0, 100
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
DEVICES, FLEET_RATE = 200, 500
FLEET = """
INSERT INTO telemetry (tenant_id, device_id, celsius)
SELECT 1, 'device-' || floor(random() * $1)::int, 20 + 40 * random() FROM generate_series(1, $2::int)
"""
HOT = "INSERT INTO telemetry (tenant_id, device_id, celsius) VALUES (1, 'hot-' || $1::int, 95)"
UNEVALUATED = "SELECT count(*) FROM telemetry WHERE NOT evaluated"
UNSENT = "SELECT $1::int - count(*) FROM delivery_jobs WHERE status = 'delivered'"
SENT_AFTER = """
SELECT extract(epoch FROM j.delivered_at - t.measured_at)::float8 FROM delivery_jobs j
JOIN fleet_alert a ON a.id = j.alert_id JOIN telemetry t ON t.id = a.telemetry_id
"""
UNDELIVERED = """
SELECT count(*) FROM alert_notification_queue a
WHERE NOT EXISTS (SELECT FROM alert_deliveries d WHERE d.alert_id = a.id)
"""


async def none_is_left(admin, query, *arguments):
    """For longer than `until_row` would wait."""
    while await admin.fetchval(query, *arguments):  # noqa: ASYNC110 - the server can only be asked
        await asyncio.sleep(0.2)


@pytest.fixture(scope="session")
def server(newest):
    return newest


async def test_example_alerts_of_a_hundred_writers_at_once_are_all_delivered(database, tmp_path, record_property):
    async with (
        Webhooks() as hooks,
        example("alert-delivery", database, tmp_path, without=("receiver",)) as started,
    ):
        await started.admin.execute("UPDATE webhooks SET url = $1 || name", hooks.url(""))
        began = time.monotonic()
        slowdown = await ratio_of_inserts(
            database, "INSERT INTO {} (webhook, message) VALUES ('chat', 'disk full')", "alert_notification_queue",
            number=ALERTS, at_once=WRITERS,
        )  # fmt: skip
        await none_is_left(started.admin, UNDELIVERED)
        took_s = time.monotonic() - began
        assert len({call.body["alert"] for call in hooks.calls}) == ALERTS
    record_property(
        "figures",
        f"{ALERTS:,} alerts of {WRITERS} writers delivered, none lost, in {took_s:.0f} s; their inserts took "
        f"{slowdown:.2f} of a table without",
    )


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


async def test_example_telemetry_of_a_fleet_is_evaluated_whole_and_its_alerts_are_delivered(
    database, tmp_path, record_property
):
    async with example("iot-alerts", database, tmp_path) as started:
        admin = started.admin
        loop = asyncio.get_running_loop()
        began = loop.time()
        for turn in range(int(STEADY_S * 10)):
            await admin.execute(FLEET, DEVICES, FLEET_RATE // 10)
            if turn % 10 == 0:
                await admin.execute(HOT, turn)
            await asyncio.sleep(max(0.0, began + (turn + 1) / 10 - loop.time()))  # the rate is what is tested
        await none_is_left(admin, UNEVALUATED)
        await none_is_left(admin, UNSENT, int(STEADY_S))
        rows, evaluations = await admin.fetchrow(
            "SELECT (SELECT count(*) FROM telemetry), (SELECT sum(evaluations)::bigint FROM device_state)"
        )
        sent = milliseconds([row[0] for row in await admin.fetch(SENT_AFTER)])
    record_property(
        "figures",
        f"{rows:,} rows of {DEVICES} devices in {STEADY_S:.0f} s were {evaluations:,} evaluations; meanwhile an alert "
        f"a second was delivered after {sent}",
    )
