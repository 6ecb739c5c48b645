"""None of our failures is the user's: their statements and COMMITs succeed, and what can't be said is a resync."""

from __future__ import annotations

import asyncpg
import pytest

from notifychannel_operator.spec import Capture, Condition, Event, KeyPart, Lookup, Operator, Source
from tests.integration.hints.stage import BY_EACH_CAPTURE, key, rule

pytestmark = BY_EACH_CAPTURE

TABLES = """
    CREATE TABLE tenants (id int PRIMARY KEY, region text);
    CREATE TABLE orders (id int PRIMARY KEY, tenant_id int, status text, j json, p point, amount numeric);
    CREATE TABLE parts (id int, tenant_id int, status text, j json, p point, amount numeric) PARTITION BY RANGE (id);
    CREATE TABLE part PARTITION OF parts DEFAULT;
    INSERT INTO tenants VALUES (1, 'eu');
    INSERT INTO orders VALUES (0, 1, 'new');
    INSERT INTO parts VALUES (0, 1, 'new');
"""
REGION = Lookup(schema="public", table="tenants", column="region", match=(("id", "tenant_id"),))
PAID = (Condition(column="status", operator=Operator.NOT_EQUALS, values=("paid",)),)
ALL = (Event.INSERT, Event.UPDATE, Event.DELETE, Event.TRUNCATE)


def source(table, *parts, columns=(), when=()):
    return Source(schema="public", table=table, key=parts, rules=(rule(*ALL, columns=columns, when=when),))


@pytest.fixture(params=["orders", "parts"], ids=["statement triggers", "row triggers"])
async def table(request, stage):
    """Installed with all that may break later: a key column, a lookup, a watched column, a condition."""
    await fresh(stage, request.param)
    return request.param


async def fresh(stage, table):
    await stage.tables("DROP TABLE IF EXISTS tenants, orders, parts")
    await stage.tables(TABLES)
    parts = (*key("id", "tenant_id"), KeyPart(name="region", lookup=REGION))
    await stage.install(source(table, *parts, columns=("amount", "j", "p"), when=PAID))


async def write(stage, table):
    """One row's life; what is heard of it."""
    return await stage.hear(
        f"INSERT INTO {table} (id, tenant_id) VALUES (7, 1)",
        f"UPDATE {table} SET tenant_id = 1, amount = 2, status = 'x' WHERE id = 7",
        f"DELETE FROM {table} WHERE id = 7",
    )


SPOKEN = [(event, [[7, 1, "eu"]]) for event in ("insert", "update", "delete")]
RESYNCS = [(event, "resync") for event in ("insert", "update", "delete")]


async def test_all_is_well_before_anything_breaks(stage, table):
    assert await write(stage, table) == SPOKEN


DDL = (
    "ALTER TABLE {0} ALTER COLUMN status TYPE varchar(20)",
    "ALTER TABLE {0} ALTER COLUMN amount TYPE bigint",
    "ALTER TABLE {0} ALTER COLUMN j TYPE jsonb",
    "ALTER TABLE {0} ALTER COLUMN tenant_id TYPE bigint",
    "ALTER TABLE {0} ADD COLUMN new json",
    "ALTER TABLE {0} RENAME TO renamed; ALTER TABLE renamed RENAME TO {0}",
    "ALTER TABLE tenants ADD COLUMN new json",
)
WATCHED_WENT = (
    "ALTER TABLE {0} DROP COLUMN j, DROP COLUMN p",
    "ALTER TABLE {0} RENAME COLUMN j TO k",
    "ALTER TABLE {0} RENAME COLUMN p TO q; ALTER TABLE {0} ADD COLUMN p text",
)
TAKEN = (
    "ALTER TABLE {0} RENAME COLUMN status TO state; ALTER TABLE {0} ADD COLUMN status int",
    "ALTER TABLE {0} RENAME COLUMN tenant_id TO tenant; ALTER TABLE {0} ADD COLUMN tenant_id json",
    "DROP TABLE tenants",
    "ALTER TABLE tenants RENAME COLUMN region TO area",
    "ALTER TABLE tenants DROP COLUMN region",
    "ALTER TABLE tenants ALTER COLUMN id TYPE text",
    "ALTER TABLE tenants DROP CONSTRAINT tenants_pkey; INSERT INTO tenants VALUES (1, 'us')",
    "REVOKE SELECT (id, region) ON tenants FROM {installer}",
    "ALTER TABLE tenants ENABLE ROW LEVEL SECURITY",
)


