"""The outbox as an object of ours: made for the first channel that needs it, put right, and gone with the last."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from notifychannel_operator import database as edge
from notifychannel_operator import plan, sqlfile
from notifychannel_operator.names import pg_channel
from notifychannel_operator.spec import Capture
from notifychannel_operator.step import Kind
from tests.premises import OTHER, OWNER, build, channel, source

BY_NOTIFY = channel(source())
BY_OUTBOX = channel(source(), capture=Capture.OUTBOX)
OTHERS = channel(source("events"), name="billing")
MADE = "SELECT xmin::text, oid::text FROM pg_proc WHERE proname IN ('drain', 'relay_look')"
DUMP = Path(__file__).parent / "dumps" / "notify_0.sql"


@pytest.fixture
async def site(database):
    return await build(database)


async def outbox_objects(site):
    rows = await site.admin.fetch("""
        SELECT relname::text FROM pg_class WHERE relnamespace = 'notifychannel'::regnamespace AND relkind IN ('r', 'S')
        UNION ALL SELECT proname FROM pg_proc
        WHERE pronamespace = 'notifychannel'::regnamespace AND prorettype <> 'trigger'::regtype
        ORDER BY 1
    """)
    return [row[0] for row in rows]


ALL = ["collapse", "drain", "outbox", "outbox_logged", "outbox_size", "relay_beats", "relay_drained", "relay_look",
       "relay_position", "relay_rounds", "relay_waiting", "skipped", "skips"]  # fmt: skip


async def test_a_database_whose_channels_notify_has_no_outbox(site):
    """Mutant: `_shared` without the question `by_outbox`."""
    await site.install(BY_NOTIFY)
    assert await outbox_objects(site) == ["skipped", "skips"]
    assert "outbox" not in await site.rights(BY_NOTIFY)


async def test_the_first_channel_that_needs_it_makes_it_and_a_second_pass_does_nothing(site):
    """Mutants: `is_outbox` that answers False; outbox_made.sql left out of `statements.outbox`."""
    await site.grant(BY_NOTIFY)
    result = await site.step(BY_OUTBOX)
    assert [step.kind for step in result.done] == [Kind.SCHEMA, Kind.INSTALL]
    assert await outbox_objects(site) == ALL
    before = await site.admin.fetch(MADE)
    assert (await site.plan(BY_OUTBOX)).steps == ()
    await site.install(channel(source(), source("events"), capture=Capture.OUTBOX))
    assert len(before) == 2


async def test_the_printed_rights_make_it_too_and_leave_nothing_for_the_pass(site):
    """Mutant: `grants._shared` without the outbox."""
    result = await site.install(BY_OUTBOX)
    assert [step.kind for step in result.done] == [Kind.INSTALL]


async def test_a_listener_may_be_the_relay_and_touch_nothing_else(site):
    """Mutant: a GRANT on the table; 020_outbox.sql without its REVOKEs."""
    await site.install(BY_OUTBOX)
    session = await site.session(site.listener)
    await session.fetchrow("SELECT * FROM notifychannel.drain('0', '{}', 10)")
    await session.fetchrow("SELECT * FROM notifychannel.collapse(0, '0', 10)")
    await session.fetchrow("SELECT at, holder, beats, rounds, bytes FROM notifychannel.relay_look()")
    assert not await session.fetchval("SELECT notifychannel.relay_waiting()")
    stranger = await site.database.role("stranger")
    for signature in ("drain(xid8, xid8[], integer)", "collapse(bigint, xid8, integer)", "relay_look()",
                      "relay_waiting()", "relay_drained(xid8)", "outbox_size()"):  # fmt: skip
        may = "SELECT has_function_privilege($1, 'notifychannel.' || $2, 'EXECUTE')"
        assert not await site.admin.fetchval(may, stranger, signature)
    for table in ("outbox", "outbox_logged"):
        may = "SELECT has_table_privilege($1, 'notifychannel.' || $2, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')"
        assert not await site.admin.fetchval(may, site.listener, table)


async def test_a_listener_of_the_database_may_drain_as_soon_as_a_channel_needs_it_and_a_new_one_too(site):
    """Nobody asks a DBA to switch. Mutants: $rights$ left out of 020_outbox.sql; is_open_to_listeners that is true."""
    await site.install(BY_NOTIFY)
    await site.step(BY_OUTBOX)
    await (await site.session(site.listener)).fetchrow("SELECT * FROM notifychannel.drain('0', '{}', 10)")
    newcomer = await site.database.role("newcomer")
    await site.admin.execute(f"""
        GRANT USAGE ON SCHEMA notifychannel TO "{newcomer}";
        GRANT EXECUTE ON FUNCTION notifychannel.skipped() TO "{newcomer}"
    """)
    result = await site.step(BY_OUTBOX)
    assert [step.kind for step in result.done] == [Kind.SCHEMA]
    may = "SELECT has_function_privilege($1, 'notifychannel.drain(xid8, xid8[], integer)', 'EXECUTE')"
    assert await site.admin.fetchval(may, newcomer)


async def test_the_right_that_the_named_listener_lacks_is_a_step_with_the_grant(site):
    """Mutant: `_grants` without may_relay."""
    await site.install(BY_OUTBOX)
    await site.admin.execute(f'REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA notifychannel FROM "{site.listener}"')
    facts = await edge.observe(await site.session(), BY_OUTBOX, OWNER, listener=site.listener)
    made = plan.of(BY_OUTBOX, facts)
    assert [step.kind for step in made.steps] == [Kind.GRANT, Kind.GRANT]
    assert (await edge.apply(await site.session(), made)).is_complete
    facts = await edge.observe(await site.session(), BY_OUTBOX, OWNER, listener=site.listener)
    assert plan.of(BY_OUTBOX, facts).steps == ()


DAMAGE = [
    "DROP TABLE notifychannel.outbox",
    "DROP TABLE notifychannel.outbox_logged",
    "DROP INDEX notifychannel.outbox_xid",
    "DROP INDEX notifychannel.outbox_xid; CREATE INDEX outbox_xid ON notifychannel.outbox (channel)",
    "DROP SEQUENCE notifychannel.relay_beats",
    "ALTER SEQUENCE notifychannel.relay_rounds INCREMENT 5 NO CYCLE",
    "DROP FUNCTION notifychannel.drain(xid8, xid8[], integer)",
    "DROP FUNCTION notifychannel.relay_look()",
    (
        "DROP FUNCTION notifychannel.relay_waiting(); CREATE FUNCTION notifychannel.relay_waiting() RETURNS int"
        " LANGUAGE sql AS 'SELECT 1'"
    ),
    "ALTER FUNCTION notifychannel.relay_waiting() SECURITY INVOKER",
    "ALTER FUNCTION notifychannel.drain(xid8, xid8[], integer) RESET enable_seqscan",
    "GRANT EXECUTE ON FUNCTION notifychannel.collapse(bigint, xid8, integer) TO PUBLIC",
    "CREATE OR REPLACE FUNCTION notifychannel.relay_waiting() RETURNS boolean LANGUAGE sql AS 'SELECT false'",
    "ALTER TABLE notifychannel.outbox RESET (autovacuum_vacuum_threshold)",
    "ALTER TABLE notifychannel.outbox SET (autovacuum_enabled = false)",
    "ALTER TABLE notifychannel.outbox ALTER COLUMN payload SET STORAGE EXTENDED",
    "ALTER TABLE notifychannel.outbox RENAME COLUMN payload TO load",
    "ALTER TABLE notifychannel.outbox ADD COLUMN other int NOT NULL",
    "ALTER TABLE notifychannel.outbox SET LOGGED",
    "ALTER TABLE notifychannel.outbox ALTER COLUMN xid DROP DEFAULT",
    "COMMENT ON FUNCTION notifychannel.relay_look() IS NULL",
]


async def test_what_somebody_changed_by_hand_is_put_right(site):
    """One after the other: what is put right is as it was.

    Mutant: any part of outbox_state.sql left out, or of $outdated$ and $missing$ in 020_outbox.sql.
    """
    await site.install(BY_OUTBOX)
    dump = sorted(site.dump().splitlines())
    for number, damage in enumerate(DAMAGE):
        await (await site.session()).execute(damage)
        result = await site.step(BY_OUTBOX)
        assert [step.kind for step in result.done] == [Kind.SCHEMA], damage
        assert result.done[0].sentence.startswith("put right the outbox"), damage
        assert sorted(site.dump().splitlines()) == dump, damage
        await site.app.execute(f"INSERT INTO orders VALUES ({number})")
        drained = await (await site.session()).fetchrow("SELECT * FROM notifychannel.drain('0', '{}', 10)")
        assert drained["taken"] == 1, damage


async def test_what_waited_in_a_table_that_was_lost_is_told_by_the_counter(site):
    """Mutant: 020_outbox.sql without nextval('notifychannel.skips')."""
    await site.install(BY_OUTBOX)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    assert await site.admin.fetchval("SELECT notifychannel.skipped()") == 0
    await site.admin.execute("DROP TABLE notifychannel.outbox")
    await site.step(BY_OUTBOX)
    assert await site.admin.fetchval("SELECT notifychannel.skipped()") == 1


async def test_jobs_that_wait_in_an_altered_table_are_never_dropped(site):
    """Mutant: $outdated$ that drops outbox_logged like the other."""
    await site.install(BY_OUTBOX)
    for damage in (
        "ADD COLUMN other int NOT NULL DEFAULT 0",
        "DROP COLUMN other, DROP COLUMN source, ADD COLUMN other int, ADD COLUMN source text",
    ):
        await site.admin.execute(f"ALTER TABLE notifychannel.outbox_logged {damage}")
        result = await edge.apply(await site.session(), await site.plan(BY_OUTBOX))
        assert "outbox_logged was altered by hand" in result.failed[0], damage
    await site.admin.execute("ALTER TABLE notifychannel.outbox_logged DROP COLUMN other")
    await site.step(BY_OUTBOX)


async def test_an_object_of_somebody_else_under_one_of_the_names_is_said(site):
    """Mutant: `of_database` without `of_outbox`."""
    await site.grant(BY_NOTIFY)
    await site.admin.execute("CREATE VIEW notifychannel.outbox AS SELECT 1")
    made = await site.plan(BY_OUTBOX)
    assert made.steps == ()
    assert made.problems == ("notifychannel.outbox is not what NotifyChannel makes under that name: rename or drop it",)
    await site.step(BY_NOTIFY)


async def test_an_older_version_of_the_outbox_is_brought_up_with_rows_in_it_and_no_writer_waits(site):
    """`drain` answered less, `collapse` was not there, the note is another one. A writer is in its transaction all the
    while. Mutants: $outdated$ without the functions; CREATE INDEX IF NOT EXISTS in 020_outbox.sql, which locks.
    """
    await site.install(BY_OUTBOX)
    await (await site.session()).execute("""
        DROP FUNCTION notifychannel.drain(xid8, xid8[], integer);
        CREATE FUNCTION notifychannel.drain(low xid8, late xid8[], most integer) RETURNS integer
            LANGUAGE sql AS 'SELECT 1';
        DROP FUNCTION notifychannel.collapse(bigint, xid8, integer);
        DROP SEQUENCE notifychannel.relay_rounds;
        COMMENT ON FUNCTION notifychannel.relay_look() IS 'made by NotifyChannel, 00000000 00';
    """)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    writer = await site.database.connect(site.app_role)
    await writer.execute("BEGIN; INSERT INTO orders VALUES (2)")
    result = await site.step(BY_OUTBOX)
    assert [step.kind for step in result.done] == [Kind.SCHEMA]
    await writer.execute("COMMIT")
    drained = await (await site.session(site.listener)).fetchrow("SELECT * FROM notifychannel.drain('0', '{}', 10)")
    assert (drained["taken"], drained["more"]) == (2, False)
    assert await site.admin.fetchval("SELECT notifychannel.skipped()") == 0


async def test_a_channel_that_goes_back_to_notify_leaves_the_outbox_to_whoever_needs_it(site):
    """Also where nobody does: it goes with the last channel, for an old body may still append."""
    await site.install(BY_OUTBOX)
    await site.install(OTHERS, OTHER)
    await site.step(BY_NOTIFY)
    assert await outbox_objects(site) == ALL
    await site.step(BY_OUTBOX)
    await site.step(BY_NOTIFY)


async def test_the_last_channel_takes_the_outbox_with_it(site):
    """Mutant: `drop_shared` without the outbox; `Schema.others` that names its tables."""
    await site.admin.execute(f"""
        GRANT CONNECT, CREATE ON DATABASE "{site.database.name}" TO "{site.installer}";
        GRANT USAGE ON SCHEMA public TO "{site.installer}";
        GRANT TRIGGER ON orders, events, events_1, events_2 TO "{site.installer}";
    """)
    await site.step(BY_OUTBOX)
    await site.step(OTHERS, OTHER)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    assert (await edge.remove(await site.session(), OWNER)).is_complete
    assert await outbox_objects(site) == ALL
    result = await edge.remove(await site.session(), OTHER)
    assert result.done[-1].is_last
    assert await site.admin.fetchval("SELECT to_regnamespace('notifychannel')") is None


async def test_a_right_that_was_granted_keeps_the_outbox_as_it_keeps_the_counter(site):
    await site.install(BY_OUTBOX)
    await edge.remove(await site.session(), OWNER)
    assert await outbox_objects(site) == ALL


async def test_capture_changes_both_ways_with_a_resync_each_and_the_old_bodys_rows_are_drained(site):
    """Mutant: `_step` without the resync."""
    await site.install(BY_OUTBOX)
    listener, heard = await site.session(site.listener), asyncio.Queue()
    await listener.add_listener(pg_channel(OWNER), lambda *args: heard.put_nowait(args[3]))
    writer = await site.database.connect(site.app_role)
    await writer.execute("BEGIN; INSERT INTO orders VALUES (1)")
    result = await site.step(BY_NOTIFY)
    assert [step.kind for step in result.done] == [Kind.CHANGE]
    assert (await asyncio.wait_for(heard.get(), 30)).startswith("100000000T")
    await writer.execute("COMMIT")
    await listener.fetchrow("SELECT * FROM notifychannel.drain('0', '{}', 10)")
    assert (await asyncio.wait_for(heard.get(), 30)).endswith("\n1[1]")
    await site.app.execute("INSERT INTO orders VALUES (2)")
    assert (await asyncio.wait_for(heard.get(), 30)).endswith("\n[2]")
    await site.step(BY_OUTBOX)
    assert (await asyncio.wait_for(heard.get(), 30)).startswith("100000000T")


async def test_objects_that_the_version_before_made_are_brought_up_to_date_in_one_change(site):
    """From a dump of what 0.x installed for the same channel, marker and all.

    Mutant: the capture in the hash of a channel that NOTIFYs; the marker's hash leaves the body out.
    """
    await site.grant(BY_NOTIFY)
    site.psql(f'DROP SCHEMA notifychannel CASCADE; CREATE SCHEMA notifychannel AUTHORIZATION "{site.installer}"')
    site.psql(DUMP.read_text(encoding="utf-8"), role=site.installer)
    rules = "SELECT substring(prosrc from $$'1([0-9a-f]{8})U$$) FROM pg_proc WHERE proname LIKE 'orders%'"
    made_for = await site.admin.fetchval(rules)
    assert [step.kind for step in (await site.step(BY_NOTIFY)).done] == [Kind.CHANGE]
    assert (await site.plan(BY_NOTIFY)).steps == ()
    assert made_for is not None
    assert await site.admin.fetchval(rules) == made_for
    before = site.dump()
    result = await site.step(BY_OUTBOX)
    assert [step.kind for step in result.done] == [Kind.SCHEMA, Kind.CHANGE]
    assert "outbox" not in before


async def test_the_file_can_be_run_by_psql_as_often_as_one_likes(site):
    await site.install(BY_OUTBOX)
    before = site.dump()
    for _ in range(2):
        site.psql(sqlfile.read("020_outbox.sql"), role=site.installer)
    assert site.dump() == before
    assert (await site.plan(BY_OUTBOX)).steps == ()
