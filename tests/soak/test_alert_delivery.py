"""Alerts of a thousand writers at once."""

from __future__ import annotations

import resource
import time

import pytest

from notifychannel_cli.embedded import Server
from notifychannel_cli.embedded_binaries import FOLDERS
from tests.examples import example
from tests.figures import durations_of_inserts, percentiles
from tests.soak.load import CHANGES, none_is_left
from tests.webhooks import Webhooks

pytestmark = pytest.mark.timeout(3600)
ALERTS, WRITERS = max(1000, CHANGES // 100), 1000
CONNECTIONS = WRITERS + 100
INSERT = "INSERT INTO {} (webhook, message) VALUES ('chat', 'disk full')"
BARE = """
CREATE TABLE bare (LIKE alert_notification_queue INCLUDING ALL, FOREIGN KEY (webhook) REFERENCES webhooks (name))
"""
WRITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'INSERT INTO bare%'"
UNDELIVERED = """
SELECT count(*) FROM alert_notification_queue a
WHERE NOT EXISTS (SELECT FROM alert_deliveries d WHERE d.alert_id = a.id)
"""


@pytest.fixture(scope="module")
def server():
    """With fsync, and room for the writers, of which each is a file here."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with Server(version=max(FOLDERS), settings={"max_connections": str(CONNECTIONS)}) as running:
        yield running


async def test_example_alerts_of_a_thousand_writers_at_once_are_all_delivered(database, tmp_path, record_property):
    """Each writer has a connection of its own; what an insert takes is said beside that into a table of nobody's."""
    async with (
        Webhooks() as hooks,
        example("alert-delivery", database, tmp_path, without=("receiver",)) as started,
    ):
        await started.admin.execute("UPDATE webhooks SET url = $1 || name", hooks.url(""))
        await started.admin.execute(BARE)
        load = {"number": ALERTS, "at_once": WRITERS}
        bare_s, bare = await durations_of_inserts(database, INSERT.format("bare"), **load)
        await none_is_left(started.admin, WRITING)
        began = time.monotonic()
        inserted_s, each = await durations_of_inserts(database, INSERT.format("alert_notification_queue"), **load)
        await none_is_left(started.admin, UNDELIVERED)
        took_s = time.monotonic() - began
        assert len({call.body["alert"] for call in hooks.calls}) == ALERTS
    record_property(
        "figures",
        f"{ALERTS:,} alerts of {WRITERS:,} writers at once delivered, none lost, in {took_s:.0f} s with their "
        f"connecting; an insert took {percentiles(each)}, all {inserted_s:.1f} s (into a bare table "
        f"{percentiles(bare)}, all {bare_s:.1f} s)",
    )
