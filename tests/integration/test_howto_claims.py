"""docs/howto/claims.md: its worker and its extension run as they stand there, as programs of their own."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager

import pytest

from notifychannel_cli.embedded import free_port
from tests import queueing
from tests.claiming import local_port, pod
from tests.durably import Queue, claims
from tests.pages import ROOT, blocks
from tests.process import notifychannel

pytestmark = pytest.mark.timeout(120)
PAGE = blocks((ROOT / "docs" / "howto" / "claims.md").read_text())
(CHANNEL,) = (block.text for block in PAGE if block.language == "yaml")
WORKER, KEPT = (block.text for block in PAGE if block.language == "python")
BEFORE = """
import contextlib, threading, time
TOKEN = "s3cret"
failed = []
def look_at_key(key):
    if key["id"] == 7 and not failed:
        failed.append(key)
        raise ValueError("secret words")
    print(key["id"], flush=True)
def look_at_every_key():
    print("all", flush=True)
"""
SAYS_THAT_IT_WAITS = """
def sleep(seconds, sleep=time.sleep):
    print("waits", flush=True)
    sleep(seconds)
time.sleep = sleep
"""
AT_WORK = """
[claim] = ask("/v1/claim", channel="orders", wait=20)["claims"]
with kept(claim):
    time.sleep(2.5 * claim["expires_in"])
print(ask("/v1/ack", done=[claim["claim"]])["done"], flush=True)
"""


@pytest.fixture(scope="session")
def server(newest):
    """What differs between versions is in SQL, and that has its own tests."""
    return newest


@pytest.fixture
def template(server):
    return queueing.template(server)


@asynccontextmanager
async def running(code, port, channel="orders"):
    """That program, of which the sidecar is on that port and the channel `mails` is called as ours."""
    code = (BEFORE + code).replace("127.0.0.1:9790", f"127.0.0.1:{port}").replace('"mails"', f'"{channel}"')
    it = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    try:
        yield it.stdout
    finally:
        if it.returncode is None:
            it.kill()
        await it.wait()


@asynccontextmanager
async def beside(queue, port=0):
    """A sidecar whose Secret has a token."""
    made = pod(queue)
    made.environment["NOTIFYCHANNEL_LOCAL_PORT"] = str(port)
    async with made as one:
        one.write("secret/token", "s3cret")
        await claims(one)
        yield one


async def test_the_pages_worker_works_and_says_what_it_could_not_do(database):
    """It is there before its sidecar, as ten lines and a function; one of a mistaken channel says so and ends."""
    assert len(WORKER.split("\n\n\n")[-1].splitlines()) <= 10
    queue, port = await Queue.on(database, timeout=30.0), free_port()
    async with running(SAYS_THAT_IT_WAITS + WORKER, port) as printed:
        assert await printed.readline() == b"waits\n"
        async with beside(queue, port) as one:
            await queue.change(1)
            while (line := await printed.readline()) == b"waits\n":
                pass
            assert line == b"1\n"
            await queue.change(7)
            assert await printed.readline() == b"7\n"
            await queue.change()
            assert await printed.readline() == b"all\n"
            await queue.is_done()
            text = await one.get("/metrics")
            assert 'notifychannel_deliveries_total{answer="retry",channel="orders"} 1.0' in text
            assert 'notifychannel_deliveries_total{answer="claim",channel="orders"} 3.0' in text
            async with running(WORKER.replace("mails", "letters"), port) as mistaken:
                assert b"no such channel; to be claimed: orders" in await mistaken.readline()
                assert await mistaken.read() == b""  # it has ended


async def test_a_job_of_the_pages_channel_that_is_done_is_not_told_again(database, tmp_path):
    """Mutant: no `row: New`."""
    admin = await database.connect()
    await admin.execute("CREATE TABLE mails (id int PRIMARY KEY, status text DEFAULT 'pending')")
    (tmp_path / "mails.yaml").write_text(CHANNEL)
    port = free_port()
    words = ("-f", str(tmp_path / "mails.yaml"), "--dsn", database.dsn(), "--allow-superuser", "--serve", str(port))
    async with notifychannel("dev", *words) as dev, running(WORKER, port, channel="mails") as printed:
        await dev.line("Listening as mailer")
        for number in (1, 2, 3):
            await admin.execute("INSERT INTO mails VALUES ($1)", number)
            while (line := await printed.readline()) == b"all\n":
                pass
            assert line == b"%d\n" % number
            await admin.execute("UPDATE mails SET status = 'sent' WHERE id = $1", number)


async def test_the_pages_worker_keeps_what_it_is_still_at(database):
    queue = await Queue.on(database, timeout=4.0)
    code = WORKER.partition("\n\n\nwhile True")[0] + "\n\n" + KEPT + AT_WORK
    async with beside(queue) as one, running(code, await local_port(one)) as printed:
        await queue.change(1)
        assert await printed.readline() == b"1\n"
        await queue.is_done()
        assert 'answer="timeout"' not in await one.get("/metrics")
