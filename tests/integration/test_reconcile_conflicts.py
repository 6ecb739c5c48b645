"""Channels in each other's way, on a real PostgreSQL; the cluster is in memory (tests/kube_memory.py).

The older one wins, whatever Secret leads to the database and in whichever order the passes come.
"""

from __future__ import annotations

import asyncio
import contextlib

import asyncpg
import pytest

from notifychannel_operator.kinds import CHANNELS, CONFIGMAPS
from notifychannel_operator.kube_error import Unreachable
from notifychannel_operator.passes.recall import recall
from notifychannel_operator.passes.whereabouts import Ref
from tests.operating import CONSUMER, EVENTS, ORDERS, SOURCE, resource

BILLING = Ref("shop", "billing")
ELSEWHERE = Ref("bank", "orders")
OTHER_GROUP = {**CONSUMER, "group": "other"}


@pytest.fixture(scope="session")
def server(newest):
    """Who is in whose way is decided outside of the database; test_reconcile.py has passes on each version."""
    return newest


@pytest.fixture
def operator(operator, site):
    """The namespace `bank` has a Secret of the same database too."""
    operator.secret(site.database.dsn(site.installer), namespace="bank")
    return operator


@pytest.fixture
async def second(site):
    """Another database of the same server, with the same installer; its Secret is `second`."""
    name = f"{site.database.name}_second"
    await site.admin.execute(f'CREATE DATABASE "{name}"')
    admin = await asyncpg.connect(site.database.server.dsn(name))
    await admin.execute(
        f'CREATE TABLE orders (id bigint PRIMARY KEY); GRANT TRIGGER ON orders TO "{site.installer}";'
        f'GRANT CREATE ON DATABASE "{name}" TO "{site.installer}"'
    )
    yield site.database.server.dsn(name, site.installer, site.database.passwords[site.installer]), admin
    await admin.close()
    await site.admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def functions(rows):
    return sorted({function.split("_")[0].removeprefix("notifychannel.") for _, function in rows})


async def test_of_two_channels_on_one_postgresql_channel_the_younger_waits(site, operator):
    """In two namespaces and through two Secrets. Mutant: `together` comparing Secrets only."""
    operator.apply(resource(channel="new_order"), resource(namespace="bank", channel="new_order", sources=[EVENTS]))
    await operator.run(ORDERS)
    await operator.run(ELSEWHERE)
    assert operator.says("Accepted", ORDERS) == ("True", "Accepted")
    status, reason, message = operator.condition("Accepted", ELSEWHERE)
    assert (status, reason) == ("False", "Conflict")
    assert "shop/orders" in message
    assert operator.says("Ready", ELSEWHERE) == ("False", "Conflict")
    assert {table for table, _ in await site.triggers()} == {"orders"}
    assert operator.told(namespace="bank") == []


async def test_a_derived_channel_and_a_written_one_can_be_the_same(operator):
    operator.apply(resource())
    await operator.run()
    derived = operator.config().channels[0].pg_channel
    operator.apply(resource("billing", channel=derived, sources=[EVENTS]))
    await operator.run(BILLING)
    assert operator.says("Accepted", BILLING) == ("False", "Conflict")


async def test_channels_without_sources_may_share(operator):
    listen = {"sources": [], "channel": "new_order", "payload": {"format": "Text"}}
    operator.apply(resource(channel="new_order"), resource("billing", **listen))
    await operator.run()
    await operator.run(BILLING)
    assert operator.says("Accepted", BILLING) == ("True", "Accepted")
    assert operator.told() == ["billing", "orders"]


async def test_the_older_wins_also_when_its_pass_comes_second(site, operator):
    """Mutant: `age` left out: the first come wins, and a restart turns the verdict around."""
    operator.apply(resource(channel="new_order"), resource("billing", channel="new_order", sources=[EVENTS]))
    await operator.run(BILLING)
    assert operator.says("Accepted", BILLING) == ("True", "Accepted")
    outcome = await operator.run(ORDERS)
    assert operator.says("Accepted", ORDERS) == ("True", "Accepted")
    assert outcome.wake == {BILLING}
    await operator.run(BILLING)
    assert operator.says("Accepted", BILLING) == ("False", "Conflict")


