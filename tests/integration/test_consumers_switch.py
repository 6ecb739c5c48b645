"""A live channel goes from one way of delivery to another, under load, with real sidecars: nothing is missed.

The application does what applications do: it looks at the row that it was told of, or at all of them, and remembers
what it saw. There are no polls, and most rows change once, so that no later hint makes up for one that was lost.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from notifychannel_operator import configmap
from notifychannel_operator import database as edge
from notifychannel_operator.spec import Capture, Consumer, Delivery, Endpoint
from tests.application import Application, Say
from tests.premises import build, channel, source
from tests.sidecar import SidecarProcess

pytestmark = pytest.mark.timeout(240)
TABLE = "CREATE TABLE public.orders (id bigint PRIMARY KEY, status text NOT NULL)"
LOOK = "SELECT id, status FROM orders WHERE $1::bigint[] IS NULL OR id = ANY ($1)"
WRITERS = 4
ROWS = 5_000
PATIENCE_S = 45.0
ASK_AGAIN_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Look:
    """Look at these rows, or at all, and answer 200."""

    keys: list[int] | None


class Looking(Application):
    """What it has seen of each row."""

    def __init__(self, connection: Any) -> None:
        super().__init__()
        self.seen: dict[int, str] = {}
        self._connection = connection
        self._turn = asyncio.Lock()

    def _behaviour(self, body: dict[str, Any]) -> Any:
        return Look(keys=[hint["key"]["id"] for hint in body["hints"]] or None)

    async def _behave(self, request: Any, behaviour: Any) -> Any:
        async with self._turn:
            for row in await self._connection.fetch(LOOK, behaviour.keys):
                self.seen[row["id"]] = row["status"]
        return await super()._behave(request, Say())


@dataclass(kw_only=True)
class Shop:
    """A table that is written, a channel over it, and two pods."""

    site: Any
    application: Looking
    sidecars: list[SidecarProcess] = field(default_factory=list)
    turn: int = 0
    random: random.Random = field(default_factory=lambda: random.Random(5))  # noqa: S311 a load

    def channel(self, way: str) -> Any:
        endpoint = Endpoint(port=self.application.port, path="/hints")
        consumer = Consumer(group="app", endpoint=endpoint, poll_interval=0.0)
        if way == "AtLeastOnce":
            consumer = replace(consumer, delivery=Delivery.AT_LEAST_ONCE)
        capture = Capture.NOTIFY if way == "Notify" else Capture.OUTBOX
        return channel(source(), consumers=(consumer,), capture=capture)

    async def install(self, way: str) -> None:
        """One pass."""
        result = await edge.apply(await self.site.session(), await self.site.plan(self.channel(way)))
        assert not result.failed, result

    def configure(self, way: str) -> None:
        """What the pods read from the ConfigMap, some time later."""
        for sidecar in self.sidecars:
            sidecar.configure(self.config(way))

    def config(self, way: str) -> Any:
        return configmap.config_for(
            [self.channel(way)], installation="test", namespace="shop", group="app", system_identifier=None, dbname=None
        )

    async def write(self, stop: asyncio.Event) -> None:
        """Until then: mostly one row in a transaction, some of which abort or stay open for a while."""
        connection = await self.site.database.connect(self.site.app_role)
        while not stop.is_set():
            chance = self.random.random()
            async with Attempt(connection, aborts=chance < 0.15):
                await connection.execute(
                    "UPDATE orders SET status = status || $2 WHERE id = $1", self.random.randrange(ROWS), f"{self.turn}"
                )
                if chance > 0.97:
                    await asyncio.sleep(0.2)
            await asyncio.sleep(0.005)
        await connection.close()

    async def sees_all(self) -> None:
        """Wait until the application has seen every row as it is."""
        rows = {}
        try:
            async with asyncio.timeout(PATIENCE_S):
                while rows != self.application.seen or not rows:
                    rows = dict(await self.site.admin.fetch(LOOK, None))
                    await asyncio.sleep(ASK_AGAIN_S)
        except TimeoutError:
            missed = [key for key, status in rows.items() if self.application.seen.get(key) != status]
            raise AssertionError(f"{len(missed)} rows were missed: {missed[:10]}") from None


class Attempt:
    """A transaction that commits, or aborts."""

    def __init__(self, connection: Any, *, aborts: bool) -> None:
        self._transaction = connection.transaction()
        self._aborts = aborts

    async def __aenter__(self) -> None:
        await self._transaction.start()

    async def __aexit__(self, *_: object) -> None:
        await (self._transaction.rollback() if self._aborts else self._transaction.commit())


@pytest.fixture
async def shop(database):
    async with AsyncExitStack() as stack:
        site = await build(database, TABLE)
        await site.app.execute(f"INSERT INTO orders SELECT i, '' FROM generate_series(0, {ROWS - 1}) AS i")
        application = await stack.enter_async_context(Looking(await database.connect()))
        made = Shop(site=site, application=application)
        await site.grant(made.channel("AtLeastOnce"))
        yield made


async def _pods(shop: Shop, way: str, stack: AsyncExitStack) -> None:
    for pod in ("a", "b"):
        sidecar = SidecarProcess(
            config=shop.config(way),
            uri=shop.site.database.dsn(shop.site.listener),
            environment={"NOTIFYCHANNEL_POD": pod},
        )
        shop.sidecars.append(await stack.enter_async_context(sidecar))
        await sidecar.listens()


WAYS = [
    ("Notify", "AtLeastOnce"), ("AtLeastOnce", "Notify"), ("Outbox", "AtLeastOnce"), ("AtLeastOnce", "Outbox"),
    ("Notify", "Outbox"), ("Outbox", "Notify"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), WAYS, ids=lambda way: way)
async def test_a_channel_is_switched_under_load_and_no_row_is_missed(shop, before, after):
    """Mutant: triggers.outbox that is always `outbox`: the queue hears of nothing, but of what a resync tells."""
    async with AsyncExitStack() as stack:
        await shop.install(before)
        await _pods(shop, before, stack)
        stop = asyncio.Event()
        writers = [asyncio.create_task(shop.write(stop)) for _ in range(WRITERS)]
        late = await shop.site.database.connect(shop.site.app_role)
        await late.execute("BEGIN; UPDATE orders SET status = 'late' WHERE id = 1")
        await asyncio.sleep(1.0)
        shop.turn = 1
        await shop.install(after)
        await asyncio.sleep(1.0)
        shop.configure(after)
        await asyncio.sleep(1.0)
        await late.execute("COMMIT")
        await shop.install(after)
        await asyncio.sleep(1.0)
        stop.set()
        await asyncio.gather(*writers)
        await shop.sees_all()
        for sidecar in shop.sidecars:
            assert (await sidecar.status())["state"] == "LISTENING"
        for turn in "345":  # a look at everything that is owed makes up for one of them
            await shop.site.app.execute("UPDATE orders SET status = $1 WHERE id < 20", turn)
            await shop.sees_all()
