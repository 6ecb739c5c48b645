"""SQL injection through every string of the resource that reaches SQL: installed, at work, and harmless.

The tables, columns and rows are called as the texts say; what makes them quotes by PostgreSQL's own format().
"""

from __future__ import annotations

import asyncio
import json

import pytest

from notifychannel_operator.manifest import from_object
from notifychannel_operator.spec import Capture
from tests.hostile import IN_SQL, TEXTS, resource
from tests.premises import build

WAIT_S = 30.0
CENSUS = """
SELECT array_agg(format('%s %I.%I', c.relkind, n.nspname, c.relname) ORDER BY c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('notifychannel', 'pg_catalog', 'information_schema', 'pg_toast')
"""
"""Everything that is not ours."""


@pytest.fixture(scope="session")
def server(newest):
    """How a name and a literal are quoted is the same in all versions."""
    return newest


@pytest.fixture
async def site(database):
    """The installer may act as the owner of the tables: whatever a text would do, it had the rights to."""
    made = await build(database, tables="CREATE TABLE public.canary (id integer); INSERT INTO public.canary VALUES (1)")
    await made.admin.execute(f'GRANT CREATE ON DATABASE "{database.name}" TO "{made.installer}"')
    await made.admin.execute(f'GRANT CONNECT ON DATABASE "{database.name}" TO "{made.listener}"')
    await made.admin.execute(f'GRANT "{made.app_role}" TO "{made.installer}"')
    return made


@pytest.mark.parametrize("capture", Capture)
@pytest.mark.parametrize("field", sorted(IN_SQL))
async def test_a_hostile_text_in_any_string_is_a_name_or_a_value_and_nothing_else(site, field, capture):
    """Mutants: `ident` or `literal` without doubling; `dollar` with a fixed tag; a name pasted into a body."""
    for name, text in TEXTS.items():
        wanted = from_object(resource(field, text, capture=capture.value))
        (source,) = wanted.sources
        await make(site, source)
        before = await site.admin.fetchval(CENSUS)
        await site.step(wanted)
        assert await hint(site, wanted, source, text) == [text, text], name
        assert await site.admin.fetchval(CENSUS) == before, name
        assert await site.admin.fetchval("SELECT count(*) FROM public.canary") == 1, name


async def make(site, source):
    """The tables that the source speaks of, by whatever names; one tenant, called `t`, whose region is set later."""
    (lookup,) = [part.lookup for part in source.key if part.lookup]
    keys = [left for left, _ in lookup.match]
    await table(site, lookup.schema, lookup.table, [lookup.column, *keys], unique=keys)
    await table(site, source.schema, source.table, sorted(columns(source)))


def columns(source):
    (rule,) = source.rules
    match = [right for part in source.key if part.lookup for _, right in part.lookup.match]
    keys = [part.column for part in source.key if part.column]
    return {*keys, *match, *rule.columns, *[each.column for each in rule.when]}


async def table(site, schema, name, names, unique=()):
    await site.admin.execute(
        await quoted(site, f"CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION {site.app_role}", schema)
    )
    await site.app.execute(await quoted(site, "DROP TABLE IF EXISTS %I.%I", schema, name))
    fields = ", ".join(["%I text"] * len(names))
    only = f", UNIQUE ({', '.join(['%I'] * len(unique))})" if unique else ""
    statement = f"CREATE TABLE %I.%I ({fields}{only})"
    await site.app.execute(await quoted(site, statement, schema, name, *names, *unique))


async def quoted(site, statement, *names):
    return await site.admin.fetchval("SELECT format($1, VARIADIC $2::text[])", statement, names)


async def insert(site, schema, name, row):
    names, values = ", ".join(["%I"] * len(row)), ", ".join(f"${each}" for each in range(1, len(row) + 1))
    statement = await quoted(site, f"INSERT INTO %I.%I ({names}) VALUES ({values})", schema, name, *row)
    await site.app.execute(statement, *row.values())


async def hint(site, wanted, source, text):
    """The key that is heard of a row whose key is the text; of a row that the condition leaves out nothing is heard."""
    listening, heard = await site.session(site.listener), asyncio.Queue()

    def hear(_connection, _pid, _channel, payload):
        heard.put_nowait(payload)

    await listening.add_listener(wanted.pg_channel, hear)
    (lookup,) = [part.lookup for part in source.key if part.lookup]
    (condition,) = source.rules[0].when
    await insert(site, lookup.schema, lookup.table, {lookup.column: text, **{left: "t" for left, _ in lookup.match}})
    row = dict.fromkeys(columns(source), "t") | {source.key[0].column: text}
    await insert(site, source.schema, source.table, {**row, condition.column: condition.values[0], **key(source, "no")})
    await insert(site, source.schema, source.table, {**row, condition.column: "other", **key(source, text)})
    if wanted.capture is Capture.OUTBOX:
        await (await site.session()).execute("SELECT notifychannel.drain('0', '{}', 1000)")
    payload = await asyncio.wait_for(heard.get(), WAIT_S)
    await listening.remove_listener(wanted.pg_channel, hear)
    return json.loads("[" + payload.split("\n")[1].partition("[")[2])


def key(source, text):
    return {source.key[0].column: text}