async def test_who_loses_later_keeps_what_it_had(site, operator):
    """Nobody goes deaf by another's edit: triggers and entry stay as they are, and are not touched any more.

    Mutant: `_claimed` without `yield kept`.
    """
    operator.apply(resource(), resource("billing", channel="mine", sources=[EVENTS]))
    await operator.run(ORDERS)
    await operator.run(BILLING)
    before = await site.triggers()
    entry = next(it for it in operator.config().channels if it.name == "billing")
    operator.apply(resource(channel="mine"))
    outcome = await operator.run(ORDERS)
    assert outcome.wake == {BILLING}
    await operator.run(BILLING)
    assert operator.says("Accepted", BILLING) == ("False", "Conflict")
    assert operator.says("TriggersInstalled", BILLING) == ("False", "Pending")
    assert await site.triggers() == before
    assert next(it for it in operator.config().channels if it.name == "billing") == entry
    operator.apply(resource("billing", channel="mine", sources=[EVENTS], consumers=[CONSUMER, OTHER_GROUP]))
    await operator.run(BILLING)
    assert operator.told("other") == []  # nothing new


async def test_when_the_winner_goes_the_loser_is_judged_again(site, operator):
    """Mutant: `_change` answering nothing."""
    operator.apply(resource(channel="new_order"), resource("billing", channel="new_order", sources=[EVENTS]))
    await operator.run(ORDERS)
    await operator.run(BILLING)
    operator.kube.remove(CHANNELS, "orders")
    outcome = await operator.run(ORDERS)
    assert (outcome.is_gone, outcome.wake) == (True, {BILLING})
    await operator.run(BILLING)
    assert operator.says("Accepted", BILLING) == ("True", "Accepted")
    assert {table for table, _ in await site.triggers()} == {"events"}
    assert operator.told() == ["billing"]


