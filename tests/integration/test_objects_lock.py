"""Behind somebody's long transaction a pass gives up after 200 ms, says who it is, and hinders nobody meanwhile."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import pytest

from notifychannel_operator import database as edge
from notifychannel_operator import plan, statements
from notifychannel_operator.spec import Event, Rule
from tests.premises import OWNER, build, channel, source

INSERTED = channel(source("orders", Rule(name="created", events=(Event.INSERT,))))
EVERYTHING = channel(source())
PATIENCE_S = 30.0
"""Far more than 200 ms, far less than for ever."""


@pytest.fixture
async def site(database):
    return await build(database)


async def long_transaction(site, statement):
    """A session of the application that holds its locks until it is told otherwise."""
    session = await site.database.connect(site.app_role)
    await session.execute("SET application_name = 'billing-job'")
    await session.execute("BEGIN")
    await session.execute(statement)
    return session


async def caught_waiting(site, made):
    """A pass, running in a task of its own, that waits for a lock now."""
    session = await site.session()
    blocked = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)"
    while True:  # it gives up after 200 ms, which a busy machine may sleep through
        passing = asyncio.create_task(edge.apply(session, made))
        while not passing.done():
            if await site.admin.fetchval(blocked, session.get_server_pid()):
                return passing
        assert passing.result().gave_up


async def test_making_a_trigger_gives_up_behind_an_open_update_and_names_it(site):
    """Mutant: `plan/begin.sql` without lock_timeout: the pass, and every writer behind it, waits for ever."""
    await site.grant(EVERYTHING)
    holder = await long_transaction(site, "UPDATE orders SET status = 'x'")
    before = site.dump()
    started = time.monotonic()
    async with asyncio.timeout(PATIENCE_S):
        result = await edge.apply(await site.session(), await site.plan(EVERYTHING))
    assert time.monotonic() - started < 15
    (gave_up,) = result.gave_up
    (blocker,) = gave_up.blockers
    assert (blocker.pid, blocker.application, blocker.role) == (holder.get_server_pid(), "billing-job", site.app_role)
    assert f"SELECT pg_terminate_backend({blocker.pid});" in str(gave_up)
    assert not result.is_complete
    assert site.dump() == before
    await holder.execute("COMMIT")
    await site.step(EVERYTHING)


async def test_dropping_a_trigger_gives_up_behind_an_open_select_and_names_it(site):
    """Mutant: `blocker.find` looking for writers' locks only."""
    await site.install(EVERYTHING)
    holder = await long_transaction(site, "SELECT * FROM orders")
    before = site.dump()
    result = await edge.apply(await site.session(), await site.plan(INSERTED))
    (gave_up,) = result.gave_up
    assert [it.pid for it in gave_up.blockers] == [holder.get_server_pid()]
    assert site.dump() == before
    await holder.execute("COMMIT")
    await site.step(INSERTED)
    assert len(await site.triggers()) == 1


async def test_a_writer_that_comes_while_a_pass_waits_is_let_through(site):
    """It queues behind the pass, which gives up; the long transaction is still open when the writer is done."""
    await site.grant(EVERYTHING)
    holder = await long_transaction(site, "UPDATE orders SET status = 'x'")
    async with asyncio.timeout(PATIENCE_S):
        passing = await caught_waiting(site, await site.plan(EVERYTHING))
        await site.app.execute("INSERT INTO orders VALUES (1, 'new')")
        await site.app.fetch("SELECT * FROM orders")
        assert (await passing).gave_up
    await holder.execute("COMMIT")


