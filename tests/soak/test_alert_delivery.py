"""Alerts of a hundred writers at once."""

from __future__ import annotations

import time

import pytest

from tests.examples import example
from tests.figures import seconds_of_inserts
from tests.soak.load import CHANGES, none_is_left
from tests.webhooks import Webhooks

pytestmark = pytest.mark.timeout(3600)
ALERTS, WRITERS = max(1000, CHANGES // 100), 100
INSERT = "INSERT INTO alert_notification_queue (webhook, message) VALUES ('chat', 'disk full')"
UNDELIVERED = """
SELECT count(*) FROM alert_notification_queue a
WHERE NOT EXISTS (SELECT FROM alert_deliveries d WHERE d.alert_id = a.id)
"""


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
        inserted_s = await seconds_of_inserts(database, INSERT, number=ALERTS, at_once=WRITERS)
        await none_is_left(started.admin, UNDELIVERED)
        took_s = time.monotonic() - began
        assert len({call.body["alert"] for call in hooks.calls}) == ALERTS
    record_property(
        "figures",
        f"{ALERTS:,} alerts of {WRITERS} writers delivered, none lost, in {took_s:.0f} s, of which "
        f"their inserts took {inserted_s:.0f} s",
    )