async def test_the_applications_ddl_works_and_hints_go_on(stage, table):
    """Mutant: `AFTER UPDATE OF amount`, or a WHEN that names a column: ALTER COLUMN TYPE fails."""
    for ddl in DDL:
        await write(stage, table)
        await stage.tables(ddl.format(table))
        heard = await write(stage, table)
        # PL/pgSQL remembers the types of NEW and OLD for a session
        assert all(said in either for said, *either in zip(heard, SPOKEN, RESYNCS, strict=True)), ddl
        assert table == "parts" or heard == SPOKEN, ddl
        await fresh(stage, table)


async def test_a_column_of_another_type_gives_another_hash_and_a_replaced_function_speaks_again(stage, table):
    """Mutant: `repr(types)` left out of triggers._fingerprint: sessions that live long answer with resyncs for ever."""
    await write(stage, table)
    before = await stage.hash()
    assert await stage.hash() == before
    await stage.tables(f"ALTER TABLE {table} ALTER COLUMN amount TYPE bigint")
    assert await stage.hash() != before
    await stage.replace_functions()
    assert await write(stage, table) == SPOKEN


async def test_a_watched_column_that_went_makes_updates_resyncs(stage, table):
    """Mutant: no EXCEPTION in body.sql: the user's UPDATE fails."""
    for ddl in WATCHED_WENT:
        await write(stage, table)
        await stage.tables(ddl.format(table))
        heard = await write(stage, table)
        assert [heard[0], heard[2]] == [SPOKEN[0], SPOKEN[2]], ddl
        assert heard[1] in (SPOKEN[1], RESYNCS[1]), ddl
        await fresh(stage, table)


async def test_what_is_taken_away_under_us_makes_resyncs(stage, table):
    """Mutant: no EXCEPTION in body.sql."""
    for ddl in TAKEN:
        await write(stage, table)
        await stage.tables(ddl.format(table, installer=f'"{stage.installer_role}"'))
        assert await stage.hear(f"INSERT INTO {table} (id) VALUES (7)") == RESYNCS[:1], ddl
        await fresh(stage, table)


async def test_a_schema_that_the_installer_may_not_enter_any_more_makes_resyncs(stage, table):
    await write(stage, table)
    await stage.admin.execute(f'REVOKE USAGE ON SCHEMA public FROM PUBLIC, "{stage.installer_role}"')
    insert = f"INSERT INTO {table} (id, tenant_id) VALUES (7, 1)"
    # the application can't enter it either
    assert await stage.hear(insert, writer=stage.admin) == RESYNCS[:1]


