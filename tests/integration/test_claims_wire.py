"""Claims, when something between worker, sidecar and queue breaks: killed, frozen, cut, restarted.

No hint is lost, and none is two workers' at once: whoever had it before has lost it by then, and hears so when it
acknowledges.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from contextlib import asynccontextmanager

import pytest

from tests import queueing
from tests.claiming import Worker, ids, local_port, pod, versions
from tests.durably import Queue, claims
from tests.wire import Wire

pytestmark = pytest.mark.timeout(180)
TIMEOUT_S = 3.0
WORKER = """
import json, sys, time, urllib.request
body = json.dumps({"channel": "orders", "max": 2, "wait": 60}).encode()
print("asking", flush=True)
with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/v1/claim", data=body) as answer:
    print(answer.read().decode(), flush=True)
time.sleep(600)
"""
"""It asks once, says what it got, and does nothing with it."""
CLAIM_SESSIONS = "FROM pg_stat_activity WHERE application_name LIKE 'nch-claim%' AND datname = current_database()"


@pytest.fixture(scope="session")
def server(newest):
    """What differs between versions is in SQL, and that has its own tests."""
    return newest


@pytest.fixture
def template(server):
    return queueing.template(server)


@pytest.fixture
async def queue(database):
    return await Queue.on(database, timeout=TIMEOUT_S)


@asynccontextmanager
async def process(port):
    """A worker that can be killed."""
    it = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, str(port), stdout=asyncio.subprocess.PIPE)
    try:
        assert await it.stdout.readline() == b"asking\n"
        yield it
    finally:
        if it.returncode is None:
            it.kill()
        await it.wait()


def over(wire, database):
    return database.dsn().replace(f":{database.server.port}/", f":{wire.port}/")


async def test_of_a_worker_that_is_killed_while_it_waits_nothing_is_taken(queue):
    async with pod(queue) as one:
        await claims(one)
        port = await local_port(one)
        async with process(port) as worker:
            await queue.beats_again()
            worker.kill()
            await worker.wait()
            await queue.beats_again()
            await queue.change(1, 2)
            await queue.until(lambda rows: rows == {"[1]": "pending", "[2]": "pending"})
            await queue.beats_again()
            assert set((await queue.rows()).values()) == {"pending"}
        async with Worker(port=port) as other:
            found = await other.claim(most=2)
            assert sorted(ids(found)) == [1, 2]
            assert {it["hints"][0]["attempt"] for it in found} == {1}


async def test_what_a_worker_has_when_it_is_killed_comes_back_after_the_timeout_as_an_attempt(queue):
    async with pod(queue) as one, await Worker.beside(one) as other:
        await claims(one)
        await queue.change(1, 2)
        await queue.until(lambda rows: len(rows) == 2 and "outbox" not in rows)
        async with process(other.port) as worker:
            given = json.loads(await worker.stdout.readline())["claims"]
            began_s = time.monotonic()
            worker.kill()
            again = await other.claim(most=2)
            assert time.monotonic() - began_s >= TIMEOUT_S - 1.0, "it had them before it said so"
        again += [] if len(again) == 2 else await other.claim(most=2)
        assert {it["hints"][0]["id"] for it in again} == {it["hints"][0]["id"] for it in given}
        assert {it["hints"][0]["attempt"] for it in again} == {2}
        assert await queue.admin.fetchval("SELECT max(last_error) FROM notifychannel.queue") == "timeout"
        assert (await other.ack(done=given))["gone"] == [it["claim"] for it in given]
        assert (await other.ack(done=again))["done"] == 2
        assert 'answer="timeout"' in await one.get("/metrics")
    assert await queue.rows() == {}


async def test_under_a_sidecar_that_is_killed_others_have_to_wait_for_the_timeout_and_a_late_answer_is_gone(queue):
    async with pod(queue, "b") as two, await Worker.beside(two) as other:
        await claims(two)
        async with pod(queue, "a") as one, await Worker.beside(one) as worker:
            await claims(one)
            await queue.change(1)
            [given] = await worker.claim()
            began_s = time.monotonic()
            one.process.kill()
            [again] = await other.claim(wait=60)
            assert time.monotonic() - began_s >= TIMEOUT_S
            assert (await other.ack(done=[again]))["done"] == 1
            assert again["hints"][0]["id"] == given["hints"][0]["id"]
        async with pod(queue, "a") as one, await Worker.beside(one) as worker:
            assert (await worker.ack(done=[given]))["gone"] == [given["claim"]]
    assert await queue.rows() == {}


async def test_when_the_database_ends_the_session_an_answer_is_gone_and_the_hint_comes_again_under_its_id(queue):
    async with pod(queue) as one, await Worker.beside(one) as worker:
        await claims(one)
        await queue.change(1, 2)
        await queue.until(lambda rows: len(rows) == 2 and "outbox" not in rows)
        given = await worker.claim(most=2)
        began_s = time.monotonic()
        assert len(await queue.admin.fetch(f"SELECT pg_terminate_backend(pid) {CLAIM_SESSIONS}")) == 1
        await one.logs("not claiming")
        assert await worker.ack(done=given[:1], extend=given[1:]) == {
            "done": 0, "retry": 0, "released": 0, "extended": 0, "gone": [it["claim"] for it in given],
        }  # fmt: skip
        again = []
        while len(again) < 2:
            again += await worker.claim(most=2)
        assert time.monotonic() - began_s >= TIMEOUT_S, "they were the worker's for so long"
        assert {it["hints"][0]["id"] for it in again} == {it["hints"][0]["id"] for it in given}
        assert {it["hints"][0]["attempt"] for it in again} == {1}
        assert (await worker.ack(done=again))["done"] == 2
    assert await queue.rows() == {}


async def test_an_answer_behind_a_frozen_wire_is_gone_and_not_done(database, queue):
    """Nobody knows whether the queue has heard: who is told `done` may rely on it."""
    async with Wire(target=database.server.port) as wire, pod(queue, "b") as two, await Worker.beside(two) as other:
        await claims(two)
        async with pod(queue, "a", uri=over(wire, database)) as one, await Worker.beside(one) as worker:
            await claims(one)
            await queue.change(1)
            [given] = await worker.claim()
            wire.freeze()
            assert (await worker.ack(done=[given]))["gone"] == [given["claim"]]
            [again] = await other.claim(wait=60)
            assert again["hints"][0]["id"] == given["hints"][0]["id"]
            wire.thaw()
            assert (await other.ack(done=[again]))["done"] == 1
    assert await queue.rows() == {}


async def test_an_answer_that_comes_in_time_and_is_told_when_the_wire_is_thawed_is_done(database, queue):
    async with (
        Wire(target=database.server.port) as wire,
        pod(queue, uri=over(wire, database)) as one,
        await Worker.beside(one) as worker,
    ):
        await claims(one)
        await queue.change(1)
        given = await worker.claim()
        wire.freeze()
        acking = asyncio.create_task(worker.ack(done=given))
        await asyncio.wait({acking}, timeout=0.5)
        assert not acking.done()
        wire.thaw()
        assert (await acking)["done"] == 1
    assert await queue.rows() == {}


async def test_a_sidecar_that_was_stopped_while_a_worker_waits_hands_out_nothing_that_another_has_got(queue):
    """And goes on: the worker gets the next one without asking again."""
    async with pod(queue, "b") as two, await Worker.beside(two) as other:
        await claims(two)
        async with pod(queue, "a") as one, await Worker.beside(one) as worker:
            await claims(one)
            asking = asyncio.create_task(worker.claim(wait=60))
            await queue.beats_again()
            one.signal(signal.SIGSTOP)
            await queue.change(1)
            [given] = await other.claim(wait=60)
            one.signal(signal.SIGCONT)
            await asyncio.wait({asking}, timeout=2.0)
            assert not asking.done()
            assert (await other.ack(done=[given]))["done"] == 1
            await queue.change(2)
            assert ids(await asking) == [2]


async def test_a_sidecar_that_was_stopped_for_longer_than_its_claims_live_says_gone_when_it_goes_on(queue):
    async with pod(queue, "b") as two, await Worker.beside(two) as other:
        await claims(two)
        async with pod(queue, "a") as one, await Worker.beside(one) as worker:
            await claims(one)
            await queue.change(1, 2)
            await queue.until(lambda rows: len(rows) == 2 and "outbox" not in rows)
            given = await worker.claim(most=2)
            began_s = time.monotonic()
            one.signal(signal.SIGSTOP)
            again = []
            while len(again) < 2:
                again += await other.claim(most=2, wait=60)
            assert time.monotonic() - began_s >= TIMEOUT_S
            one.signal(signal.SIGCONT)
            said = await worker.ack(done=given[:1], extend=given[1:])
            assert sorted(said["gone"]) == sorted(it["claim"] for it in given)
            assert (await other.ack(done=again))["done"] == 2
    assert await queue.rows() == {}
    assert versions(worker.got, 1) == versions(other.got, 1)
