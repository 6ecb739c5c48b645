"""What an insert pays in examples/alert-delivery: no more than the benchmark says of jobs."""

from __future__ import annotations

import statistics

import pytest

from notifychannel_cli.embedded import Server
from notifychannel_cli.embedded_binaries import FOLDERS
from notifychannel_cli.install import install
from notifychannel_operator.spec import Capture, Consumer, Delivery, Endpoint, Event, Rule
from tests.examples import example
from tests.figures import seconds_of_inserts
from tests.premises import channel, source

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

LIKE_IT = """
CREATE TABLE {} (LIKE alert_notification_queue INCLUDING ALL, FOREIGN KEY (webhook) REFERENCES webhooks (name))
"""
INSERT = "INSERT INTO {} (webhook, message) VALUES ('chat', 'disk full')"
TABLE, BARE, BENCHMARK = "alert_notification_queue", "bare", "benchmark"
AS_BENCHMARK = channel(
    source(BENCHMARK, Rule(name="changed", events=(Event.INSERT,))), name="benchmark", capture=Capture.OUTBOX,
    consumers=(
        Consumer(group="bench", endpoint=Endpoint(port=1, path="/hints"), delivery=Delivery.AT_LEAST_ONCE),
    ),
)  # fmt: skip
WAITING = "SELECT count(*) FROM notifychannel.outbox_logged"
CAPTURED = "SELECT count(*) FROM notifychannel.jobs WHERE channel = $1 AND key <> ''"
ALERTS, AT_ONCE, ROUNDS = 1000, 20, 3
MOST = 3
"""A guard; what is measured is one."""


@pytest.fixture(scope="module")
def server():
    """With fsync, as `notifychannel bench` has it."""
    with Server(version=max(FOLDERS)) as running:
        yield running


def rests(document):
    """What is captured is merged and waits, as the benchmark's: to deliver it would take the same cores."""
    for consumer in document["spec"]["consumers"]:
        consumer["debounce"] = {"window": "10m", "maxDelay": "10m"}


async def test_an_insert_pays_what_the_benchmark_says_of_jobs(database, tmp_path, record_property):
    """Beside two copies of the table: one that nobody captures, one that is captured as the benchmark's."""
    async with example("alert-delivery", database, tmp_path, change=rests, without=("receiver",)) as started:
        (owner,) = database.passwords
        for table in (BARE, BENCHMARK):
            await (await database.connect(owner)).execute(LIKE_IT.format(table))
        await install((AS_BENCHMARK,), dsn=database.dsn(owner), installation="bench")
        rounds = {BARE: [], BENCHMARK: [], TABLE: []}
        for _ in range(ROUNDS):
            for table, seconds in rounds.items():
                insert = INSERT.format(table)
                seconds.append(await seconds_of_inserts(database, insert, number=ALERTS, at_once=AT_ONCE))
                await started.until_row(WAITING, holds=lambda it: it == 0)
        for name, groups in (("benchmark", 1), ("alerts", 2)):
            assert await started.admin.fetchval(CAPTURED, name) == groups * ROUNDS * ALERTS
    took = {table: statistics.median(seconds) for table, seconds in rounds.items()}
    record_property(
        "figures",
        f"{ALERTS} inserts by {AT_ONCE} at once take {took[TABLE] / took[BARE]:.2f} of a bare table's time; where the "
        f"capture is the benchmark's {took[BENCHMARK] / took[BARE]:.2f} (bare: {took[BARE] * 1000:.0f} ms)",
    )
    assert took[TABLE] < MOST * took[BENCHMARK]
