"""`capture: Outbox` from the table to the application, with real sidecars of which one is the relay."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import AsyncExitStack

import pytest

from notifychannel_operator.spec import Capture
from tests.application import Application
from tests.orders import Orders
from tests.sidecar import SidecarProcess

GOAL_S = 15.0
"""For the role to move; a figure, not a gate."""
AWAKE = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1852008556 AND objid = 2 AND granted"


class Pod:
    """An application and its sidecar."""

    def __init__(self, application: Application, sidecar: SidecarProcess) -> None:
        self.application = application
        self.sidecar = sidecar

    async def hears(self, *ids: int, after: int = 0) -> None:
        """Wait until each was hinted, or a resync came, among the posts past `after`."""
        wanted = set(ids)
        await self.application.until(
            lambda posts: (
                any(not post.body["hints"] for post in posts[after:])
                or wanted <= {key["id"] for post in posts[after:] for key in post.keys}
            )
        )

    async def is_relay(self) -> bool:
        said = await self.sidecar.status()
        return bool(said["relay"]) and said["relay"]["role"] == "relay"


@pytest.fixture
async def orders(database):
    return await Orders.on(database)


@pytest.fixture
async def pod(orders):
    """Makes pods that are listening and have had their first resync."""
    async with AsyncExitStack() as stack:

        async def make(name):
            application = await stack.enter_async_context(Application())
            sidecar = await stack.enter_async_context(
                SidecarProcess(
                    config=orders.config(application), uri=orders.uri, environment={"NOTIFYCHANNEL_POD": name}
                )
            )
            assert (await application.next_post()).body["reason"] == "start"
            return Pod(application, sidecar)

        yield make


async def relay_of(*pods):
    """The one that has the role, and the others."""
    async with asyncio.timeout(30):
        while True:
            for pod in pods:
                if await pod.is_relay():
                    return pod, [it for it in pods if it is not pod]
            await asyncio.sleep(0.05)


async def test_a_change_travels_through_the_outbox(orders, pod):
    """Mutants: app.py does not run the candidate; configmap.py does not say the capture."""
    one = await pod("one")
    await relay_of(one)
    async with orders.admin.transaction():
        await orders.admin.execute("INSERT INTO orders SELECT i FROM generate_series(1, 3) AS i")
        await orders.admin.execute("UPDATE orders SET version = 1 WHERE id = 2")
    await one.hears(1, 2, 3, after=1)
    assert all(post.body["reason"] == "change" for post in one.application.posts[1:])
    assert await one.sidecar.metric("notifychannel_relay") == 1
    assert await one.sidecar.metric("notifychannel_relay_rows_total") == 2
    assert await orders.admin.fetchval("SELECT count(*) FROM notifychannel.outbox") == 0
    assert not any("not the relay" in line for line in one.sidecar.logged)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM], ids=lambda it: it.name)
async def test_the_relays_end_moves_the_role_and_loses_nothing(orders, pod, number, record_property):
    """SIGSTOP takes it awake, so no writer rings until it is replaced.

    Mutants: Verdict.REPLACE ends nobody; a stand-by that looks at nothing.
    """
    relay, (other,) = await relay_of(await pod("one"), await pod("two"))
    heard = len(other.application.posts)
    if number is signal.SIGSTOP:
        async with asyncio.timeout(30):
            while True:
                await orders.admin.execute("INSERT INTO orders SELECT coalesce(max(id), 1000) + 1 FROM orders")
                relay.sidecar.signal(number)
                if await orders.admin.fetchval(AWAKE):
                    break
                relay.sidecar.signal(signal.SIGCONT)
    else:
        relay.sidecar.signal(number)
    started_s = time.monotonic()
    await orders.admin.execute("INSERT INTO orders SELECT i FROM generate_series(1, 100) AS i")
    await other.hears(*range(1, 101), after=heard)
    took_s = time.monotonic() - started_s
    assert not any(not post.body["hints"] for post in other.application.posts[heard:])
    record_property("figures", f"heard {took_s:.1f} s after {number.name} of the relay (goal {GOAL_S:.0f} s)")
    await relay_of(other)  # at SIGTERM the one that ends may have drained them still
    if number is signal.SIGSTOP:
        relay.sidecar.signal(signal.SIGCONT)
        assert (await relay.application.next_post()).body["hints"] is not None
        await orders.admin.execute("INSERT INTO orders VALUES (500)")
        await relay.hears(500, after=1)
        async with asyncio.timeout(30):
            while await relay.is_relay():  # noqa: ASYNC110 - it can only be asked
                await asyncio.sleep(0.05)


class Reader:
    """What an application knows that looks again at whatever it is told to: id → version."""

    def __init__(self, application, connection):
        self.seen = {}
        self.posts = 0
        self._application = application
        self._connection = connection
        self._read = asyncio.Condition()

    async def run(self):
        while True:
            post = await self._application.next_post()
            ids = [key["id"] for key in post.keys]
            query = "SELECT id, version FROM orders" + (" WHERE id = ANY ($1)" if ids else "")
            rows = await self._connection.fetch(query, *([ids] if ids else []))
            async with self._read:
                self.seen |= {row["id"]: row["version"] for row in rows}
                self.posts += 1
                self._read.notify_all()

    async def reads(self, posts):
        """So many more."""
        async with self._read:
            wanted = self.posts + posts
            await self._read.wait_for(lambda: self.posts >= wanted)

    async def knows(self, table):
        async with asyncio.timeout(30), self._read:
            await self._read.wait_for(lambda: self.seen == table)


async def write(connection, first, stop):
    """One row after the other, now and then in a transaction that takes its time."""
    await connection.execute("INSERT INTO orders SELECT $1 + i FROM generate_series(0, 99) AS i", first)
    turn = 0
    while not stop.is_set():
        async with connection.transaction():
            await connection.execute("UPDATE orders SET version = version + 1 WHERE id = $1", first + turn % 100)
            await asyncio.sleep(0.002 if turn % 10 else 0.1)
        turn += 1
    return turn


@pytest.mark.parametrize("first", list(Capture), ids=lambda it: it.value)
async def test_a_living_channel_switched_under_load_misses_nothing(database, first):
    """There are no polls: whoever was changed last and not told would stay unknown.

    Mutants: `rules` without the capture in it; a pass that sends no resync when a body changes.
    """
    orders = await Orders.on(database, capture=first)
    second = next(it for it in Capture if it is not first)
    connections = [await database.connect() for _ in range(5)]
    stop = asyncio.Event()
    async with (
        Application() as application,
        SidecarProcess(config=orders.config(application), uri=orders.uri) as sidecar,
    ):
        reader = Reader(application, connections.pop())
        tasks = [asyncio.create_task(reader.run())]
        tasks += [asyncio.create_task(write(it, 1000 * n, stop)) for n, it in enumerate(connections)]
        try:
            for capture in (second, first, second):
                await reader.reads(20)
                await orders.capture(capture)
                await reader.reads(10)
                sidecar.configure(orders.config(application))
            await reader.reads(20)
            stop.set()
            assert sum(await asyncio.gather(*tasks[1:])) > 100
            table = {row["id"]: row["version"] for row in await orders.admin.fetch("SELECT id, version FROM orders")}
            await reader.knows(table)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
