"""What a statement leaves in the outbox and whom it wakes; what is wrong with our table is a resync, not an error."""

from __future__ import annotations

import asyncio

import pytest

from notifychannel_operator.spec import Capture, Event, Source
from tests.integration.hints.stage import key, rule

ALL = (Event.INSERT, Event.UPDATE, Event.DELETE, Event.TRUNCATE)
LEFT = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = $1"


@pytest.fixture
def capture():
    return Capture.OUTBOX


@pytest.fixture
async def shop(stage):
    await stage.tables("""
        CREATE TABLE orders (id int);
        CREATE TABLE parts (id int) PARTITION BY RANGE (id);
        CREATE TABLE part PARTITION OF parts DEFAULT;
    """)
    sources = (Source(schema="public", table=it, key=key("id"), rules=(rule(*ALL),)) for it in ("orders", "parts"))
    await stage.install(*sources)
    return stage


class Relay:
    """A session that hears the bell, and puts the flag up and down."""

    def __init__(self, session):
        self.session = session
        self.heard = asyncio.Queue()

    async def flag(self, *, up):
        done = "pg_try_advisory_lock" if up else "pg_advisory_unlock"
        assert await self.session.fetchval(f"SELECT {done}(1852008556, 2)")

    async def rings(self, shop):
        """How often the bell was rung until now."""
        await shop.admin.execute("SELECT pg_notify('notifychannel_relay', 'end')")
        count = 0
        while await asyncio.wait_for(self.heard.get(), 30) != "end":
            count += 1
        return count


@pytest.fixture
async def relay(shop):
    made = Relay(await shop.database.connect())
    await made.session.add_listener("notifychannel_relay", lambda *args: made.heard.put_nowait(args[3]))
    return made


TABLES = pytest.mark.parametrize("table", ["orders", "parts"], ids=["statement triggers", "row triggers"])


@TABLES
async def test_a_statement_rings_only_where_nobody_is_awake(shop, relay, table):
    """Mutants in outbox_guard.sql: nch_rings always true, or false; the lock of (…, 1)."""
    await shop.app.execute(f"INSERT INTO {table} VALUES (1), (2)")
    assert await relay.rings(shop) == 1  # equal ones of one transaction are one
    await relay.flag(up=True)
    await shop.app.execute(f"INSERT INTO {table} VALUES (3)")
    assert await relay.rings(shop) == 0
    await relay.flag(up=False)
    await shop.app.execute(f"UPDATE {table} SET id = 4 WHERE id = 3")
    assert await relay.rings(shop) == 1
    assert len(await shop.raw()) >= 3


@TABLES
async def test_a_writer_keeps_no_lock_of_the_bell_so_the_relay_can_wake_at_once(shop, relay, table):
    """Mutant: no pg_advisory_unlock_shared in outbox_guard.sql."""
    await shop.app.execute(f"BEGIN; INSERT INTO {table} VALUES (1)")
    assert await shop.admin.fetchval(LEFT, shop.app.get_server_pid()) == 0
    await relay.flag(up=True)
    await shop.app.execute("COMMIT")


async def test_a_statement_that_changes_nothing_neither_appends_nor_rings(shop, relay):
    await shop.app.execute("UPDATE orders SET id = 1")
    assert await relay.rings(shop) == 0
    assert await shop.raw() == []


@TABLES
async def test_what_is_rolled_back_leaves_no_row(shop, table):
    """Mutant: a row that is written in another session, or a payload that is kept in the sequence of events."""
    await shop.app.execute(f"BEGIN; INSERT INTO {table} VALUES (1); ROLLBACK")
    await shop.app.execute(f"""
        BEGIN; INSERT INTO {table} VALUES (2); SAVEPOINT s; INSERT INTO {table} VALUES (3); ROLLBACK TO s;
        SAVEPOINT t; INSERT INTO {table} VALUES (4); RELEASE t; COMMIT
    """)
    assert await shop.until_marker() == [("insert", [[2]]), ("insert", [[4]])]


@TABLES
async def test_rows_of_savepoints_have_the_id_of_the_whole_transaction(shop, table):
    """By it the relay knows when they can be seen. Mutant: the default of xid of a subtransaction."""
    await shop.app.execute(f"BEGIN; SAVEPOINT s; INSERT INTO {table} VALUES (1)")
    whole = await shop.app.fetchval("SELECT pg_current_xact_id()")
    await shop.app.execute("RELEASE s; COMMIT")
    assert await shop.admin.fetchval("SELECT xid FROM notifychannel.outbox") == whole


