"""A pass over a channel on a real PostgreSQL; the cluster is in memory (tests/kube_memory.py).

What the triggers do is tested elsewhere: here it is who does what when, and what is said about it.
"""

from __future__ import annotations

from dataclasses import asdict

import pytest

from notifychannel_operator import database as edge
from notifychannel_operator import inventory, names
from notifychannel_operator.kinds import CHANNELS
from notifychannel_operator.passes.whereabouts import Ref
from tests.operating import EVENTS, ORDERS, SOURCE, listening, operating, owner, pod, resource
from tests.premises import channel, source


@pytest.fixture(scope="session")
def server(newest):
    """What a pass makes of a database is tested on each version (test_objects*.py); here is what it says of it."""
    return newest


def in_service(operator):
    operator.pods(pod("app-1"), pod("app-2", podIP="10.0.0.8"))
    operator.statuses = {"10.0.0.7": listening(), "10.0.0.8": listening()}


async def test_a_channel_becomes_ready_in_one_pass(site, operator):
    in_service(operator)
    operator.apply(resource())
    outcome = await operator.run()
    assert (outcome.next_in_s, outcome.is_gone) == (None, False)
    status = operator.status()
    assert [(it["type"], it["status"], it["reason"]) for it in status["conditions"]] == [
        ("Accepted", "True", "Accepted"),
        ("ResolvedRefs", "True", "Resolved"),
        ("TriggersInstalled", "True", "Installed"),
        ("WorkloadInjected", "True", "Injected"),
        ("Listening", "True", "Listening"),
        ("Delivering", "True", "Delivering"),
        ("Ready", "True", "Ready"),
    ]
    assert {it["observedGeneration"] for it in status["conditions"]} == {status["observedGeneration"]} == {1}
    assert status["pods"] == {"matched": 2, "injected": 2, "outdated": 0, "listening": 2, "delivering": 2}
    assert status["summary"] == {"triggers": "3/3", "injected": "2/2", "listening": "2/2"}
    assert status["database"]["dbname"] == site.database.name
    assert len(await site.triggers()) == 3
    config = operator.config()
    assert (config.system_identifier, config.dbname) == tuple(status["database"].values())
    assert operator.told() == ["orders"]


async def test_a_pass_in_a_steady_state_writes_nothing_at_all(site, operator):
    """Mutant: `now` in place of the kept lastTransitionTime; `_is_same` without the owners' order."""
    in_service(operator)
    operator.apply(resource())
    await operator.run()
    operator.kube.writes.clear()
    operator.kube.events.clear()
    operator.time = operator.time.replace(hour=9)
    written = "SELECT max(xmin::text::bigint) FROM (SELECT xmin FROM pg_proc UNION ALL SELECT xmin FROM pg_trigger) x"
    last = await site.admin.fetchval(written)
    await operator.run()
    operator.restart()
    await operator.run()
    assert operator.kube.writes == []
    assert operator.kube.events == []
    assert await site.admin.fetchval(written) == last


async def test_pods_that_run_and_do_not_listen_yet_are_looked_at_again_soon_and_nothing_is_written_meanwhile(
    site, operator
):
    """Mutant: `_next_in_s` of the walk without `settling`."""
    operator.pods(pod())
    operator.apply(resource())
    assert (await operator.run()).next_in_s == 2
    operator.kube.writes.clear()
    assert (await operator.run()).next_in_s is not None
    assert operator.kube.writes == []
    operator.statuses = {"10.0.0.7": listening()}
    assert (await operator.run()).next_in_s is None
    assert operator.says("Ready") == ("True", "Ready")


async def test_the_finalizer_is_there_before_anything_is_installed(site, operator):
    """Mutant: `before_first_step` after `apply`: a channel deleted in between would leave its triggers behind."""
    operator.apply(resource())

    async def stop(*_args, **_options):
        raise RuntimeError("the operator dies here")

    operator.kube.patch = stop
    with pytest.raises(RuntimeError):
        await operator.run()
    assert await site.triggers() == []


async def test_a_channel_without_sources_gets_no_finalizer_and_installs_nothing(site, operator):
    operator.apply(resource(sources=[], channel="theirs", payload={"format": "Text"}))
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "NoSources")
    assert "finalizers" not in operator.kube.find(CHANNELS, "orders")["metadata"]
    assert operator.config().channels[0].pg_channel == "theirs"


async def test_drift_is_repaired_by_the_next_pass(site, operator):
    operator.apply(resource())
    await operator.run()
    before = await site.triggers()
    await site.app.execute("DROP TABLE orders; CREATE TABLE orders (id bigint PRIMARY KEY, status text)")
    await site.grant(channel(source()))
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")
    assert await site.triggers() == before


