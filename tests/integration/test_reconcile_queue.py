"""Passes over a channel whose hints are jobs: what it says of dead letters, and how such a channel goes.

The cluster is in memory (tests/kube_memory.py), the database is real; sidecars are sessions that claim.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from notifychannel_operator import names
from notifychannel_operator.kinds import CHANNELS, NAMESPACES, SECRETS
from notifychannel_operator.passes import cleanup
from notifychannel_operator.passes.conditions import Reason
from notifychannel_operator.passes.connect import Failed
from notifychannel_operator.passes.draining import NOBODY_S
from notifychannel_operator.passes.patience import BEHIND_A_PASS_S
from notifychannel_operator.passes.recall import recall
from notifychannel_operator.passes.whereabouts import Ref
from notifychannel_operator.statements import LOCK
from tests.operating import CONSUMER, EVENTS, ORDERS, SOURCE, listening, owner, pod, resource
from tests.premises import build

BILLING = Ref("shop", "billing")
FUNCTION = names.function(owner(), "public", "orders")
DURABLE = {**CONSUMER, "delivery": "AtLeastOnce"}


def jobs(name="orders", **spec):
    return resource(name, **{"capture": "Outbox", "consumers": [DURABLE], **spec})


@pytest.fixture(scope="session")
def server(newest):
    """What jobs mean for conditions and deletion is decided outside of the database; test_consumers.py is on each."""
    return newest


@pytest.fixture
async def site(database):
    """Nobody has granted rights on our schema, so that it goes with its last channel."""
    made = await build(database)
    await made.admin.execute(f'GRANT CREATE, CONNECT ON DATABASE "{database.name}" TO "{made.installer}"')
    await made.admin.execute(f'GRANT USAGE ON SCHEMA public TO "{made.installer}"')
    await made.app.execute(f'GRANT TRIGGER ON orders, events, events_1, events_2 TO "{made.installer}"')
    return made


async def rows(site):
    found = await site.admin.fetch(
        "SELECT q.key FROM notifychannel.queue AS q JOIN notifychannel.consumer AS c ON c.id = q.consumer "
        "WHERE q.state <> 'resting' ORDER BY 1"
    )
    return [row[0] for row in found]


async def drain(site):
    await (await site.session()).fetchrow("SELECT * FROM notifychannel.drain('0', '{}', 1000)")


async def acknowledge(site):
    await site.admin.execute("DELETE FROM notifychannel.queue")


async def claimer(site):
    """A sidecar that delivers."""
    session = await site.database.connect(site.installer)
    me = await session.fetchval("SELECT notifychannel.enter('test', 'shop', 'orders', 'app', 'x')")
    assert me is not None
    return session


async def cut_off(site):
    """Every sidecar's session ends, as with a restart of the server."""
    await site.admin.execute("""
        SELECT pg_terminate_backend(l.pid, 10000) FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.classid = 1852008557
            AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
    """)


async def let_go(operator):
    """Nobody delivers, for long enough."""
    assert not (await operator.run()).is_gone
    operator.time += timedelta(seconds=NOBODY_S)
    assert (await operator.run()).is_gone


@contextmanager
def away(operator):
    """The database does not answer meanwhile."""

    @asynccontextmanager
    async def fail(_credentials):
        raise Failed(Reason.UNREACHABLE, "the server does not answer in time")
        yield

    there = operator.edges
    operator.edges = replace(there, connect=fail)
    yield
    operator.edges = there


def told(operator, reason):
    return [note for _, said, note in operator.kube.events if said == reason]


async def test_a_channel_of_jobs_is_installed_and_its_sidecars_are_told_so(operator):
    """Mutants: configmap.py without delivery or escalation."""
    late = {**DURABLE, "escalation": {"after": "30m", "path": "/late"}}
    operator.apply(jobs(consumers=[late]))
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")
    (channel,) = operator.config().channels
    assert (channel.delivery, channel.escalation_path) == ("AtLeastOnce", "/late")
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")


