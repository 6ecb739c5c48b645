"""Rules change while somebody writes: whoever wrote under the old ones is looked at, whenever the sidecar subscribes.

Polls are off here: what is not heard and asked for no resync would stay unseen.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from notifychannel_operator import statements
from notifychannel_operator.names import pg_channel
from notifychannel_sidecar.hints import NO_RULES, Reason
from notifychannel_sidecar.inbox.inbox import Inbox
from tests.listening import Listening, target
from tests.listening import channel as heard
from tests.premises import OWNER, build, channel, source

WANTED = channel(source("orders"))
INSERT = "INSERT INTO public.orders VALUES (7, 'new')"
ORDERS = heard(
    format="Keys", key=("id",), rules="0a1b2c3d", sources=True, pg_channel=pg_channel(OWNER), poll_interval=0.0,
    resync_spread=0.0,
)  # fmt: skip
KILL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'nch/%' AND datname = $1"
SAID = "SELECT obj_description('notifychannel.skipped()'::regprocedure, 'pg_proc')"


@pytest.fixture(scope="session")
def server(newest):
    """Versions make no difference to a session that listens; test_listener.py listens on each."""
    return newest


@pytest.fixture
async def site(database):
    """Triggers that keep silent about INSERT, though there is one: to hear of it only the body has to change."""
    made = await build(database)
    await made.install(WANTED)
    await silence(made)
    return made


async def silence(site):
    """All functions as they are for a channel that is suspended: bodies without locks, triggers as they were."""
    await site.step(channel(source("orders"), suspend=True))


def listening(site, *channels):
    """A listener with the inbox behind it."""
    inbox = Inbox(budget=9, on_due=lambda _: None)
    inbox.configure(channels or [ORDERS], 0.0)
    return Listening(target=target(site.database.dsn(site.listener), *(channels or [ORDERS])), inbox=inbox)


async def writes(site):
    """A writer in the middle of its transaction, which the present triggers keep silent about."""
    writer = await site.database.connect(site.app_role)
    await writer.execute("BEGIN; " + INSERT)
    return writer


async def waits(site):
    """Until the application's statement stands at the gate."""
    waiting = (
        "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database"
        " WHERE locktype = 'advisory' AND objid = 1 AND NOT granted AND datname = current_database()"
    )
    async with asyncio.timeout(30):
        while not await site.admin.fetchval(waiting):  # noqa: ASYNC110 - the server can only be asked
            await asyncio.sleep(0.01)


async def is_looked_at_when_it_commits(sidecar, writer):
    """One resync more, when the writer has ended and not before; and no other."""
    before = sidecar.asked(Reason.RULES)
    await sidecar.more_trips()
    assert sidecar.asked(Reason.RULES) == before
    await writer.execute("COMMIT")
    await sidecar.until(lambda: sidecar.asked(Reason.RULES) == before + 1)
    await sidecar.more_trips()
    assert sidecar.asked(Reason.RULES) == before + 1
    assert not [payload for _, payload in sidecar.puts if "7" in payload[26:]]


async def test_who_commits_after_the_resync_of_a_pass_is_looked_at(site):
    """Mutant: `look` of the fence without `oldest_running`, or `Inbox.round_trip` that asks for nothing after it."""
    async with listening(site) as sidecar:
        await sidecar.listens()
        writer = await writes(site)
        await site.step(WANTED)
        await sidecar.until(lambda: sidecar.asked(Reason.RULES) == 1)
        assert sidecar.puts[0][1].startswith(f"1{NO_RULES}")
        await is_looked_at_when_it_commits(sidecar, writer)
        assert sidecar.asked(Reason.START) == 1


async def test_a_sidecar_that_starts_after_the_pass_looks_again_when_the_old_writer_commits(site):
    """Mutants: `is_late` never; `_subscribe` without `_fresh`; a pass without `statements.rules_change`."""
    writer = await writes(site)
    await site.step(WANTED)
    async with listening(site) as sidecar:
        await sidecar.listens()
        await is_looked_at_when_it_commits(sidecar, writer)
        assert sidecar.asked(Reason.START) == 1


async def test_a_sidecar_that_reconnects_after_the_pass_looks_again_when_the_old_writer_commits(site):
    """Mutant: `prove` that is not thorough, or `_fresh` only at the first subscription."""
    async with listening(site) as sidecar:
        await sidecar.listens()
        writer = await writes(site)
        await site.admin.execute(f'ALTER ROLE "{site.listener}" NOLOGIN')
        await site.admin.execute(KILL, site.database.name)
        count = await sidecar.says("AuthenticationFailed")
        await site.step(WANTED)
        await site.admin.execute(f'ALTER ROLE "{site.listener}" LOGIN')
        await sidecar.listens_after(count)
        await is_looked_at_when_it_commits(sidecar, writer)
        assert sidecar.asked(Reason.RECONNECT) == 1


