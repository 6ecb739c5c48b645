"""Every kind of statement that changes rows, on plain tables."""

from __future__ import annotations

import io

import asyncpg
import pytest

from notifychannel_operator.spec import Event, Source
from tests.integration.hints.stage import BY_EACH_CAPTURE, key, rule

pytestmark = BY_EACH_CAPTURE

ALL = (Event.INSERT, Event.UPDATE, Event.DELETE, Event.TRUNCATE)


def source(table, *keys, events=ALL):
    return Source(schema="public", table=table, key=key(*keys), rules=(rule(*events),))


@pytest.fixture
async def shop(stage):
    await stage.tables("""
        CREATE TABLE orders (id int PRIMARY KEY, status text);
        CREATE TABLE lines (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE ON UPDATE CASCADE);
        CREATE VIEW visible AS SELECT * FROM orders WHERE status <> 'gone';
    """)
    await stage.install(source("orders", "id"), source("lines", "order_id", "id"))
    return stage


async def test_copy_hints_every_row(shop):
    """Mutant: `LIMIT 1` in first_rows.sql."""
    await shop.app.copy_to_table("orders", source=io.BytesIO(b"1\ta\n2\tb\n"), format="text")
    assert await shop.until_marker() == [("insert", [[1], [2]])]


async def test_merge_hints_what_it_did_to_each_row(shop):
    """Mutants: `'U'` for the first letter of TG_OP in body.sql; `<=` for `=` in branch.sql."""
    await shop.hear("INSERT INTO orders VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    heard = await shop.hear("""
        MERGE INTO orders USING (VALUES (1, 'z'), (2, NULL), (4, 'n')) AS new (id, status) ON orders.id = new.id
        WHEN MATCHED AND new.status IS NULL THEN DELETE
        WHEN MATCHED THEN UPDATE SET status = new.status
        WHEN NOT MATCHED THEN INSERT VALUES (new.id, new.status)
    """)
    assert sorted(heard) == [("delete", [[2]]), ("insert", [[4]]), ("update", [[1]])]


async def test_on_conflict_hints_what_was_inserted_and_what_was_changed(shop):
    """Mutant: no HAVING in difference.sql: the row that was rewritten as it was is hinted."""
    await shop.hear("INSERT INTO orders VALUES (1, 'a'), (2, 'b')")
    upsert = "INSERT INTO orders VALUES (1, 'z'), (2, 'b'), (3, 'n') ON CONFLICT (id) DO "
    assert await shop.hear(upsert + "NOTHING") == [("insert", [[3]])]
    assert sorted(await shop.hear(upsert + "UPDATE SET status = excluded.status")) == [("update", [[1]])]


async def test_cascades_hint_the_other_tables_rows(shop):
    """Mutants: `> 0` for `<> 0` in difference.sql; DELETE REFERENCING the new table in triggers.REFERENCING."""
    await shop.hear("INSERT INTO orders VALUES (1), (2)", "INSERT INTO lines VALUES (10, 1), (11, 1), (20, 2)")
    heard = await shop.hear("DELETE FROM orders WHERE id = 1", "UPDATE orders SET id = 3 WHERE id = 2")
    assert sorted((event, sorted(keys)) for event, keys in heard) == [
        ("delete", [[1]]),
        ("delete", [[1, 10], [1, 11]]),
        ("update", [[2], [3]]),
        ("update", [[2, 20], [3, 20]]),
    ]


async def test_truncate_cascade_is_a_resync_for_each_table(shop):
    """Mutants: NULL in everything.sql; `body.events` without TRUNCATE."""
    assert await shop.hear("TRUNCATE orders CASCADE") == [("truncate", "resync")]
    # NOTIFY drops equal payloads of one transaction: two tables of one channel are one resync


async def test_changes_through_a_view_are_hinted(shop):
    """Mutant: `IF false` for `IF nch_keys IS NULL` in body.sql."""
    heard = await shop.hear(
        "INSERT INTO visible VALUES (1, 'a')", "UPDATE visible SET status = 'b'", "DELETE FROM visible"
    )
    assert heard == [("insert", [[1]]), ("update", [[1]]), ("delete", [[1]])]


async def test_a_statement_that_changes_no_row_is_silent(shop):
    """Mutants: no HAVING in difference.sql; `IF false` for `IF nch_keys IS NULL` in body.sql."""
    await shop.hear("INSERT INTO orders VALUES (1, 'a')")
    heard = await shop.hear(
        "INSERT INTO orders SELECT 1 WHERE false",
        "UPDATE orders SET status = 'z' WHERE false",
        "UPDATE orders SET status = status",
        "DELETE FROM orders WHERE false",
        "INSERT INTO orders VALUES (1, 'z') ON CONFLICT DO NOTHING",
    )
    assert heard == []


async def test_what_is_rolled_back_is_never_hinted(shop):
    await shop.app.execute("BEGIN; INSERT INTO orders VALUES (1); ROLLBACK")
    await shop.app.execute("""
        BEGIN; INSERT INTO orders VALUES (2); SAVEPOINT s; INSERT INTO orders VALUES (3); ROLLBACK TO s;
        INSERT INTO orders VALUES (4); COMMIT
    """)
    with pytest.raises(asyncpg.UniqueViolationError):
        await shop.app.execute("INSERT INTO orders VALUES (5), (2)")
    assert await shop.until_marker() == [("insert", [[2]]), ("insert", [[4]])]


async def test_the_statements_of_one_transaction_each_hint_at_commit(shop):
    await shop.app.execute("BEGIN; INSERT INTO orders VALUES (1, 'a')")
    assert await shop.until_marker(writer=shop.admin) == []
    await shop.app.execute("UPDATE orders SET status = 'b'; COMMIT")
    assert await shop.until_marker() == [("insert", [[1]]), ("update", [[1]])]


async def test_a_data_modifying_cte_hints_each_of_its_parts(shop):
    """Mutant: `'U'` for the first letter of TG_OP in body.sql."""
    await shop.hear("INSERT INTO orders VALUES (1, 'a')")
    heard = await shop.hear("WITH gone AS (DELETE FROM orders RETURNING id) INSERT INTO orders SELECT id + 1 FROM gone")
    assert sorted(heard) == [("delete", [[1]]), ("insert", [[2]])]


async def test_replication_roles_fire_no_trigger(shop):
    """A documented limit (docs/database.md): logical replication and some restores write with this setting."""
    await shop.admin.execute("SET session_replication_role = replica")
    assert await shop.hear("INSERT INTO orders VALUES (1)", "TRUNCATE orders CASCADE", writer=shop.admin) == []
    await shop.admin.execute("SET session_replication_role = origin")
    assert await shop.hear("INSERT INTO orders VALUES (1)", writer=shop.admin) == [("insert", [[1]])]