async def test_dead_letters_are_said_with_the_command_that_sends_them_again(site, operator):
    """Mutants: `judged` that returns what it was given; `news` that yields nothing; Ready True all the same."""
    operator.apply(jobs())
    operator.pods(pod())
    operator.statuses["10.0.0.7"] = listening()
    await operator.run()
    await acknowledge(site)
    await site.app.execute("INSERT INTO orders SELECT generate_series(1, 3)")
    await drain(site)
    await operator.run()
    assert operator.says("Delivering") == ("True", "Delivering")
    await site.admin.execute("UPDATE notifychannel.queue SET state = 'dead' WHERE key = '[1]'")
    await operator.run()
    status, reason, message = operator.condition("Delivering")
    assert (status, reason) == ("False", "DeadLetters")
    assert "the group app has a dead letter" in message
    assert operator.says("Ready") == ("False", "DeadLetters")
    assert len(told(operator, "DeadLetters")) == 1
    await site.admin.execute("UPDATE notifychannel.queue SET state = 'dead' WHERE key = '[2]'")
    await operator.run()
    await operator.run()
    assert told(operator, "DeadLetters")[1:] == ["the group app has 2 dead letters, 1 more"]
    await (await site.session()).execute(message[message.index("SELECT ") :])
    await operator.run()
    assert operator.says("Delivering") == ("True", "Delivering")
    waiting = operator.edges.memory.queues[ORDERS]
    assert [(it.group, it.rows >= 3, it.dead) for it in waiting] == [("app", True, 0)]


async def test_an_escalation_is_an_event_once(site, operator):
    """Mutant: `news` that forgets what was known."""
    operator.apply(jobs())
    await operator.run()
    await operator.run()
    await site.admin.execute("UPDATE notifychannel.queue SET escalated_at = now()")
    await operator.run()
    await operator.run()
    (note,) = told(operator, "Escalated")
    assert "the group app has 1 keys that were escalated" in note


async def test_dead_letters_and_escalations_are_said_once_though_the_database_is_away_for_a_while(site, operator):
    """Mutants: `_mind_what_waits` that takes None for nothing; `_refuse` without what was known."""
    operator.apply(jobs())
    operator.pods(pod())
    operator.statuses["10.0.0.7"] = listening()
    await operator.run()
    await site.admin.execute("UPDATE notifychannel.queue SET state = 'dead', escalated_at = now()")
    await operator.run()
    with away(operator):
        await operator.run()
    assert operator.says("Delivering") == ("False", "DeadLetters")
    operator.apply(jobs(sources=[{**SOURCE, "key": 7}]))
    await operator.run()
    assert operator.says("Accepted") == ("False", "Invalid")
    assert operator.says("Delivering") == ("False", "DeadLetters")
    operator.apply(jobs())
    await operator.run()
    assert len(told(operator, "DeadLetters")) == 1
    assert len(told(operator, "Escalated")) == 1


async def test_what_waited_is_no_figure_any_more_once_nobody_looks_at_it(site, operator):
    """Mutants: `drain` that leaves it in memory; `Visit.run` that looks only where there are consumers."""
    operator.apply(jobs())
    await operator.run()
    await operator.run()
    assert [it.group for it in operator.edges.memory.queues[ORDERS]] == ["app"]
    operator.apply(jobs(consumers=[CONSUMER]))
    await operator.run()
    await operator.run()
    assert ORDERS not in operator.edges.memory.queues
    operator.apply(jobs())
    await operator.run()
    await leaving(site, operator)
    assert ORDERS in operator.edges.memory.queues
    await operator.run()
    assert operator.says("TriggersInstalled") == ("False", "RowsWaiting")
    assert ORDERS not in operator.edges.memory.queues


async def test_a_deleted_channel_is_let_go_when_its_jobs_are_done_and_leaves_nothing(site, operator):
    """Its triggers go at once, its sidecars go on. Mutants: `drain` that returns None; one without the triggers."""
    operator.apply(jobs())
    await operator.run()
    await acknowledge(site)
    sidecar = await claimer(site)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    operator.kube.remove(CHANNELS, "orders")
    outcome = await operator.run()
    assert outcome.next_in_s == pytest.approx(2.0)
    assert operator.says("TriggersInstalled") == ("False", "RowsWaiting")
    assert operator.told() == ["orders"]
    assert await site.triggers() == []
    await drain(site)
    await operator.run()
    assert operator.kube.find(CHANNELS, "orders") is not None
    await acknowledge(site)
    outcome = await operator.run()
    assert outcome.is_gone
    assert operator.told() == []
    assert told(operator, "RowsLeft") == []
    assert await site.admin.fetchval("SELECT to_regnamespace('notifychannel')") is None
    await sidecar.close()


