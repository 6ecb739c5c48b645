"""examples/log-stream, line by line, by its own manifest: two servers of pages, many clients, psql and a browser."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import socket
import sys
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from statistics import median

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from notifychannel_cli import manifests
from notifychannel_cli.dev.task import config
from notifychannel_cli.embedded import free_port
from notifychannel_cli.install import install
from notifychannel_cli.sidecar_process import SidecarProcess
from tests.browser import screenshot
from tests.examples import FOLDER, copy, example
from tests.figures import milliseconds
from tests.pgbouncer import PgBouncer
from tests.watching import ASKED, client, clients, until_nothing_is_asked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

RUN = "INSERT INTO runs (spider) VALUES ('catalogue') RETURNING id"
LINE = "INSERT INTO log_lines (run_id, line) VALUES ($1, $2)"
LINES = "INSERT INTO log_lines (run_id, line) SELECT $1, $2 || n FROM generate_series(1, $3::int) AS n"
SCRAPED = "INSERT INTO log_lines (run_id, level, line) VALUES ($1, $2, $3)"
STORY = [
    *(("INFO", f"page {page}: {20 + 7 * page % 13} items") for page in range(1, 8)),
    ("WARNING", "page 8 answered 429; trying again in 2 s"),
    ("INFO", "page 8: 24 items"),
    ("ERROR", "item 4711 has no price"),
    ("INFO", "page 9: 22 items"),
]
LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'nch/%' AND datname = current_database()"
CUT = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> $1"
CLIENTS, LATENCIES = 100, 20
BEST_S, BY_POLLS_S = 0.3, 1.0
"""Of half of the clients, on a busy machine, too: of the best line, and of all lines. The goal is 0.1 s."""
BUFFER_BYTES = 32 * 1024
"""`make soak` has twice as many clients, and more lines."""
USAGE, READERS = "notifychannel_notification_queue_usage", 'notifychannel_stream_readers{channel="log-lines"}'
METRICS = (
    'notifychannel_notifications_total{channel="log-lines"}',
    'notifychannel_hints_delivered_total{channel="log-lines"}',
    'notifychannel_change_to_delivery_seconds_count{channel="log-lines"}',
)  # fmt: skip
SECRET = {"Authorization": "Bearer secret"}


@pytest.fixture(scope="session")
def server(newest):
    """What differs between versions is in SQL, and that has its own tests."""
    return newest


def seldom(channel):
    """Polls only where a test wants them, so that nothing arrives by one."""
    for consumer in channel["spec"]["consumers"]:
        assert consumer["poll"] == {"interval": "10s"}
        consumer["poll"]["interval"] = "10m"


async def test_no_line_is_lost_or_doubled_over_reconnections_commits_in_any_order_and_a_cut(database, tmp_path):
    """Mutants: without `NOT pg_visible_in_snapshot`; from a snapshot's xmax on; `until` is the cursor of a full page.

    Nor between servers, of which one is behind. Mutant: `follow` does not look first.
    """
    async with example("log-stream", database, tmp_path, change=seldom, without=("scraper",)) as started:
        admin, here, there = started.admin, started.ports["pages"], started.ports["more-pages"]
        run, other = await admin.fetchval(RUN), await admin.fetchval(RUN)
        early = await database.connect()
        async with client(here, run) as stays, client(here, run) as leaves:
            async with early.transaction():
                await early.execute(LINE, run, "the smaller id")
                await admin.execute(LINE, run, "the larger id")
                await stays.until("the larger id")
                await leaves.until("the larger id")
                last_id = leaves.leave()
            async with client(here, run, last_id=last_id) as back, client(there, run, last_id=last_id) as elsewhere:
                await admin.execute(LINE, other, "of another run")
                await admin.execute(LINE, run, "the end")
                for each in (stays, back, elsewhere):
                    await each.until("the end")
                assert stays.lines == ["the larger id", "the smaller id", "the end"]
                assert back.lines == elsewhere.lines == ["the smaller id", "the end"]

            await admin.execute(LINES, run, "of many ", 250)
            many = [f"of many {number}" for number in range(1, 251)]
            async with client(there, run) as late:
                await late.until("of many 10")
                assert "of many 250" not in late.lines, "it came in pages"
                before, last_id = late.lines, late.leave()
            async with client(here, run, last_id=last_id) as back:
                await back.until("of many 250")
                assert before + back.lines == ["the smaller id", "the larger id", "the end", *many], "each once"
                await stays.until("of many 250")
                await between_servers_of_which_one_is_behind(started, run)
                await admin.execute("UPDATE runs SET state = 'finished' WHERE id = $1", run)
                await back.until_told("run", "finished")
                await stays.until_told("mode", "Listening")

                stays.told.clear()
                await admin.fetchval(CUT, admin.get_server_pid())
                await admin.execute(LINE, run, "while nobody listened")
                await stays.until("while nobody listened")
                await stays.until_told("mode", "Listening")
                assert ("mode", "Polling") in stays.told
                await admin.execute(LINE, run, "again")
                for each in (stays, back):
                    await each.until("again")
                    assert each.lines[-2:] == ["while nobody listened", "again"]

            await by_other_ways(started, run, back.last_id)


def is_of(pid, service):
    return f"NOTIFYCHANNEL_POD={service}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


async def between_servers_of_which_one_is_behind(started, run):
    """The one that is come to has not heard of what the client has seen."""
    here, there = started.ports["pages"], started.ports["more-pages"]
    (sidecar,) = [it for it in started.program.children("notifychannel_sidecar") if is_of(it, "more-pages")]
    async with client(there, run) as waits, client(here, run) as moves:
        await waits.until("of many 250")
        await waits.until_told("mode", "Listening")
        os.kill(sidecar, signal.SIGSTOP)
        await started.admin.execute(LINE, run, "before")
        await moves.until("before")
        async with client(there, run, last_id=moves.leave()) as moved:
            await moved.until_told("mode", "Listening")
            os.kill(sidecar, signal.SIGCONT)
            await started.admin.execute(LINE, run, "after")
            await moved.until("after")
            await waits.until("after")
            assert (moved.lines, waits.lines[-2:]) == (["after"], ["before", "after"])


async def by_other_ways(started, run, last_id):
    """By WebSocket, with the same ids; and with ids that nobody has got from us."""
    url = f"ws://127.0.0.1:{started.ports['more-pages']}/runs/{run}/socket"
    async with started.http.ws_connect(url, params={"last": last_id}) as messages:
        await started.admin.execute(LINE, run, "by WebSocket")
        told = [json.loads((await messages.receive()).data) for _ in range(3)]
    assert [it["event"] for it in told] == ["mode", "run", "lines"]
    assert [line["line"] for line in told[-1]["data"]] == ["by WebSocket"]
    lines = f"http://127.0.0.1:{started.ports['pages']}/runs/{run}/lines"
    async with started.http.get(lines, params={"last": "4711"}) as answer:
        assert answer.status == 400
    with pytest.raises(aiohttp.ClientPayloadError):
        await (await started.http.get(lines, params={"last": "5:1:"})).read()


@asynccontextmanager
async def held_queue(server):
    """A little is in the queue of notifications, and stays there: a listener is idle in a transaction."""
    holder, filler = await asyncpg.connect(server.dsn()), await asyncpg.connect(server.dsn())
    await holder.execute("LISTEN held")
    await holder.execute("BEGIN; SELECT 1")
    for _ in range(4):  # pages
        await filler.execute("SELECT pg_notify('held', $1)", 7900 * "x")
    try:
        yield
    finally:
        await filler.close()
        await holder.close()


async def test_a_hundred_clients_cost_one_listen_connection_and_no_query_while_nothing_happens(
    database, tmp_path, record_property
):
    """Who does not read is told that it fell behind, and gets every line once it does; nobody has waited for it.

    Mutants: each client looks when a second has passed; a buffer of any size; `minInterval: 5s`; a gauge of the queue
    that nobody sets.
    """
    async with (
        held_queue(database.server),
        example("log-stream", database, tmp_path, change=seldom, without=("scraper",)) as started,
    ):
        admin, here = started.admin, started.ports["pages"]
        run = await admin.fetchval(RUN)
        async with clients(here, run, CLIENTS) as many:
            await asyncio.gather(*(each.until_told("mode", "Listening") for each in many))
            await until_nothing_is_asked(admin)
            assert await admin.fetchval(LISTENERS) == 2, "one for each server of pages"
            assert len(await admin.fetch(ASKED)) <= 8
            took = []
            for number in range(LATENCIES):
                await admin.execute(LINE, run, f"line {number}")
                committed = time.time()
                took.append(
                    [at - committed for at in await asyncio.gather(*(it.until(f"line {number}") for it in many))]
                )
            assert {tuple(each.lines) for each in many} == {tuple(f"line {it}" for it in range(LATENCIES))}
            halves = [median(line) for line in took[1:]]  # the first is told at once whatever the manifest says
            assert min(halves) < BEST_S
            assert median(halves) < BY_POLLS_S
            shown = milliseconds([each for line in took for each in line])
            record_property("figures", f"line committed → with {CLIENTS} clients: {shown} (goal 100 ms)")
            await the_port_says(started, run)

        async with client(here, run) as quick, client(here, run, receive_bytes=BUFFER_BYTES) as slow:
            slow.reading.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            await slow.until(f"line {LATENCIES - 1}")
            for part in range(20):
                await admin.execute(LINES, run, f"{1000 * 'x'} {part} ", 100)
            await quick.until(f"{1000 * 'x'} 19 100")
            assert len(slow.lines) == LATENCIES
            await slow.until(f"{1000 * 'x'} 19 100")
            assert ("overflow", {"buffer": 100}) in slow.told
            assert len(slow.lines) == len(set(slow.lines)) == LATENCIES + 2000
            assert (await status(started))["overflows"] >= 1


async def status(started, **headers):
    url = f"http://127.0.0.1:{started.ports['pages']}/status"
    for wrong in ({}, {"Authorization": "Bearer secre"}, {"Authorization": "Basic secret"}):
        async with started.http.get(url, headers=wrong) as answer:
            assert answer.status == 401
    async with started.http.get(url, headers=SECRET) as answer:
        return await answer.json()


async def the_port_says(started, run):
    """What the application and its sidecar say of themselves, while all the clients are there."""
    told = await status(started)
    assert (told["mode"], told["sidecar"], told["clients"]) == ("Listening", True, {str(run): CLIENTS})
    assert (told["lines_read"], told["lines_sent"]) == (LATENCIES, CLIENTS * LATENCIES)
    assert told["lines_per_second"] > 0
    assert 0 < told["latency_ms"] < 40_000
    assert await started.get("pages", "/health") == {"mode": "Listening"}
    metrics = dict(line.rsplit(" ", 1) for line in (await started.metrics("pages")).splitlines())
    assert metrics[READERS] == "1.0", "one reads for all"
    assert 0 < float(metrics[USAGE]) <= await started.admin.fetchval("SELECT pg_notification_queue_usage()")
    assert all(float(metrics[name]) > 0 for name in METRICS)


@asynccontextmanager
async def application(database, port, sidecar, *, program="application.py", stderr=None, **variables):
    """Another one of the example's applications, which the test may kill."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, program, cwd=FOLDER / "log-stream", stderr=stderr,
        env={**os.environ, "DATABASE_URL": database.dsn(), "PORT": str(port), "NOTIFYCHANNEL_LOCAL_PORT": str(sidecar),
             **variables},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def shows(page, badge, *lines):
    """With that mode, and these as its last lines."""
    await page.wait_for_function(
        """([badge, lines]) => document.getElementById("mode").textContent === badge && lines.every((line, at) =>
        [...document.querySelectorAll("li span")].slice(-lines.length)[at]?.textContent === line)""",
        arg=[badge, lines],
    )  # fmt: skip


