"""examples/build-status, line by line, by its own manifest: psql writes, pages of two servers show it."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import socket
import subprocess
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import asyncpg
import pytest
import yaml
from click.testing import CliRunner

from notifychannel_cli.commands import cli
from notifychannel_sidecar.app import FINISH_TIMEOUT_S
from tests.browser import screenshot
from tests.examples import FOLDER, Example, copy, example
from tests.figures import milliseconds
from tests.pages import blocks
from tests.process import notifychannel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

HERE = FOLDER / "build-status"
SERVERS = ("server-1", "server-2")
TODO = "INSERT INTO generation_todos (session_id, title, status) VALUES ({}, 'A todo', 'done');"
TOOL_CALL = "INSERT INTO generation_tool_calls (session_id, tool) VALUES ({}, 'compile');"
NOTE = "INSERT INTO generation_notes (session_id, body) VALUES ({}, 'Tea is sold by weight.');"
UNDO = "DELETE FROM generation_tool_calls WHERE session_id = {};"
TITLE = "UPDATE generation_sessions SET title = '{}' WHERE id = 1;"
BIG = """
INSERT INTO generation_notes (session_id, body) SELECT {}, repeat('tea ', 100000) FROM generate_series(1, 8);
"""
"""3.2 MB in the state of a session: a connection that nobody reads takes less."""
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1"
RECEIVED = "notifychannel_hints_received_total{"
UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": f"{'A' * 22}==",
}  # fmt: skip
GRACE_S = 10
"""In which a server that closes its pages ends."""
STUCK_S = 10
"""For longer than this a server has a page that takes nothing."""
NEW = range(11, 19)
MIN_INTERVAL_MS = 5000
NOTE_WHEN = """() => {
    window.shownAt = {};
    for (const id of ["title", "done", "connection"]) {
        const note = ([{ target }]) => { window.shownAt[target.textContent] ??= performance.now() };
        new MutationObserver(note).observe(document.getElementById(id), { childList: true });
    }
}"""


@pytest.fixture(scope="session")
def server(newest):
    """What differs between versions is in SQL, and that has its own tests."""
    return newest


def seldom(channel):
    """No poll shows what a hint has to."""
    for consumer in channel["spec"]["consumers"]:
        assert "poll" not in consumer
        consumer["poll"] = {"interval": "10m"}


def as_kubernetes(service):
    """Starts it again when it has ended."""
    service["command"] = ["sh", "-c", f"while :; do {' '.join(service['command'])}; done"]


class Builds:
    def __init__(self, started):
        self.example = started

    def url(self, server, session=1):
        return f"http://127.0.0.1:{self.example.ports[server]}/7/{session}"

    async def psql(self, sql):
        """As anybody may write: each statement a transaction of its own."""
        database = self.example.database
        words = (database.dsn(), "-v", "ON_ERROR_STOP=1", "-f", "-")
        await asyncio.to_thread(database.server.run, "psql", *words, stdin=sql)

    async def until_delivered(self, number, channel="generation-updates"):
        """So many hints to each of the servers, and no more."""
        line = f'notifychannel_hints_delivered_total{{channel="{channel}"}} {number}.0'
        for server in self.example.ports:
            await self.example.until(lambda server=server: self.example.metrics(server), lambda it: line in it)

    async def received(self, server):
        """How many hints its sidecar has heard of."""
        (line,) = [it for it in (await self.example.metrics(server)).splitlines() if it.startswith(RECEIVED)]
        return float(line.split()[-1])

    @asynccontextmanager
    async def taking_nothing(self, server, session):
        """A page that calls and never reads."""
        path = f"/7/{session}/live"
        headers = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "a", **UPGRADE}.items())
        call = f"GET {path} HTTP/1.1\r\n{headers}\r\n"
        loop = asyncio.get_running_loop()
        with socket.socket() as page:
            page.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            page.setblocking(False)
            await loop.sock_connect(page, ("127.0.0.1", self.example.ports[server]))
            await loop.sock_sendall(page, call.encode())
            assert b" 101 " in await loop.sock_recv(page, 20)
            yield

    @asynccontextmanager
    async def watching(self, server, session):
        """As a page does; awaited, the next state that it is sent."""
        async with self.example.http.ws_connect(f"{self.url(server, session)}/live") as socket:

            async def next_state():
                async with asyncio.timeout(40):
                    while not (text := await socket.receive_str()):
                        pass
                return json.loads(text)

            yield next_state

    async def seconds_until_shown(self, session):
        """From the commit that makes it to a page that was waiting for it."""
        async with self.watching("server-1", session) as next_state:
            assert await next_state() is None
            await self.example.admin.execute("INSERT INTO generation_sessions VALUES ($1, 7, 'New')", session)
            committed_at = time.monotonic()
            assert (await next_state())["title"] == "New"
            return time.monotonic() - committed_at

    async def stops_as_a_pod(self, server, page):
        """What it has heard of is delivered; then its pages are closed, also who takes nothing."""
        await self.psql(BIG.format(NEW[0]) + TITLE.format("Nearly"))
        await shows(page, "title", "Nearly")
        before = await self.received(server)
        await self.psql(TITLE.format("The end"))  # for which it is too early: it waits
        await self.example.until(lambda: self.received(server), lambda number: number > before)
        self.example.signal_sidecar(server, signal.SIGUSR1)  # the preStop of a pod that stops
        await self.example.until(lambda: self.example.status(server), lambda told: told["state"] == "FINISHED")
        await shows(page, "title", "The end")
        async with self.taking_nothing(server, NEW[0]):
            stopped = self.example.signal(server, signal.SIGTERM)
            await self.example.program.everybody_ends([stopped], timeout_s=GRACE_S)

    async def steps(self, session):
        """What `notifychannel audit` tells of it."""
        key = json.dumps({"project_id": 7, "session_id": session})
        words = ("audit", "--dsn", self.example.database.dsn(), "--key", key, "--json")
        result = await asyncio.to_thread(CliRunner().invoke, cli, words)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    async def every_change_was_written_down(self, updated):
        """Of which table, what, which session and when, session 1's first UPDATE between these two; for a week."""
        assert {(it["source"], event) for it in await self.steps(2) for event in it["events"]} == {
            ("public.generation_sessions", "insert"), ("public.generation_todos", "insert"),
            ("public.generation_tool_calls", "insert"), ("public.generation_notes", "insert"),
            ("public.generation_tool_calls", "delete"),
        }  # fmt: skip
        update, *_ = [it for it in await self.steps(1) if it["events"] == ["update"]]
        assert update["source"] == "public.generation_sessions"
        assert updated[0] < datetime.fromisoformat(update["at"]) < updated[1]
        assert await self.example.admin.fetchval("SELECT retention FROM notifychannel.audited") == 7 * 86400


