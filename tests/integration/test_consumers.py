"""The queue as an object of ours, and its consumers as a resource says them: made, changed, kept and gone."""

from __future__ import annotations

import asyncio

import pytest

from notifychannel_operator import database as edge
from notifychannel_operator import names, plan, queue_statements, sqlfile
from notifychannel_operator.names import Owner, pg_channel
from notifychannel_operator.queue_statements import Rows
from notifychannel_operator.spec import Audit, Capture, Consumer, Delivery, Endpoint, Escalation, Retry
from notifychannel_operator.step import Kind
from tests.premises import OTHER, OWNER, build, channel, source

BEST_EFFORT = Consumer(group="app", endpoint=Endpoint(port=8080, path="/hints"))
AT_LEAST_ONCE = Consumer(group="app", endpoint=Endpoint(port=8080, path="/hints"), delivery=Delivery.AT_LEAST_ONCE)
MAILER = Consumer(group="mailer", endpoint=Endpoint(port=8081, path="/"), delivery=Delivery.AT_LEAST_ONCE)
BY_NOTIFY = channel(source())
BY_OUTBOX = channel(source(), capture=Capture.OUTBOX)
PATIENCE_S = 30.0
DRAIN = "SELECT * FROM notifychannel.drain('0', '{}', 1000)"
ROWS = """
    SELECT c."group", q.key, q.reason
    FROM notifychannel.queue AS q JOIN notifychannel.consumer AS c ON c.id = q.consumer
    WHERE q.state <> 'resting' ORDER BY 1, 2
"""


def durable(*consumers, **options):
    options = {"capture": Capture.OUTBOX, **options}
    return channel(source(), consumers=consumers or (AT_LEAST_ONCE,), **options)


@pytest.fixture
async def site(database):
    return await build(database)


async def queue_objects(site):
    rows = await site.admin.fetch("""
        SELECT relname::text FROM pg_class WHERE relnamespace = 'notifychannel'::regnamespace AND relkind IN ('r', 'v')
        UNION ALL SELECT proname FROM pg_proc
        WHERE pronamespace = 'notifychannel'::regnamespace AND prorettype <> 'trigger'::regtype
    """)
    return {row[0] for row in rows}


async def waiting(site):
    return [tuple(row) for row in await site.admin.fetch(ROWS)]


async def drain(site):
    return await (await site.session(site.listener)).fetchrow(DRAIN)


async def acknowledge(site):
    """As if applications had taken everything."""
    await site.admin.execute("DELETE FROM notifychannel.queue")


async def ids(site):
    found = await site.admin.fetch('SELECT "group", id FROM notifychannel.consumer ORDER BY 1')
    return {row["group"]: row["id"] for row in found}


async def test_a_database_without_jobs_and_audit_has_no_queue(site):
    """Mutant: `Needs.of` with queue=True."""
    await site.install(BY_OUTBOX)
    assert not await queue_objects(site) & set(queue_statements.relations())
    assert "put_consumer" not in await site.rights(BY_OUTBOX)


async def test_the_first_channel_of_jobs_makes_the_queue_and_registers_before_a_trigger_appends(site):
    """Mutants: `arriving` that yields nothing; `is_made` that answers False; queue_made.sql left out of `make`."""
    await site.grant(BY_OUTBOX)
    result = await site.step(durable())
    assert [step.kind for step in result.done] == [Kind.SCHEMA, Kind.REGISTER, Kind.INSTALL]
    there = await queue_objects(site)
    assert there >= set(queue_statements.routines())
    assert there >= {"consumer", "queue", "claimer", "audited", "audit", "consumers", "fence"}
    assert ("app", "", "start") in [(group, key, "start") for group, key, _ in await waiting(site)]


async def test_the_printed_rights_make_the_queue_too_and_a_listener_may_claim_and_touch_nothing(site):
    """Mutants: `grants._shared` without the queue; a GRANT on its tables; `claim` left out of the rights."""
    result = await site.install(durable())
    assert [step.kind for step in result.done] == [Kind.REGISTER, Kind.INSTALL]
    session = await site.session(site.listener)
    me = await session.fetchval("SELECT notifychannel.enter('test', 'shop', 'orders', 'app', 'x')")
    assert me is not None
    await session.fetch("SELECT * FROM notifychannel.claim($1, 10)", me)
    for table in ("consumer", "queue", "claimer", "audited", "audit", "fence", "consumers"):
        may = "SELECT has_table_privilege($1, 'notifychannel.' || $2, 'SELECT, INSERT, UPDATE, DELETE')"
        assert not await site.admin.fetchval(may, site.listener, table)
    stranger = await site.database.role("stranger")
    open_to_all = await site.admin.fetch(
        "SELECT p.proname::text FROM pg_proc AS p WHERE p.pronamespace = 'notifychannel'::regnamespace"
        " AND prorettype <> 'trigger'::regtype AND has_function_privilege($1, p.oid, 'EXECUTE')",
        stranger,
    )
    assert {row[0] for row in open_to_all} <= {"united", "stronger"}


