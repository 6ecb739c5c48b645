"""What every benchmark stands on: an embedded server with fsync on, tables that differ only in their triggers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_cli.embedded import Server
from notifychannel_cli.install import grant, install
from notifychannel_operator import configmap, spec
from notifychannel_operator.quote import ident, literal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from notifychannel_sidecar.config import Config

INSTALLATION = "bench"
NAMESPACE = "bench"
GROUP = "bench"
INSTALLER, LISTENER = "bench_installer", "bench_listener"
PATH = "/hints"
MAX_CONNECTIONS = 620
"""For 500 listeners and whoever else is there."""
PATIENCE_S = 600.0
ASK_AGAIN_S = 0.1
FORGET = "TRUNCATE notifychannel.outbox_logged, notifychannel.queue"
LEFT = """
SELECT EXISTS (SELECT FROM notifychannel.outbox) OR EXISTS (SELECT FROM notifychannel.outbox_logged)
"""


@dataclass(slots=True, kw_only=True)
class Rig:
    """One server, one database; `admin` is a superuser's connection."""

    server: Server
    admin: asyncpg.Connection
    stack: AsyncExitStack
    quick: bool = False
    """Whether it works at all is the question, not how fast: `rounds` are as few as can be."""
    changes: int | None = None
    """How many changes are made where sizes are measured; None: as many as that measure thinks fit."""

    def rounds(self, usual: int, *, least: int = 1) -> int:
        """How often, or for how many seconds, something is measured."""
        return least if self.quick else usual

    def dsn(self, role: str = "postgres") -> str:
        """Of the benchmark's database."""
        return self.server.dsn("bench", role)

    async def connect(self, role: str = "postgres") -> asyncpg.Connection:
        """A connection that is closed with the rig."""
        connection = await asyncpg.connect(self.dsn(role))
        self.stack.push_async_callback(connection.close, timeout=5)
        return connection

    async def table(self, name: str) -> None:
        """A table as applications have them: a key, a tenant, a status, some text."""
        await self.admin.execute(
            f"CREATE TABLE {ident(name)} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
            " tenant_id integer NOT NULL, status text NOT NULL, note text, changed_at timestamptz DEFAULT now())"
        )

    async def hinted(
        self,
        name: str,
        *,
        event: spec.Event = spec.Event.INSERT,
        columns: tuple[str, ...] = (),
        max_keys: int = 1000,
        capture: spec.Capture = spec.Capture.NOTIFY,
        delivery: spec.Delivery = spec.Delivery.BEST_EFFORT,
        window_s: float = 0.0,
    ) -> spec.Channel:
        """A table with our triggers for one event, of these columns or any; its channel has no polls."""
        await self.table(name)
        rule = spec.Rule(name="changed", events=(event,), columns=columns)
        channel = _channel(name, rule, max_keys, capture, _consumer(delivery, window_s))
        await grant((channel,), dsn=self.dsn(), installer=INSTALLER, listener=LISTENER)
        await install((channel,), dsn=self.dsn(INSTALLER), installation=INSTALLATION)
        return channel

    def config(self, *channels: spec.Channel, port: int) -> Config:
        """What one sidecar that hears these channels reads."""
        config = configmap.config_for(
            channels, installation=INSTALLATION, namespace=NAMESPACE, group=GROUP,
            system_identifier=None, dbname="bench",
        )  # fmt: skip
        return replace(config, channels=tuple(replace(each, port=port) for each in config.channels))

    async def configure(self, settings: Mapping[str, str]) -> None:
        """Settings of the server that need no restart."""
        for name, value in settings.items():
            await self.admin.execute(f"ALTER SYSTEM SET {ident(name)} = {literal(value)}")
        await self.admin.execute("SELECT pg_reload_conf()")

    async def drained(self) -> None:
        """Wait until the relay has nothing left to do: its work is not to fall on what is measured next."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.admin.fetchval(LEFT):  # noqa: ASYNC110  the server can only be asked
                await asyncio.sleep(ASK_AGAIN_S)

    async def forget(self) -> None:
        """Empty logged outbox and queue, now that nobody works: what rests there is not to fall on who comes next."""
        await self.admin.execute(FORGET)

    async def listens(self, *channels: str) -> None:
        """Somebody idle listens: without any listener a NOTIFY costs less than in production."""
        connection = await self.connect()
        for channel in channels:
            await connection.add_listener(channel, _ignore)


@asynccontextmanager
async def rig(
    version: int, *, quick: bool = False, changes: int | None = None, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Rig]:
    """Start server, database and roles; remove them at the end."""
    async with AsyncExitStack() as stack:
        own = {"shared_buffers": "128MB", "max_connections": str(MAX_CONNECTIONS), **(settings or {})}
        server = stack.enter_context(Server(version=version, settings=own))
        admin = await asyncpg.connect(server.dsn())
        await admin.execute("CREATE DATABASE bench")
        for role in (INSTALLER, LISTENER):
            await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{server.password}'")
        await admin.close()
        admin = await asyncpg.connect(server.dsn("bench"))
        stack.push_async_callback(admin.close, timeout=5)
        yield Rig(server=server, admin=admin, stack=stack, quick=quick, changes=changes)


def _consumer(delivery: spec.Delivery, window_s: float) -> spec.Consumer:
    return spec.Consumer(
        group=GROUP,
        endpoint=spec.Endpoint(port=1, path=PATH),
        debounce=spec.Debounce(window=window_s, max_delay=max(window_s, 2.0)),
        poll_interval=0.0,
        delivery=delivery,
        retry=spec.Retry() if delivery is spec.Delivery.AT_LEAST_ONCE else None,
    )


def _channel(
    table: str, rule: spec.Rule, max_keys: int, capture: spec.Capture, consumer: spec.Consumer
) -> spec.Channel:
    source = spec.Source(
        schema="public", table=table, key=(spec.KeyPart(name="id", column="id"),), max_keys=max_keys, rules=(rule,)
    )
    return spec.Channel(
        namespace=NAMESPACE,
        name=table.replace("_", "-"),
        secret=GROUP,
        sources=(source,),
        consumers=(consumer,),
        capture=capture,
    )


def _ignore(*_: object) -> None:
    return