async def shows(page, element, text):
    await page.wait_for_function(
        "([id, text]) => document.getElementById(id).textContent === text", arg=[element, text]
    )


async def nobody_else_is_served(url, page_url):
    """Hints come from the sidecar of the same pod, and a page of somebody else's may not look."""
    elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with aiohttp.ClientSession(connector=elsewhere) as http:
        async with http.post(f"{url}/hints", json={"hints": [], "next_within": 60}) as answer:
            assert answer.status == 403
        for origin, status in (("http://elsewhere.example", 403), (url, 101)):
            async with http.get(f"{page_url}/live", headers={**UPGRADE, "Origin": origin}) as answer:
                assert answer.status == status


async def test_pages_of_two_servers_in_a_browser_show_what_psql_has_written(
    database, tmp_path, browser, record_property
):
    """A burst is one hint, the last change is never lost, and dead connections, restarts and an end are got over.

    Mutants: no `deliverer.finish` in `_finishing`; `close` with a drain.
    """
    async with example("build-status", database, tmp_path, change=seldom, serve=as_kubernetes) as started:
        builds = Builds(started)
        await nobody_else_is_served(builds.url("server-1").removesuffix("/7/1"), builds.url("server-1"))
        heard = []
        await started.admin.add_listener("generation_updates", lambda *told: heard.append(told))
        await builds.psql("INSERT INTO generation_sessions (id, project_id, title) VALUES (2, 7, 'Another')")
        first, second = [await browser.tab(builds.url(server)) for server in SERVERS]
        other = await browser.tab(builds.url("server-1", 2))
        for page in (first, second):
            await shows(page, "title", "A shop that sells tea")
            await shows(page, "connection", "live")
            await page.evaluate(NOTE_WHEN)
        await shows(other, "title", "Another")
        await screenshot(first, "build-status")
        await builds.until_delivered(1)

        burst = "".join(f"BEGIN; {10 * it.format(of)} COMMIT;" for it in (TODO, TOOL_CALL) for of in (1, 2))
        await started.admin.execute(burst)  # in one message: psql on a busy machine may rest for longer than the window
        for page in (first, second):
            await shows(page, "done", "12 of 14")
        await shows(other, "done", "10 of 10")
        await builds.until_delivered(1 + 2)
        assert heard, "all four into one channel of PostgreSQL"

        started.signal("server-2", signal.SIGSTOP)
        before = datetime.now(UTC)
        await builds.psql("".join(map(TITLE.format, ("Soon", "Sooner", "At last <b>tea</b>"))))
        await builds.psql(NOTE.format(2))
        took = [await builds.seconds_until_shown(session) for session in NEW]
        record_property("figures", f"session committed → state at its page: {milliseconds(took)} (debounce 100 ms)")
        await shows(second, "connection", "disconnected")
        started.signal("server-2", signal.SIGCONT)
        await shows(second, "connection", "live")
        for page in (first, second):
            await shows(page, "title", "At last <b>tea</b>")
        when = await first.evaluate("() => window.shownAt")
        assert when["At last <b>tea</b>"] - when["12 of 14"] > MIN_INTERVAL_MS - 1000
        assert not when.keys() & {"Soon", "Sooner"}
        await shows(other, "notes", "Tea is sold by weight.")
        await builds.until_delivered(1 + 2 + len(NEW) + 2)
        updated = before, datetime.now(UTC)

        started.signal("server-1", signal.SIGKILL)
        await started.admin.execute(CUT, next(iter(database.passwords)))
        await builds.psql(UNDO.format(2) + TITLE.format("Nobody heard this"))
        for page in (first, second):
            await shows(page, "title", "Nobody heard this")
            await shows(page, "connection", "live")
            assert "disconnected" in await page.evaluate("() => window.shownAt"), "and not reloaded"

        await builds.stops_as_a_pod("server-2", second)
        await first.reload()
        for page in (first, second, await browser.tab(builds.url("server-1"))):
            await shows(page, "title", "The end")
            await shows(page, "connection", "live")
        await builds.every_change_was_written_down(updated)