@pytest.mark.parametrize(
    "function", ["pg_notify(text, text)", "pg_notification_queue_usage()", "has_function_privilege(oid, text)"]
)
async def test_not_even_a_revoked_function_of_postgresql_fails_a_statement(stage, table, function):
    """Mutants: the inner EXCEPTION left out of body.sql; `has_function_privilege` left out of either of its places."""
    await stage.admin.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
    await stage.app.execute(f"INSERT INTO {table} (id, tenant_id) VALUES (7, 1)")
    await stage.admin.execute(f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC")
    by_outbox = stage.capture is Capture.OUTBOX and function == "pg_notify(text, text)"
    assert await stage.until_marker() == ([("insert", [[7, 1, "eu"]])] if by_outbox else [])


async def test_what_is_outside_the_block_calls_nothing_but_what_was_looked_at(stage, table):
    """Mutant: a FOREACH of body.sql or outbox_append.sql over array_append(nch_payloads, NULL)."""
    await stage.admin.execute("REVOKE EXECUTE ON FUNCTION array_append(anycompatiblearray, anycompatible) FROM PUBLIC")
    assert await stage.hear(f"INSERT INTO {table} (id, tenant_id) VALUES (7, 1)") == [("insert", [[7, 1, "eu"]])]


async def test_without_the_time_of_the_statement_a_resync_without_a_time_is_sent(stage, table):
    """Mutant: in body.sql what computes nch_header after a failure is in no block of its own."""
    await stage.admin.execute("REVOKE EXECUTE ON FUNCTION statement_timestamp() FROM PUBLIC")
    await stage.app.execute(f"DELETE FROM {table}")
    [payload] = await stage.raw()
    assert payload[9:] == "U" + "0" * 16


async def test_our_schema_without_rights_for_anybody_changes_nothing(stage, table):
    await stage.admin.execute("REVOKE ALL ON SCHEMA notifychannel FROM PUBLIC")
    assert await write(stage, table) == SPOKEN


async def test_a_dropped_sequence_changes_nothing_while_the_queue_has_room(stage, table):
    await stage.admin.execute("DROP SEQUENCE notifychannel.skips CASCADE")
    assert await write(stage, table) == SPOKEN


async def test_functions_dropped_with_their_triggers_leave_silence_and_no_error(stage, table):
    await stage.admin.execute("DROP SCHEMA notifychannel CASCADE")
    assert await write(stage, table) == []


async def test_a_key_too_long_for_a_payload_is_a_resync(stage):
    """Mutant: no RAISE in body.sql: pg_notify fails the user's INSERT."""
    await stage.tables("CREATE TABLE t (a text); CREATE TABLE p (a text) PARTITION BY HASH (a)")
    await stage.tables("CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0)")
    await stage.install(source("t", *key("a")), source("p", *key("a")))
    for table in ("t", "p"):
        assert await stage.hear(f"INSERT INTO {table} VALUES (repeat('x', 8000))") == [("insert", "resync")]
        fits = 7999 - 26 - 1 - len('[""]')
        assert await stage.hear(f"INSERT INTO {table} VALUES (repeat('x', {fits}))") == [("insert", [["x" * fits]])]
        assert await stage.hear(f"INSERT INTO {table} VALUES (repeat('x', {fits + 1}))") == [("insert", "resync")]


async def test_a_table_of_types_without_equality_and_without_a_key_works(stage):
    """`OLD.* IS DISTINCT FROM NEW.*` would fail the user's UPDATE here."""
    await stage.tables("CREATE TABLE t (j json, p point, c aclitem); INSERT INTO t VALUES ('{}', '(1,2)')")
    await stage.install(source("t", *key("j")))
    heard = await stage.hear("UPDATE t SET p = '(1,2)'", "UPDATE t SET p = '(2,1)'", "UPDATE t SET j = '{ }'")
    assert [(event, sorted(keys)) for event, keys in heard] == [("update", [["{}"]]), ("update", [["{ }"], ["{}"]])]


async def test_a_hint_takes_no_second_transaction_id(stage):
    """A subtransaction that writes would take one per statement; past 64 every snapshot of the server pays."""
    await stage.tables("CREATE TABLE t (id int)")
    await stage.install(source("t", *key("id")))
    async with stage.app.transaction():
        for _ in range(3):
            await stage.app.execute("INSERT INTO t VALUES (1)")
        pid = stage.app.get_server_pid()
        counts = await stage.admin.fetchrow("""
            SELECT s.subxact_count FROM pg_stat_get_backend_idset() AS id,
                pg_stat_get_backend_subxact(id) AS s (subxact_count, overflowed)
            WHERE pg_stat_get_backend_pid(id) = $1
        """, pid)  # fmt: skip
    assert counts["subxact_count"] == 0


async def test_a_virtual_generated_column_beside_the_key_does_no_harm(stage):
    if stage.database.server.version < 18:
        await stage.tables("CREATE TABLE t (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED)")
    else:
        await stage.tables("CREATE TABLE t (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL)")
    await stage.install(source("t", *key("id")))
    heard = await stage.hear("INSERT INTO t VALUES (1, 1)", "UPDATE t SET a = a", "UPDATE t SET a = 2")
    assert heard == [("insert", [[1]]), ("update", [[1]])]


async def test_the_users_own_errors_are_still_theirs(stage, table):
    with pytest.raises(asyncpg.DivisionByZeroError):
        await stage.app.execute(f"INSERT INTO {table} (id) VALUES (1 / 0)")