async def test_what_a_pass_repairs_is_counted_and_logged_and_what_it_installs_or_changes_is_not(
    site, operator, caplog
):  # fmt: skip
    """Mutants: `_note_repair` without `was_there`, or without INSTALL."""
    repairs = operator.edges.memory.repairs
    operator.apply(resource())
    await operator.run()
    assert repairs == {ORDERS: 0}
    operator.apply(resource(sources=[{**SOURCE, "maxKeys": 7}]))
    await operator.run()
    assert repairs == {ORDERS: 0}
    for number in (1, 2):
        await site.admin.execute(f"DROP FUNCTION notifychannel.{names.function(owner(), 'public', 'orders')} CASCADE")
        await operator.run()
        assert operator.says("TriggersInstalled") == ("True", "Installed")
        assert repairs == {ORDERS: number}, "drift of one source is one repair"
    await site.app.execute("DROP TABLE orders; CREATE TABLE orders (id bigint PRIMARY KEY, status text)")
    await site.grant(channel(source()))
    await operator.run()
    assert repairs == {ORDERS: 3}, "triggers are gone with their table, and the function is not"
    told = [line for line in caplog.messages if line.startswith("shop/orders: drift was repaired: ")]
    assert len(told) == 3
    said = [note for type_, reason, note in operator.kube.events if (type_, reason) == ("Normal", "Repaired")]
    assert [f"shop/orders: drift was repaired: {note}" for note in said] == told
    assert all("public.orders" in line for line in told), told
    operator.kube.remove(CHANNELS, "orders")
    await operator.run()
    assert repairs == {}