async def test_one_group_in_two_databases_is_a_conflict_of_the_younger(operator, second):
    """A sidecar listens to one database. Mutant: `elsewhere` comparing dbname only, or not at all."""
    operator.secret(second[0], name="second")
    operator.apply(resource(), resource("billing", database={"secretRef": {"name": "second"}}))
    await operator.run(ORDERS)
    await operator.run(BILLING)
    status, reason, message = operator.condition("Accepted", BILLING)
    assert (status, reason) == ("False", "Conflict")
    assert "the group app" in message
    assert operator.told() == ["orders"]
    assert await second[1].fetchval("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0


async def test_two_secrets_of_one_database_are_no_conflict(site, operator):
    operator.secret(site.database.dsn(site.installer) + "?application_name=x", name="second")
    operator.apply(resource(), resource("billing", database={"secretRef": {"name": "second"}}, sources=[EVENTS]))
    await operator.run(ORDERS)
    await operator.run(BILLING)
    assert operator.says("Accepted", BILLING) == ("True", "Accepted")
    assert operator.told() == ["billing", "orders"]


async def test_a_restart_changes_no_verdict_even_with_the_winners_database_unknown_to_it(operator, second, site):
    """Mutant: `recall` without status.database."""
    operator.secret(second[0], name="second")
    operator.apply(resource(), resource("billing", database={"secretRef": {"name": "second"}}))
    await operator.run(ORDERS)
    await operator.run(BILLING)
    operator.restart()
    assert set(await recall(operator.edges)) == {ORDERS, BILLING}
    await operator.run(BILLING)  # first, and the winner has not been passed over yet
    assert operator.says("Accepted", BILLING) == ("False", "Conflict")
    assert operator.told() == ["orders"]
    assert await second[1].fetchval("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0


def of_one_second(operator, uids):
    """As `kubectl apply -f` of a folder makes them: `orders` gets the greater uid."""
    for ref, uid in zip((BILLING, ORDERS), uids, strict=True):
        metadata = operator.kube.find(CHANNELS, ref.name)["metadata"]
        metadata |= {"uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z"}


async def both(operator, *refs):
    for ref in refs:
        await operator.run(ref)
    return operator.says("Accepted", ORDERS)[1], operator.says("Accepted", BILLING)[1]


async def test_of_two_made_in_one_second_the_one_that_is_installed_wins_and_a_restart_changes_nothing(site, operator):
    """Mutant: `age` without the standing: the second one takes over from one that runs."""
    operator.apply(resource(channel="same"), resource("billing", channel="same", sources=[EVENTS]))
    of_one_second(operator, ("a", "b"))
    await operator.run(ORDERS)
    assert await both(operator, BILLING) == ("Accepted", "Conflict")
    assert await both(operator, ORDERS, BILLING) == ("Accepted", "Conflict")
    for order in ((BILLING, ORDERS), (ORDERS, BILLING)):
        operator.restart()
        await recall(operator.edges)
        assert await both(operator, *order) == ("Accepted", "Conflict")
    assert {table for table, _ in await site.triggers()} == {"orders"}


async def test_who_was_being_installed_when_the_operator_died_is_installed_for_others_of_its_second(site, operator):
    """Nothing is in its status yet. Mutant: `_finalize` without `stands`, or `standing` without the finalizer."""
    operator.apply(resource(channel="same"), resource("billing", channel="same", sources=[EVENTS]))
    of_one_second(operator, ("a", "b"))
    patch = operator.kube.patch

    async def dying(*args, subresource=None, **options):
        if subresource == "status":
            raise RuntimeError("the operator dies here")
        return await patch(*args, subresource=subresource, **options)

    for is_another in (False, True):
        operator.kube.patch = dying
        with pytest.raises(RuntimeError):
            await operator.run(ORDERS)
        operator.kube.patch = patch
        if is_another:
            operator.restart()
            await recall(operator.edges)
        await operator.run(BILLING)
        assert operator.says("Accepted", BILLING) == ("False", "Conflict")
    assert {table for table, _ in await site.triggers()} == {"orders"}


@pytest.mark.parametrize("is_new", [False, True])
async def test_who_is_edited_into_the_way_of_another_of_its_second_loses(operator, is_new):
    """Both are installed; only one of them by the spec as it is. Mutant: `standing` without `is_accepted`; `_tell`
    without `stands`, where the other one has seen one pass only (`is_new`).
    """
    operator.apply(resource(channel="one"), resource("billing", channel="two", sources=[EVENTS]))
    of_one_second(operator, ("a", "b"))
    assert await both(operator, ORDERS, BILLING) == ("Accepted", "Accepted")
    if not is_new:
        await both(operator, ORDERS, BILLING)
    operator.apply(resource("billing", channel="one", sources=[EVENTS]))
    assert await both(operator, BILLING) == ("Accepted", "Conflict")
    operator.restart()
    await recall(operator.edges)
    assert await both(operator, BILLING, ORDERS) == ("Accepted", "Conflict")


async def test_of_two_of_one_second_that_are_passed_over_at_once_one_is_installed(site, operator):
    """The other comes while the first is about to. Mutant: `_finalize` without `claim` before the patch."""
    operator.apply(resource(channel="same"), resource("billing", channel="same", sources=[EVENTS]))
    of_one_second(operator, ("a", "b"))
    patch, began, goes_on = operator.kube.patch, asyncio.Event(), asyncio.Event()

    async def late(kind, name, *args, subresource=None, **options):
        if (name, subresource) == ("orders", None):
            began.set()
            await goes_on.wait()
        return await patch(kind, name, *args, subresource=subresource, **options)

    operator.kube.patch = late
    first = asyncio.create_task(operator.run(ORDERS))
    await began.wait()
    await operator.run(BILLING)
    goes_on.set()
    await first
    assert await both(operator, BILLING, ORDERS) == ("Accepted", "Conflict")
    assert {table for table, _ in await site.triggers()} == {"orders"}


INVALID = {"sources": [{**SOURCE, "rules": []}]}


async def test_a_restart_does_not_give_the_group_of_an_unreadable_channel_to_a_younger_one(operator, second):
    """Its sidecars would be told another database, and go deaf. Mutant: `recall` without `hold`."""
    operator.secret(second[0], name="second")
    operator.apply(resource(), resource("billing", database={"secretRef": {"name": "second"}}))
    assert await both(operator, ORDERS, BILLING) == ("Accepted", "Conflict")
    before = operator.config()
    operator.apply(resource(**INVALID))
    assert await both(operator, ORDERS, BILLING) == ("Invalid", "Conflict")
    operator.restart()
    await recall(operator.edges)
    assert await both(operator, BILLING, ORDERS, BILLING) == ("Invalid", "Conflict")
    assert operator.config() == before
    assert await second[1].fetchval("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0
    operator.apply(resource())
    assert await both(operator, ORDERS, BILLING) == ("Accepted", "Conflict")
    assert operator.config() == before


@pytest.mark.parametrize("edit", [{"consumers": [CONSUMER, OTHER_GROUP]}, INVALID], ids=["good", "unreadable"])
async def test_an_edit_of_the_one_in_force_does_not_hand_its_place_to_one_that_came_into_its_way(operator, edit):
    """Both have triggers, both were made in one second, and the other has the lesser uid. Mutant: no STEPPED_BACK."""
    operator.apply(resource(channel="same"), resource("billing", channel="mine", sources=[EVENTS]))
    of_one_second(operator, ("a", "b"))
    assert await both(operator, ORDERS, BILLING) == ("Accepted", "Accepted")
    operator.apply(resource("billing", channel="same", sources=[EVENTS]))
    assert await both(operator, BILLING, ORDERS) == ("Accepted", "Conflict")
    operator.apply(resource(channel="same", **edit))
    first = await both(operator, ORDERS, BILLING)
    assert first == ("Invalid" if edit is INVALID else "Accepted", "Conflict")
    operator.restart()
    await recall(operator.edges)
    assert await both(operator, BILLING, ORDERS, BILLING) == first


def away(operator, is_cut):
    """The cluster's API answers no such write any more; gives back what ends that."""
    patch = operator.kube.patch

    async def patching(kind, name, body, **options):
        if is_cut(body):
            raise Unreachable(status=0, reason="Unreachable", message="no answer")
        return await patch(kind, name, body, **options)

    operator.kube.patch = patching
    return lambda: setattr(operator.kube, "patch", patch)


@pytest.mark.parametrize("way", ["says something else", "goes"])
async def test_the_loser_is_woken_though_the_winners_pass_broke_and_is_tried_again(operator, way):
    """The claim has changed by the first pass already. Mutant: `owed` of the pass, not of the memory."""
    operator.apply(resource(channel="same"), resource("billing", channel="same", sources=[EVENTS]))
    assert await both(operator, ORDERS, BILLING) == ("Accepted", "Conflict")
    if way == "goes":
        operator.kube.remove(CHANNELS, "orders")
        is_back = away(operator, lambda body: "finalizers" in body.get("metadata", {}))
    else:
        operator.apply(resource(channel="mine"))
        is_back = away(operator, lambda body: "status" in body)
    with pytest.raises(Unreachable):
        await operator.run(ORDERS)
    is_back()
    assert (await operator.run(ORDERS)).wake == {BILLING}
    assert operator.edges.memory.owed == {}


async def test_a_restart_does_not_give_the_postgresql_channel_of_an_unreadable_channel_to_a_younger_one(site, operator):
    """Mutant: `hold` of a claim with `has_sources=False`."""
    operator.apply(resource(channel="same"), resource("billing", channel="same", sources=[EVENTS]))
    assert await both(operator, ORDERS, BILLING) == ("Accepted", "Conflict")
    operator.apply(resource(channel="same", **INVALID))
    await operator.run(ORDERS)
    operator.restart()
    await recall(operator.edges)
    assert await both(operator, BILLING, ORDERS, BILLING) == ("Invalid", "Conflict")
    assert {table for table, _ in await site.triggers()} == {"orders"}
    operator.kube.remove(CHANNELS, "orders")
    outcome = await operator.run(ORDERS)
    assert (outcome.is_gone, outcome.wake) == (True, {BILLING})
    await operator.run(BILLING)
    assert operator.says("Accepted", BILLING) == ("True", "Accepted")
    assert {table for table, _ in await site.triggers()} == {"events"}


async def test_passes_of_one_group_at_once_lose_nothing_of_each_other(operator):
    """A write that was computed early and arrives late. Mutant: `write` without the group's turn."""
    names = [f"c{number}" for number in range(5)]
    operator.apply(*(resource(name, sources=[SOURCE]) for name in names))
    apply, began, others_done = operator.kube.apply, asyncio.Event(), asyncio.Event()

    async def late(kind, body, **options):
        if not began.is_set():
            began.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await others_done.wait()
        return await apply(kind, body, **options)

    operator.kube.apply = late
    first = asyncio.create_task(operator.run(Ref("shop", names[0])))
    await began.wait()
    others = asyncio.gather(*(operator.run(Ref("shop", name)) for name in names[1:]))
    others.add_done_callback(lambda _: others_done.set())
    await asyncio.gather(first, others)
    assert operator.told() == names
    owners = operator.kube.find(CONFIGMAPS, "notifychannel-app")["metadata"]["ownerReferences"]
    assert {it["name"] for it in owners} == set(names)
    assert not any(it.get("controller") for it in owners)


async def test_a_channel_that_drops_a_group_leaves_it_and_the_last_one_takes_the_config_map_along(operator):
    """Mutant: `_enter` without the strays."""
    operator.apply(resource(), resource("billing", sources=[EVENTS]))
    await operator.run(ORDERS)
    await operator.run(BILLING)
    operator.apply(resource("billing", sources=[EVENTS], consumers=[OTHER_GROUP]))
    await operator.run(BILLING)
    assert (operator.told("app"), operator.told("other")) == (["orders"], ["billing"])
    operator.apply(resource(consumers=[OTHER_GROUP]))
    await operator.run(ORDERS)
    assert operator.config("app") is None
    assert operator.told("other") == ["billing", "orders"]


async def test_a_group_that_was_dropped_while_the_operator_was_away_is_tidied_up(operator):
    """Mutant: `recall` without `_note_strays`."""
    operator.apply(resource())
    await operator.run()
    operator.restart()
    operator.apply(resource(consumers=[OTHER_GROUP]))
    await recall(operator.edges)
    await operator.run()
    assert operator.config("app") is None
    assert operator.told("other") == ["orders"]


async def test_somebody_elses_config_map_is_left_alone_and_reported(operator):
    """Mutant: `_write` without `is_ours`."""
    theirs = {"metadata": {"name": "notifychannel-app", "namespace": "shop"}, "data": {"theirs": "1"}}
    operator.kube.put(CONFIGMAPS, theirs)
    operator.apply(resource())
    await operator.run()
    status, reason, message = operator.condition("Listening")
    assert (status, reason) == ("False", "NotConfigured")
    assert "kubectl -n shop delete configmap notifychannel-app" in message
    assert operator.kube.find(CONFIGMAPS, "notifychannel-app")["data"] == {"theirs": "1"}


async def test_a_config_map_that_somebody_changed_is_put_right(operator):
    operator.apply(resource())
    await operator.run()
    found = operator.kube.find(CONFIGMAPS, "notifychannel-app")
    right = found["data"]["config.json"]
    found["data"]["config.json"] = "{}"
    await operator.run()
    assert operator.kube.find(CONFIGMAPS, "notifychannel-app")["data"]["config.json"] == right


async def test_an_invalid_channel_keeps_what_it_had_and_says_everything_that_is_wrong(site, operator):
    """Nobody goes deaf by a typing error. Mutant: `grouping.config` without `unreadable`."""
    operator.apply(resource(), resource("billing", sources=[EVENTS]))
    await operator.run(ORDERS)
    await operator.run(BILLING)
    before = operator.config()
    operator.apply(resource(sources=[{**SOURCE, "rules": []}], suspend="perhaps"))
    for _ in range(2):
        await operator.run(ORDERS)
        status, reason, message = operator.condition("Accepted")
        assert (status, reason) == ("False", "Invalid")
        assert "spec.suspend" in message
        assert "spec.sources[0].rules" in message
        await operator.run(BILLING)
        assert operator.config() == before
        operator.restart()
        await recall(operator.edges)
    operator.apply(resource())
    await operator.run(ORDERS)
    assert operator.says("Accepted") == ("True", "Accepted")