async def test_a_page_in_a_browser_shows_lines_over_restarts_and_where_the_database_can_not_be_listened_to(
    database, tmp_path, browser
):
    """The sidecar of one of two servers is behind a pooler: its page says so, and is told by polls, a second apart."""

    def often(channel):
        seldom(channel)
        channel["spec"]["consumers"][0]["poll"]["interval"] = "1s"

    admin = await database.connect()
    folder, ports, *_ = copy("log-stream", tmp_path, change=often)
    await admin.execute((folder / "schema.sql").read_text())
    channels = manifests.channels([str(folder / "channels.yaml")])
    await install(channels, dsn=database.dsn(), installation="dev", allow_superuser=True)
    run = await admin.fetchval(RUN)
    await admin.executemany(SCRAPED, [(run, level, line) for level, line in STORY])
    made, port, pooled_port = config(channels, "log-stream"), ports["pages"], ports["more-pages"]

    async def psql(sql):
        await asyncio.to_thread(database.server.run, "psql", database.dsn(), "-v", "ON_ERROR_STOP=1", "-c", sql)

    with PgBouncer(server=database.server, pool_mode="transaction") as bouncer:
        async with (
            SidecarProcess(config=made, uri=bouncer.dsn(database.name)) as deaf,
            application(database, pooled_port, deaf.local_port),
        ):
            async with (
                SidecarProcess(config=made, uri=database.dsn()) as sidecar,
                application(database, port, sidecar.local_port) as first,
            ):
                await asyncio.gather(until_health(port, 200), until_health(pooled_port, 200))
                addresses = (f"{port}", f"{port}/runs/{run}", f"{pooled_port}")
                page, second, polling = [await browser.tab(f"http://127.0.0.1:{it}") for it in addresses]
                await page.evaluate("window.isNotReloaded = true")
                for each, mode in ((page, "listening"), (second, "listening"), (polling, "polling")):
                    await shows(each, mode, STORY[-1][1])
                await screenshot(page, "log-stream")
                await psql(f"INSERT INTO log_lines (run_id, line) VALUES ({run}, '<b>by hand</b>')")
                await psql("UPDATE runs SET state = 'finished'")
                answer = await second.reload()
                assert answer.headers["content-security-policy"].startswith("default-src 'self'")
                for each, mode in ((page, "listening"), (second, "listening"), (polling, "polling")):
                    await shows(each, mode, STORY[-1][1], "<b>by hand</b>")
                    await each.wait_for_function('() => document.getElementById("run").textContent === "finished"')
                first.kill()
                await shows(page, "connecting")
                await psql(f"INSERT INTO log_lines (run_id, line) VALUES ({run}, 'while it was away')")
            async with application(database, port, sidecar.local_port):
                await shows(page, "polling", STORY[-1][1], "<b>by hand</b>", "while it was away")
                await until_health(port, 503)
                await psql(f"INSERT INTO log_lines (run_id, line) VALUES ({run}, 'without a sidecar')")
                await shows(page, "polling", "while it was away", "without a sidecar")
                async with SidecarProcess(config=made, uri=database.dsn(), local_port=sidecar.local_port):
                    await shows(page, "listening", "while it was away", "without a sidecar")
                assert await page.evaluate("window.isNotReloaded")
            await shows(polling, "polling", "while it was away", "without a sidecar")
            assert (await deaf.status())["state"] != "LISTENING"


