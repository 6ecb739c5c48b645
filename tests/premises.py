"""A database as its users have it: an application that owns its tables, an installer and a listener with the rights
that `--grants` prints and no others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from notifychannel_operator import database as edge
from notifychannel_operator import grants, names, observe, plan
from notifychannel_operator.spec import Channel, Consumer, Endpoint, Event, KeyPart, Rule, Source
from notifychannel_operator.triggers import triggers

if TYPE_CHECKING:
    import asyncpg

OWNER = names.Owner(installation="test", namespace="shop", name="orders")
OTHER = names.Owner(installation="test", namespace="shop", name="billing")
CONSUMERS = (Consumer(group="app", endpoint=Endpoint(port=8080, path="/hints")),)
ANY = Rule(name="any", events=(Event.INSERT, Event.UPDATE, Event.DELETE, Event.TRUNCATE))
SINCE = re.compile(
    r"--\n-- Name: FUNCTION skipped\(\); Type: COMMENT.*\n--\n\n"
    r"COMMENT ON FUNCTION notifychannel.skipped\(\) IS 'rules of database system \d+ since transaction \d+';\n\n\n"
)
TABLES = """
CREATE TABLE public.orders (id bigint PRIMARY KEY, status text);
CREATE TABLE public.events (id bigint, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE public.events_1 PARTITION OF public.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE public.events_2 PARTITION OF public.events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
"""


def source(table: str = "orders", *rules: Rule, **options: Any) -> Source:
    """A source on public.<table> with the key `id`."""
    options = {"key": (KeyPart(name="id", column="id"),), **options}
    return Source(**{"schema": "public", "table": table, "rules": rules or (ANY,), **options})


def channel(*sources: Source, **options: Any) -> Channel:
    """A channel with these sources."""
    options = {"namespace": "shop", "name": "orders", "secret": "db", "consumers": CONSUMERS, **options}
    return Channel(sources=sources, **options)


@dataclass(kw_only=True)
class Site:
    """`admin` is a superuser, `app` owns the tables and writes."""

    database: Any
    admin: asyncpg.Connection
    app: asyncpg.Connection
    app_role: str
    installer: str
    listener: str
    sessions: dict[str, asyncpg.Connection] = field(default_factory=dict)

    async def session(self, role: str | None = None) -> asyncpg.Connection:
        """One connection of that role (the installer), kept for the test."""
        role = role or self.installer
        if role not in self.sessions:
            self.sessions[role] = await self.database.connect(role)
        return self.sessions[role]

    async def rights(self, *channels: Channel, listener: str | None = None) -> str:
        """What --grants prints."""
        wanted = {name for each in channels for name in triggers.table_names(each)}
        return grants.script(
            channels,
            installer=self.installer,
            listener=listener or self.listener,
            dbname=self.database.name,
            tables=await observe.tables(self.admin, wanted),
        )

    async def grant(self, *channels: Channel) -> None:
        await self.admin.execute(await self.rights(*channels))

    def psql(self, script: str, *, role: str = "postgres") -> str:
        """Run a script as people do; raises EmbeddedError when any of it fails."""
        return self.database.server.run(
            "psql", self.database.dsn(role), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", stdin=script
        )

    def dump(self) -> str:
        """All objects of the database, but for the words that every run of pg_dump chooses anew, and the note since
        when rules hold, which stays as long as the function does that it stands beside.
        """
        text = SINCE.sub("", self.database.server.run("pg_dump", "-s", self.database.dsn()))
        return "\n".join(line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))

    async def plan(self, wanted: Channel, owner: names.Owner = OWNER, **options: Any) -> Any:
        facts = await edge.observe(await self.session(), wanted, owner)
        return plan.of(wanted, facts, **options)

    async def install(self, wanted: Channel, owner: names.Owner = OWNER) -> Any:
        """Grant, then one pass that has to succeed."""
        await self.grant(wanted)
        return await self.step(wanted, owner)

    async def step(self, wanted: Channel, owner: names.Owner = OWNER) -> Any:
        """One pass that has to succeed and to leave nothing to do."""
        made = await self.plan(wanted, owner)
        assert made.problems == (), made.problems
        result = await edge.apply(await self.session(), made)
        assert result.is_complete, result
        again = await self.plan(wanted, owner)
        assert again.steps == (), again.steps
        return result

    async def triggers(self) -> list[tuple[str, str]]:
        """(table, function) of every trigger that is none of PostgreSQL's own or a clone."""
        rows = await self.admin.fetch(
            "SELECT tgrelid::regclass::text AS table, tgfoid::regproc::text AS function FROM pg_trigger"
            " WHERE NOT tgisinternal AND tgparentid = 0 ORDER BY tgrelid, tgfoid, tgname"
        )
        return [(row["table"], row["function"]) for row in rows]


async def build(database: Any, tables: str = TABLES) -> Site:
    """The roles, who may do nothing yet, and the application's tables."""
    app, installer, listener = [await database.role(name) for name in ("app", "installer", "listener")]
    admin = await database.connect()
    await admin.execute(f"""
        REVOKE ALL ON DATABASE "{database.name}" FROM PUBLIC;
        REVOKE ALL ON SCHEMA public FROM PUBLIC;
        GRANT CONNECT ON DATABASE "{database.name}" TO "{app}";
        GRANT ALL ON SCHEMA public TO "{app}";
    """)
    connection = await database.connect(app)
    await connection.execute(tables)
    return Site(database=database, admin=admin, app=connection, app_role=app, installer=installer, listener=listener)
