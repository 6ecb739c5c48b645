"""A database with a queue and one consumer, changes as a trigger writes them, and sidecars that deliver AtLeastOnce.

What the pass writes (the consumer's row) is written here by hand.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tests.conftest import Database
from tests.listening import channel, config
from tests.queueing import has_queue, install
from tests.sidecar import ASK_AGAIN_S, SidecarProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import asyncpg

    from notifychannel_cli.embedded import Server
    from notifychannel_sidecar.config import ChannelConfig, Config
    from tests.application import Application

PATIENCE_S = 40.0
RULES = "abababab"
CHANGE = f"""
CREATE FUNCTION public.change(keys text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $change$
BEGIN
    INSERT INTO notifychannel.outbox_logged (channel, payload) VALUES (
        'orders', '1{RULES}U' || lpad((extract(epoch FROM statement_timestamp()) * 1e6)::bigint::text, 16, '0') || keys
    );
    IF pg_try_advisory_lock_shared(1852008556, 2) THEN
        PERFORM pg_advisory_unlock_shared(1852008556, 2);
        PERFORM pg_notify('notifychannel_relay', '');
    END IF;
END
$change$
"""
"""What the trigger function of a durable channel does."""
ROWS = """
SELECT key, state FROM notifychannel.queue
UNION ALL SELECT 'outbox', 'appended' WHERE EXISTS (SELECT FROM notifychannel.outbox_logged)
"""
CONSUMER: dict[str, Any] = {
    "installation": "i", "namespace": "shop", "channel": "orders", "group": "api", "pg_channel": "orders",
    "rules": RULES, "key_names": ["id"], "suspended": False, "debounce": 0.0, "max_delay": 2.0, "min_interval": 0.0,
    "timeout": 1.0, "max_attempts": 10, "initial_delay": 0.1, "longest_delay": 1.0, "escalate_after": None,
}  # fmt: skip


@dataclass(kw_only=True)
class Queue:
    """`await Queue.on(database)`: the objects are there, and the consumer."""

    database: Database
    admin: asyncpg.Connection
    consumer: dict[str, Any] = field(default_factory=dict)

    @classmethod
    async def on(cls, database: Database, **changes: Any) -> Self:
        """Make them; `changes` of the consumer's row."""
        made = cls(database=database, admin=await database.connect(), consumer={**CONSUMER, **changes})
        if not await has_queue(made.admin):
            await made.install()
        await made.admin.execute(CHANGE)
        await made.register()
        return made

    async def install(self) -> None:
        """All objects, as a pass does."""
        await install(self.admin)

    async def register(self) -> None:
        """Write the consumer's row."""
        columns = ", ".join(f'"{name}"' for name in self.consumer)
        places = ", ".join(f"${number}" for number in range(1, len(self.consumer) + 1))
        values = self.consumer.values()
        await self.admin.execute(f"INSERT INTO notifychannel.consumer ({columns}) VALUES ({places})", *values)

    async def change(self, *keys: int, connection: asyncpg.Connection | None = None) -> None:
        """Rows with these ids change, in one statement."""
        listed = "".join(f"\n[{key}]" for key in keys)
        await (connection or self.admin).execute("SELECT public.change($1)", listed)

    async def rows(self) -> dict[str, str]:
        """Key → state, of all that is in the queue; `outbox` as a key where something has not come so far."""
        return dict(await self.admin.fetch(ROWS))

    async def until(self, condition: Callable[[dict[str, str]], Any]) -> dict[str, str]:
        """Ask for the rows until it holds."""
        rows: dict[str, str] = {}
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition(rows := await self.rows()):  # noqa: ASYNC110 - the server can only be asked
                    await asyncio.sleep(ASK_AGAIN_S)
        except TimeoutError:
            raise AssertionError(f"never; the queue holds {rows}") from None
        return rows

    async def beats_again(self) -> None:
        """Wait until the claimers have shown twice that they live: one call at least began after this one."""
        beats = "SELECT sum(beats) FROM notifychannel.claimer"
        before = await self.admin.fetchval(beats)
        async with asyncio.timeout(PATIENCE_S):
            while await self.admin.fetchval(beats) < before + 2:  # noqa: ASYNC110 - the server can only be asked
                await asyncio.sleep(ASK_AGAIN_S)

    async def is_done(self) -> None:
        """Wait until all is acknowledged."""
        await self.until(lambda rows: not set(rows.values()) - {"resting"})

    def configured(self, application: Application, **changes: Any) -> Config:
        """What the sidecars are told."""
        return config(self.orders(application, **changes))

    def orders(self, application: Application, **changes: Any) -> ChannelConfig:
        """The channel as the consumer wants it."""
        row = self.consumer
        settings = {
            "format": "Keys", "key": tuple(row["key_names"]), "rules": row["rules"], "sources": True,
            "capture": "Outbox", "delivery": "AtLeastOnce", "port": application.port, "path": "/hints",
            "window": row["debounce"], "max_delay": row["max_delay"], "min_interval": row["min_interval"],
            "timeout": row["timeout"],
        }  # fmt: skip
        return channel("orders", **{**settings, **changes})

    def sidecar(
        self, application: Application, pod: str = "a", *, uri: str | None = None, **changes: Any
    ) -> SidecarProcess:
        """A pod; `changes` of its configuration."""
        return SidecarProcess(
            config=self.configured(application, **changes), uri=uri or self.database.dsn(),
            environment={"NOTIFYCHANNEL_POD": pod},
        )  # fmt: skip


@asynccontextmanager
async def own(server: Server) -> AsyncIterator[Database]:
    """A database on a server that the test may stop."""
    async with AsyncExitStack() as stack:
        yield Database(server=server, name="postgres", stack=stack, number=0)


async def claims(sidecar: SidecarProcess) -> None:
    """Wait until it does."""
    await sidecar.says(lambda said: (said["channels"].get("orders", {}).get("queue") or {}).get("claiming"))


def told(application: Application) -> list[int]:
    """The keys of all POSTs so far, in order."""
    return [key["id"] for post in application.posts for key in post.keys]
