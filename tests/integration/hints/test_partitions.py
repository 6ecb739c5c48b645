"""Partitioned tables, and partitions that are sources: row triggers, which hint too much rather than too little."""

from __future__ import annotations

import pytest

from notifychannel_operator.spec import Condition, Event, KeyPart, Lookup, Operator, Row, Source
from tests.integration.hints.stage import BY_EACH_CAPTURE, key, rule

pytestmark = BY_EACH_CAPTURE

TABLES = """
    CREATE TABLE p (id int, k int, x int, a text, j json, n numeric) PARTITION BY RANGE (x);
    CREATE TABLE low PARTITION OF p FOR VALUES FROM (0) TO (10);
    CREATE TABLE high PARTITION OF p FOR VALUES FROM (10) TO (100) PARTITION BY LIST (x);
    CREATE TABLE ten PARTITION OF high FOR VALUES IN (10);
    CREATE TABLE rest PARTITION OF high DEFAULT;
"""


def source(*rules, table="p", keys=("id",), **more):
    return Source(schema="public", table=table, key=key(*keys), rules=rules, **more)


@pytest.fixture
async def parts(stage):
    await stage.tables(TABLES)
    return stage


ALL = (Event.INSERT, Event.UPDATE, Event.DELETE, Event.TRUNCATE)


async def test_each_row_of_a_partitioned_table_is_hinted_wherever_it_lies(parts):
    await parts.install(source(rule(*ALL)))
    heard = await parts.hear(
        "INSERT INTO p VALUES (1, 1, 1), (2, 1, 10)",
        "INSERT INTO low VALUES (3, 1, 3)",
        "INSERT INTO high VALUES (4, 1, 20)",
        "UPDATE p SET a = 'x' WHERE id = 1",
        "UPDATE ten SET a = 'x'",
        "DELETE FROM rest",
    )
    assert heard == [
        ("insert", [[1]]),
        ("insert", [[2]]),
        ("insert", [[3]]),
        ("insert", [[4]]),
        ("update", [[1]]),
        ("update", [[2]]),
        ("delete", [[4]]),
    ]


async def test_a_row_that_moves_is_hinted_to_who_wants_updates(parts):
    """It is a DELETE and an INSERT to triggers. Mutant: `|= {Event.INSERT, Event.DELETE}` left out of body.events."""
    await parts.install(source(rule(Event.UPDATE), keys=("id", "x")))
    await parts.app.execute("INSERT INTO p VALUES (1, 1, 1)")
    await parts.until_marker()
    heard = await parts.hear("UPDATE p SET x = 10")
    assert sorted(heard) == [("delete", [[1, 1]]), ("insert", [[1, 10]])]


async def test_truncate_of_the_parent_or_of_one_partition_is_a_resync(parts):
    """Mutant: only `table.relation` in triggers._relations: TRUNCATE of one partition is silent."""
    await parts.install(source(rule(Event.TRUNCATE)))
    for table in ("p", "low", "high", "ten"):
        assert await parts.hear(f"TRUNCATE {table}") == [("truncate", "resync")]


async def test_a_change_that_only_a_reader_could_see_is_hinted(parts):
    await parts.install(source(rule(Event.UPDATE)), source(rule(Event.UPDATE, columns=("a", "j", "n")), table="low"))
    await parts.hear("INSERT INTO p VALUES (1, 1, 1, 'a', '{ }', 1.0)")
    # both sources say the same in the same statement, and NOTIFY drops the second
    for change in ("j = '{}'", "n = 1.00", "a = NULL"):
        assert await parts.hear(f"UPDATE p SET {change}", f"UPDATE p SET {change}") == [("update", [[1]])], change


async def test_a_changed_key_hints_both(parts):
    await parts.install(source(rule(Event.UPDATE), keys=("k",)))
    await parts.hear("INSERT INTO p VALUES (1, 1, 1)")
    assert await parts.hear("UPDATE p SET k = 2") == [("update", [[1], [2]])]


async def test_with_columns_only_a_change_of_these_is_hinted(parts):
    await parts.install(source(rule(Event.UPDATE, columns=("a",))))
    await parts.hear("INSERT INTO p VALUES (1, 1, 1)")
    assert await parts.hear("UPDATE p SET n = 2", "UPDATE p SET a = 'b', n = 3") == [("update", [[1]])]