async def test_a_channels_pods_are_remembered_for_metrics_until_it_goes(site, operator):
    """Mutant: `leave` without `pods.pop`."""
    in_service(operator)
    waits = [{"name": "notifychannel", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]
    operator.pods(pod("app-3", injected=False), pod("app-4", phase="Pending", initContainerStatuses=waits))
    operator.apply(resource())
    await operator.run()
    (seen,) = operator.edges.memory.pods.values()
    assert asdict(seen) == {**operator.status()["pods"], "stuck": 1}
    assert (seen.matched, seen.injected, seen.listening) == (4, 3, 2)
    operator.kube.remove(CHANNELS, "orders")
    await operator.run()
    assert operator.edges.memory.pods == {}


async def test_every_problem_is_named_and_a_good_source_is_installed_all_the_same(site, operator):
    """Mutant: the pass stopping at the first problem."""
    missing = {**SOURCE, "table": "nowhere"}
    await site.app.execute("CREATE TABLE barred (id bigint PRIMARY KEY)")
    operator.apply(resource(sources=[SOURCE, missing, {**SOURCE, "table": "barred"}]))
    await operator.run()
    status, reason, message = operator.condition("TriggersInstalled")
    assert (status, reason) == ("False", "MissingTable")
    assert "there is no table public.nowhere" in message
    assert f'run: GRANT TRIGGER ON TABLE "public"."barred" TO "{site.installer}";' in message
    assert operator.status()["summary"]["triggers"] == "3/9"
    assert len(await site.triggers()) == 3
    await site.app.execute(f'CREATE TABLE nowhere (id bigint); GRANT TRIGGER ON nowhere, barred TO "{site.installer}"')
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")
    assert operator.status()["summary"]["triggers"] == "9/9"


async def test_a_missing_privilege_is_named_by_its_grant(site, operator):
    await site.app.execute("CREATE TABLE barred (id bigint PRIMARY KEY)")
    operator.apply(resource(sources=[{**SOURCE, "table": "barred"}]))
    await operator.run()
    assert operator.says("TriggersInstalled") == ("False", "MissingPrivilege")
    await site.app.execute(f'GRANT TRIGGER ON barred TO "{site.installer}"')
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")


async def test_a_superuser_is_refused_and_a_plain_role_then_taken(site, operator):
    """Mutant: `plan.of(..., allow_superuser=True)`."""
    operator.secret(site.database.dsn())
    operator.apply(resource())
    await operator.run()
    assert operator.says("TriggersInstalled") == ("False", "Superuser")
    assert await site.triggers() == []
    operator.secret(site.database.dsn(site.installer))
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")


async def test_a_disabled_trigger_is_reported_and_left_alone(site, operator):
    operator.apply(resource())
    await operator.run()
    await site.app.execute("ALTER TABLE orders DISABLE TRIGGER USER")
    await operator.run()
    status, reason, message = operator.condition("TriggersInstalled")
    assert (status, reason) == ("False", "Disabled")
    assert message.count("ENABLE TRIGGER") == 3
    assert operator.status()["summary"]["triggers"] == "0/3"
    await site.app.execute("ALTER TABLE orders ENABLE TRIGGER USER")
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")


async def test_objects_of_another_installation_are_reported_until_they_are_claimed(site, operator):
    """A restored database, or a second cluster. Mutant: `_duplicates` answering nothing."""
    operator.apply(resource())
    await operator.run()
    operator.edges = operating(kube=operator.kube, installation="another").edges
    await operator.run()
    status, reason, message = operator.condition("TriggersInstalled")
    assert (status, reason) == ("False", "DuplicateOwner")
    assert "kubectl -n shop annotate notifychannel orders notifychannel.io/take-over=true" in message
    assert len(await site.triggers()) == 6
    operator.apply(resource(annotations={"notifychannel.io/take-over": "true"}))
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")
    assert len(await site.triggers()) == 3


async def test_a_pass_does_not_read_what_other_channels_have_in_the_database(site, operator):
    """A thousand channels in one database would read a thousand bodies a thousand times a minute.

    Mutant: `our_functions.sql` without its filter.
    """
    operator.apply(resource(), resource("billing", sources=[EVENTS]))
    await operator.run()
    await operator.run(Ref("shop", "billing"))
    session = await site.session()
    mine = channel(source())
    facts = await edge.observe(session, mine, owner())
    assert facts.functions.keys() == {"skipped", names.function(owner(), "public", "orders")}
    everything = await inventory.functions(session)
    assert len(everything) == 3


async def test_behind_a_lock_the_other_sources_are_installed_and_the_next_try_is_told(site, operator):
    """Mutant: `gave_up` not counting: the same delay again and again."""
    operator.apply(resource(sources=[SOURCE, EVENTS]))
    holder = await site.database.connect(site.app_role)
    await holder.execute("BEGIN; UPDATE orders SET status = 'x'")
    first = await operator.run()
    status, reason, message = operator.condition("TriggersInstalled")
    assert (status, reason) == ("False", "LockedOut")
    assert f"pid {holder.get_server_pid()} of role {site.app_role}" in message
    assert 4 < first.next_in_s <= 5
    assert {table for table, _ in await site.triggers()} == {"events"}
    operator.kube.writes.clear()
    early = await operator.run()  # an event in between: nobody knocks again before the time
    assert early.next_in_s <= first.next_in_s
    assert operator.kube.writes == []
    await holder.execute("COMMIT")
    operator.edges.memory.patience.forget(ORDERS)
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")


async def test_a_change_of_the_resource_is_tried_at_once_whatever_the_last_one_waited_for(site, operator):
    operator.apply(resource())
    holder = await site.database.connect(site.app_role)
    await holder.execute("BEGIN; UPDATE orders SET status = 'x'")
    await operator.run()
    await holder.execute("COMMIT")
    operator.apply(resource(sources=[{**SOURCE, "maxKeys": 7}]))
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")


async def test_suspend_is_told_to_triggers_and_sidecars_and_undone(site, operator):
    in_service(operator)
    operator.apply(resource(suspend=True))
    await operator.run()
    assert operator.config().channels[0].suspend
    assert operator.says("TriggersInstalled") == ("True", "Installed")
    assert "suspended" in operator.condition("Ready")[2]
    operator.apply(resource())
    await operator.run()
    assert not operator.config().channels[0].suspend
    assert operator.condition("Ready") == ("True", "Ready", "")


async def test_a_transition_time_moves_only_with_the_status(site, operator):
    operator.apply(resource())
    await operator.run()
    before = {it["type"]: it["lastTransitionTime"] for it in operator.status()["conditions"]}
    operator.time = operator.time.replace(hour=1)
    in_service(operator)
    await operator.run()
    after = {it["type"]: it["lastTransitionTime"] for it in operator.status()["conditions"]}
    assert {name for name in before if before[name] != after[name]} == {
        "WorkloadInjected", "Listening", "Delivering", "Ready",
    }  # fmt: skip


async def test_an_event_tells_each_condition_that_changed(site, operator):
    operator.secret(site.database.dsn(site.installer), allow=None)
    operator.apply(resource())
    await operator.run()
    assert ("Warning", "SecretNotAllowed") in {it[:2] for it in operator.kube.events}
    operator.kube.events.clear()
    operator.secret(site.database.dsn(site.installer))
    await operator.run()
    assert [it[:2] for it in operator.kube.events] == [("Normal", "Resolved"), ("Normal", "Installed")]


async def test_an_application_that_starts_after_its_sidecar_is_no_warning_and_one_that_never_does_is(site, operator):
    """Mutants: `is_starting` always False in `_seat`; `_is_starting` without STARTING_S."""
    refused = listening(good=False, said="connection refused on 127.0.0.1:8080")
    operator.statuses = {"10.0.0.7": refused}
    operator.pods(pod(startTime="2026-01-01T00:00:00Z"))
    operator.apply(resource())
    operator.time = operator.time.replace(second=5)
    await operator.run()
    assert operator.says("Delivering") == ("Unknown", "Pending")
    assert not [it for it in operator.kube.events if it[:2] == ("Warning", "Failing")]
    operator.time = operator.time.replace(minute=6)
    await operator.run()
    assert operator.says("Delivering") == ("False", "Failing")
    assert [it[:2] for it in operator.kube.events][-1] == ("Warning", "Failing")


async def test_a_channel_that_is_gone_has_nothing_to_be_done(operator):
    outcome = await operator.run()
    assert outcome.is_gone
    assert operator.kube.writes == []
