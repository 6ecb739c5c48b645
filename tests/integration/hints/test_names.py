"""Names of schemas, tables, columns and channels as people write them: nothing of them is ever SQL."""

from __future__ import annotations

import pytest

from notifychannel_operator.quote import ident
from notifychannel_operator.spec import Condition, Event, KeyPart, Lookup, Operator, Source
from tests.integration.hints import stage as stages
from tests.integration.hints.stage import rule

NAMES = [
    "Upper Case",
    "select",
    'quo"te',
    "apo'strophe",
    "back\\slash",
    "dollar $nch$ %{rules} $1",
    "semi; DROP TABLE victim; --",
    "line\nbreak",
    "ünï-ço∂é 🙂",
    "x" * 63,
    "é" * 31,
    "notifychannel_new",
    "nch_keys",
    "r",
]
ALL = (Event.INSERT, Event.UPDATE, Event.DELETE, Event.TRUNCATE)


@pytest.mark.parametrize("partitioned", [False, True], ids=["plain", "partitioned"])
async def test_any_name_works_for_schema_table_column_rule_and_value_at_once(stage, partitioned):
    """Mutants in quote.py: quotes not doubled in ident, backslashes not doubled in literal, a fixed tag in dollar."""
    await stage.tables("CREATE TABLE public.victim (id int)")
    for name in NAMES:
        assert await life_of(stage, name, partitioned=partitioned) == [
            ("insert", [[name, 5]]),
            ("update", [[name, 5]]),
            ("delete", [[name, 5]]),
            ("truncate", "resync"),
        ], name
    await stage.app.execute("SELECT FROM public.victim")


async def life_of(stage, name, *, partitioned):
    n = ident(name)
    await stage.tables(f"""
        CREATE SCHEMA {n};
        CREATE TABLE {n}."looked up" ({n} text PRIMARY KEY, value int);
        CREATE TABLE {n}.{n} (id int, {n} text, other int) {"PARTITION BY RANGE (id)" if partitioned else ""};
    """)
    if partitioned:
        await stage.tables(f"CREATE TABLE {n}.part PARTITION OF {n}.{n} DEFAULT")
    await stage.app.execute(f'INSERT INTO {n}."looked up" VALUES ($1, 5)', name)
    lookup = Lookup(schema=name, table="looked up", column="value", match=((name, name),))
    when = (Condition(column=name, operator=Operator.EQUALS, values=(name,)),)
    source = Source(
        schema=name,
        table=name,
        key=(KeyPart(name=name, column=name), KeyPart(name="value", lookup=lookup)),
        rules=(rule(*ALL, columns=(name, "other"), when=when), rule(Event.TRUNCATE, name=name)),
    )
    await stage.install(source)
    await stage.app.execute(f"INSERT INTO {n}.{n} VALUES (1, $1), (2, 'else')", name)
    return await stage.hear(f"UPDATE {n}.{n} SET other = 1", f"DELETE FROM {n}.{n}", f"TRUNCATE {n}.{n}")


async def test_a_channels_name_may_hold_anything(stage, monkeypatch):
    name = 'it\'s \\ "quoted" $nch$ é'
    await stage.tables("CREATE TABLE t (id int)")
    monkeypatch.setattr(stages, "PG_CHANNEL", name)
    listener = await stage.database.connect()

    def hear(_connection, _pid, _channel, payload):
        stage.heard.put_nowait(payload)

    await listener.add_listener(name, hear)
    await stage.install(Source(schema="public", table="t", key=stages.key("id"), rules=(rule(*ALL),)), pg_channel=name)
    assert await stage.hear("INSERT INTO t VALUES (1)") == [("insert", [[1]])]
    await listener.remove_listener(name, hear)