async def test_the_right_that_the_named_listener_lacks_is_a_step_with_the_grant(site):
    """Mutant: `shared._grants` without may_claim."""
    await site.install(durable())
    await site.admin.execute(f'REVOKE EXECUTE ON FUNCTION notifychannel.claim FROM "{site.listener}"')
    facts = await edge.observe(await site.session(), durable(), OWNER, listener=site.listener)
    made = plan.of(durable(), facts)
    assert Kind.GRANT in [step.kind for step in made.steps]
    assert (await edge.apply(await site.session(), made)).is_complete
    facts = await edge.observe(await site.session(), durable(), OWNER, listener=site.listener)
    assert plan.of(durable(), facts).steps == ()


async def test_a_new_listener_of_the_database_may_claim_after_the_next_pass(site):
    """Mutant: is_open_to_listeners that is true."""
    await site.install(durable())
    newcomer = await site.database.role("newcomer")
    await site.admin.execute(f"""
        GRANT USAGE ON SCHEMA notifychannel TO "{newcomer}";
        GRANT EXECUTE ON FUNCTION notifychannel.skipped() TO "{newcomer}"
    """)
    await site.step(durable())
    may = "SELECT has_function_privilege($1, 'notifychannel.claim'::regproc, 'EXECUTE')"
    assert await site.admin.fetchval(may, newcomer)


async def test_a_consumer_keeps_its_number_and_what_waits_over_every_change_of_the_resource(site):
    """Mutant: consumers.sql that deletes and makes anew."""
    await site.install(durable())
    before = await ids(site)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await drain(site)
    changed = Consumer(
        group="app", endpoint=Endpoint(port=9, path="/", timeout=7.0), delivery=Delivery.AT_LEAST_ONCE,
        retry=Retry(max_attempts=3, initial_delay=0.5, max_delay=60.0), escalation=Escalation(after=60.0, path="/late"),
    )  # fmt: skip
    result = await site.step(durable(changed))
    assert [step.kind for step in result.done] == [Kind.REGISTER]
    assert await ids(site) == before
    assert ("app", "[1]", None) in await waiting(site)
    row = await site.admin.fetchrow("SELECT * FROM notifychannel.consumer")
    assert (row["timeout"], row["max_attempts"], row["initial_delay"], row["longest_delay"], row["escalate_after"]) == (
        7.0, 3, 0.5, 60.0, 60.0,
    )  # fmt: skip
    assert (row["rules"], row["pg_channel"]) == (names.rules(durable(changed)), pg_channel(OWNER))
    assert list(row["key_names"]) == ["id"]


async def test_jobs_of_each_group_wait_for_itself_and_a_new_group_begins_with_a_look_at_everything(site):
    """Mutant: put_consumer without its resync 'start'."""
    await site.install(durable())
    await acknowledge(site)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await drain(site)
    assert await waiting(site) == [("app", "[1]", None)]
    await site.step(durable(AT_LEAST_ONCE, MAILER))
    assert await waiting(site) == [("app", "[1]", None), ("mailer", "", "start")]
    await site.app.execute("INSERT INTO orders VALUES (2)")
    await drain(site)
    assert {(group, key) for group, key, _ in await waiting(site)} == {
        ("app", "[1]"), ("app", "[2]"), ("mailer", ""), ("mailer", "[2]"),
    }  # fmt: skip


async def test_a_group_that_is_written_no_more_goes_when_nothing_waits_for_it(site):
    """Mutant: `leaving` that yields nothing."""
    await site.install(durable(AT_LEAST_ONCE, MAILER))
    await acknowledge(site)
    await site.step(durable())
    assert set(await ids(site)) == {"app"}


