"""A server of its own, a table with our triggers, pods, writers, a killer; and the verdict when all rest."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_cli.embedded import Server
from notifychannel_operator import configmap
from tests.checker import shop
from tests.checker.killer import DECK, RELAYS, Killer
from tests.checker.ledger import Ledger
from tests.checker.pod import Pod
from tests.checker.shop import Combination
from tests.checker.writer import HOT, UPDATE, Writer, idle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from notifychannel_operator.spec import Channel
    from notifychannel_sidecar.config import Config
    from tests.checker.reader import Reader, Versions
    from tests.checker.verdict import Verdict

WRITERS = 16
IDLE = 8
PODS = 2
MARKER = -1
SEED = 5
PATIENCE_S = 120.0
ASK_AGAIN_S = 0.1
SETTINGS = {"fsync": "off", "max_connections": "100", "deadlock_timeout": "200ms", "scram_iterations": "1"}
"""Without fsync it survives every kill of a process, which is all that happens here; and who is killed often, logs in
often.
"""
WAITING = "SELECT EXISTS (SELECT FROM notifychannel.outbox) OR EXISTS (SELECT FROM notifychannel.outbox_logged)"
SETTLING = "SELECT EXISTS (SELECT FROM notifychannel.fence)"
"""The resync that follows an installation when nobody writes under older rules has not come."""
QUEUED = "SELECT EXISTS (SELECT FROM notifychannel.queue WHERE state NOT IN ('resting', 'dead'))"
ROWS = "SELECT id, version FROM orders"
MARK = """
INSERT INTO orders VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET version = orders.version + 1 RETURNING version
"""
CLEAR = f"SET session_replication_role = replica; DELETE FROM orders WHERE id >= {HOT}"
"""So no trigger tells of it."""


@dataclass(kw_only=True)
class Site:
    """What a run is made of."""

    server: Server
    combination: Combination
    channel: Channel
    ledger: Ledger
    random: Random
    pods: list[Pod] = field(default_factory=list)
    writers: list[Writer] = field(default_factory=list)

    def dsn(self, user: str = "postgres") -> str:
        """Of our database, whose roles all have the superuser's password."""
        return self.server.dsn(shop.DBNAME, user)

    def dsn_of_application(self) -> str:
        """Its way to the database."""
        return self.dsn(shop.APPLICATION)

    def dsn_of_sidecars(self) -> str:
        """Theirs."""
        return self.dsn(shop.LISTENER)

    def config(self, port: int) -> Config:
        """What a sidecar is told."""
        made = configmap.config_for(
            (self.channel,), installation=shop.INSTALLATION, namespace="shop", group=shop.GROUP,
            system_identifier=None, dbname=shop.DBNAME,
        )  # fmt: skip
        return replace(made, channels=tuple(replace(each, port=port) for each in made.channels))

    def deck(self) -> list[str]:
        """What there is to kill, in an order that nobody knows."""
        deck = DECK if self.combination is Combination.NOTIFY else DECK + RELAYS
        return self.random.sample(deck, len(deck))

    async def write(self, changes: int) -> None:
        """So many more, by all writers at once; returns when they are committed."""
        until = self.ledger.committed + changes
        async with asyncio.TaskGroup() as group:
            for writer in self.writers:
                group.create_task(writer.run(until))

    async def write_and_kill(self, changes: int, what: str) -> None:
        """The same, and somewhere in the midst of it one is killed."""
        killer = Killer(
            server=self.server, dsn=self.dsn(), listener=shop.LISTENER, pods=self.pods, kills=self.ledger.kills,
            random=self.random,
        )  # fmt: skip
        async with asyncio.TaskGroup() as group:
            group.create_task(self.write(changes))
            await asyncio.sleep(self.random.uniform(0.1, 1.5))
            await killer.kill(what)

    async def judge(self) -> Verdict:
        """What became of the stretch until now, when all of it has been told; the next begins."""
        return self.ledger.judge(await self.told())

    async def told(self) -> Versions:
        """Wait until all is told that waits anywhere, and nothing more is to come; what the table holds."""
        async with self.asking() as connection:
            await self._settle(connection)
            return dict(await connection.fetch(ROWS))

    async def rows(self) -> Versions:
        """What the table holds."""
        async with self.asking() as connection:
            return dict(await connection.fetch(ROWS))

    async def keys(self, query: str) -> set[int]:
        """What it answers."""
        async with self.asking() as connection:
            return {row[0] for row in await connection.fetch(query)}

    async def change(self, key: int) -> None:
        """One row, once."""
        sent_s = asyncio.get_running_loop().time()
        async with self.asking() as connection:
            await connection.execute(UPDATE, key)
        self.ledger.changed([key], sent_s=sent_s, now_s=asyncio.get_running_loop().time())

    async def until_not(self, question: str) -> None:
        """Ask until the answer is no."""
        async with self.asking() as connection:
            await self._until_not(connection, question)

    async def clear(self) -> None:
        """Take the rows away of which all has been judged, unheard: what follows needs no room and time for them."""
        async with self.asking() as connection:
            await connection.execute(CLEAR)
            self.ledger.begin_stretch(dict(await connection.fetch(ROWS)))
        for writer in self.writers:
            writer.forget()

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[asyncpg.Connection]:
        """The superuser's connection."""
        connection = await asyncpg.connect(self.dsn())
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    async def _settle(self, connection: asyncpg.Connection) -> None:
        """The first mark goes past what waits in the server, the second past what the sidecars hold, resyncs too."""
        if self.combination is Combination.DURABLE:
            await self._until_not(connection, SETTLING)
        hinted = 0
        async with asyncio.timeout(2 * PATIENCE_S):
            while hinted < 2:
                if self.combination is not Combination.NOTIFY:
                    await self._until_not(connection, WAITING)
                version = await connection.fetchval(MARK, MARKER)
                await self._until_known(version)
                for pod in self.pods:
                    await pod.sidecar.listens()
                hinted = hinted + 1 if all(pod.reader.was_hinted(MARKER, version) for pod in self.pods) else 0
        if self.combination is Combination.DURABLE:
            await self._until_not(connection, QUEUED)

    async def _until_not(self, connection: asyncpg.Connection, question: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await connection.fetchval(question):  # noqa: ASYNC110 - a server can only be asked
                    await asyncio.sleep(ASK_AGAIN_S)
        except TimeoutError:
            raise AssertionError(f"always: {question}; so far {self.ledger.verdict()}") from None

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
    combination: Combination,
    max_attempts: int = 1000,
    escalated_after_s: float | None = None,
) -> AsyncIterator[Site]:
    """All of it, listening, and everybody knows the table; ended with the block."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(Server(version=version, settings=SETTINGS))
        channel = shop.channel(combination, max_attempts=max_attempts, escalated_after_s=escalated_after_s)
        made = Site(server=server, combination=combination, channel=channel, ledger=Ledger(), random=Random(SEED))  # noqa: S311
        await shop.open_shop(server, channel)
        await add_pods(made, stack)
        ids = itertools.count(HOT)
        made.writers = [
            Writer(dsn=made.dsn_of_application(), ledger=made.ledger, random=made.random, ids=ids)
            for _ in range(WRITERS)
        ]
        for writer in made.writers:
            stack.callback(writer.leave)
        made.ledger.begin_stretch(await made.told())
        for number in range(IDLE):
            await stack.enter_async_context(_idle(made, in_transaction=number == 0))
        yield made


async def add_pods(made: Site, stack: AsyncExitStack) -> None:
    """PODS of them, and each has heard of the start."""
    is_shared = made.combination is Combination.DURABLE
    shared, condition = made.ledger.reader() if is_shared else None, asyncio.Condition()
    for number in range(PODS):
        pod = _pod(made, number, shared or made.ledger.reader(), condition if is_shared else asyncio.Condition())
        made.pods.append(await stack.enter_async_context(pod))
    for pod in made.pods:
        async with asyncio.timeout(PATIENCE_S), pod.changed:
            await pod.changed.wait_for(lambda pod=pod: pod.reader.resyncs.total())


def _pod(made: Site, number: int, reader: Reader, changed: asyncio.Condition) -> Pod:
    return Pod(
        name=f"pod-{number}", dsn=made.dsn_of_application(), uri=made.dsn_of_sidecars(), configured=made.config,
        ledger=made.ledger, reader=reader, pods=made.pods, changed=changed,
    )  # fmt: skip


@asynccontextmanager
async def _idle(made: Site, *, in_transaction: bool) -> AsyncIterator[None]:
    task = asyncio.create_task(idle(made.dsn(shop.APPLICATION), in_transaction=in_transaction))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
