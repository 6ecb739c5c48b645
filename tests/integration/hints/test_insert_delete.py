"""INSERT and DELETE on plain tables: which keys are hinted, and in how many NOTIFYs."""

from __future__ import annotations

import pytest

from notifychannel_operator.spec import Event, Source
from tests.integration.hints.stage import BY_EACH_CAPTURE, key, rule

pytestmark = BY_EACH_CAPTURE

ORDERS = "CREATE TABLE orders (id int, tenant_id int, status text, amount numeric)"


def orders(*rules, keys=("id",), **more):
    return Source(schema="public", table="orders", key=key(*keys), rules=rules, **more)


@pytest.fixture
async def shop(stage):
    await stage.tables(ORDERS)
    return stage


async def test_an_inserted_row_is_one_hint_with_its_key(shop):
    await shop.install(orders(rule(Event.INSERT)))
    assert await shop.hear("INSERT INTO orders VALUES (7)") == [("insert", [[7]])]


async def test_only_the_events_of_the_rules_are_hinted(shop):
    await shop.install(orders(rule(Event.DELETE)))
    heard = await shop.hear(
        "INSERT INTO orders VALUES (7), (8)",
        "UPDATE orders SET status = 'x'",
        "DELETE FROM orders WHERE id = 8",
        "TRUNCATE orders",
    )
    assert heard == [("delete", [[8]])]


async def test_the_keys_of_one_statement_come_together_each_once(shop):
    """Mutants: `GROUP BY %{names}, random()` in keys.sql; `max_keys="0"` in `_key_of_one`."""
    await shop.install(orders(rule(Event.INSERT), keys=("tenant_id", "id")))
    [(event, keys)] = await shop.hear("INSERT INTO orders VALUES (1, 9), (2, 9), (1, 9), (1, 8)")
    assert (event, sorted(keys)) == ("insert", [[8, 1], [9, 1], [9, 2]])


async def test_a_null_in_the_key_is_a_value(shop):
    await shop.install(orders(rule(Event.INSERT), keys=("tenant_id", "status")))
    assert await shop.hear("INSERT INTO orders VALUES (1, 9), (2, 9)") == [("insert", [[9, None]])]


async def test_without_a_key_every_change_is_a_resync(shop):
    await shop.install(orders(rule(Event.INSERT, Event.DELETE), keys=()))
    heard = await shop.hear(
        "INSERT INTO orders VALUES (1), (2)", "DELETE FROM orders WHERE false", "DELETE FROM orders"
    )
    assert heard == [("insert", "resync"), ("delete", "resync")]


async def test_exactly_max_keys_are_hinted_one_by_one_and_one_more_is_one_resync(shop):
    """Mutant: `LIMIT %{max_keys}` without `+ 1` in keys.sql."""
    await shop.install(orders(rule(Event.INSERT), max_keys=50))
    insert = "INSERT INTO orders SELECT n % {0} FROM generate_series(1, 500) AS n"
    [(_, keys)] = await shop.hear(insert.format(50))
    assert sorted(keys) == [[n] for n in range(50)]
    assert await shop.hear(insert.format(51)) == [("insert", "resync")]


async def test_a_key_that_comes_late_in_a_bulk_statement_is_not_missed(shop):
    """The first max_keys + 1 rows are read first. Mutants in keys_of_many.sql: `> %{max_keys}` → `> %{max_keys} + 1`;
    `nch_rows <`.
    """
    await shop.install(orders(rule(Event.INSERT), keys=("tenant_id",), max_keys=5))
    bulk = "INSERT INTO orders SELECT n, (n > {0})::int FROM generate_series(1, {0} + 1) AS n"
    for before in (4, 5, 6, 500):
        [(_, keys)] = await shop.hear(bulk.format(before))
        assert sorted(keys) == [[0], [1]], before


async def test_many_keys_fill_few_payloads_up_to_the_last_byte(shop):
    """Mutants: 7998 → 7999 in body.sql (a payload of 8000 bytes fails, so all become a resync); → 4000 (not filled)."""
    await shop.install(orders(rule(Event.INSERT), keys=("status",), max_keys=10_000))
    await shop.app.execute(
        "INSERT INTO orders (status) SELECT repeat('é', n % 40) || n FROM generate_series(1, 3000) n"
    )
    payloads = await shop.raw()
    expected = [["é" * (n % 40) + str(n)] for n in range(1, 3001)]
    assert sorted(key for payload in payloads for key in shop.parse(payload)[1]) == sorted(expected)
    sizes = [len(payload.encode()) for payload in payloads]
    assert min(sizes[:-1]) > 7999 - 90


async def test_two_keys_that_just_fit_share_a_payload(shop):
    """Each key is `["xxx…"]`: header 26, two line breaks, 2 · (4 + x) = 7999 - spare bytes."""
    await shop.install(orders(rule(Event.INSERT), keys=("status",)))
    insert = "INSERT INTO orders (status) VALUES (repeat('a', 3900)), (repeat('b', $1))"
    fits = 7999 - 26 - 2 - 8 - 3900
    for length, payloads in (
        (fits - 1, [7998]),
        (fits, [7999]),
        (fits + 1, [26 + 1 + 4 + 3900, 26 + 1 + 4 + fits + 1]),
    ):
        await shop.app.execute(insert, length)
        assert sorted(len(payload) for payload in await shop.raw()) == sorted(payloads)


async def test_two_sources_of_a_channel_hint_on_the_same_channel(shop):
    await shop.tables("CREATE TABLE invoices (id int)")
    await shop.install(
        orders(rule(Event.INSERT)),
        Source(schema="public", table="invoices", key=key("id"), rules=(rule(Event.INSERT),)),
    )
    heard = await shop.hear("INSERT INTO orders VALUES (1)", "INSERT INTO invoices VALUES (2)")
    assert heard == [("insert", [[1]]), ("insert", [[2]])]


async def test_a_suspended_channel_says_nothing(shop):
    await shop.install(orders(rule(Event.INSERT, Event.TRUNCATE)), suspend=True)
    assert await shop.hear("INSERT INTO orders VALUES (1)", "TRUNCATE orders") == []


async def test_the_header_carries_the_time_of_the_statement(shop):
    await shop.install(orders(rule(Event.INSERT)))
    async with shop.app.transaction():
        await shop.app.execute("SELECT pg_sleep(0.01)")
        at = await shop.app.fetchval(
            "WITH i AS (INSERT INTO orders VALUES (1)) SELECT (extract(epoch FROM statement_timestamp()) * 1e6)::bigint"
        )
    [payload] = await shop.raw()
    assert int(payload[10:26]) == at