@TABLES
async def test_a_transaction_can_be_prepared_while_somebody_is_awake(shop, relay, table):
    """Mutant: nch_rings that is always true."""
    await relay.flag(up=True)
    await shop.app.execute(f"BEGIN; INSERT INTO {table} VALUES (1); PREPARE TRANSACTION 'kept'")
    await shop.app.execute(f"BEGIN; INSERT INTO {table} VALUES (2); PREPARE TRANSACTION 'refused'")
    assert await shop.raw() == []
    await shop.app.execute("ROLLBACK PREPARED 'refused'")
    await shop.app.execute("COMMIT PREPARED 'kept'")
    assert await shop.until_marker() == [("insert", [[1]])]


AWAY = {
    "dropped": "DROP TABLE notifychannel.outbox",
    "renamed": "ALTER TABLE notifychannel.outbox RENAME TO other",
    "all rights revoked": "REVOKE ALL ON notifychannel.outbox FROM {installer}",
    "the right to insert revoked": "REVOKE INSERT ON notifychannel.outbox FROM {installer}",
    "lock revoked": "REVOKE EXECUTE ON FUNCTION pg_try_advisory_lock_shared(int, int) FROM PUBLIC",
    "unlock revoked": "REVOKE EXECUTE ON FUNCTION pg_advisory_unlock_shared(int, int) FROM PUBLIC",
    "the transaction's id revoked": "REVOKE EXECUTE ON FUNCTION pg_current_xact_id() FROM PUBLIC",
}


@TABLES
@pytest.mark.parametrize("away", AWAY)
async def test_without_our_table_or_what_it_takes_a_statement_is_a_resync_as_with_notify(shop, relay, table, away):
    """Mutants in outbox_guard.sql: LOCK TABLE, has_table_privilege or pg_current_xact_id left out."""
    await shop.app.execute(f"INSERT INTO {table} VALUES (0)")
    await shop.admin.execute("DELETE FROM notifychannel.outbox")
    await shop.admin.execute(AWAY[away].format(installer=f'"{shop.installer_role}"'))
    await shop.app.execute(f"INSERT INTO {table} VALUES (1)")
    assert await shop.admin.fetchval(LEFT, shop.app.get_server_pid()) == 0
    assert [shop.parse(payload) for payload in await shop.told(shop.app)] == [("insert", "resync")]


@TABLES
async def test_where_nobody_may_be_rung_and_that_can_not_be_counted_a_statement_succeeds(shop, table):
    """Mutant: in failed_tell.sql NULL in place of the last RETURN NULL: it rings all the same, outside the block."""
    await shop.admin.execute("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_notify(text, text) FROM PUBLIC")
    await shop.admin.execute("DROP SEQUENCE notifychannel.skips")
    await shop.app.execute(f"INSERT INTO {table} VALUES (1)")


@TABLES
async def test_what_fails_after_the_table_was_had_is_told_as_with_notify(shop, table):
    """The lock went with the block: somebody may take the table away by then. Mutant: outbox_undo.sql left empty."""
    await shop.admin.execute("REVOKE EXECUTE ON FUNCTION statement_timestamp() FROM PUBLIC")
    await shop.app.execute(f"INSERT INTO {table} VALUES (1)")
    assert [payload[9:] for payload in await shop.told(shop.app)] == ["U" + "0" * 16]
    assert await shop.admin.fetchval("SELECT count(*) FROM notifychannel.outbox") == 0


@TABLES
async def test_nobody_waits_for_whoever_alters_our_table(shop, table):
    """Mutant: LOCK TABLE without NOWAIT."""
    other = await shop.database.connect()
    await other.execute("BEGIN; LOCK TABLE notifychannel.outbox")
    await shop.app.execute("SET statement_timeout = '10s'")
    await shop.app.execute(f"INSERT INTO {table} VALUES (1)")
    assert [shop.parse(payload) for payload in await shop.told(shop.app)] == [("insert", "resync")]
    await other.execute("ROLLBACK")


@TABLES
async def test_nobody_can_take_our_table_away_between_the_look_and_the_row(shop, table):
    """Mutant: LOCK TABLE left out: a DROP in between would fail the statement."""
    await shop.app.execute(f"BEGIN; INSERT INTO {table} VALUES (1)")
    held = await shop.admin.fetchval(
        "SELECT count(*) FROM pg_locks WHERE relation = 'notifychannel.outbox'::regclass AND mode = 'RowExclusiveLock'"
    )
    assert held == 1
    await shop.app.execute("COMMIT")


async def test_two_transactions_that_write_the_same_in_another_order_do_not_deadlock(shop):
    """Mutant: an upsert by key in place of the INSERT."""
    other = await shop.database.connect(shop.app_role)
    await shop.app.execute("BEGIN; INSERT INTO orders VALUES (1)")
    await other.execute("BEGIN; INSERT INTO orders VALUES (2)")
    await shop.app.execute("INSERT INTO orders VALUES (2)")
    await other.execute("INSERT INTO orders VALUES (1)")
    await shop.app.execute("COMMIT")
    await other.execute("COMMIT")
    assert len(await shop.raw()) == 4
