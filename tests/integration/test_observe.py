"""What observe.py says about tables, asked as a role that may do little."""

from __future__ import annotations

import os

import asyncpg

from notifychannel_operator import database as edge
from notifychannel_operator import observe, plan
from notifychannel_operator.catalog import Generated, Kind
from tests.premises import OWNER, channel, source


async def test_a_missing_table_is_absent_and_a_view_is_a_view(database):
    admin = await database.connect()
    await admin.execute("CREATE VIEW v AS SELECT 1 AS id")
    found = await observe.tables(admin, [("public", "v"), ("public", "nothing")])
    assert {name: table.kind for name, table in found.items()} == {("public", "v"): Kind.VIEW}


async def test_columns_come_in_order_with_type_collation_and_generation(database):
    admin = await database.connect()
    await admin.execute("""
        -- only ICU makes such a collation, and the embedded server is built without
        CREATE COLLATION loose (provider = libc, locale = 'C');
        SET allow_system_table_mods = on;
        UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'loose';
        CREATE DOMAIN short AS varchar(3);
        CREATE TABLE t (id int, gone int, a short, b text COLLATE loose, c numeric[], d json,
                        e int GENERATED ALWAYS AS (id * 2) STORED, "Ünï x" int4range);
        ALTER TABLE t DROP COLUMN gone;
    """)
    columns = (await observe.tables(admin, [("public", "t")]))["public", "t"].columns
    assert [column.name for column in columns] == ["id", "a", "b", "c", "d", "e", "Ünï x"]
    by_name = {column.name: column for column in columns}
    assert by_name["a"].type.sql == "public.short"
    assert by_name["a"].type.base.sql == "character varying"
    assert [by_name[name].type.exact for name in ("id", "a", "b", "c")] == [True, True, False, False]
    assert (by_name["d"].type.equality, by_name["d"].type.ordering) == (False, False)
    assert by_name["e"].generated is Generated.STORED


async def test_only_unique_indexes_that_hold_for_every_row_at_once_are_keys(database):
    admin = await database.connect()
    await admin.execute("""
        CREATE TABLE t (a int PRIMARY KEY, b int, c int, d int, e int UNIQUE DEFERRABLE);
        CREATE UNIQUE INDEX ON t (b, c) INCLUDE (d);
        CREATE UNIQUE INDEX ON t (c) WHERE d > 0;
        CREATE UNIQUE INDEX ON t ((d + 1));
    """)
    table = (await observe.tables(admin, [("public", "t")]))["public", "t"]
    assert table.primary_key == ("a",)
    assert table.unique_keys == (("a",), ("b", "c"))


async def test_partitions_come_from_every_level_with_the_right_to_put_a_trigger_on_them(database):
    admin = await database.connect()
    role = await database.role("installer")
    await admin.execute(f"""
        CREATE TABLE p (id int, x int) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
        CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (x);
        CREATE TABLE p21 PARTITION OF p2 DEFAULT;
        CREATE TABLE parent (id int);
        CREATE TABLE child () INHERITS (parent);
        GRANT TRIGGER ON p, p1 TO "{role}";
        GRANT SELECT (x) ON p TO "{role}";
        CREATE SCHEMA closed;
        CREATE TABLE closed.t (id int);
    """)
    installer = await database.connect(role)
    names = [("public", "p"), ("public", "p1"), ("public", "parent"), ("public", "child"), ("closed", "t")]
    found = await observe.tables(installer, names)
    p = found["public", "p"]
    assert [(part.relation.name, part.is_leaf, part.may_trigger) for part in p.partitions] == [
        ("p1", True, True),
        ("p2", False, False),
        ("p21", True, False),
    ]
    assert (p.by_row, p.may_trigger, p.selectable) == (True, True, frozenset({"x"}))
    assert (found["public", "p1"].is_partition, found["public", "p1"].by_row) == (True, True)
    assert (found["public", "parent"].inherited, found["public", "child"].inherits) == (True, True)
    assert not found["closed", "t"].may_use_schema


async def test_looking_changes_no_setting_of_the_connection(database):
    admin = await database.connect()
    await admin.execute("SET search_path = public")
    async with admin.transaction():
        await observe.tables(admin, [("public", "t")])
        assert await admin.fetchval("SHOW search_path") == "public"


async def test_a_database_in_sql_ascii_is_refused(server):
    """Mutant: `refusals.of_database` without the encoding: a NOTIFY that is not UTF-8 ends the listener's session."""
    name = f"ascii_{os.getpid()}"
    admin = await asyncpg.connect(server.dsn())
    try:
        await admin.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
        there = await asyncpg.connect(server.dsn(name))
        asked = channel(source())
        made = plan.of(asked, await edge.observe(there, asked, OWNER), allow_superuser=True)
        await there.close()
        assert made.steps == ()
        assert made.problems[0].startswith(f"the database {name} is in SQL_ASCII")
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.close()