async def test_a_group_that_is_written_no_more_is_kept_while_something_waits_said_and_told_all_when_it_is_back(site):
    """Mutants: leave_keep.sql that drops; `remarks` that yields nothing; leave_keep.sql that keeps the channel."""
    await site.install(durable(AT_LEAST_ONCE, MAILER))
    await acknowledge(site)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await drain(site)
    await site.step(durable())
    made = await site.plan(durable())
    assert made.problems == made.notes == ()
    assert len(made.remarks) == 1
    assert "the group mailer has 1 key that no application has acknowledged" in made.remarks[0]
    await site.app.execute("INSERT INTO orders VALUES (2)")
    await drain(site)
    assert ("mailer", "[2]", None) not in await waiting(site)
    before = await ids(site)
    await site.step(durable(AT_LEAST_ONCE, MAILER))
    assert await ids(site) == before
    assert ("mailer", "[1]", None) in await waiting(site)
    assert ("mailer", "") in {(group, key) for group, key, _ in await waiting(site)}
    assert (await site.plan(durable(AT_LEAST_ONCE, MAILER))).remarks == ()


async def test_the_command_of_the_remark_drops_what_waits_and_nothing_else(site):
    """Mutant: forget_by_hand.sql without the group."""
    await site.install(durable(AT_LEAST_ONCE, MAILER))
    await site.step(durable())
    (remark,) = (await site.plan(durable())).remarks
    await (await site.session()).execute(remark[remark.index("SELECT ") :])
    assert set(await ids(site)) == {"app"}
    assert {group for group, _, _ in await waiting(site)} == {"app"}


async def test_a_group_that_goes_back_to_best_effort_is_served_until_its_last_sidecar_has_left(site):
    """Its sidecars begin with a resync then, so what waits is theirs no more. Mutant: `leaving` without `claimers`."""
    await site.install(durable())
    sidecar = await site.database.connect(site.listener)
    assert await sidecar.fetchval("SELECT notifychannel.enter('test', 'shop', 'orders', 'app', 'x')") is not None
    await site.step(BY_OUTBOX)
    assert set(await ids(site)) == {"app"}
    await sidecar.close()
    await _until(site, "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' AND classid = 1852008557")
    await site.step(BY_OUTBOX)
    assert await ids(site) == {}
    assert await waiting(site) == []


async def test_a_group_goes_back_to_best_effort_though_a_source_is_refused(site):
    """It hears of that one by NOTIFY. Mutant: `plan.of` that lets nobody leave beside a problem."""
    await site.install(durable())
    mistyped = channel(source(), source("nowhere"), capture=Capture.OUTBOX)
    made = await site.plan(mistyped)
    assert made.problems != ()
    assert (await edge.apply(await site.session(), made)).is_complete
    assert await ids(site) == {}


async def _until(site, question):
    async with asyncio.timeout(30):
        while not await site.admin.fetchval(question):  # noqa: ASYNC110 the database tells nobody
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("before", [BY_NOTIFY, BY_OUTBOX], ids=["Notify", "Outbox"])
async def test_a_late_writer_under_the_old_body_is_heard_of_though_nobody_listens(site, before):
    """It began before the switch and commits after; its change is told by a resync behind it.

    Mutants: `shared.told` without the queue's; durable_since.sql that takes an id before the change; rules_settled that
    does not wait for `oldest`.
    """
    await site.grant(durable())
    await site.install(before)
    writer = await site.database.connect(site.app_role)
    await writer.execute("BEGIN; INSERT INTO orders VALUES (1)")
    await site.step(durable())
    await acknowledge(site)
    session = await site.session()
    assert await session.fetchval("SELECT notifychannel.rules_settled()") == 0
    assert await waiting(site) == []
    await writer.execute("COMMIT")
    assert await session.fetchval("SELECT notifychannel.rules_settled()") == 1
    assert await waiting(site) == [("app", "", "rules")]
    assert await session.fetchval("SELECT notifychannel.rules_settled()") == 0