async def until_health(port, status):
    """200: it has heard its sidecar."""
    async with aiohttp.ClientSession() as http:
        while True:
            with suppress(aiohttp.ClientConnectionError):
                async with http.get(f"http://127.0.0.1:{port}/health") as answer:
                    if answer.status == status:
                        return
            await asyncio.sleep(0.05)


MANY = ",".join(str(xid) for xid in range(10**9, 10**9 + 2500))
LONG, LONGER = f"{10**9}:{2 * 10**9}:{MANY}", f"1:{20 * '9'}:"
RESTORED = (
    "INSERT INTO log_lines (run_id, line, xid) SELECT $1, 'old ' || n, '1000000000000' FROM generate_series(1, 3) n"
)
CURSORS = {f"{LONG}/{LONG}/1/1": 200, LONGER: 400, f"1:1:/1:1:/1/{19 * '9'}": 200}
"""Of somebody, while 2,500 transactions were writing. And of nobody: its number is too long; it is no bigint."""


async def test_who_takes_nothing_is_cut_off_foreign_pages_get_nothing_and_restored_lines_are_shown(database):
    """One server of pages, without a sidecar. Mutants: no `timeout`; no `Origin`; no `max_field_size`; no `UPDATE`."""
    admin, port = await database.connect(), free_port()
    await admin.execute((FOLDER / "log-stream" / "schema.sql").read_text())
    run, restored = await admin.fetchval(RUN), await admin.fetchval(RUN)
    await admin.execute(LINES, run, 1000 * "x", 2000)
    await admin.execute(RESTORED, restored)
    await admin.execute(LINE, restored, "new")
    lines, away = f"http://127.0.0.1:{port}/runs/{run}/lines", free_port()
    async with application(database, port, away, WRITE_S="0.5", STATUS_TOKEN="secret"), aiohttp.ClientSession() as http:
        await until_health(port, 503)
        async with client(port, run, receive_bytes=BUFFER_BYTES) as slow:
            slow.reading.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            await until(lambda: figure(http, port, "cut_off"))
        for cursor, status in CURSORS.items():
            for shown in ({"headers": {"Last-Event-ID": cursor}}, {"params": {"last": cursor}}):
                async with http.get(lines, **shown) as answer:
                    assert answer.status == status
                    assert status == 400 or await answer.content.readline() == b"retry: 1000\n"
        with pytest.raises(aiohttp.ClientPayloadError):
            async with asyncio.timeout(20):
                await (await http.get(lines, params={"last": cursor})).read()
        await foreign(http, port, run)
        async with client(port, restored) as sees:
            await sees.until("new")
            assert sees.lines == ["new"]
    await admin.execute("UPDATE log_lines SET xid = DEFAULT")
    async with application(database, port, away):
        await until_health(port, 503)
        async with client(port, restored) as sees:
            await sees.until("new")
            assert sees.lines == ["old 1", "old 2", "old 3", "new"]


