"""The loads of examples, large: `make soak ONLY=example`. The small ones are in tests/integration/test_example_*.py."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import re
import time
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest

from tests.examples import example
from tests.figures import milliseconds, ratio_of_inserts
from tests.watching import client, clients
from tests.webhooks import Webhooks

pytestmark = pytest.mark.timeout(3600)
CHANGES = int(os.environ.get("SOAK_CHANGES", "1000000"))
ALERTS, WRITERS = max(1000, CHANGES // 100), 100
STEADY_S, STEADY_RATE = 60.0, 100
BURST = max(2000, CHANGES // 10)
PAGES, SESSIONS, SESSION_RATE = 200, 50, 100
MIN_INTERVAL_S = 5
TITLE = "UPDATE generation_sessions SET title = $1 WHERE id = $2"
SHOWN = re.compile(r'notifychannel_hints_delivered_total{channel="generation-updates"} (\S+)')
CLIENTS, WRITING_S = 200, 20.0
ASKED = "SELECT pid, query_start FROM pg_stat_activity WHERE application_name = 'log-stream' ORDER BY pid"
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


async def test_example_pages_of_many_sessions_show_the_last_change(database, tmp_path, record_property):
    """Each session has pages on both servers; none is told of more often than the manifest says."""
    async with (
        example("build-status", database, tmp_path) as started,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        AsyncExitStack() as stack,
    ):
        sessions = range(101, 101 + SESSIONS)
        await started.admin.executemany(
            "INSERT INTO generation_sessions VALUES ($1, 7, 'new')", [(it,) for it in sessions]
        )
        titles: dict[tuple[str, int], str] = {}

        async def read(server, number, socket):
            async for message in socket:
                if message.data:
                    titles[server, number] = json.loads(message.data)["title"]

        reading = []
        for server, port in started.ports.items():
            for number in range(PAGES):
                url = f"http://127.0.0.1:{port}/7/{sessions[number % SESSIONS]}/live"
                socket = await stack.enter_async_context(http.ws_connect(url))
                reading.append(asyncio.create_task(read(server, number, socket)))
        loop = asyncio.get_running_loop()
        began = loop.time()
        for turn in range(int(STEADY_S * SESSION_RATE)):
            await started.admin.execute(TITLE, str(turn), sessions[turn % SESSIONS])
            await asyncio.sleep(max(0.0, began + (turn + 1) / SESSION_RATE - loop.time()))  # the rate is what is tested
        changed_for_s = loop.time() - began
        await started.admin.executemany(TITLE, [("last", it) for it in sessions])
        wanted, committed_at = 2 * PAGES, loop.time()
        while list(titles.values()).count("last") < wanted:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.05)
        last_s = loop.time() - committed_at
        hints = [float(SHOWN.search(await started.metrics(server))[1]) for server in started.ports]
        assert max(hints) <= SESSIONS * (changed_for_s / MIN_INTERVAL_S + 3)
        for it in reading:
            it.cancel()
    record_property(
        "figures",
        f"{SESSION_RATE} changes/s of {SESSIONS} sessions for {changed_for_s:.0f} s: {max(hints):.0f} hints to each "
        f"of two servers; the last change in each of {wanted} pages after {last_s:.1f} s "
        "(at most one hint in 5 s for a session)",
    )


def seldom(channel):
    for consumer in channel["spec"]["consumers"]:
        consumer["poll"]["interval"] = "10m"


async def test_example_two_hundred_clients_have_each_line_and_cost_nothing_while_there_is_none(
    database, tmp_path, record_property
):
    """At a steady rate, and in a burst after which most of them are behind the buffer."""
    async with example("log-stream", database, tmp_path, change=seldom, without=("scraper",)) as started:
        admin, port = started.admin, started.ports["pages"]
        run = await admin.fetchval("INSERT INTO runs (spider) VALUES ('catalogue') RETURNING id")
        insert = "INSERT INTO log_lines (run_id, line) VALUES ($1, $2)"
        async with clients(port, run, CLIENTS) as many:
            reading = asyncio.gather(*(each.until("the end") for each in many))
            loop = asyncio.get_running_loop()
            began = loop.time()
            lines = [f"line {number}" for number in range(int(STEADY_S * STEADY_RATE))]
            for number, line in enumerate(lines, 1):
                await admin.execute(insert, run, line)
                await asyncio.sleep(max(0.0, began + number / STEADY_RATE - loop.time()))  # the rate is what is tested
            await admin.execute(insert, run, "the end")
            await reading
            steady = milliseconds([late_s for each in many for late_s in each.late_s])
            assert {tuple(each.lines) for each in many} == {(*lines, "the end")}

            before = await admin.fetch(ASKED)
            await asyncio.sleep(10)  # by hand these were 2,000 queries
            assert await admin.fetch(ASKED) == before

            began = loop.time()
            burst = [f"burst {number}" for number in range(1, 5001)]
            await admin.executemany(insert, [(run, line) for line in burst])
            await asyncio.gather(*(each.until(burst[-1]) for each in many))
            burst_s = loop.time() - began
            assert {tuple(sorted(each.lines)) for each in many} == {tuple(sorted((*lines, "the end", *burst)))}
    record_property(
        "figures",
        f"{CLIENTS} clients, {STEADY_RATE} lines/s for {STEADY_S:.0f} s: with each of them after {steady}; "
        f"{len(burst):,} in a burst: {burst_s:.1f} s; no query in 10 s of silence",
    )


async def test_example_lines_of_writers_who_overtake_each_other_reach_clients_that_come_and_go_each_once(
    database, tmp_path, record_property
):
    """Clients change the server too; no one has a line twice, and each has all of them at the end."""
    dice = random.Random(4711)  # noqa: S311 - nobody has to be kept from guessing
    async with example("log-stream", database, tmp_path, without=("scraper",)) as started:
        run = await started.admin.fetchval("INSERT INTO runs (spider) VALUES ('catalogue') RETURNING id")
        ports = [started.ports["pages"], started.ports["more-pages"]]
        insert = "INSERT INTO log_lines (run_id, line) VALUES ($1, $2)"
        written, ended = set(), asyncio.Event()

        async def write(name):
            connection = await database.connect()
            until = asyncio.get_running_loop().time() + WRITING_S
            for number in itertools.count():
                lines = [f"{name} {number} {part}" for part in range(dice.choice((1, 1, 3, 250)))]
                transaction = connection.transaction()
                await transaction.start()
                await connection.executemany(insert, [(run, line) for line in lines])
                await asyncio.sleep(dice.uniform(0, 0.2))  # somebody else commits before
                if dice.random() < 0.2:
                    await transaction.rollback()
                else:
                    await transaction.commit()
                    written.update(lines)
                if asyncio.get_running_loop().time() > until:
                    return

        async def watch():
            shown, last_id = [], None
            while not ended.is_set():
                async with client(dice.choice(ports), run, last_id=last_id) as it:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(dice.uniform(0, 1)):
                            await it.until("the end")
                    shown += it.lines
                    last_id = it.leave() or last_id
            async with client(dice.choice(ports), run, last_id=last_id) as it:
                if "the end" not in shown:
                    await it.until("the end")
                return shown + it.lines

        watching = [asyncio.create_task(watch()) for _ in range(20)]
        await asyncio.gather(*(write(name) for name in "abcdefgh"))
        await started.admin.execute(insert, run, "the end")
        ended.set()
        for each in watching:
            shown = await each
            assert len(shown) == len(set(shown))
            assert set(shown) == written | {"the end"}
    record_property("figures", f"{len(written):,} lines of 8 writers, each once at 20 clients that come and go")


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