@pytest.mark.parametrize(
    ("row", "expected"), [(None, ["yn", "ny", "yy"]), (Row.NEW, ["ny", "yy"]), (Row.OLD, ["yn", "yy"])]
)
async def test_conditions_look_at_the_old_or_the_new_row_or_either(parts, row, expected):
    when = (Condition(column="a", operator=Operator.EQUALS, values=("y",), row=row),)
    await parts.install(source(rule(Event.UPDATE, when=when)))
    moves = ["nn", "yn", "ny", "yy"]
    for number, (old, _) in enumerate(moves):
        await parts.app.execute("INSERT INTO p VALUES ($1, 0, 1, $2)", number, old)
    await parts.until_marker()
    heard = set()
    for number, (_, new) in enumerate(moves):
        await parts.app.execute("UPDATE p SET a = $2, k = k + 1 WHERE id = $1", number, new)
        heard |= {moves[number] for _ in await parts.until_marker()}
    assert heard == set(expected)


async def test_a_row_that_leaves_the_filter_is_hinted_though_no_watched_column_changed(parts):
    when = (Condition(column="a", operator=Operator.EQUALS, values=("y",)),)
    await parts.install(source(rule(Event.UPDATE, columns=("n",), when=when)))
    await parts.hear("INSERT INTO p VALUES (1, 1, 1, 'y')")
    assert await parts.hear("UPDATE p SET a = 'n'", "UPDATE p SET n = 1") == [("update", [[1]])]


async def test_a_partition_that_is_a_source_hints_what_reaches_it_by_any_way(parts):
    await parts.install(source(rule(*ALL), table="ten"))
    heard = await parts.hear(
        "INSERT INTO p VALUES (1, 1, 10), (2, 1, 20)",
        "UPDATE p SET a = 'x'",
        "UPDATE p SET x = 20 WHERE id = 1",
        "UPDATE p SET x = 10 WHERE id = 2",
        "TRUNCATE p",
    )
    assert heard == [
        ("insert", [[1]]),
        ("update", [[1]]),
        ("delete", [[1]]),
        ("insert", [[2]]),
        ("truncate", "resync"),
    ]


async def test_a_partition_that_is_partitioned_itself_is_a_source(parts):
    await parts.install(source(rule(*ALL), table="high"))
    heard = await parts.hear("INSERT INTO p VALUES (1, 1, 10), (2, 1, 1)", "TRUNCATE ten")
    assert heard == [("insert", [[1]]), ("truncate", "resync")]


async def test_a_partition_made_or_attached_later_is_heard_at_once(parts):
    """PostgreSQL clones row triggers; only TRUNCATE of the new partition alone waits for the next pass."""
    await parts.install(source(rule(*ALL)))
    await parts.tables("""
        CREATE TABLE made PARTITION OF p FOR VALUES FROM (100) TO (200);
        CREATE TABLE attached (LIKE p);
        ALTER TABLE p ATTACH PARTITION attached FOR VALUES FROM (200) TO (300);
    """)
    heard = await parts.hear("INSERT INTO p VALUES (1, 1, 100)", "INSERT INTO attached VALUES (2, 1, 200)")
    assert heard == [("insert", [[1]]), ("insert", [[2]])]


async def test_lookups_and_resyncs_work_row_by_row(parts):
    """Mutant: ARRAY[…] without array_remove in row.sql: a NULL payload is an empty NOTIFY that nobody understands."""
    await parts.tables("CREATE TABLE names (k int PRIMARY KEY, name text); INSERT INTO names VALUES (1, 'one')")
    lookup = Lookup(schema="public", table="names", column="name", match=(("k", "k"),))
    named = Source(
        schema="public",
        table="p",
        key=(KeyPart(name="name", lookup=lookup),),
        rules=(rule(Event.INSERT, Event.UPDATE),),
    )
    await parts.install(named)
    assert await parts.hear("INSERT INTO p VALUES (1, 1, 1)") == [("insert", [["one"]])]
    assert await parts.hear("UPDATE p SET k = 9") == [("update", "resync")]
    assert await parts.hear("INSERT INTO p VALUES (2, 2, 1)") == [("insert", "resync")]


async def test_without_a_key_each_statement_is_a_resync(parts):
    await parts.install(source(rule(*ALL), keys=()))
    heard = await parts.hear(
        "INSERT INTO p VALUES (1, 1, 1), (2, 1, 1)", "UPDATE p SET a = 'x'", "UPDATE p SET a = 'x'"
    )
    assert heard == [("insert", "resync"), ("update", "resync")]


async def test_a_virtual_generated_column_beside_the_key_does_no_harm(parts):
    if parts.database.server.version >= 18:
        await parts.tables("ALTER TABLE p ADD COLUMN double int GENERATED ALWAYS AS (k * 2) VIRTUAL")
    await parts.install(source(rule(*ALL)))
    heard = await parts.hear("INSERT INTO p VALUES (1, 1, 1)", "UPDATE p SET k = k", "UPDATE p SET k = 2")
    assert heard == [("insert", [[1]]), ("update", [[1]])]