async def test_what_is_not_acknowledged_in_time_stays_is_said_and_is_taken_up_by_a_channel_of_that_name(site, operator):
    """Mutants: cleanup with Rows.DROP; `drain` without the time; `_say_kept` without the Event."""
    operator.apply(jobs(cleanupTimeout="1m"))
    await operator.run()
    await acknowledge(site)
    await claimer(site)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await drain(site)
    operator.kube.remove(CHANNELS, "orders")
    await operator.run()
    assert operator.says("TriggersInstalled") == ("False", "RowsWaiting")
    operator.time += timedelta(minutes=2)
    outcome = await operator.run()
    assert outcome.is_gone
    (note,) = told(operator, "RowsLeft")
    assert "the group app has 1 key that no application has acknowledged" in note
    assert await rows(site) == ["[1]"]
    operator.apply(jobs())
    await operator.run()
    assert "[1]" in await rows(site)


async def test_the_command_of_the_event_drops_what_was_left(site, operator):
    """Mutant: by_hand without the installation."""
    operator.apply(jobs())
    await operator.run()
    operator.kube.remove(CHANNELS, "orders")
    await let_go(operator)
    (note,) = told(operator, "RowsLeft")
    await (await site.session()).execute(note[note.index("SELECT ") :])
    assert await rows(site) == []


async def test_the_command_of_a_cleanup_that_did_not_succeed_drops_triggers_and_queue_of_that_channel(site, operator):
    """Mutants: remove_by_hand.sql without the queue; without the name."""
    operator.apply(jobs(cleanupTimeout="0s"), jobs("billing", sources=[EVENTS]))
    await operator.run()
    await operator.run(BILLING)
    operator.kube.remove(CHANNELS, "orders")
    with away(operator):
        assert (await operator.run()).is_gone
    (note,) = told(operator, "CleanupIncomplete")
    assert note.startswith("Triggers and queue may be left")
    await (await site.session()).execute(note[note.index("DO ") : note.index("Because:")])
    assert {table for table, _ in await site.triggers()} == {"events"}
    found = await site.admin.fetch(
        "SELECT c.channel FROM notifychannel.queue AS q JOIN notifychannel.consumer AS c ON c.id = q.consumer"
    )
    assert [row[0] for row in found] == ["billing"]


async def test_nobody_is_waited_for_where_nobody_delivers_or_only_dead_letters_are_left(site, operator):
    """A deletion must not hang. Mutant: `drain` without `claimers`, or with dead letters."""
    operator.apply(jobs())
    await operator.run()
    operator.kube.remove(CHANNELS, "orders")
    await let_go(operator)
    operator.apply(jobs())
    await operator.run()
    await claimer(site)
    await site.admin.execute("UPDATE notifychannel.queue SET state = 'dead'")
    operator.kube.remove(CHANNELS, "orders")
    assert (await operator.run()).is_gone
    assert len(told(operator, "RowsLeft")) == 2


async def leaving(site, operator, **spec):
    """A channel that is being deleted while a sidecar has a key to deliver."""
    operator.apply(jobs(**spec))
    await operator.run()
    await acknowledge(site)
    await claimer(site)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    operator.kube.remove(CHANNELS, "orders")


async def test_a_database_that_is_away_for_a_moment_ends_no_waiting(site, operator):
    """Its restart ends the sessions of sidecars too, and they come back later than it does. Mutants: `drain` that
    returns None for a connection that failed, or does not count anew then; `_waiting` that believes the first look.
    """
    await leaving(site, operator)
    await operator.run()
    await cut_off(site)
    assert (await operator.run()).next_in_s == pytest.approx(2.0)
    operator.time += timedelta(seconds=NOBODY_S - 1)
    with away(operator):
        assert not (await operator.run()).is_gone
    assert operator.says("TriggersInstalled") == ("False", "Unreachable")
    assert operator.told() == ["orders"]
    operator.time += timedelta(seconds=2)
    assert not (await operator.run()).is_gone
    assert operator.says("TriggersInstalled") == ("False", "RowsWaiting")
    assert operator.told() == ["orders"]
    await claimer(site)
    operator.time += timedelta(seconds=NOBODY_S)
    assert not (await operator.run()).is_gone
    await cut_off(site)
    await let_go(operator)


