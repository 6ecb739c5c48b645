"""docs/howto/claims.md: its worker and its extension run as they stand there, as programs of their own."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager

import pytest

from tests import queueing
from tests.claiming import local_port, pod
from tests.durably import Queue, claims
from tests.pages import ROOT, blocks

pytestmark = pytest.mark.timeout(120)
PAGE = blocks((ROOT / "docs" / "howto" / "claims.md").read_text())
WORKER, KEPT = (block.text for block in PAGE if block.language == "python")
BEFORE = """
import contextlib, json, threading, time, urllib.request
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
async def running(code, port):
    """That program, of which the sidecar is on that port and the channel is called as ours."""
    code = (BEFORE + code).replace("127.0.0.1:9790", f"127.0.0.1:{port}").replace('channel="mails"', 'channel="orders"')
    it = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    try:
        yield it.stdout
    finally:
        if it.returncode is None:
            it.kill()
        await it.wait()


@asynccontextmanager
async def beside(queue):
    """A sidecar whose Secret has a token."""
    async with pod(queue) as one:
        one.write("secret/token", "s3cret")
        await claims(one)
        yield one


async def test_the_pages_worker_works_and_says_what_it_could_not_do(database):
    """And it is ten lines and a function, for that is what the page says of it."""
    assert len(WORKER.split("\n\n\n")[1].splitlines()) <= 10
    queue = await Queue.on(database, timeout=30.0)
    async with beside(queue) as one, running(WORKER, await local_port(one)) as printed:
        await queue.change(1)
        assert await printed.readline() == b"1\n"
        await queue.change(7)
        assert await printed.readline() == b"7\n"
        await queue.change()
        assert await printed.readline() == b"all\n"
        await queue.is_done()
        text = await one.get("/metrics")
        assert 'notifychannel_deliveries_total{answer="retry",channel="orders"} 1.0' in text
        assert 'notifychannel_deliveries_total{answer="claim",channel="orders"} 3.0' in text


async def test_the_pages_worker_keeps_what_it_is_still_at(database):
    queue = await Queue.on(database, timeout=4.0)
    code = WORKER.partition("\n\n\nwhile True")[0] + "\n\n" + KEPT + AT_WORK
    async with beside(queue) as one, running(code, await local_port(one)) as printed:
        await queue.change(1)
        assert await printed.readline() == b"1\n"
        await queue.is_done()
        assert 'answer="timeout"' not in await one.get("/metrics")