def as_its_page_says(folder, tmp_path):
    """Does what stands before the last command of the block on adopted triggers; the words of that one."""
    (block,) = [it.text for it in blocks((HERE / "README.md").read_text()) if "adopted.sql" in it.text]
    here = block.replace("/tmp/", f"{tmp_path}/").replace("examples/build-status", str(folder))
    *before, start = here.splitlines()
    for line in before:
        subprocess.run(["sh", "-c", line], check=True)
    program, *words = shlex.split(start)
    assert program == ".venv/bin/notifychannel"
    return words


@asynccontextmanager
async def adopted(tmp_path):
    """The example as its page says, on free ports, with the database that it has then."""
    folder, ports, status_ports, local_ports = copy("build-status", tmp_path)
    words = await asyncio.to_thread(as_its_page_says, folder, tmp_path)
    async with notifychannel(*words) as program, aiohttp.ClientSession() as http:
        await program.line("Ready.")
        dsn = (await program.line("export DATABASE_URL=")).partition("=")[2].split()[0]
        connection = await asyncpg.connect(dsn)
        started = Example(
            program=program, folder=folder, database=None, admin=connection, ports=ports, status_ports=status_ports,
            local_ports=local_ports, http=http,
        )  # fmt: skip
        await started.until_answered()
        yield started
        await connection.close()
        program.interrupt()
        assert await program.ends() == 130, program.printed


async def test_triggers_that_are_there_are_adopted_as_they_are(tmp_path):
    """The same application, told by them; nothing of ours is in the database. Who takes nothing holds up nobody.

    Mutant: `read` sends the state to one page after the other, and `tell` only the first one.
    """
    (ours,), (theirs,) = [yaml.safe_load_all((HERE / it).read_text()) for it in ("channels.yaml", "adopted.yaml")]
    assert theirs["spec"]["consumers"] == ours["spec"]["consumers"]
    async with adopted(tmp_path) as started:
        builds = Builds(started)
        async with builds.taking_nothing("server-1", 1), builds.watching("server-1", 1) as next_state:
            before = await next_state()
            await started.admin.execute(
                f"BEGIN; {BIG.format(1)} {10 * TODO.format(1)} {10 * TOOL_CALL.format(1)} COMMIT;"
            )
            async with asyncio.timeout(STUCK_S):
                after = await next_state()
        assert len(after["todos"]) == len(before["todos"]) + 10
        await builds.until_delivered(1, "generation-updates-adopted")
        assert not await started.admin.fetchval("SELECT to_regnamespace('notifychannel') IS NOT NULL")


def test_a_pod_has_the_time_to_finish_that_it_wants():
    """The sidecar first, while the application serves; then that."""
    deployment, _ = yaml.safe_load_all((HERE / "kubernetes.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    serves_s = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert serves_s > FINISH_TIMEOUT_S
    assert pod["terminationGracePeriodSeconds"] >= serves_s + GRACE_S
