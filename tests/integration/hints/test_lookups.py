"""Key parts that stand in another table."""

from __future__ import annotations

import asyncio

import pytest

from notifychannel_operator.spec import Condition, Event, KeyPart, Lookup, Operator, Row, Source
from tests.integration.hints.stage import key, rule

TABLES = """
    CREATE TABLE tenants (id bigint PRIMARY KEY, region text, score numeric);
    CREATE TABLE orders (id int PRIMARY KEY, tenant_id int, filler text);
    INSERT INTO tenants VALUES (1, 'eu "1"', 1.50), (2, 'us', NULL), (3, NULL, 3);
"""
REGION = Lookup(schema="public", table="tenants", column="region", match=(("id", "tenant_id"),))
SCORE = Lookup(schema="public", table="tenants", column="score", match=(("id", "tenant_id"),))


def orders(*rules, lookup=REGION, keys=("id",)):
    parts = (*key(*keys), KeyPart(name="looked", lookup=lookup))
    return Source(schema="public", table="orders", key=parts, rules=rules)


def looked(operator, *values, row=None):
    return (Condition(column="looked", operator=operator, values=values, row=row),)


@pytest.fixture
async def shop(stage):
    await stage.tables(TABLES)
    return stage


async def test_the_looked_up_value_stands_in_the_key(shop):
    await shop.install(orders(rule(Event.INSERT, Event.DELETE)))
    heard = await shop.hear("INSERT INTO orders VALUES (10, 1), (11, 2)", "DELETE FROM orders WHERE id = 10")
    assert heard == [("insert", [[10, 'eu "1"'], [11, "us"]]), ("delete", [[10, 'eu "1"']])]


async def test_null_in_the_row_that_was_found_is_a_value(shop):
    await shop.install(orders(rule(Event.INSERT), lookup=SCORE))
    assert await shop.hear("INSERT INTO orders VALUES (10, 1), (11, 2)") == [("insert", [[10, "1.50"], [11, None]])]


async def test_a_lookup_that_finds_no_row_is_a_resync(shop):
    """Mutants: `OR count(*) > count(k.key)` left out of keys.sql; `OR nch_keys[1] IS NULL …` of keys_of_many.sql."""
    await shop.install(orders(rule(Event.INSERT)))
    assert await shop.hear("INSERT INTO orders VALUES (10, 1), (11, 99)") == [("insert", "resync")]
    assert await shop.hear("INSERT INTO orders VALUES (12, NULL)") == [("insert", "resync")]


async def test_a_key_of_nothing_but_a_lookup_comes_once(shop):
    await shop.install(orders(rule(Event.INSERT), keys=()))
    assert await shop.hear("INSERT INTO orders VALUES (10, 1), (11, 1)") == [("insert", [['eu "1"']])]


async def test_a_row_that_changes_to_another_match_hints_both(shop):
    await shop.install(orders(rule(Event.UPDATE, columns=("tenant_id",)), keys=()))
    await shop.hear("INSERT INTO orders VALUES (10, 1)")
    [(_, keys)] = await shop.hear("UPDATE orders SET tenant_id = 2")
    assert sorted(keys) == [['eu "1"'], ["us"]]


async def test_a_condition_may_be_about_what_is_looked_up(shop):
    await shop.install(orders(rule(Event.INSERT, Event.UPDATE, when=looked(Operator.EQUALS, "us"))))
    heard = await shop.hear("INSERT INTO orders VALUES (10, 1), (11, 2), (12, 3)", "UPDATE orders SET filler = 'x'")
    assert heard == [("insert", [[11, "us"]]), ("update", [[11, "us"]])]
    assert await shop.hear("UPDATE orders SET tenant_id = 2 WHERE id = 10") == [("update", [[10, "us"]])]


async def test_a_condition_on_a_row_that_is_not_found_counts_as_true(shop):
    """Mutant: `, true)` → `, false)` in subject.py: the hint is lost instead of being a resync."""
    await shop.install(orders(rule(Event.INSERT, when=looked(Operator.EQUALS, "us"))))
    assert await shop.hear("INSERT INTO orders VALUES (10, 99)") == [("insert", "resync")]


async def test_a_condition_may_look_up_for_one_side_only(shop):
    when = looked(Operator.EQUALS, "us", row=Row.NEW)
    await shop.install(orders(rule(Event.UPDATE, when=when)))
    await shop.hear("INSERT INTO orders VALUES (10, 1), (11, 2)")
    heard = await shop.hear("UPDATE orders SET tenant_id = 3 - tenant_id")
    # a key that is only left or only reached has no other side to ask: it is hinted
    assert [(event, sorted(keys)) for event, keys in heard] == [("update", [[10, 'eu "1"'], [10, "us"], [11, "us"]])]


async def test_a_locked_lookup_table_makes_a_resync_and_not_a_wait(shop):
    """Mutant: lock_timeout left out of body.settings: the INSERT waits until the other transaction ends."""
    await shop.install(orders(rule(Event.INSERT)))
    other = await shop.database.connect(shop.app_role)
    await other.execute("BEGIN; LOCK TABLE tenants IN ACCESS EXCLUSIVE MODE")
    await asyncio.wait_for(shop.app.execute("INSERT INTO orders VALUES (10, 1)"), 20)
    assert await shop.until_marker() == [("insert", "resync")]
    await other.execute("ROLLBACK")
    assert await shop.hear("INSERT INTO orders VALUES (11, 1)") == [("insert", [[11, 'eu "1"']])]


async def test_a_bulk_statement_does_not_spoil_the_plan_of_the_next_single_row(shop):
    """The subquery goes through the index whatever was planned first. A LEFT JOIN would hash the table."""
    await shop.admin.execute("INSERT INTO tenants SELECT n, 'r' FROM generate_series(10, 50000) AS n; ANALYZE tenants")
    await shop.install(orders(rule(Event.INSERT)))
    await shop.hear("INSERT INTO orders SELECT n, n FROM generate_series(10, 3000) AS n")
    reads = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'tenants'"
    await shop.app.execute("SELECT pg_stat_force_next_flush()")
    before = await shop.admin.fetchval(reads)
    await shop.hear("INSERT INTO orders VALUES (1, 1)")
    await shop.app.execute("SELECT pg_stat_force_next_flush()")
    assert await shop.admin.fetchval(reads) == before
