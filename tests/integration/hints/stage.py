"""A stage for trigger bodies: an application with its tables, an installer with no right too many, a listener."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from notifychannel_operator import names, observe
from notifychannel_operator.quote import ident, qualified
from notifychannel_operator.spec import Capture, Channel, Consumer, Endpoint, KeyPart, Rule, Source
from notifychannel_operator.triggers import triggers

if TYPE_CHECKING:
    import asyncpg

    from notifychannel_operator.spec import Event

OWNER = names.Owner(installation="test", namespace="shop", name="orders")
PG_CHANNEL = names.pg_channel(OWNER)
HEADER_LENGTH = 26
MAX_BYTES = 7999
LETTERS = {"I": "insert", "U": "update", "D": "delete", "T": "truncate"}
IS_THERE = "SELECT to_regclass('notifychannel.outbox') IS NOT NULL"
WAITING = "SELECT xid, payload FROM notifychannel.outbox WHERE channel = $1 ORDER BY xid, ctid"
DRAIN = "SELECT * FROM notifychannel.drain('0', '{}', 1000000)"
BY_EACH_CAPTURE = pytest.mark.parametrize("capture", Capture, indirect=True, ids=lambda capture: capture.value)
CONSUMERS = (Consumer(group="app", endpoint=Endpoint(port=8080, path="/hints")),)


@dataclass(kw_only=True)
class Stage:
    """Who plays: `admin` is a superuser, `app` owns the tables and writes, `installer` has what --grants would say."""

    database: Any
    admin: asyncpg.Connection
    app: asyncpg.Connection
    installer: asyncpg.Connection
    app_role: str
    installer_role: str
    capture: Capture = Capture.NOTIFY
    channel: Channel | None = None
    heard: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    markers: Any = field(default_factory=itertools.count)

    async def tables(self, ddl: str) -> None:
        """Run the application's DDL as the application."""
        await self.app.execute(ddl)

    async def look(self, channel: Channel) -> dict:
        return await observe.tables(self.installer, triggers.table_names(channel))

    async def install(self, *sources: Source, **options: Any) -> Channel:
        """Grant what is needed and no more, then install what `triggers.wanted` says."""
        options = {"secret": "db", "consumers": CONSUMERS, "capture": self.capture, **options}
        self.channel = Channel(namespace="shop", name="orders", sources=sources, **options)
        for grant in await self.grants(self.channel):
            await self.admin.execute(grant)
        for function in triggers.wanted(self.channel, owner=OWNER, tables=await self.look(self.channel)):
            for sql in (function.sql, function.comment_sql, *(trigger.sql for trigger in function.triggers)):
                await self.installer.execute(sql)
        return self.channel

    async def replace_functions(self) -> None:
        """What a pass does when the hash differs: `CREATE OR REPLACE`."""
        for function in triggers.wanted(self.channel, owner=OWNER, tables=await self.look(self.channel)):
            await self.installer.execute(function.sql)

    async def hash(self) -> str:
        """Of the first source's wanted state, as the catalog is now."""
        return triggers.wanted(self.channel, owner=OWNER, tables=await self.look(self.channel))[0].hash

    async def grants(self, channel: Channel) -> list[str]:
        found = await observe.tables(self.admin, triggers.table_names(channel))
        lines = []
        for source in channel.sources:
            table = found[source.schema, source.table]
            for relation in (table.relation, *(part.relation for part in table.partitions)):
                lines.append(f'GRANT USAGE ON SCHEMA {ident(relation.schema)} TO "{self.installer_role}"')
                on = qualified(relation.schema, relation.name)
                lines.append(f'GRANT TRIGGER ON {on} TO "{self.installer_role}"')
            for looked in (part.lookup for part in source.key if part.lookup is not None):
                columns = {looked.column, *(theirs for theirs, _ in looked.match)}
                listed = ", ".join(ident(name) for name in sorted(columns))
                lines.append(f'GRANT USAGE ON SCHEMA {ident(looked.schema)} TO "{self.installer_role}"')
                on = qualified(looked.schema, looked.table)
                lines.append(f'GRANT SELECT ({listed}) ON {on} TO "{self.installer_role}"')
        return lines

    async def hear(self, *statements: str, writer: asyncpg.Connection | None = None) -> list[tuple[str, Any]]:
        """Run the statements, then a marker: everything that came before the marker, as (event, keys or 'resync')."""
        writer = writer or self.app
        for statement in statements:
            await writer.execute(statement)
        return await self.until_marker(writer=writer)

    async def raw(self, *, writer: asyncpg.Connection | None = None) -> list[str]:
        """What triggers have said until now, in the order of their statements: NOTIFYed, or waiting in the outbox. That
        is drained, and what is heard of it then has to be the same.
        """
        told = await self.told(writer or self.app)
        if self.capture is not Capture.OUTBOX or not await self.admin.fetchval(IS_THERE):
            return told
        rows = await self.admin.fetch(WAITING, PG_CHANNEL)
        assert not (await self.installer.fetchrow(DRAIN))["more"]
        drained = await self.told(writer or self.app)
        assert counted(drained) == counted([row["payload"] for row in rows]), drained
        waiting = dict.fromkeys((row["xid"], row["payload"]) for row in rows)  # as NOTIFY does with what is equal
        return sorted((*told, *(payload for _, payload in waiting)), key=lambda payload: payload[10:HEADER_LENGTH])

    async def told(self, writer: asyncpg.Connection) -> list[str]:
        """What was NOTIFYed before a marker that is sent now."""
        marker = f"marker {next(self.markers)}"
        await writer.execute("SELECT pg_notify($1, $2)", PG_CHANNEL, marker)
        payloads = []
        while (payload := await asyncio.wait_for(self.heard.get(), 30)) != marker:
            payloads.append(payload)
        return payloads

    async def until_marker(self, *, writer: asyncpg.Connection | None = None) -> list[tuple[str, Any]]:
        return [self.parse(payload) for payload in await self.raw(writer=writer)]

    def parse(self, payload: str) -> tuple[str, Any]:
        header, *lines = payload.split("\n")
        assert len(payload.encode()) <= 7999
        assert len(header) == HEADER_LENGTH
        assert header[:9] == "1" + names.rules(self.channel)
        assert header[10:].isdigit()
        return LETTERS[header[9]], [json.loads(line) for line in lines] or "resync"


def counted(payloads: list[str]) -> tuple[Counter[tuple[str, str]], dict[str, tuple[str, str]], dict[str, str]]:
    """How often each key is named, by header without times; the first and the last statement's time by header; and
    since when everything is to be looked at. Payloads of triggers and of the relay alike.
    """
    keys: Counter[tuple[str, str]] = Counter()
    times: dict[str, tuple[str, str]] = {}
    everything: dict[str, str] = {}
    for payload in payloads:
        assert len(payload.encode()) <= MAX_BYTES
        header, *lines = payload.split("\n")
        head, since, till = header[1:10], header[10:26], header[26:] or header[10:26]
        if lines:
            first, last = times.get(head, (since, till))
            times[head] = min(first, since), max(last, till)
        else:
            everything[head] = min(everything.get(head, since), since)
        for line in lines:
            key = line.lstrip("0123456789") if header[0] == "2" else line
            keys[head, key] += int(line.removesuffix(key) or 1)
    return keys, times, everything


def key(*columns: str) -> tuple[KeyPart, ...]:
    return tuple(KeyPart(name=column, column=column) for column in columns)


def rule(*events: Event, name: str = "rule", columns: tuple[str, ...] = (), when: tuple = ()) -> Rule:
    return Rule(name=name, events=events, columns=columns, when=when)
