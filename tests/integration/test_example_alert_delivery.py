"""examples/alert-delivery, line by line, by its own manifest: real sidecars and services, webhooks that are the test's.

Half an hour passes when the test says so: on the queue's clock, by which rows are due.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import pytest
from click.testing import CliRunner

from notifychannel_cli import manifests
from notifychannel_cli.commands import cli
from notifychannel_cli.install import install, remove
from tests.examples import FOLDER, example
from tests.figures import milliseconds, seconds_of_inserts
from tests.webhooks import Webhooks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

MANIFEST = FOLDER / "alert-delivery" / "channels.yaml"
SCHEMA = FOLDER / "alert-delivery" / "schema.sql"
INSERT = "INSERT INTO alert_notification_queue (webhook, message) VALUES ('chat', 'disk full')"
QUEUE = "INSERT INTO alert_notification_queue (webhook, message) VALUES ($1, 'disk full') RETURNING id"
STEPS = """
SELECT a.step || coalesce(' ' || a.error, '') FROM notifychannel.audit AS a
WHERE a.key = '[' || $1::bigint || ']' AND coalesce(a."group", 'alert-delivery') = 'alert-delivery' ORDER BY a.at
"""
JOB = """SELECT * FROM notifychannel.jobs WHERE "group" = 'alert-delivery' AND key = '[' || $1::bigint || ']'"""
STATE = f"SELECT state || ' ' || attempts FROM ({JOB}) AS j"
REGISTRY = 'SELECT * FROM notifychannel.consumers WHERE "group" = $1'
JOBS = 'SELECT count(*) FROM notifychannel.jobs WHERE "group" = $1'
DELIVERED = "SELECT count(*) FROM alert_deliveries"
ESCALATIONS = "SELECT count(*) FROM alert_escalations"
TIME_PASSES = "UPDATE notifychannel.queue_clock SET ahead = ahead + make_interval(mins => $1)"
ESCALATED = """
SELECT array_agg(key ORDER BY key) FROM notifychannel.queue WHERE escalations > 0 OR escalated_at IS NOT NULL
"""
"""Also what is just being told: one look names all that have waited for too long."""
ALERTS, AT_ONCE = 1000, 20
"""`make soak` has more of them."""
GOAL_S = 0.1
POSTS_AT_ONCE = 4
"""Of a sidecar for one channel."""


@pytest.fixture(scope="session")
def server(newest):
    """What differs between versions is in SQL, and that has its own tests."""
    return newest


@pytest.fixture
async def alerts(database, tmp_path):
    async with Webhooks() as hooks, running(database, tmp_path, hooks) as made:
        yield made


@asynccontextmanager
async def running(database, tmp_path, hooks):
    """The example with the webhooks `chat` and `pager` of the test."""
    async with example("alert-delivery", database, tmp_path, without=("receiver",)) as started:
        await started.admin.execute("UPDATE webhooks SET url = $1 || name", hooks.url(""))
        yield Alerts(started, hooks)


class Alerts:
    def __init__(self, started, hooks):
        self.example, self.hooks, self.admin = started, hooks, started.admin

    async def queue(self, webhook="chat"):
        return await self.admin.fetchval(QUEUE, webhook)

    async def steps(self, alert):
        return [row[0] for row in await self.admin.fetch(STEPS, alert)]

    async def until_steps(self, alert, *steps):
        """But for escalations, which go by another clock than attempts."""

        async def asked():  # back: not tried, given back for another pod
            return [step for step in await self.steps(alert) if not step.startswith(("back", "escalated"))]

        await self.example.until(asked, lambda it: it == list(steps))

    async def until_state(self, alert, state):
        await self.example.until_row(STATE, alert, holds=lambda it: it == state)

    async def minutes_pass(self, minutes):
        """And something happens, after which the sidecar looks at the time."""
        await self.admin.execute(TIME_PASSES, minutes)
        await self.queue("pager")

    async def cli(self, *words):
        words = [words[0], "--dsn", self.example.database.dsn(), *words[1:]]
        result = await asyncio.to_thread(CliRunner().invoke, cli, words)
        assert result.exit_code == 0, result.output
        return result.stdout


def definitions(database):
    """The application's and ours, as pg_dump writes them."""
    lines = database.server.run("pg_dump", database.dsn(), "--schema-only").splitlines()
    return [line for line in lines if not line.startswith(("\\restrict", "\\unrestrict"))]