async def test_a_changed_body_needs_no_lock_on_the_table_at_all(site):
    """CREATE OR REPLACE FUNCTION. Mutant: `comparison` rebuilding for a body that differs."""
    await site.install(EVERYTHING)
    holder = await long_transaction(site, "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
    result = await edge.apply(await site.session(), await site.plan(channel(source(max_keys=7))))
    assert result.is_complete
    assert len(result.done) == 1
    await holder.execute("COMMIT")


async def test_looking_and_a_second_pass_need_no_lock_on_the_table_at_all(site):
    """Mutant: `our_triggers.sql` with pg_get_triggerdef(), which opens the table where there is a WHEN."""
    wanted = channel(source(), source("events"))
    await site.install(wanted)
    holder = await long_transaction(site, "LOCK TABLE orders, events, events_1 IN ACCESS EXCLUSIVE MODE")
    async with asyncio.timeout(PATIENCE_S):
        assert (await site.plan(wanted)).steps == ()
        assert (await edge.observe_removal(await site.session(), [OWNER])).steps != ()
    await holder.execute("COMMIT")


async def test_one_locked_table_does_not_keep_the_others_from_being_done(site):
    wanted = channel(source(), source("events"))
    await site.grant(wanted)
    holder = await long_transaction(site, "UPDATE orders SET status = 'x'")
    result = await edge.apply(await site.session(), await site.plan(wanted))
    assert (len(result.done), len(result.gave_up)) == (1, 1)
    await holder.execute("COMMIT")
    await site.step(wanted)


async def test_a_removal_that_gives_up_keeps_what_the_triggers_still_need(site):
    """Mutant: `_is_stale` without `is_last`: the counter is dropped under the functions that bump it."""
    await site.install(EVERYTHING)
    await site.admin.execute(f'REVOKE ALL ON SCHEMA notifychannel FROM "{site.listener}"')
    await site.admin.execute(f'REVOKE ALL ON FUNCTION notifychannel.skipped() FROM "{site.listener}"')
    holder = await long_transaction(site, "SELECT * FROM orders")
    before = site.dump()
    result = await edge.remove(await site.session(), OWNER)
    assert (len(result.gave_up), len(result.stale), result.done) == (1, 1, ())
    assert site.dump() == before
    await holder.execute("COMMIT")
    assert (await edge.remove(await site.session(), OWNER)).is_complete
    assert "FUNCTION" not in site.dump()


async def test_what_a_monitor_may_see_of_the_holder_is_said_too(site):
    await site.grant(EVERYTHING)
    await site.admin.execute(f'GRANT pg_monitor TO "{site.installer}"')
    holder = await long_transaction(site, "UPDATE orders SET status = 'x'")
    result = await edge.apply(await site.session(), await site.plan(EVERYTHING))
    (blocker,) = result.gave_up[0].blockers
    assert blocker.state == "idle in transaction"
    assert 0 <= blocker.age_s < 120
    assert "idle in transaction, transaction open for" in str(result.gave_up[0])
    await holder.execute("COMMIT")


async def test_a_plain_installer_sees_pid_application_and_role_and_nothing_made_up(site):
    await site.grant(EVERYTHING)
    holder = await long_transaction(site, "UPDATE orders SET status = 'x'")
    result = await edge.apply(await site.session(), await site.plan(EVERYTHING))
    (blocker,) = result.gave_up[0].blockers
    assert (blocker.state, blocker.age_s) == (None, None)
    assert "None" not in str(result.gave_up[0])
    await holder.execute("COMMIT")


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
async def test_only_one_pass_changes_a_database_at_a_time(site, isolation):
    """Mutant: `plan/begin.sql` without READ COMMITTED: under serializable the second sees what was before the first."""
    await site.admin.execute(f"ALTER ROLE \"{site.installer}\" SET default_transaction_isolation = '{isolation}'")
    await site.grant(EVERYTHING)
    made = await site.plan(EVERYTHING)
    other = await site.database.connect(site.installer)
    async with other.transaction():
        await other.execute(statements.begin(site.installer))
        result = await edge.apply(await site.session(), made)
    assert "another pass of NotifyChannel" in str(result.gave_up[0])
    results = await asyncio.gather(edge.apply(await site.session(), made), edge.apply(other, made))
    # on a busy machine the other one waits past its 200 ms
    assert sorted((len(it.done), len(it.stale) + len(it.gave_up)) for it in results) == [(0, 1), (1, 0)]
    assert (await site.plan(EVERYTHING)).steps == ()


async def test_a_step_that_postgresql_refuses_is_said_and_the_others_are_taken(site):
    wanted = channel(source(), source("events"))
    await site.grant(wanted)
    made = await site.plan(wanted)
    await site.app.execute("DROP TABLE orders")
    result = await edge.apply(await site.session(), made)
    assert (len(result.done), len(result.failed)) == (1, 1)
    assert "PostgreSQL refused (42P01)" in result.failed[0]


async def test_a_prepared_transaction_that_holds_the_lock_is_named_as_one(database):
    """It has no session and no pid."""
    admin = await database.connect()
    await admin.execute("CREATE TABLE orders (id bigint, status text)")
    await admin.execute("BEGIN; UPDATE orders SET status = 'x'; PREPARE TRANSACTION 'forgotten'")
    try:
        facts = await edge.observe(admin, EVERYTHING, OWNER)
        result = await edge.apply(admin, plan.of(EVERYTHING, facts, allow_superuser=True))
        assert "a prepared transaction (see pg_prepared_xacts" in str(result.gave_up[0])
    finally:
        await admin.execute("ROLLBACK PREPARED 'forgotten'")


async def test_a_pass_whose_connection_is_lost_says_so_and_leaves_nothing_half_done(site):
    """Mutant: `_take` catching InterfaceError too: a dead server looks like a step that PostgreSQL refused."""
    await site.grant(EVERYTHING)
    before = site.dump()
    holder = await long_transaction(site, "UPDATE orders SET status = 'x'")
    async with asyncio.timeout(PATIENCE_S):
        passing = await caught_waiting(site, await site.plan(EVERYTHING))
        await site.admin.execute("SELECT pg_terminate_backend($1)", (await site.session()).get_server_pid())
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await passing
    await holder.execute("COMMIT")
    assert site.dump() == before