@pytest.mark.parametrize("hearing", [True, False])
async def test_a_statement_that_runs_since_before_the_change_and_writes_its_first_row_after_it_is_looked_at(
    site, hearing
):
    """It has no transaction id yet, and its session goes on with the function that it has in memory.

    Mutants: `round_trip.sql` without what $3 adds; `Inbox.round_trip_starts` always False; a `prove` that is not
    thorough.
    """
    await site.app.execute("INSERT INTO public.orders VALUES (8, 'old'); UPDATE public.orders SET status = 'older'")
    gate = await site.database.connect()
    await gate.execute("SELECT pg_advisory_lock(1)")
    async with AsyncExitStack() as stack:
        if hearing:
            sidecar = await stack.enter_async_context(listening(site))
            await sidecar.listens()
        update = "UPDATE public.orders SET status = 'x' WHERE id = 8 AND pg_advisory_xact_lock_shared(1)::text = ''"
        writing = asyncio.create_task(site.app.execute(update))
        await waits(site)
        await site.step(WANTED)
        if not hearing:
            sidecar = await stack.enter_async_context(listening(site))
            await sidecar.listens()
        await sidecar.until(lambda: sidecar.asked(Reason.RULES) == hearing)
        await sidecar.more_trips()
        assert sidecar.asked(Reason.RULES) == hearing
        await gate.execute("SELECT pg_advisory_unlock(1)")
        assert await writing == "UPDATE 1"
        await sidecar.until(lambda: sidecar.asked(Reason.RULES) == hearing + 1)
        assert not [payload for _, payload in sidecar.puts if "8" in payload[26:]]
        await sidecar.more_trips()
        assert sidecar.asked(Reason.RULES) == hearing + 1


async def test_a_channel_that_is_new_on_a_living_connection_looks_again_when_the_old_writer_commits(site):
    """Mutant: `_follow` without `_fresh`, or `_look` that is not thorough."""
    writer = await writes(site)
    await site.step(WANTED)
    foreign = heard("foreign")
    async with listening(site, foreign) as sidecar:
        await sidecar.more_trips()
        sidecar.inbox.configure([foreign, ORDERS], 0.0)
        sidecar.listener.aim(target(site.database.dsn(site.listener), foreign, ORDERS))
        await sidecar.until(lambda: sidecar.asked(Reason.START) == 1)
        await is_looked_at_when_it_commits(sidecar, writer)
        assert [resync["name"] for resync in sidecar.resyncs] == ["foreign", "orders"]


async def test_a_channel_without_sources_starts_with_one_resync_whatever_changed(site):
    """Mutant: `_fresh` of all channels."""
    writer = await writes(site)
    await site.step(WANTED)
    async with listening(site, heard(poll_interval=0.0)) as sidecar:
        await sidecar.listens()
        await writer.execute("COMMIT")
        await sidecar.more_trips()
        assert (sidecar.asked(Reason.START), sidecar.asked(Reason.RULES)) == (1, 0)


async def test_who_writes_while_the_pass_commits_is_younger_than_the_change_and_looked_at_all_the_same(site):
    """Mutant: the id of the changing transaction is written down, instead of one that is taken after its commit."""
    made = await site.plan(WANTED)
    installer = await site.session()
    async with installer.transaction():
        await installer.execute(statements.begin(site.installer))
        for statement in made.steps[0].statements:
            await installer.execute(statement)
        writer = await writes(site)
    await installer.execute(made.steps[0].then.statements[0])
    async with listening(site) as sidecar:
        await sidecar.listens()
        await is_looked_at_when_it_commits(sidecar, writer)


async def test_a_pass_that_breaks_off_behind_the_change_leaves_nothing_unseen_and_the_next_one_closes_it(site):
    """Mutants: `rules_since` before the change alone, without `rules_change`; `plan` without its settling step."""
    installer = await site.session()
    made = await site.plan(WANTED)
    writer = await writes(site)
    async with installer.transaction():
        await installer.execute(statements.begin(site.installer))
        for statement in made.steps[0].statements:
            await installer.execute(statement)
    async with listening(site) as sidecar:
        await sidecar.listens()
        await is_looked_at_when_it_commits(sidecar, writer)
    assert [step.kind.value for step in (await site.step(WANTED)).done] == ["settle"]
    assert " since transaction " in await site.admin.fetchval(SAID)


@pytest.mark.parametrize("when", ["long ago", "never", "in another cluster", "a change in another cluster"])
async def test_a_long_transaction_of_somebody_else_costs_no_second_resync_at_a_start(site, when):
    """Mutants: `is_late` always; the cluster left out of `rules_since.sql`."""
    other = await site.database.connect()
    await other.execute("BEGIN; SELECT pg_current_xact_id()")
    said = {
        "never": "NULL",
        "in another cluster": "'rules of database system 7 since transaction %s'",
        "a change in another cluster": "'rules of database system 7 are being changed'",
    }
    if when in said:
        younger = await site.admin.fetchval("SELECT pg_current_xact_id()::text")
        await site.admin.execute("COMMENT ON FUNCTION notifychannel.skipped() IS " + said[when].replace("%s", younger))
    async with listening(site) as sidecar:
        await sidecar.more_trips()
        await other.execute("COMMIT")
        await sidecar.more_trips()
        assert [resync["reason"] for resync in sidecar.resyncs] == ["start"]
        assert sidecar.asked(Reason.RULES) == 0
