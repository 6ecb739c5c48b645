"""A channel that goes: out of the database, out of the ConfigMap, and never in the way of its own deletion for good.

The cluster is in memory (tests/kube_memory.py), the database is real.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from notifychannel_operator.kinds import CHANNELS, NAMESPACES, SECRETS
from notifychannel_operator.kube_error import Unreachable
from notifychannel_operator.passes import cleanup
from notifychannel_operator.passes.recall import recall
from notifychannel_operator.passes.whereabouts import Ref
from tests.operating import CONSUMER, EVENTS, ORDERS, resource
from tests.premises import build

BILLING = Ref("shop", "billing")


@pytest.fixture(scope="session")
def server(newest):
    """When and whether a channel goes is decided outside of the database; to remove is tested on each version."""
    return newest


@pytest.fixture
async def site(database):
    """Nobody has granted rights on our schema, so that it goes with its last channel."""
    made = await build(database)
    await made.admin.execute(f'GRANT CREATE, CONNECT ON DATABASE "{database.name}" TO "{made.installer}"')
    await made.admin.execute(f'GRANT USAGE ON SCHEMA public TO "{made.installer}"')
    await made.app.execute(f'GRANT TRIGGER ON orders, events, events_1, events_2 TO "{made.installer}"')
    return made


def there(operator, ref=ORDERS):
    return operator.kube.find(CHANNELS, ref.name) is not None


async def ours(site):
    return await site.admin.fetchval("SELECT count(*) FROM pg_proc WHERE pronamespace::regnamespace::text ~ 'notify'")


async def test_a_deleted_channel_leaves_nothing_in_database_and_cluster(site, operator):
    """Mutant: `_remove` without `apply`; `leave` without the ConfigMap."""
    before = site.dump()
    operator.apply(resource())
    await operator.run()
    operator.kube.remove(CHANNELS, "orders")
    assert there(operator)
    outcome = await operator.run()
    assert outcome.is_gone
    assert not there(operator)
    assert operator.config() is None
    assert site.dump() == before


async def test_only_the_deleted_channel_goes(site, operator):
    """Mutant: `observe_removal` of all owners."""
    operator.apply(resource(), resource("billing", sources=[EVENTS]))
    await operator.run(ORDERS)
    await operator.run(BILLING)
    operator.kube.remove(CHANNELS, "orders")
    await operator.run(ORDERS)
    assert {table for table, _ in await site.triggers()} == {"events"}
    assert operator.told() == ["billing"]
    await operator.run(BILLING)
    assert operator.says("TriggersInstalled", BILLING) == ("True", "Installed")


async def test_retained_triggers_stay_and_go_on(site, operator):
    """Mutant: `clean_up` without the policy."""
    operator.apply(resource(reclaimPolicy="Retain"))
    await operator.run()
    operator.kube.remove(CHANNELS, "orders")
    await operator.run()
    assert not there(operator)
    assert len(await site.triggers()) == 3
    assert operator.config() is None


async def test_a_channel_that_never_installed_anything_goes_without_its_database(operator):
    """It has no finalizer, so nothing waits. Mutant: the finalizer added in every pass."""
    operator.secret("postgresql://nobody:x@127.0.0.254:1/nothing")
    operator.apply(resource())
    await operator.run()
    assert operator.says("TriggersInstalled") == ("False", "Unreachable")
    assert operator.told() == ["orders"]
    operator.kube.remove(CHANNELS, "orders")
    assert not there(operator)
    assert (await operator.run()).is_gone
    assert operator.config() is None


async def test_another_finalizer_is_somebody_elses_business(site, operator):
    """Mutant: `finalizers: []`."""
    operator.apply(resource())
    operator.kube.find(CHANNELS, "orders")["metadata"]["finalizers"] = ["example.org/mine"]
    await operator.run()
    operator.kube.remove(CHANNELS, "orders")
    await operator.run()
    assert operator.kube.find(CHANNELS, "orders")["metadata"]["finalizers"] == ["example.org/mine"]
    assert await site.triggers() == []
    operator.kube.writes.clear()
    assert (await operator.run()).is_gone
    assert operator.kube.writes == []


async def test_behind_a_lock_cleanup_is_tried_again_and_says_who_holds_it(site, operator):
    operator.apply(resource())
    await operator.run()
    holder = await site.database.connect(site.app_role)
    await holder.execute("BEGIN; SELECT * FROM orders")
    operator.kube.remove(CHANNELS, "orders")
    outcome = await operator.run()
    assert (outcome.is_gone, outcome.next_in_s) == (False, 5.0)
    status, reason, message = operator.condition("TriggersInstalled")
    assert (status, reason) == ("False", "LockedOut")
    assert f"pid {holder.get_server_pid()}" in message
    assert operator.says("Ready") == ("False", "LockedOut")
    assert operator.config() is None
    operator.time += timedelta(seconds=2)
    assert (await operator.run()).next_in_s == 3.0, "early, by some event: that is no try"
    operator.time += timedelta(seconds=3)
    assert (await operator.run()).next_in_s == 10.0
    await holder.execute("COMMIT")
    await operator.run()
    assert not there(operator)
    assert await ours(site) == 0


async def test_past_its_timeout_an_event_says_the_sql_and_the_channel_goes(site, operator):
    """And that SQL does it. Mutant: `since` read from the creation; `left` compared the wrong way."""
    operator.apply(resource(cleanupTimeout="2m"), resource("billing", sources=[EVENTS]))
    await operator.run(ORDERS)
    await operator.run(BILLING)
    operator.secret("postgresql://nobody:x@127.0.0.254:1/nothing")
    operator.kube.remove(CHANNELS, "orders")
    operator.time += timedelta(seconds=118)
    outcome = await operator.run()
    assert (outcome.is_gone, outcome.next_in_s) == (False, 2.0)
    assert there(operator)
    operator.time += timedelta(seconds=2)
    assert (await operator.run()).next_in_s == 10.0
    operator.time += timedelta(seconds=10)
    assert (await operator.run()).is_gone
    assert not there(operator)
    assert operator.edges.memory.cleanups == {}
    ((_, _, note),) = [it for it in operator.kube.events if it[:2] == ("Warning", "CleanupIncomplete")]
    sql = note.partition("run:\n")[2].partition("\nBecause")[0]
    site.psql(sql, role=site.installer)
    assert {table for table, _ in await site.triggers()} == {"events"}


async def test_a_secret_that_has_gone_is_waited_for_while_its_namespace_stays(site, operator):
    operator.apply(resource())
    await operator.run()
    operator.kube.put(NAMESPACES, {"metadata": {"name": "shop"}})
    operator.kube.remove(SECRETS, "db")
    operator.kube.remove(CHANNELS, "orders")
    await operator.run()
    assert there(operator)
    operator.secret(site.database.dsn(site.installer))
    await operator.run()
    assert not there(operator)
    assert await ours(site) == 0


async def test_a_namespace_that_goes_with_its_secret_is_not_held_up(operator):
    """Mutant: `is_gone_for_good` answering False: the namespace hangs for `cleanupTimeout`."""
    operator.apply(resource())
    await operator.run()
    operator.kube.put(NAMESPACES, {"metadata": {"name": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    operator.kube.remove(SECRETS, "db")
    operator.kube.remove(CHANNELS, "orders")
    assert (await operator.run()).is_gone
    assert not there(operator)


async def test_an_operator_that_may_not_see_the_namespace_waits_for_the_timeout(operator):
    operator.apply(resource())
    await operator.run()
    operator.kube.forbidden.add("namespaces")
    operator.kube.remove(SECRETS, "db")
    operator.kube.remove(CHANNELS, "orders")
    await operator.run()
    assert there(operator)
    for seconds in (300, 5, 10):
        operator.time += timedelta(seconds=seconds)
        assert there(operator)
        await operator.run()
    assert not there(operator)


async def test_a_timeout_that_passed_while_no_operator_ran_is_no_reason_to_give_up_at_the_first_try(site, operator):
    """The database was away for the one moment that the new process looked. Mutant: LEAST_TRIES = 1."""
    operator.apply(resource(cleanupTimeout="2m"))
    await operator.run()
    good = site.database.dsn(site.installer)
    operator.secret("postgresql://nobody:x@127.0.0.254:1/nothing")
    operator.kube.remove(CHANNELS, "orders")
    operator.time += timedelta(hours=1)
    operator.restart()
    await recall(operator.edges)
    assert (await operator.run()).next_in_s == 5.0
    for _ in range(5):  # events of its pods, which say nothing new
        assert (await operator.run()).next_in_s == 5.0
    operator.time += timedelta(seconds=5)
    assert (await operator.run()).next_in_s == 10.0
    assert there(operator)
    operator.secret(good)
    operator.time += timedelta(seconds=10)
    assert (await operator.run()).is_gone
    assert await ours(site) == 0
    assert operator.edges.memory.cleanups == {}
    assert "CleanupIncomplete" not in {it[1] for it in operator.kube.events}


async def test_who_gave_up_and_could_not_let_the_channel_go_does_not_begin_anew(operator):
    """The API server was away for that moment. Mutant: `forget_end` in `clean_up`: 15 s more for each."""
    operator.apply(resource(cleanupTimeout="1s"))
    await operator.run()
    operator.secret("postgresql://nobody:x@127.0.0.254:1/nothing")
    operator.kube.remove(CHANNELS, "orders")
    for seconds in (0, 1):
        operator.time += timedelta(seconds=seconds)
        assert not (await operator.run()).is_gone
    operator.time += timedelta(seconds=10)
    patch = operator.kube.patch

    async def away(*_args, **_options):
        raise Unreachable(status=0, reason="Unreachable", message="no answer")

    operator.kube.patch = away
    with pytest.raises(Unreachable):
        await operator.run()
    operator.kube.patch = patch
    assert (await operator.run()).is_gone
    assert not there(operator)
    assert operator.edges.memory.cleanups == {}


async def test_who_wants_no_patience_gets_one_try(operator):
    """Mutant: `wish.timeout_s == 0` left out."""
    operator.apply(resource(cleanupTimeout="0s"))
    await operator.run()
    operator.secret("postgresql://nobody:x@127.0.0.254:1/nothing")
    operator.kube.remove(CHANNELS, "orders")
    assert (await operator.run()).is_gone
    assert not there(operator)


@pytest.mark.parametrize("way", ["retain", "no finalizer", "another channel", "gone", "gone at the release's end"])
async def test_what_was_counted_is_forgotten_on_every_way_out(operator, way):
    """Mutant: `forget_end` left out of `drop_finalizer`, of `reconcile` (twice), of `release`: each has its way."""
    operator.apply(resource())
    await operator.run()
    operator.secret("postgresql://nobody:x@127.0.0.254:1/nothing")
    operator.kube.remove(CHANNELS, "orders")
    await operator.run()
    assert set(operator.edges.memory.cleanups) == {ORDERS}
    body = operator.kube.find(CHANNELS, "orders")
    if way == "retain":
        body["spec"]["reclaimPolicy"] = "Retain"
    elif way == "no finalizer":
        body["metadata"]["finalizers"] = ["example.org/mine"]
    elif way == "another channel":
        del body["metadata"]["deletionTimestamp"]
    else:
        body["metadata"]["finalizers"] = []
        operator.kube.remove(CHANNELS, "orders")
    if way == "gone at the release's end":
        await cleanup.release(operator.edges, ORDERS, since=operator.time)
    else:
        await operator.run()
    assert operator.edges.memory.cleanups == {}


async def test_a_group_that_can_not_be_written_holds_no_other_up_and_is_tried_again(operator, caplog):
    """And who waited for the channel's end is told in the end. Mutant: `_take_out` raises its error: the groups behind
    it keep a channel that has gone; `leave` without `owed`.
    """
    consumers = [{**CONSUMER, "group": group} for group in ("a", "b", "c")]
    operator.apply(resource(consumers=consumers, channel="same"), resource("billing", channel="same", sources=[EVENTS]))
    await operator.run()
    await operator.run(BILLING)
    assert operator.says("Accepted", BILLING) == ("False", "Conflict")
    operator.kube.remove(CHANNELS, "orders")
    delete, is_away = operator.kube.delete, True

    async def deleting(kind, name, **options):
        if is_away and name in ("notifychannel-a", "notifychannel-b"):
            raise Unreachable(status=0, reason="Unreachable", message=f"no answer about {name}")
        await delete(kind, name, **options)

    operator.kube.delete = deleting
    with pytest.raises(Unreachable):
        await operator.run()
    assert [operator.told(group) for group in "abc"] == [["orders"], ["orders"], []]
    assert "no answer about notifychannel-a" in caplog.text
    assert "no answer about notifychannel-b" in caplog.text
    is_away = False
    outcome = await operator.run()
    assert (outcome.is_gone, outcome.wake) == (True, {BILLING})
    assert operator.edges.memory.owed == {}
    assert [operator.config(group) for group in "abc"] == [None, None, None]


async def test_a_channel_that_became_unreadable_is_cleaned_up_all_the_same(site, operator):
    operator.apply(resource())
    await operator.run()
    operator.apply(resource(suspend="perhaps"))
    await operator.run()
    operator.kube.remove(CHANNELS, "orders")
    await operator.run()
    assert not there(operator)
    assert await ours(site) == 0
    assert operator.config() is None


async def test_a_restart_in_the_middle_of_a_deletion_goes_on(site, operator):
    operator.apply(resource(), resource("billing", sources=[EVENTS]))
    await operator.run(ORDERS)
    await operator.run(BILLING)
    operator.kube.remove(CHANNELS, "orders")
    operator.restart()
    assert set(await recall(operator.edges)) == {ORDERS, BILLING}
    await operator.run(ORDERS)
    assert not there(operator)
    assert operator.told() == ["billing"]
    assert {table for table, _ in await site.triggers()} == {"events"}


async def test_the_end_of_a_release_cleans_up_and_leaves_the_resource_which_is_not_ready_any_more(site, operator):
    """Mutant: no `_say_uninstalled` in passes/cleanup.py: the channel says Installed for ever; `pods` or `injected`
    left out of `uninstalled.patch`: what nobody counts any more stays.
    """
    before = site.dump()
    operator.apply(resource())
    await operator.run()
    assert operator.status()["summary"] == {"triggers": "3/3", "injected": "0/0", "listening": "0/0"}
    cleaned = await cleanup.release(operator.edges, ORDERS, since=operator.time)
    assert cleaned.problem is None
    assert there(operator)
    assert operator.kube.find(CHANNELS, "orders")["metadata"]["finalizers"] == []
    assert operator.config() is None
    assert site.dump() == before
    conditions = {it["type"]: it for it in operator.kube.find(CHANNELS, "orders")["status"]["conditions"]}
    assert [(conditions[each]["status"], conditions[each]["reason"]) for each in ("TriggersInstalled", "Ready")] == [
        ("Unknown", "Uninstalled"),
        ("False", "Uninstalled"),
    ]
    message = conditions["TriggersInstalled"]["message"]
    assert "nothing of it is left" in message
    assert "DO $" not in message
    assert operator.status()["summary"] == {"triggers": "0/3"}
    assert "pods" not in operator.status()
    assert operator.status()["database"]["dbname"] == site.database.name


async def test_the_end_of_a_release_whose_database_is_away_leaves_the_sql_in_the_condition(site, operator):
    """The Event expires. Mutant: `_unfinished` answers `Cleaned()`; `is_said` answers False: who comes again, without
    a finalizer, says that nothing is left.
    """
    operator.apply(resource())
    await operator.run()
    operator.secret("postgresql://nobody:x@127.0.0.254:1/nothing")
    for _ in range(2):
        assert (await cleanup.release(operator.edges, ORDERS, since=operator.time, is_last=True)).problem is None
        assert operator.kube.find(CHANNELS, "orders")["metadata"]["finalizers"] == []
        status, reason, message = operator.condition("TriggersInstalled")
        assert (status, reason) == ("Unknown", "Uninstalled")
        assert "triggers may be left in the database, because: " in message
        assert operator.status()["summary"] == {}, "nobody knows"
        assert message in operator.condition("Ready")[2]
    assert len(await site.triggers()) == 3
    site.psql(message.splitlines()[-1], role=site.installer)
    assert await site.triggers() == []


async def test_the_end_of_a_release_says_of_retained_triggers_that_they_stay(site, operator):
    """Mutant: `Cleaned()` for Retain in `_attempt`."""
    operator.apply(resource(reclaimPolicy="Retain"))
    await operator.run()
    await cleanup.release(operator.edges, ORDERS, since=operator.time)
    message = operator.condition("TriggersInstalled")[2]
    assert "its triggers stay in the database, as reclaimPolicy says" in message
    assert operator.status()["summary"] == {"triggers": "3/3"}
    assert len(await site.triggers()) == 3
    site.psql(message.splitlines()[-1], role=site.installer)
    assert await site.triggers() == []


async def test_the_end_of_a_release_names_the_database_in_which_the_channel_was_before(site, operator):
    """Mutant: `_mind_the_old` answers None: what is left there is said in an Event alone."""
    operator.apply(resource())
    await operator.run()
    operator.kube.find(CHANNELS, "orders")["status"]["database"]["dbname"] = "before"
    await cleanup.release(operator.edges, ORDERS, since=operator.time)
    message = operator.condition("TriggersInstalled")[2]
    assert "nothing of it is left in the database that its Secret leads to" in message
    assert "it was in before of server" in message
    assert message.splitlines()[-1].startswith("DO $")
    assert operator.status()["summary"] == {"triggers": "0/3"}
