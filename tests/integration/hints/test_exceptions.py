"""What remains is PostgreSQL's own: each documented exception to "harmless", shown."""

from __future__ import annotations

import asyncpg
import pytest

from notifychannel_operator.spec import Event, KeyPart, Lookup, Source
from tests.integration.hints.stage import BY_EACH_CAPTURE, key, rule

pytestmark = BY_EACH_CAPTURE


@pytest.fixture
async def shop(stage):
    await stage.tables("""
        CREATE TABLE tenants (id int PRIMARY KEY, region text);
        CREATE TABLE orders (id int PRIMARY KEY, tenant_id int);
        INSERT INTO tenants VALUES (1, 'eu');
    """)
    return stage


LOOKUP = Lookup(schema="public", table="tenants", column="region", match=(("id", "tenant_id"),))
PLAIN = Source(schema="public", table="orders", key=key("id"), rules=(rule(Event.INSERT, Event.UPDATE),))
LOOKING = Source(schema="public", table="orders", key=(KeyPart(name="r", lookup=LOOKUP),), rules=(rule(Event.INSERT),))


async def test_a_transaction_that_was_hinted_cannot_be_prepared(shop):
    """Mutant: no `PERFORM pg_notify` in body.sql."""
    await shop.install(PLAIN)
    await shop.app.execute("BEGIN; INSERT INTO orders VALUES (1)")
    with pytest.raises(asyncpg.FeatureNotSupportedError, match="cannot PREPARE a transaction that has executed"):
        await shop.app.execute("PREPARE TRANSACTION 'p'")


async def test_a_transaction_that_hinted_nothing_can_be_prepared(shop):
    """Mutant: `IF false` for `IF nch_keys IS NULL` in body.sql."""
    await shop.install(PLAIN)
    await shop.app.execute("BEGIN; UPDATE orders SET tenant_id = 1; PREPARE TRANSACTION 'p'")
    await shop.app.execute("ROLLBACK PREPARED 'p'")


async def test_the_users_own_statement_timeout_ends_the_statement_in_our_trigger_too(shop):
    """A pg_sleep put into the body stands for whatever is slow. Mutant: `OTHERS OR query_canceled` in body.sql."""
    await shop.install(PLAIN)
    definition = await shop.admin.fetchval("""
        SELECT pg_get_functiondef(oid) FROM pg_proc
        WHERE pronamespace = 'notifychannel'::regnamespace AND prorettype = 'trigger'::regtype
    """)
    await shop.admin.execute(definition.replace("IF TG_OP", "PERFORM pg_sleep(30); IF TG_OP", 1))
    await shop.app.execute("SET statement_timeout = '200ms'")
    with pytest.raises(asyncpg.QueryCanceledError):
        await shop.app.execute("INSERT INTO orders VALUES (1)")


async def test_a_lookup_in_a_serializable_transaction_is_one_more_dependency(shop):
    """Two transactions that would not conflict without the lookup. Mutant: `WHERE false` in lookup.sql."""
    await shop.install(LOOKING)
    other = await shop.database.connect(shop.app_role)
    for writer in (shop.app, other):
        await writer.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
    await shop.app.execute("INSERT INTO orders VALUES (1, 1)")
    await other.fetch("SELECT * FROM orders")
    await other.execute("UPDATE tenants SET region = 'us' WHERE id = 1")
    await other.execute("COMMIT")
    with pytest.raises(asyncpg.SerializationError):
        await shop.app.execute("COMMIT")


async def test_without_a_lookup_the_same_two_transactions_commit(shop):
    """Mutant: `PERFORM FROM public.tenants;` in body.sql: any look at another table."""
    await shop.install(PLAIN)
    other = await shop.database.connect(shop.app_role)
    for writer in (shop.app, other):
        await writer.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
    await shop.app.execute("INSERT INTO orders VALUES (1, 1)")
    await other.fetch("SELECT * FROM orders")
    await other.execute("UPDATE tenants SET region = 'us' WHERE id = 1")
    await other.execute("COMMIT")
    await shop.app.execute("COMMIT")
    assert await shop.until_marker() == [("insert", [[1]])]
