"""INSERT and DELETE on plain tables."""

from __future__ import annotations

from tests.integration.hints.stage import key, rule

from notifychannel_operator.spec import Event, Source

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, tenant_id int, status text, amount numeric)"


def orders(*rules, keys=("id",), **more):
    return Source(schema="public", table="orders", key=key(*keys), rules=rules, **more)


async def test_an_inserted_row_is_one_hint_with_its_key(stage):
    await stage.tables(ORDERS)
    await stage.install(orders(rule(Event.INSERT)))
    assert await stage.hear("INSERT INTO orders VALUES (7)") == [("insert", [[7]])]


async def test_only_the_events_of_the_rules_are_hinted(stage):
    await stage.tables(ORDERS)
    await stage.install(orders(rule(Event.DELETE)))
    heard = await stage.hear(
        "INSERT INTO orders VALUES (7), (8)", "UPDATE orders SET status = 'x'", "DELETE FROM orders WHERE id = 8"
    )
    assert heard == [("delete", [[8]])]
