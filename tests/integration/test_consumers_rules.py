"""Rules of jobs change while somebody holds the table: until triggers speak, the old ones hold for what waits."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from notifychannel_operator import database as edge
from notifychannel_operator import names
from notifychannel_operator.passes.recall import recall
from notifychannel_operator.spec import Audit, Capture, Consumer, Delivery, Endpoint, Event, KeyPart, Rule
from tests.operating import CONSUMER, ORDERS, SOURCE, resource
from tests.premises import OWNER, build, channel, source

APP = Consumer(group="app", endpoint=Endpoint(port=8080, path="/hints"), delivery=Delivery.AT_LEAST_ONCE)
MAILER = replace(APP, group="mailer")
INSERTED = Rule(name="created", events=(Event.INSERT,))
KEY = (KeyPart(name="order", column="id"),)
TERMS = 'SELECT "group", rules, key_names, pg_channel, debounce FROM notifychannel.consumer ORDER BY 1'
CLAIM = "SELECT key, reason FROM notifychannel.claim($1, 10, $2) ORDER BY 1"
DRAIN = "SELECT * FROM notifychannel.drain('0', '{}', 1000)"
PATIENCE_S = 30.0
JOBS = {**CONSUMER, "delivery": "AtLeastOnce"}
ONLY = {**SOURCE, "rules": [{"name": "created", "events": ["Insert"]}]}


def durable(*sources, **options):
    return channel(*(sources or (source(),)), **{"capture": Capture.OUTBOX, "consumers": (APP,), **options})


@pytest.fixture
async def site(database):
    return await build(database)


async def change(site):
    """A row that comes into the queue."""
    await site.app.execute("INSERT INTO orders SELECT coalesce(max(id), 0) + 1 FROM orders")
    await (await site.session(site.listener)).fetchrow(DRAIN)
    await site.admin.execute("""
        UPDATE notifychannel.queue SET due_at = '-infinity', not_before = '-infinity';
        UPDATE notifychannel.claimer SET low = '-infinity'
    """)


async def terms(site):
    return [tuple(row) for row in await site.admin.fetch(TERMS)]


async def reader(site):
    """Who drops a trigger waits for it."""
    session = await site.database.connect(site.app_role)
    await session.execute("BEGIN; SELECT * FROM orders")
    return session


async def behind(site, wanted):
    """One pass that gives up."""
    result = await edge.apply(await site.session(), await site.plan(wanted))
    assert len(result.gave_up) == 1
    assert not result.failed
    return result


async def test_what_waits_is_claimed_under_the_old_rules_while_a_change_waits_for_the_table(site):
    """Mutants: `_now` that answers `wanted`; `plan._step` without `speaking`."""
    before = durable()
    after = durable(source("orders", INSERTED, key=KEY), pg_channel="elsewhere", audit=Audit(enabled=True))
    await site.install(before)
    await site.admin.execute("DELETE FROM notifychannel.queue")
    sidecar = await site.session(site.listener)
    me = await sidecar.fetchval("SELECT notifychannel.enter('test', 'shop', 'orders', 'app', 'x')")
    holder, old = await reader(site), await terms(site)
    for _ in range(2):
        await behind(site, after)
        assert await terms(site) == old
        await change(site)
    claimed = await sidecar.fetch(CLAIM, me, names.rules(before))
    assert [tuple(row) for row in claimed] == [("[1]", None), ("[2]", None)]
    await holder.execute("COMMIT")
    await site.step(after)
    assert await terms(site) == [("app", names.rules(after), ["order"], "elsewhere", old[0][4])]
    assert await site.admin.fetchval("SELECT pg_channel FROM notifychannel.audited") == "elsewhere"
    await change(site)
    assert await sidecar.fetch(CLAIM, me, names.rules(before)) == []
    told = await sidecar.fetch(CLAIM, me, names.rules(after))
    assert [tuple(row) for row in told] == [("", "rules"), ("[3]", None)]


async def test_what_is_no_matter_of_triggers_does_not_wait_for_the_table(site):
    """A group that is new speaks as the others. Mutant: `_now` that answers what is there."""
    before = durable()
    await site.install(before)
    holder, (old,) = await reader(site), await terms(site)
    slow = replace(APP.debounce, window=7.0)
    after = durable(source("orders", INSERTED), consumers=(replace(APP, debounce=slow), MAILER))
    await behind(site, after)
    assert await terms(site) == [("app", *old[1:4], 7.0), ("mailer", *old[1:])]
    await holder.execute("COMMIT")
    await site.step(after)
    assert {row[1] for row in await terms(site)} == {names.rules(after)}


async def test_a_trigger_that_is_made_for_a_body_that_can_not_be_changed_changes_no_rules(site):
    """The function is somebody else's, and a trigger that a person has disabled keeps it. Mutant: `plan._step` with
    `speaking` in every step.
    """
    await site.install(durable(source("orders", INSERTED)))
    old, function = await terms(site), names.function(OWNER, "public", "orders")
    await site.admin.execute(f"""
        ALTER FUNCTION notifychannel."{function}"() OWNER TO "{site.app_role}";
        ALTER TABLE orders DISABLE TRIGGER USER
    """)
    before = len(await site.triggers())
    result = await edge.apply(await site.session(), await site.plan(durable()))
    assert result.is_complete
    assert len(await site.triggers()) > before
    assert await terms(site) == old


async def test_the_first_of_several_tables_that_speaks_by_the_new_rules_takes_the_queue_along(site):
    """As the ConfigMap does; what the others say meanwhile is a look at all. Mutant: `speaking` with the last."""
    before = durable(source(), source("events"))
    await site.install(before)
    holder = await reader(site)
    after = durable(source("orders", INSERTED), source("events", INSERTED))
    await behind(site, after)
    assert {row[1] for row in await terms(site)} == {names.rules(after)}
    await site.admin.execute("DELETE FROM notifychannel.queue")
    await change(site)
    assert await site.admin.fetchval("SELECT reason FROM notifychannel.queue") == "rules"
    await holder.execute("COMMIT")
    await site.step(after)


async def test_no_writer_waits_while_a_change_of_triggers_waits_for_a_row_of_the_queue(site):
    """Mutant: `plan._step` that tells behind the triggers."""
    await site.install(durable())
    wanted = durable(source("orders", INSERTED))
    holder = await site.database.connect()
    await holder.execute("BEGIN; SELECT FROM notifychannel.queue FOR UPDATE")
    session = await site.session()
    waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)"
    holds = "SELECT count(*) FROM pg_locks WHERE pid = $1 AND relation = 'orders'::regclass"
    made, seen = await site.plan(wanted), False
    async with asyncio.timeout(PATIENCE_S):
        while not seen:  # it gives up after 200 ms, which a busy machine may sleep through
            passing = asyncio.create_task(edge.apply(session, made))
            while not passing.done():
                if await site.admin.fetchval(waits, session.get_server_pid()):
                    seen = True
                    assert await site.admin.fetchval(holds, session.get_server_pid()) == 0
            assert (await passing).gave_up
    await holder.execute("COMMIT")
    await site.step(wanted)


@pytest.mark.parametrize("before", [{}, {"capture": "Outbox", "audit": {"enabled": True}}], ids=["alone", "audited"])
async def test_sidecars_are_not_sent_to_the_queue_before_triggers_append_to_it(site, operator, before):
    """Nor before it goes by their rules. Mutants: `grouping._told` without `queued`: nobody would hear of what triggers
    tell until then; `queued` where the queue is there for the audit only.
    """
    await site.grant(durable())
    operator.apply(resource(**before))
    await operator.run()
    holder = await reader(site)
    wanted = {**before, "capture": "Outbox", "consumers": [JOBS], "sources": [ONLY]}
    operator.apply(resource(**wanted))
    await operator.run()
    assert operator.says("TriggersInstalled") == ("False", "LockedOut")
    assert operator.config().channels[0].delivery == "BestEffort"
    await holder.execute("COMMIT")
    operator.edges.memory.patience.forget(ORDERS)
    await operator.run()
    assert operator.config().channels[0].delivery == "AtLeastOnce"


async def test_a_group_that_is_new_is_told_as_triggers_speak_though_the_operator_was_restarted(site, operator):
    """Its queue goes by the old rules too. Mutants: `recall` without `_note_speech`; `grouping` with `kept` alone."""
    await site.grant(durable())
    operator.apply(resource(capture="Outbox", consumers=[JOBS]))
    await operator.run()
    rules = operator.config().channels[0].rules
    holder = await reader(site)
    operator.restart()
    await recall(operator.edges)
    operator.apply(resource(capture="Outbox", consumers=[JOBS, {**JOBS, "group": "mailer"}], sources=[ONLY]))
    await operator.run()
    for group in ("app", "mailer"):
        (told,) = operator.config(group).channels
        assert (told.rules, told.delivery) == (rules, "AtLeastOnce")
    assert {row[1] for row in await terms(site)} == {rules}
    await holder.execute("COMMIT")
    operator.edges.memory.patience.forget(ORDERS)
    await operator.run()
    assert operator.config("mailer").channels[0].rules == (await terms(site))[1][1] != rules
    assert operator.edges.memory.recalled == {}
