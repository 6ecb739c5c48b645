"""A fleet that never rests, and an alert a second."""

from __future__ import annotations

import asyncio

import pytest

from tests.examples import example
from tests.figures import milliseconds
from tests.soak.load import STEADY_S, none_is_left

pytestmark = pytest.mark.timeout(3600)
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


@pytest.fixture(scope="session")
def server(newest):
    return newest


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
