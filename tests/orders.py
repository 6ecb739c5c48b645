"""A table `orders` with our triggers, installed as a pass does, and the real sidecar's configuration for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from notifychannel_cli.install import grant, install
from notifychannel_operator import configmap
from notifychannel_operator.spec import Capture, Channel, Consumer, Debounce, Endpoint, Event, KeyPart, Rule, Source

if TYPE_CHECKING:
    import asyncpg

    from notifychannel_sidecar.config import Config
    from tests.application import Application
    from tests.conftest import Database

INSTALLATION, NAMESPACE, GROUP = "test", "shop", "api"
RULES = (Rule(name="all", events=(Event.INSERT, Event.UPDATE, Event.DELETE)),)


@dataclass(kw_only=True)
class Orders:
    """The table, who may do what with it, and the channel as it was installed last."""

    database: Database
    admin: asyncpg.Connection
    installer: str
    listener: str
    channel: Channel

    @classmethod
    async def on(cls, database: Database, *, capture: Capture = Capture.OUTBOX) -> Self:
        """Make table and roles, and install."""
        admin = await database.connect()
        await admin.execute("CREATE TABLE orders (id bigint PRIMARY KEY, version bigint NOT NULL DEFAULT 0)")
        key = (KeyPart(name="id", column="id"),)
        made = cls(
            database=database, admin=admin, installer=await database.role("installer"),
            listener=await database.role("listener"),
            channel=Channel(
                namespace=NAMESPACE, name="orders", secret="orders-db", capture=capture,
                sources=(Source(schema="public", table="orders", key=key, rules=RULES),),
                consumers=(
                    Consumer(
                        group=GROUP, endpoint=Endpoint(port=1, path="/hints"), debounce=Debounce(window=0.0),
                        poll_interval=0.0, resync_spread=0.0,
                    ),
                ),
            ),
        )  # fmt: skip
        await made.install(made.channel)
        return made

    async def install(self, channel: Channel) -> None:
        """What a pass does."""
        self.channel = channel
        await grant((channel,), dsn=self.database.dsn(), installer=self.installer, listener=self.listener)
        await install((channel,), dsn=self.database.dsn(self.installer), installation=INSTALLATION)

    async def capture(self, capture: Capture) -> None:
        """Switch the living channel."""
        await self.install(replace(self.channel, capture=capture))

    def config(self, application: Application) -> Config:
        """Of the channel as it is now."""
        made = configmap.config_for(
            (self.channel,), installation=INSTALLATION, namespace=NAMESPACE, group=GROUP, system_identifier=None,
            dbname=self.database.name,
        )  # fmt: skip
        return replace(made, channels=tuple(replace(each, port=application.port) for each in made.channels))

    @property
    def uri(self) -> str:
        """The listener's way to the database."""
        return self.database.dsn(self.listener)