def of_the_application(database):
    """What pg_dump writes of its schema, but for triggers, of which it has none of its own."""
    dump = database.server.run("pg_dump", database.dsn(), "--schema-only", "--schema=public")
    entries = dump.split("\n--\n-- Name: ")[1:]
    entries[-1] = entries[-1].partition("\n-- PostgreSQL database dump complete")[0]
    return [entry for entry in entries if "; Type: TRIGGER; " not in entry]


async def test_it_is_installed_on_an_existing_database_and_uninstalled_without_a_trace_each_twice(database):
    """Rows and definition of the application's tables stay as they are."""
    admin = await database.connect()
    await admin.execute(SCHEMA.read_text())
    await admin.execute("INSERT INTO alert_notification_queue (webhook, message) VALUES ('chat', 'old')")
    channels = manifests.channels([str(MANIFEST)])
    as_it_was, its_own = definitions(database), of_the_application(database)
    assert sum("; Type: TABLE; " in entry for entry in its_own) == 5
    rows = await admin.fetch("SELECT * FROM alert_notification_queue")
    done = []
    put = partial(install, channels, dsn=database.dsn(), installation="dev", allow_superuser=True)
    await put(on_installed=done.append)
    installed = definitions(database)
    assert installed != as_it_was
    assert of_the_application(database) == its_own
    await put(on_installed=done.append)
    assert (definitions(database), len(done)) == (installed, 1)
    assert await remove(channels, dsn=database.dsn(), installation="dev", force=True)
    assert definitions(database) == as_it_was
    assert not await remove(channels, dsn=database.dsn(), installation="dev")
    assert definitions(database) == as_it_was
    assert await admin.fetch("SELECT * FROM alert_notification_queue") == rows


async def test_alerts_are_delivered_with_a_trail_and_the_registry_knows_who_did_it(alerts, record_property):
    """From the transaction that made them, none that was rolled back; hundreds at once, none lost."""
    admin, hooks, started = alerts.admin, alerts.hooks, alerts.example
    async with admin.transaction():
        alert = await alerts.queue()
        undone = admin.transaction()
        await undone.start()
        await alerts.queue()
        await undone.rollback()
    await alerts.until_steps(alert, "captured", "delivered")
    (call,) = hooks.calls
    assert (call.name, call.body["alert"], call.headers["Idempotency-Key"]) == ("chat", alert, f"alert-{alert}")
    assert (call.body["message"], call.body["severity"]) == ("disk full", "warning")

    took = []
    for _ in range(20):
        alert = await alerts.queue("pager")
        committed = time.time()
        await hooks.until(lambda calls, alert=alert: calls[-1].body["alert"] == alert)
        took.append(hooks.calls[-1].at - committed)
    began = time.monotonic()
    await seconds_of_inserts(started.database, INSERT, number=ALERTS, at_once=AT_ONCE)
    await started.until_row(DELIVERED, holds=lambda it: it == 21 + ALERTS)
    took_s = time.monotonic() - began
    assert len({call.body["alert"] for call in hooks.calls}) == 21 + ALERTS
    await started.until_row(JOBS, "alert-delivery", holds=lambda it: it == 0)
    record_property(
        "figures",
        f"alert committed → webhook called: {milliseconds(took)} (goal 100 ms when all is well); {ALERTS} alerts of "
        f"{AT_ONCE} writers at once are all delivered after {took_s:.1f} s",
    )
    assert min(took) < GOAL_S

    registry = await admin.fetchrow(REGISTRY, "alert-delivery")
    assert (registry["active"], registry["failures"]) == (1, 0)
    assert registry["last_error"] in (None, "refused")  # where the sidecar was up before the application
    assert registry["executions"] >= 21 + ALERTS
    assert registry["last_execution"] is not None
    told = {it["group"]: it for it in json.loads(await alerts.cli("queue", "--json"))["consumers"]}
    assert told["alert-delivery"]["executions"] == registry["executions"]
    assert told["alert-statistics"]["active"] == 1
    metrics = await started.metrics("delivery")
    assert f'notifychannel_settled_total{{channel="alerts",outcome="done"}} {registry["executions"]:.1f}' in metrics
    assert 'notifychannel_queue_rows{channel="alerts",state="dead"} 0.0' in metrics
    assert "notifychannel_claiming 1.0" in metrics
    assert 'notifychannel_last_answer_timestamp_seconds{channel="alerts"}' in metrics
    health = await started.get("delivery", "/webhooks")
    assert (health["pager"]["healthy"], health["pager"]["delivered"]) == (True, 20)
    assert await admin.fetchval("SELECT retention FROM notifychannel.audited") == 30 * 86400
    counted = "SELECT alerts FROM alert_statistics WHERE severity = 'warning'"
    await started.until_row(counted, holds=lambda it: it == 21 + ALERTS)