async def until(ask):
    async with asyncio.timeout(20):
        while not await ask():  # noqa: ASYNC110 - the other side can only be asked
            await asyncio.sleep(0.05)


async def figure(http, port, name):
    async with http.get(f"http://127.0.0.1:{port}/status", headers=SECRET) as answer:
        return (await answer.json())[name]


async def foreign(http, port, run):
    """A page of somebody else's, open in the browser of one who may come to ours."""
    url = f"ws://127.0.0.1:{port}/runs/{run}/socket"
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        await http.ws_connect(url, origin="http://elsewhere.example")
    async with http.ws_connect(url, origin=f"http://127.0.0.1:{port}") as messages:
        assert json.loads((await messages.receive()).data)["event"] == "mode"


async def test_what_hears_the_sidecar_takes_the_program_with_it_and_the_scraper_goes_on(database):
    """It is started anew, as by a Deployment. Mutants: `create_task` for `for_ever`; no `except` in the scraper."""
    admin = await database.connect()
    await admin.execute((FOLDER / "log-stream" / "schema.sql").read_text())

    async def nonsense(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("{}")
        return socket

    served = web.Application()
    served.add_routes([web.get("/v1/stream", nonsense)])
    runner = web.AppRunner(served)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
    try:
        async with application(database, free_port(), port) as process, asyncio.timeout(20):
            await process.wait()
    finally:
        await runner.cleanup()

    async with application(database, 0, 0, program="scraper.py", stderr=asyncio.subprocess.PIPE) as scraper:
        await until(lambda: admin.fetchval("SELECT max(id) FROM log_lines"))
        await admin.execute("ALTER TABLE log_lines RENAME TO away")
        await admin.fetchval(CUT, admin.get_server_pid())
        assert b"is not logged" in await scraper.stderr.readline()
        await admin.execute("ALTER TABLE away RENAME TO log_lines")
        logged = await admin.fetchval("SELECT max(id) FROM log_lines")
        await until(lambda: admin.fetchval("SELECT max(id) > $1 FROM log_lines", logged))


def test_lines_a_second_are_all_of_them_on_a_busy_server(monkeypatch):
    """Mutant: only the last thousand looks are counted."""
    monkeypatch.syspath_prepend(FOLDER / "log-stream")
    runs, lines = importlib.import_module("runs"), importlib.import_module("lines")
    told = runs.Told()
    for _ in range(3000):
        told.saw(lines.Page(cursor="", event=lines.Event("lines", [], lines=2), age_s=0.001))
    assert 600 <= told.lines_per_second() <= 6000 / 9
    assert told.latency_ms() == 1
