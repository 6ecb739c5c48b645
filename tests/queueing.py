"""A database with a queue: consumers, changes that a drain merges, sessions that claim. Time passes when we say so."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import asyncpg

    from notifychannel_cli.embedded import Server
    from tests.conftest import Database

FILES = ("010_schema", "020_outbox", "030_queue", "031_claims", "032_upkeep", "033_rules")
TEMPLATE = "with_queue"
_with_template: set[Path] = set()
"""Folders of servers."""
RULES = "abababab"
AT_US = 1_767_225_600_000_000
CONSUMER: dict[str, Any] = {
    "installation": "dev", "namespace": "shop", "channel": "orders", "group": "api", "pg_channel": "orders",
    "rules": RULES, "key_names": ["id"], "suspended": False, "debounce": 60.0, "max_delay": 600.0, "min_interval": 0.0,
    "timeout": 2.0, "max_attempts": 3, "initial_delay": 40.0, "longest_delay": 300.0, "escalate_after": None,
}  # fmt: skip
PUT = f"SELECT * FROM notifychannel.put_consumer({', '.join(f'${number + 1}' for number in range(len(CONSUMER)))})"
APPEND = "INSERT INTO notifychannel.outbox_logged (channel, payload) VALUES ($1, $2)"
LONG_S = 1000.0
"""More than any wait of these consumers, which are so long that a slow machine does not matter."""
WINDOW_S = 61.0
"""So does a change after it."""


def payload(*keys: str, event: str = "I", at_us: int = AT_US, rules: str = RULES) -> str:
    """As a trigger writes it; without keys, a resync."""
    return "\n".join([f"1{rules}{event}{at_us:016}", *keys])


async def install(connection: asyncpg.Connection) -> None:
    """Make all objects, as their owner."""
    for script in _scripts():
        await connection.execute(script)


def template(server: Server) -> str:
    """A database of that server in which a superuser has made all objects, and nothing else: to be copied, for to make
    them takes longer than most tests.
    """
    if server.directory not in _with_template:
        server.run("psql", server.dsn(), "-X", "-q", "-c", f"CREATE DATABASE {TEMPLATE} STRATEGY FILE_COPY")
        script = "\n".join(_scripts())
        server.run("psql", server.dsn(TEMPLATE), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", stdin=script)
        _with_template.add(server.directory)
    return TEMPLATE


async def has_queue(connection: asyncpg.Connection) -> bool:
    """The objects are there: the database is such a copy."""
    return bool(await connection.fetchval("SELECT to_regclass('notifychannel.queue') IS NOT NULL"))


def _scripts() -> list[str]:
    return [(files("notifychannel_operator") / "sql" / f"{name}.sql").read_text() for name in FILES]


@dataclass(kw_only=True)
class Claimer:
    """A session that claims."""

    connection: asyncpg.Connection
    me: int

    async def claim(self, most: int = 100) -> list[asyncpg.Record]:
        """Rows of its own, from now on."""
        return list(await self.connection.fetch("SELECT * FROM notifychannel.claim($1, $2)", self.me, most))

    async def settle(
        self, rows: Sequence[asyncpg.Record], outcome: str = "done", *, error: str | None = None, wait: float = 0.0
    ) -> int:
        """The same for all; how many were its own still."""
        return int(
            await self.connection.fetchval(
                "SELECT notifychannel.settle($1, $2, $3, $4, $5, $6)",
                self.me, [row["key"] for row in rows], [row["version"] for row in rows], [outcome] * len(rows),
                [error] * len(rows), [wait] * len(rows),
            )
        )  # fmt: skip

    async def turn(
        self, settled: Sequence[tuple[asyncpg.Record, str]], most: int
    ) -> tuple[list[asyncpg.Record], float | None]:
        """Settle, claim, and the seconds until the next is due."""
        *rows, last = await self.connection.fetch(
            "SELECT * FROM notifychannel.turn($1, $2, $3, $4, $5, $6, $7)",
            self.me, [row["key"] for row, _ in settled], [row["version"] for row, _ in settled],
            [outcome for _, outcome in settled], [None] * len(settled), [0.0] * len(settled), most,
        )  # fmt: skip
        assert last["key"] is None
        return rows, last["waited"]

    async def call(self, name: str, *arguments: object) -> Any:
        """One of the functions that take the claimer first."""
        holes = "".join(f", ${number + 2}" for number in range(len(arguments)))
        return await self.connection.fetchval(f"SELECT notifychannel.{name}($1{holes})", self.me, *arguments)


@dataclass(kw_only=True)
class Queue:
    """One, with `api` as its first consumer, who has got its first resync."""

    database: Database
    owner: asyncpg.Connection
    first: int = field(default=0)

    @classmethod
    async def on(cls, database: Database, **consumer: Any) -> Self:
        """Make it."""
        owner = await database.connect()
        if not await has_queue(owner):
            await install(owner)
        made = cls(database=database, owner=owner)
        made.first = await made.consumer(**consumer)
        return made

    async def consumer(self, **changed: Any) -> int:
        """Put a consumer; what it gets for being new is gone."""
        row = await self.owner.fetchrow(PUT, *(CONSUMER | changed).values())
        if row["did"] == "made":
            await self.owner.execute("DELETE FROM notifychannel.queue WHERE consumer = $1", row["id"])
        return int(row["id"])

    async def changes(self, *keys: str, channel: str = "orders", **header: Any) -> None:
        """Append a statement's payload and drain it."""
        await self.owner.execute(APPEND, channel, payload(*keys, **header))
        await self.drain()

    async def drain(self) -> asyncpg.Record:
        """As a relay that begins."""
        return await self.owner.fetchrow("SELECT * FROM notifychannel.drain('0', '{}', 1000)")

    async def claimer(self, group: str = "api", *, user: str = "postgres", channel: str = "orders") -> Claimer:
        """A session of its own that has entered."""
        connection = await self.database.connect(user)
        me = await connection.fetchval("SELECT notifychannel.enter('dev', 'shop', $1, $2, 'pod')", channel, group)
        return Claimer(connection=connection, me=me)

    async def passes(self, seconds: float = LONG_S) -> None:
        """So much time does, for the queue."""
        sql = "UPDATE notifychannel.queue_clock SET ahead = ahead + make_interval(secs => $1)"
        await self.owner.execute(sql, seconds)

    async def rows(self, consumer: int | None = None) -> dict[str, asyncpg.Record]:
        """By key, of one consumer; due in seconds, too."""
        found = await self.owner.fetch(
            "SELECT *, extract(epoch FROM due_at - notifychannel.queue_time())::float8 AS due_in "
            "FROM notifychannel.queue WHERE consumer = $1 ORDER BY key",
            consumer or self.first,
        )
        return {row["key"]: row for row in found}

    async def row(self, key: str = "[1]") -> asyncpg.Record:
        """One of the first consumer's."""
        return (await self.rows())[key]

    async def look(self) -> list[asyncpg.Record]:
        """What the relay sees of claimers."""
        return list(await self.owner.fetch("SELECT * FROM notifychannel.claimers_look() ORDER BY claimer"))

    async def reclaim(self) -> int:
        """Of all that have claimed until now."""
        seen = await self.look()
        return int(
            await self.owner.fetchval(
                "SELECT notifychannel.reclaim($1, $2)", [it["claimer"] for it in seen], [it["beats"] for it in seen]
            )
        )
