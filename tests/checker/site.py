"""A server of its own, a table with our triggers, pods, writers, a killer; and the verdict when all rest."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_cli.embedded import Server
from notifychannel_cli.install import grant, install
from notifychannel_operator import configmap
from notifychannel_operator.spec import (
    Batch,
    Capture,
    Channel,
    Consumer,
    Debounce,
    Delivery,
    Endpoint,
    Escalation,
    Event,
    KeyPart,
    Retry,
    Rule,
    Source,
)
from tests.checker.killer import Killer
from tests.checker.ledger import Ledger
from tests.checker.pod import ESCALATIONS, Pod
from tests.checker.writer import HOT, Writer, idle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from notifychannel_sidecar.config import Config
    from tests.checker.ledger import Reader, Verdict, Versions

INSTALLATION, GROUP, DBNAME = "check", "api", "shop"
INSTALLER, LISTENER, APPLICATION = "installer", "listener", "application"
WRITERS = 16
IDLE = 8
MARKER = -1
PATIENCE_S = 120.0
ASK_AGAIN_S = 0.1
SETTINGS = {"fsync": "off", "max_connections": "100", "deadlock_timeout": "200ms"}
"""Without fsync it survives every kill of a process, which is all that happens here."""
EVERY = (Event.INSERT, Event.UPDATE, Event.DELETE)
WAITING = "SELECT EXISTS (SELECT FROM notifychannel.outbox) OR EXISTS (SELECT FROM notifychannel.outbox_logged)"
SETTLING = "SELECT EXISTS (SELECT FROM notifychannel.fence)"
"""The resync that follows an installation when nobody writes under older rules has not come."""
QUEUED = "SELECT EXISTS (SELECT FROM notifychannel.queue WHERE state <> 'resting')"


@dataclass(kw_only=True)
class Site:
    """What a run is made of."""

    server: Server
    channel: Channel
    ledger: Ledger
    random: Random
    pods: list[Pod] = field(default_factory=list)
    writers: list[Writer] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def dsn(self, user: str = "postgres") -> str:
        """Of our database, whose roles all have the superuser's password."""
        return self.server.dsn(DBNAME, user)

    @property
    def is_durable(self) -> bool:
        return bool(self.channel.durable)

    def config(self, port: int) -> Config:
        """What a sidecar is told."""
        made = configmap.config_for(
            (self.channel,), installation=INSTALLATION, namespace="shop", group=GROUP, system_identifier=None,
            dbname=DBNAME,
        )  # fmt: skip
        return replace(made, channels=tuple(replace(each, port=port) for each in made.channels))

    async def write(self, changes: int) -> None:
        """So many more, by all writers at once; returns when they are committed."""
        share = -(-changes // WRITERS)
        for writer in self.writers:
            writer.changes += share
        async with asyncio.TaskGroup() as group:
            for writer in self.writers:
                group.create_task(writer.run())

    @asynccontextmanager
    async def killing(self, *, every_s: float) -> AsyncIterator[None]:
        """At random, within the block."""
        killer = Killer(
            server=self.server, dsn=self.dsn(), pods=self.pods, ledger=self.ledger, random=self.random, every_s=every_s
        )
        task = asyncio.create_task(killer.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await killer.ends()

    async def rest(self) -> None:
        """Wait until nothing is to be told for the installation's sake: a resync later on would hide what is lost."""
        if not self.is_durable:
            return
        connection = await asyncpg.connect(self.dsn())
        try:
            for question in (SETTLING, QUEUED):
                await self._until(connection, question, holds=False)
        finally:
            await connection.close(timeout=5)

    async def verdict(self) -> Verdict:
        """When everything that waits has been told: what is marked afterwards is known to everybody."""
        connection = await asyncpg.connect(self.dsn())
        try:
            for _ in range(2):  # the first goes past what waits in the server, the second past what the sidecars hold
                await self._until(connection, WAITING, holds=False)
                version = await connection.fetchval(
                    "INSERT INTO orders VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET version = orders.version + 1 "
                    "RETURNING version", MARKER,
                )  # fmt: skip
                await self._until_known(version)
            if self.is_durable:
                await self._until(connection, QUEUED, holds=False)
            table: Versions = dict(await connection.fetch("SELECT id, version FROM orders"))
        finally:
            await connection.close(timeout=5)
        return self.ledger.verdict(table)

    async def _until(self, connection: asyncpg.Connection, question: str, *, holds: bool) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await connection.fetchval(question) is not holds:  # noqa: ASYNC110 - a server can only be asked
                    await asyncio.sleep(ASK_AGAIN_S)
        except TimeoutError:
            raise AssertionError(f"never {holds}: {question}; so far {self.ledger.verdict({})}") from None

    async def _until_known(self, version: int) -> None:
        for pod in self.pods:
            try:
                async with asyncio.timeout(PATIENCE_S), pod.changed:
                    await pod.changed.wait_for(lambda pod=pod: pod.reader.seen.get(MARKER, 0) >= version)
            except TimeoutError:
                raise AssertionError(f"{pod.name} was never told of the last row: {pod.sidecar.logged[-20:]}") from None


@asynccontextmanager
async def site(
    *,
    version: int,
    delivery: Delivery,
    seed: int,
    pods: int = 2,
    forgets_every: int | None = None,
    escalated_after_s: float | None = None,
) -> AsyncIterator[Site]:
    """All of it, listening; ended with the block."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(Server(version=version, settings=SETTINGS))
        channel = _channel(delivery, escalated_after_s)
        made = Site(server=server, channel=channel, ledger=Ledger(), random=Random(seed))  # noqa: S311
        await _install(made)
        shared = made.ledger.reader() if made.is_durable else None
        condition = asyncio.Condition()
        for number in range(pods):
            reader = shared or made.ledger.reader()
            pod = _pod(made, number, reader, condition if shared else asyncio.Condition(), forgets_every)
            made.pods.append(await stack.enter_async_context(pod))
        for pod in made.pods:
            async with asyncio.timeout(PATIENCE_S), pod.changed:
                await pod.changed.wait_for(lambda pod=pod: sum(pod.reader.resyncs.values()))
        await made.rest()
        ids = itertools.count(HOT)
        made.writers = [
            Writer(dsn=made.dsn(APPLICATION), number=number, changes=0, ledger=made.ledger, random=made.random, ids=ids)
            for number in range(WRITERS)
        ]
        idlers = [
            asyncio.create_task(idle(made.dsn(APPLICATION), in_transaction=number == 0)) for number in range(IDLE)
        ]
        try:
            yield made
        finally:
            for task in idlers:
                task.cancel()
            await asyncio.wait(idlers)


def _pod(made: Site, number: int, reader: Reader, changed: asyncio.Condition, forgets_every: int | None) -> Pod:
    return Pod(
        name=f"pod-{number}", dsn=made.dsn(APPLICATION), uri=made.dsn(LISTENER), configured=made.config,
        ledger=made.ledger, reader=reader, pods=made.pods, changed=changed, forgets_every=forgets_every,
    )  # fmt: skip


async def _install(made: Site) -> None:
    admin = await asyncpg.connect(made.server.dsn())
    await admin.execute(f"CREATE DATABASE {DBNAME}")
    for role in (INSTALLER, LISTENER, APPLICATION):
        await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{made.server.password}'")
    await admin.close()
    admin = await asyncpg.connect(made.dsn())
    await admin.execute("CREATE TABLE orders (id bigint PRIMARY KEY, version bigint NOT NULL DEFAULT 0)")
    await admin.execute(f"ALTER TABLE orders OWNER TO {APPLICATION}")
    await admin.execute(f"INSERT INTO orders SELECT generate_series(0, {HOT - 1})")
    await grant((made.channel,), dsn=made.dsn(), installer=INSTALLER, listener=LISTENER)
    await install((made.channel,), dsn=made.dsn(INSTALLER), installation=INSTALLATION)
    await admin.close()


def _channel(delivery: Delivery, escalated_after_s: float | None) -> Channel:
    key = (KeyPart(name="id", column="id"),)
    durable = delivery is Delivery.AT_LEAST_ONCE
    return Channel(
        namespace="shop", name="orders", secret="orders-db", capture=Capture.OUTBOX,
        sources=(Source(schema="public", table="orders", key=key, rules=(Rule(name="any", events=EVERY),)),),
        consumers=(
            Consumer(
                group=GROUP, endpoint=Endpoint(port=1, path="/hints", timeout=10.0),
                debounce=Debounce(window=0.05, max_delay=0.5), batch=Batch(max_hints=500), poll_interval=0.0,
                resync_spread=0.0, delivery=delivery,
                retry=Retry(max_attempts=1000, initial_delay=0.1, max_delay=2.0) if durable else None,
                escalation=Escalation(after=escalated_after_s, path=ESCALATIONS) if escalated_after_s else None,
            ),
        ),
    )  # fmt: skip