async def test_a_secret_that_is_gone_for_a_moment_ends_no_waiting_but_with_its_namespace(site, operator):
    """As kubectl replaces one. Mutants: `drain` that returns None for it; one that does not ask for the namespace."""
    await leaving(site, operator)
    await operator.run()
    operator.kube.put(NAMESPACES, {"metadata": {"name": "shop"}})
    operator.kube.remove(SECRETS, "db")
    assert not (await operator.run()).is_gone
    assert operator.says("TriggersInstalled") == ("False", "SecretNotFound")
    assert operator.told() == ["orders"]
    operator.secret(site.database.dsn(site.installer))
    assert not (await operator.run()).is_gone
    assert operator.says("TriggersInstalled") == ("False", "RowsWaiting")
    operator.kube.remove(SECRETS, "db")
    operator.kube.put(NAMESPACES, {"metadata": {"name": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert (await operator.run()).is_gone


async def test_a_restart_of_the_operator_ends_no_waiting(site, operator):
    """The group's ConfigMap is written for another channel. Mutant: `recall` without those that are being deleted."""
    operator.apply(jobs("billing", sources=[EVENTS]))
    await operator.run(BILLING)
    await leaving(site, operator)
    await operator.run()
    before = operator.config()
    operator.restart()
    assert set(await recall(operator.edges)) == {ORDERS, BILLING}
    await operator.run(BILLING)
    assert operator.config() == before
    await drain(site)
    await acknowledge(site)
    assert (await operator.run()).is_gone
    assert operator.told() == ["billing"]


async def test_nobody_waits_for_what_a_suspended_channel_keeps(site, operator):
    """Its sidecars are there and claim nothing. Mutant: `_waiting` without `suspended`."""
    await leaving(site, operator, suspend=True)
    await site.admin.execute("SELECT notifychannel.resync(ARRAY(SELECT id FROM notifychannel.consumer), 'bulk')")
    assert (await operator.run()).is_gone
    assert len(told(operator, "RowsLeft")) == 1


async def test_triggers_that_somebody_holds_are_dropped_later_and_not_with_every_look(site, operator):
    """Mutant: `_drop_triggers` without patience."""
    await leaving(site, operator)
    holder = await site.database.connect(site.app_role)
    await holder.execute("BEGIN; SELECT * FROM orders")
    await operator.run()
    await holder.execute("COMMIT")
    await operator.run()
    assert await site.triggers() != []
    operator.edges.memory.patience.forget(ORDERS)
    await operator.run()
    assert await site.triggers() == []


async def test_a_channel_stays_with_its_sidecars_while_somebody_holds_its_triggers_though_nothing_waits_yet(
    site, operator
):
    """Writers go on appending. Mutants: `_waiting` that asks only for rows; `_drop_triggers` that says nothing of those
    that are held.
    """
    operator.apply(jobs())
    await operator.run()
    await acknowledge(site)
    await claimer(site)
    holder = await site.database.connect(site.app_role)
    await holder.execute("BEGIN; SELECT * FROM orders")
    operator.kube.remove(CHANNELS, "orders")
    for _ in range(2):
        assert not (await operator.run()).is_gone
        assert operator.says("TriggersInstalled") == ("False", "LockedOut")
        assert operator.told() == ["orders"]
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await drain(site)
    await holder.execute("COMMIT")
    operator.edges.memory.patience.forget(ORDERS)
    assert not (await operator.run()).is_gone
    assert operator.says("TriggersInstalled") == ("False", "RowsWaiting")
    assert await site.triggers() == []
    await acknowledge(site)
    assert (await operator.run()).is_gone


async def test_a_lock_that_a_change_waited_for_keeps_no_deletion_from_dropping_triggers(site, operator):
    """Mutant: `drain` that forgets no patience."""
    operator.apply(jobs())
    await operator.run()
    await claimer(site)
    holder = await site.database.connect(site.app_role)
    await holder.execute("BEGIN; SELECT * FROM orders")
    operator.apply(jobs(sources=[{**SOURCE, "rules": [{"name": "created", "events": ["Insert"]}]}]))
    await operator.run()
    assert operator.says("TriggersInstalled") == ("False", "LockedOut")
    await holder.execute("COMMIT")
    operator.kube.remove(CHANNELS, "orders")
    await operator.run()
    assert operator.says("TriggersInstalled") == ("False", "RowsWaiting")
    assert await site.triggers() == []


async def test_a_deletion_behind_a_pass_of_another_process_comes_back_soon(site, operator):
    """That holds its lock for milliseconds. Mutant: `_drop_triggers` with behind_a_pass=False."""
    operator.apply(jobs())
    await operator.run()
    other = await site.database.connect()
    await other.execute(f"BEGIN; SELECT pg_advisory_xact_lock({LOCK})")
    operator.kube.remove(CHANNELS, "orders")
    assert (await operator.run()).next_in_s <= BEHIND_A_PASS_S
    assert operator.says("TriggersInstalled") == ("False", "Pending")
    await other.execute("COMMIT")


async def test_a_channel_that_has_left_is_waited_for_no_more_while_its_cleanup_is_tried_again(site, operator):
    """Mutant: `leave` that forgets since when nobody delivers."""
    operator.apply(jobs())
    await operator.run()
    holder = await site.database.connect(site.app_role)
    await holder.execute("BEGIN; SELECT * FROM orders")
    operator.kube.remove(CHANNELS, "orders")
    assert not (await operator.run()).is_gone
    assert operator.told() == ["orders"]
    operator.time += timedelta(seconds=NOBODY_S)
    for tries in (1, 2):
        assert not (await operator.run()).is_gone
        assert operator.told() == []
        assert operator.edges.memory.cleanups[ORDERS][0] == tries
        operator.time += timedelta(seconds=5)
    await holder.execute("COMMIT")
    assert (await operator.run()).is_gone
    assert operator.edges.memory.unclaimed == {}


async def test_a_group_that_can_not_leave_yet_keeps_nobody_from_repairing_triggers(site, operator):
    """Mutant: `leaving` as Kind.REGISTER."""
    operator.apply(jobs(consumers=[DURABLE, {**DURABLE, "group": "mailer"}]))
    await operator.run()
    await acknowledge(site)
    holder = await site.database.connect()
    await holder.execute("BEGIN; SELECT FROM notifychannel.consumer WHERE \"group\" = 'mailer' FOR KEY SHARE")
    operator.apply(jobs())
    await operator.run()
    assert operator.says("TriggersInstalled") == ("False", "LockedOut")
    await (await site.session()).execute(f'DROP FUNCTION notifychannel."{FUNCTION}" CASCADE')
    await operator.run()
    assert len(await site.triggers()) == 3
    await holder.execute("COMMIT")


async def test_the_end_of_a_release_waits_for_nobody_and_says_what_stays(site, operator):
    """Mutant: `Rest.kept` left out of the status."""
    operator.apply(jobs())
    await operator.run()
    await claimer(site)
    cleaned = await cleanup.release(operator.edges, ORDERS, since=operator.time)
    assert cleaned.problem is None
    assert await site.triggers() == []
    status, reason, message = operator.condition("TriggersInstalled")
    assert (status, reason) == ("Unknown", "Uninstalled")
    assert "the group app has 1 key that no application has acknowledged" in message
    assert await rows(site) == [""]


async def test_what_rules_owe_is_told_and_history_is_trimmed_where_no_relay_lives(site, operator):
    """Mutant: `_mind_queue` that returns at once."""
    operator.apply(jobs(audit={"enabled": True, "retention": "1h"}))
    await operator.run()
    await acknowledge(site)
    await site.admin.execute("""
        INSERT INTO notifychannel.audit (channel, at, key, step)
        SELECT a.id, now() - interval '2 hours', '[1]', 'captured' FROM notifychannel.audited AS a
    """)
    await site.admin.execute("INSERT INTO notifychannel.fence SELECT pg_channel, '3' FROM notifychannel.consumer")
    operator.edges.memory.outboxes.clear()
    await operator.run()
    assert await site.admin.fetchval("SELECT count(*) FROM notifychannel.audit WHERE key = '[1]'") == 0
    assert await rows(site) == [""]


async def test_two_sources_and_a_group_each_way_live_side_by_side(site, operator):
    """BestEffort beside AtLeastOnce on one channel: only the one has a row. Mutant: consumers.wanted with all."""
    operator.apply(jobs(consumers=[DURABLE, {**CONSUMER, "group": "cache"}], sources=[SOURCE]))
    await operator.run()
    found = await site.admin.fetch('SELECT "group" FROM notifychannel.consumer')
    assert [row[0] for row in found] == ["app"]
    assert operator.config("cache").channels[0].delivery == "BestEffort"