async def one_webhook_and_the_other_consumer_hang(alerts):
    """A webhook that takes connections and never answers is called until it has kept us waiting, and then not."""
    admin, hooks, started = alerts.admin, alerts.hooks, alerts.example
    hooks.answers["chat"] = 0
    (counting,) = started.program.children("counting.py")
    os.kill(counting, signal.SIGSTOP)
    before = len(hooks.of("chat"))
    slow = [await alerts.queue("chat") for _ in range(3 * POSTS_AT_ONCE)]
    quick = await alerts.queue("pager")
    await alerts.until_steps(quick, "captured", "delivered")
    for alert in slow:
        await alerts.until_state(alert, "retrying 1")
    assert len(hooks.of("chat")) - before <= POSTS_AT_ONCE, "and then it is left alone"
    assert await admin.fetchval(f"SELECT last_error FROM ({JOB}) AS j", slow[0]) == "599"
    assert await admin.fetchval(JOBS, "alert-statistics") > 0
    os.kill(counting, signal.SIGCONT)
    await started.until_row(JOBS, "alert-statistics", holds=lambda it: it == 0)


async def test_a_broken_webhook_is_tried_three_times_escalated_and_redriven_and_holds_up_nobody(alerts):
    """Five minutes, and half an hour, are the manifest's own: of three alerts two have waited for that, one for 29."""
    admin, hooks, started = alerts.admin, alerts.hooks, alerts.example
    await admin.execute("INSERT INTO webhooks VALUES ('siren', $1)", hooks.url("siren"))
    hooks.answers.update(chat=418, siren=418)
    first, second = broken = [await alerts.queue() for _ in range(2)]
    for alert in broken:
        await alerts.until_state(alert, "retrying 1")
    job = await admin.fetchrow(JOB, first)
    wait = (job["next_attempt_at"] - datetime.now(UTC)).total_seconds() / 60
    assert 2 < wait <= 5
    assert (job["last_error"], job["waits_since"] < datetime.now(UTC)) == ("418", True)
    jobs = json.loads(await alerts.cli("queue", "--group", "alert-delivery", "--keys", "--json"))
    assert {(it["state"], it["attempts"]) for it in jobs if it["key"] == {"id": first}} == {("retrying", 1)}
    await alerts.minutes_pass(1)
    broken.append(third := await alerts.queue("siren"))
    await alerts.until_state(third, "retrying 1")
    await alerts.minutes_pass(29)
    for alert in broken:
        await alerts.until_state(alert, "retrying 2")
    await started.until_row(ESCALATIONS, holds=lambda it: it == 2)
    assert await admin.fetchval(ESCALATED) == [f"[{first}]", f"[{second}]"]
    await alerts.minutes_pass(5)
    for alert in broken:
        await alerts.until_state(alert, "dead 3")
    await alerts.until_steps(first, "captured", "refused 418", "refused 418", "dead 418")
    assert "escalated" in await alerts.cli("audit", "--key", json.dumps({"id": first}))
    assert (len(hooks.of("chat")), len(hooks.of("siren"))) == (6, 3)
    await hooks.until(lambda _: len(hooks.of("pager")) == 3)
    health = await started.get("delivery", "/webhooks")
    assert (health["chat"]["healthy"], health["chat"]["failed"], health["chat"]["last_status"]) == (False, 6, 418)
    assert health["pager"]["healthy"]
    assert await admin.fetchval(f"SELECT last_error FROM ({REGISTRY}) AS c", "alert-delivery") == "418"

    del hooks.answers["chat"]
    (hint,) = [it["id"] for it in json.loads(await alerts.cli("queue", "--dead", "--json")) if it["key"]["id"] == first]
    for alert, how in ((first, ("--id", hint)), (second, ("--key", json.dumps({"id": second})))):
        await alerts.cli("redrive", *how)
        await hooks.until(lambda calls, alert=alert: sum(call.body["alert"] == alert for call in calls) == 4)
    await started.until_row(JOBS, "alert-delivery", holds=lambda it: it == 1)
    assert await admin.fetchval(DELIVERED) == 5

    await one_webhook_and_the_other_consumer_hang(alerts)

    await started.until_row(ESCALATIONS, holds=lambda it: it == 3)  # meanwhile, and dead
    await started.until(partial(alerts.steps, third), lambda it: "escalated 418" in it)
    del hooks.answers["siren"]
    await alerts.cli("redrive", "--all")
    await alerts.until_steps(third, "captured", "refused 418", "refused 418", "dead 418", "redriven", "delivered")