async def test_a_late_writer_that_has_changed_no_row_yet_is_waited_for_too(site):
    """It has no transaction id when the fence is set. Mutant: rules_settled without pg_stat_activity."""
    await site.grant(durable())
    await site.install(BY_NOTIFY)
    await site.admin.execute("SELECT pg_advisory_lock(77)")
    writer = await site.database.connect(site.app_role)
    writing = asyncio.create_task(
        writer.execute("INSERT INTO orders SELECT 1 FROM (SELECT pg_advisory_lock(77)) AS held")
    )
    await _until(site, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted")
    await site.step(durable())
    await acknowledge(site)
    session = await site.session()
    assert await session.fetchval("SELECT notifychannel.rules_settled()") == 0
    await site.admin.execute("SELECT pg_advisory_unlock(77)")
    await writing
    assert await session.fetchval("SELECT notifychannel.rules_settled()") == 1
    assert await waiting(site) == [("app", "", "rules")]


async def test_a_pass_that_broke_off_behind_a_change_is_made_up_for(site):
    """Mutant: `plan.plan` without registration.changing."""
    await site.install(durable())
    await site.admin.execute("INSERT INTO notifychannel.fence (pg_channel) VALUES ($1)", pg_channel(OWNER))
    await acknowledge(site)
    result = await site.step(durable())
    assert [step.kind for step in result.done] == [Kind.SETTLE]
    assert await (await site.session()).fetchval("SELECT notifychannel.rules_settled()") == 1


async def test_a_repaired_trigger_is_followed_by_a_look_at_everything_that_waits_in_the_queue(site):
    """What changed while it was gone was not heard. Mutant: `shared.told` without the queue's."""
    await site.install(durable())
    await acknowledge(site)
    function = names.function(OWNER, "public", "orders")
    await (await site.session()).execute(f'DROP FUNCTION notifychannel."{function}" CASCADE')
    await site.step(durable())
    assert await waiting(site) == [("app", "", "rules")]


async def test_what_a_job_can_not_tell_by_its_keys_waits_as_a_resync_in_the_table(site):
    """A key too long for a payload. Mutant: `_append` with `failed_tell.sql` alone: only who listens hears of it."""
    await site.app.execute("CREATE TABLE notes (id text PRIMARY KEY)")
    notes = channel(source("notes"), capture=Capture.OUTBOX, consumers=(AT_LEAST_ONCE,))
    await site.install(notes)
    await acknowledge(site)
    await site.app.execute("INSERT INTO notes SELECT repeat(md5(i::text), 300) FROM generate_series(1, 1) AS i")
    assert await site.admin.fetchval("SELECT count(*) FROM notifychannel.outbox_logged") == 1
    await drain(site)
    assert await waiting(site) == [("app", "", "bulk")]


async def test_a_writer_of_jobs_waits_for_whoever_alters_the_outbox_and_loses_nothing(site):
    """Mutant: NOWAIT in the guard of the logged outbox: the resync would go to who listens."""
    await site.install(durable())
    await acknowledge(site)
    blocker = await site.database.connect()
    await blocker.execute("BEGIN; LOCK TABLE notifychannel.outbox_logged IN SHARE MODE")
    writing = asyncio.create_task(site.app.execute("INSERT INTO orders VALUES (1)"))
    await _until(site, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'RowExclusiveLock'")
    await blocker.execute("COMMIT")
    await writing
    await drain(site)
    assert await waiting(site) == [("app", "[1]", None)]


async def test_without_the_table_of_jobs_users_write_on_and_the_pass_that_makes_it_tells_everybody(site):
    """Mutant: `failed_append.sql` without its handler: the user's INSERT fails."""
    await site.install(durable())
    await acknowledge(site)
    await site.admin.execute("DROP TABLE notifychannel.outbox_logged CASCADE")
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await site.step(durable())
    assert ("app", "") in {(group, key) for group, key, _ in await waiting(site)}


async def test_audit_alone_goes_through_the_queue_and_leaves_a_row_for_each_change(site):
    """Mutants: `Channel.is_logged` without audit; `arriving` without it; `drop_audit` never called."""
    audited = channel(source(), capture=Capture.OUTBOX, audit=Audit(enabled=True, retention=3600.0))
    await site.install(audited)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await drain(site)
    step = "SELECT step, key FROM notifychannel.audit"
    assert [tuple(row) for row in await site.admin.fetch(step)] == [("captured", "[1]")]
    assert await site.admin.fetchval("SELECT retention FROM notifychannel.audited") == 3600.0
    longer = channel(source(), capture=Capture.OUTBOX, audit=Audit(enabled=True, retention=7200.0))
    assert [it.kind for it in (await site.step(longer)).done] == [Kind.REGISTER]
    assert await site.admin.fetchval("SELECT retention FROM notifychannel.audited") == 7200.0
    await site.step(BY_OUTBOX)
    assert await site.admin.fetchval("SELECT count(*) FROM notifychannel.audited") == 0
    await site.app.execute("INSERT INTO orders VALUES (2)")
    await drain(site)
    assert len(await site.admin.fetch(step)) == 1


async def test_removal_with_rows_waiting_refuses_and_says_how_many(site):
    """Mutants: `removal.of` without the problem; leave_refuse.sql without RAISE."""
    await site.install(durable())
    await acknowledge(site)
    await site.app.execute("INSERT INTO orders SELECT generate_series(1, 3)")
    await drain(site)
    await site.app.execute("INSERT INTO orders VALUES (4)")
    made = await edge.observe_removal(await site.session(), [OWNER])
    said = "the group app has 3 keys that no application has acknowledged and 1 row in the outbox"
    assert made.problems == (f"{said}: let them be delivered, or remove with --force",)
    result = await edge.remove(await site.session(), OWNER)
    assert result.failed == made.problems
    assert len(await site.triggers()) == 4
    refused = await edge.apply(await site.session(), made)
    assert "4 keys or rows of the outbox wait for the group app" in refused.failed[0]
    assert len(await site.triggers()) == 4
    assert len(await waiting(site)) == 3


async def test_removal_by_force_drops_them(site):
    """Mutant: Rows.DROP taken for Rows.KEEP."""
    await site.install(durable())
    result = await edge.remove(await site.session(), OWNER, rows=Rows.DROP)
    assert result.is_complete
    assert await ids(site) == {}
    assert await waiting(site) == []


async def test_removal_that_keeps_drops_the_triggers_and_no_row_and_a_channel_of_that_name_goes_on(site):
    """The last channel of others leaves the queue to it. Mutants: leave_keep.sql that drops; `removal.of` without
    `has_others`.
    """
    await _bare(site)
    await site.step(durable())
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await drain(site)
    before = await ids(site)
    result = await edge.remove(await site.session(), OWNER, rows=Rows.KEEP)
    assert result.is_complete
    assert await site.triggers() == []
    await site.step(channel(source("events"), name="billing"), OTHER)
    assert (await edge.remove(await site.session(), OTHER)).is_complete
    assert ("app", "[1]", None) in await waiting(site)
    await site.step(durable())
    assert await ids(site) == before


async def test_what_is_only_in_the_outbox_when_a_group_leaves_waits_for_it_as_a_resync(site):
    """Nobody merges it for that group any more. Mutant: leave_keep.sql without its resync."""
    await site.install(durable(AT_LEAST_ONCE, MAILER))
    await acknowledge(site)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await site.step(durable())
    await drain(site)
    assert await waiting(site) == [("app", "[1]", None), ("mailer", "", "overflow")]
    (remark,) = (await site.plan(durable())).remarks
    assert "the group mailer has 1 key that no application has acknowledged" in remark
    assert (await edge.remove(await site.session(), OWNER, rows=Rows.KEEP)).is_complete
    assert {group for group, _, _ in await waiting(site)} == {"app", "mailer"}


async def test_who_is_to_leave_waits_for_its_sidecar_before_it_takes_rows_of_the_queue(site):
    """As all do, else they would wait for each other. Mutant: leave_keep.sql without its locks."""
    await site.install(durable(AT_LEAST_ONCE, MAILER))
    sidecar = await site.session(site.listener)
    assert await sidecar.fetchval("SELECT notifychannel.enter('test', 'shop', 'orders', 'mailer', 'x')") is not None
    await site.app.execute("INSERT INTO orders VALUES (1)")
    holder, session = await site.database.connect(), await site.session()
    made, seen = await site.plan(durable()), False
    await holder.execute("BEGIN; SELECT FROM notifychannel.claimer FOR NO KEY UPDATE")
    waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)"
    async with asyncio.timeout(PATIENCE_S):
        while not seen:  # it gives up after 200 ms, which a busy machine may sleep through
            passing = asyncio.create_task(edge.apply(session, made))
            while not passing.done():
                if await site.admin.fetchval(waits, session.get_server_pid()):
                    seen = True
                    await site.admin.execute("SELECT FROM notifychannel.queue FOR UPDATE NOWAIT")
            assert (await passing).gave_up
    await holder.execute("COMMIT")
    await site.step(durable())


async def test_consumers_stay_as_long_as_a_trigger_appends_for_them(site):
    """Mutants: `_consumers` without `behind`; `_is_stale` without it."""
    await site.install(durable())
    await acknowledge(site)
    reader = await site.database.connect(site.app_role)
    await reader.execute("BEGIN; SELECT * FROM orders")
    result = await edge.remove(await site.session(), OWNER, rows=Rows.KEEP)
    assert len(result.gave_up) == 1
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await drain(site)
    assert await waiting(site) == [("app", "[1]", None)]
    await reader.execute("COMMIT")
    assert (await edge.remove(await site.session(), OWNER, rows=Rows.KEEP)).is_complete
    assert await waiting(site) == [("app", "[1]", None)]


async def test_a_search_path_that_leads_to_our_schema_changes_nothing(site):
    """Names of our types would print without it. Mutant: `database._server` without the path."""
    await site.admin.execute(f'ALTER ROLE "{site.installer}" SET search_path = notifychannel, public')
    await site.install(durable())
    assert (await site.plan(durable())).steps == ()


async def test_the_last_channel_takes_the_queue_with_it(site):
    """Mutant: `drop_shared` without what stands on the outbox."""
    await _bare(site)
    await site.step(durable())
    await site.step(channel(source("events"), name="billing"), OTHER)
    assert (await edge.remove(await site.session(), OTHER)).is_complete
    await acknowledge(site)
    result = await edge.remove(await site.session(), OWNER)
    assert result.is_complete, result
    assert result.done[-1].is_last
    assert await site.admin.fetchval("SELECT to_regnamespace('notifychannel')") is None


async def _bare(site):
    """Rights without any on our schema, which would keep it."""
    await site.admin.execute(f"""
        GRANT CONNECT, CREATE ON DATABASE "{site.database.name}" TO "{site.installer}";
        GRANT USAGE ON SCHEMA public TO "{site.installer}";
        GRANT TRIGGER ON orders, events, events_1, events_2 TO "{site.installer}";
    """)
    site.sessions[site.listener] = await site.session()


async def test_a_channel_that_is_taken_over_brings_no_consumer_of_the_other_installation_along(site):
    """Its own begins with a look at everything. Mutant: roster.read of one installation only."""
    theirs = Owner(installation="gone", namespace="shop", name="orders")
    await site.install(durable(), theirs)
    taken = channel(source(), capture=Capture.OUTBOX, consumers=(AT_LEAST_ONCE,), take_over=True)
    await site.step(taken)
    rows = await site.admin.fetch("SELECT installation FROM notifychannel.consumer")
    assert [row[0] for row in rows] == ["test"]
    assert ("app", "") in {(group, key) for group, key, _ in await waiting(site)}


async def test_an_object_of_somebody_else_under_one_of_the_names_is_said(site):
    """Mutant: `of_database` without the queue's names."""
    await site.grant(BY_OUTBOX)
    await site.admin.execute("CREATE VIEW notifychannel.queue AS SELECT 1")
    made = await site.plan(durable())
    assert made.steps == ()
    assert made.problems == ("notifychannel.queue is not what NotifyChannel makes under that name: rename or drop it",)
    await site.step(BY_OUTBOX)


async def test_the_files_can_be_run_by_psql_as_often_as_one_likes(site):
    await site.install(durable())
    before = site.dump()
    for _ in range(2):
        for name in queue_statements.FILES:
            site.psql(sqlfile.read(name), role=site.installer)
    assert site.dump() == before
    assert (await site.plan(durable())).steps == ()


DAMAGE = [
    "DROP TABLE notifychannel.claimer CASCADE",
    "DROP INDEX notifychannel.queue_due",
    "DROP VIEW notifychannel.consumers",
    "DROP FUNCTION notifychannel.claim CASCADE",
    "ALTER FUNCTION notifychannel.claim SECURITY INVOKER",
    "CREATE OR REPLACE FUNCTION notifychannel.rules_settled() RETURNS integer LANGUAGE sql AS 'SELECT 0'",
    "ALTER TABLE notifychannel.queue RESET (fillfactor)",
    "COMMENT ON FUNCTION notifychannel.claimers_look() IS NULL",
    "GRANT EXECUTE ON FUNCTION notifychannel.merge TO PUBLIC",
    "CREATE FUNCTION notifychannel.claim(me integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
]


async def test_what_somebody_changed_by_hand_is_put_right_and_no_row_is_lost(site):
    """One after the other: what is put right is as it was.

    Mutants: any part of queue_state.sql left out; $outdated$ in 031_claims.sql by signature.
    """
    await site.install(durable())
    await acknowledge(site)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await drain(site)
    dump = sorted(site.dump().splitlines())
    for damage in DAMAGE:
        await (await site.session()).execute(damage)
        result = await site.step(durable())
        assert [step.kind for step in result.done][:1] == [Kind.SCHEMA], damage
        assert result.done[0].sentence.startswith("put right the queue"), damage
        assert sorted(site.dump().splitlines()) == dump, damage
        assert await waiting(site) == [("app", "[1]", None)], damage
