"""What every benchmark stands on: an embedded server with fsync on, tables that differ only in their triggers."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_cli.embedded import Server
from notifychannel_cli.install import grant, install
from notifychannel_operator import configmap, spec
from notifychannel_operator.quote import ident

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from notifychannel_sidecar.config import Config

INSTALLATION = "bench"
GROUP = "bench"
INSTALLER, LISTENER = "bench_installer", "bench_listener"
PATH = "/hints"


@dataclass(slots=True, kw_only=True)
class Rig:
    """One server, one database; `admin` is a superuser's connection."""

    server: Server
    admin: asyncpg.Connection
    stack: AsyncExitStack
    quick: bool = False
    """Whether it works at all is the question, not how fast: `rounds` are as few as can be."""

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
        self, name: str, *, max_keys: int = 1000, capture: spec.Capture = spec.Capture.NOTIFY
    ) -> spec.Channel:
        """A table with our triggers for Insert; its channel has window 0 and no polls."""
        await self.table(name)
        channel = _channel(name, max_keys, capture)
        await grant((channel,), dsn=self.dsn(), installer=INSTALLER, listener=LISTENER)
        await install((channel,), dsn=self.dsn(INSTALLER), installation=INSTALLATION)
        return channel

    def config(self, channel: spec.Channel, *, port: int) -> Config:
        """What the sidecar of this channel's group reads."""
        config = configmap.config_for(
            (channel,), installation=INSTALLATION, namespace=channel.namespace, group=GROUP,
            system_identifier=None, dbname="bench",
        )  # fmt: skip
        return replace(config, channels=tuple(replace(each, port=port) for each in config.channels))

    async def listens(self, *channels: str) -> None:
        """Somebody idle listens: without any listener a NOTIFY costs less than in production."""
        connection = await self.connect()
        for channel in channels:
            await connection.add_listener(channel, _ignore)


@asynccontextmanager
async def rig(version: int, *, quick: bool = False) -> AsyncIterator[Rig]:
    """Start server, database and roles; remove them at the end."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(Server(version=version, settings={"shared_buffers": "128MB"}))
        admin = await asyncpg.connect(server.dsn())
        await admin.execute("CREATE DATABASE bench")
        for role in (INSTALLER, LISTENER):
            await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{server.password}'")
        await admin.close()
        admin = await asyncpg.connect(server.dsn("bench"))
        stack.push_async_callback(admin.close, timeout=5)
        yield Rig(server=server, admin=admin, stack=stack, quick=quick)


def _channel(table: str, max_keys: int, capture: spec.Capture) -> spec.Channel:
    rule = spec.Rule(name="created", events=(spec.Event.INSERT,))
    source = spec.Source(
        schema="public", table=table, key=(spec.KeyPart(name="id", column="id"),), max_keys=max_keys, rules=(rule,)
    )
    consumer = spec.Consumer(
        group=GROUP, endpoint=spec.Endpoint(port=1, path=PATH), debounce=spec.Debounce(window=0.0), poll_interval=0.0
    )
    return spec.Channel(
        namespace="bench",
        name=table.replace("_", "-"),
        secret=GROUP,
        sources=(source,),
        consumers=(consumer,),
        capture=capture,
    )


def _ignore(*_: object) -> None:
    return
