"""A fleet that never rests, and an alert a second; and alerts that nobody is told of."""

from __future__ import annotations

import asyncio
import os
import signal

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
UNHEARD_S, UNHEARD = 30.0, 20
"""Alerts of so many devices, none later than that."""
UNHEARD_AFTER = f"{SENT_AFTER} WHERE j.delivered_at IS NOT NULL AND t.device_id LIKE 'hot-' || $1 || '-%'"
UNHEARD_HOT = "INSERT INTO telemetry (tenant_id, device_id, celsius) VALUES (1, 'hot-' || $1 || '-' || $2::int, 95)"
STILL_UNSENT = f"SELECT $2::int - count(*) FROM ({UNHEARD_AFTER}) AS sent"
ENDED = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1"


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


async def unheard(started, why):
    """An alert every 1.7 s, so that polls and nets are at every point of their times; how late each was, in seconds."""
    for number in range(UNHEARD):
        await started.admin.execute(UNHEARD_HOT, why, number)
        await asyncio.sleep(1.7)
    await none_is_left(started.admin, STILL_UNSENT, why, UNHEARD)
    return [row[0] for row in await started.admin.fetch(UNHEARD_AFTER, why)]


async def test_example_alerts_of_which_nobody_is_told_are_delivered_within_30_s(database, tmp_path, record_property):
    """By its own manifests. The sidecars' role is let in no more; then the sidecars are frozen."""

    def as_another_role(service):
        service["command"] = ["env", f"DATABASE_URL={database.dsn()}", *service["command"]]

    async with example("iot-alerts", database, tmp_path, serve=as_another_role) as started:
        owner = next(iter(database.passwords))
        await started.admin.execute(f'ALTER ROLE "{owner}" CONNECTION LIMIT 0')
        await started.admin.execute(ENDED, owner)
        deaf = await unheard(started, "deaf")
        assert "LISTENING" not in {(await started.status(it))["state"] for it in started.status_ports}
        await started.admin.execute(f'ALTER ROLE "{owner}" CONNECTION LIMIT -1')
        for service in started.status_ports:
            await started.until(lambda it=service: started.status(it), lambda it: it["state"] == "LISTENING")
        pids = started.program.children("notifychannel_sidecar")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            frozen = await unheard(started, "frozen")
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        assert max(deaf + frozen) < UNHEARD_S
    record_property(
        "figures",
        f"{UNHEARD} alerts by polls, sidecars locked out: delivered after {milliseconds(deaf)}; "
        f"{UNHEARD} by the services' nets, sidecars frozen: {milliseconds(frozen)}; promised 30 s",
    )
