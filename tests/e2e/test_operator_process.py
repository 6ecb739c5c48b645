"""The operator as its users meet it: a real cluster, a real database, and the program between them."""

from __future__ import annotations

import asyncio
import signal
import time
from functools import partial

import pytest

from notifychannel_operator.kinds import CHANNELS, CONFIGMAPS, EVENTS, LEASES, PODS, SECRETS
from notifychannel_operator.kube_error import NotFound
from tests.e2e.operated import condition, installed, lead, until, with_crd
from tests.e2e.operator_process import FULLNAME, kube, operator
from tests.operating import resource
from tests.premises import build, channel, source

pytestmark = [pytest.mark.timeout(900), pytest.mark.parametrize("server", [18], indirect=True)]
POD_S = 30.0
"""What Kubernetes gives a pod to end, by default; a pass that hangs takes as long."""
BY_THE_CLOCK_S = 50.0
"""A pass that nothing asks for comes after 54 s at the soonest."""
FROZEN = 20
"""Four at a time, and five seconds until one is given up: so many that they take 25 s, however fast the machine is."""
PASSES = 'notifychannel_operator_passes_total{ending="done"}'


@pytest.fixture
async def api(kubeconfig, cluster):
    await with_crd(cluster.kubectl)
    async with kube(kubeconfig) as made:
        yield made


@pytest.fixture
async def site(database):
    made = await build(database)
    await made.grant(channel(source(), source("events")))
    return made


@pytest.fixture
async def shop(api, site, namespace):
    """The namespace, with the Secret `db` that leads to the database on this machine."""
    return await lead(api, namespace, site)


async def test_an_applied_channel_is_passed_over_at_once_and_kopf_writes_nothing(
    kubeconfig, api, shop, site, record_property
):
    """Mutant: any @kopf.on.update or timer: a finalizer and an annotation of kopf's appear."""
    async with operator(kubeconfig=kubeconfig, namespace=shop) as running:
        await running.line("channels to look after")
        took = []
        for number in range(5):
            began_s = time.monotonic()
            await api.create(CHANNELS, resource(f"c{number}", namespace=shop, channel=f"c{number}"))
            await until(api, CHANNELS, f"c{number}", shop, installed)
            took.append(time.monotonic() - began_s)
        assert len(await site.triggers()) >= 5
        body = await api.get(CHANNELS, "c0", namespace=shop)
        assert "kopf" not in str(body)
        assert {entry["manager"] for entry in body["metadata"]["managedFields"]} == {"notifychannel-operator"}
        assert body["metadata"]["finalizers"] == ["notifychannel.io/cleanup"]
        events = [each for each in await api.list(EVENTS, namespace=shop) if "kopf" in str(each)]
        assert events == []
        await eventually(lambda: counted(running, 'channels{ready="False"}', 5))
        await eventually(lambda: counted(running, "canary_late_seconds", 0))
        for number in range(5):
            await api.delete(CHANNELS, f"c{number}", namespace=shop)
            await until(api, CHANNELS, f"c{number}", shop, lambda body: body is None)
        assert await site.triggers() == []
        assert await running.metric('notifychannel_operator_passes_total{ending="bug"}') == 0
        record_property(
            "figures", f"apply → triggers installed and said: p50 {sorted(took)[2]:.2f} s, max {max(took):.2f} s"
        )


ROUNDS = 5


async def test_a_pass_that_changes_nothing_is_not_followed_by_another(kubeconfig, api, shop):
    """Each change of the spec is one pass, and the status that it writes is none. One more may still come of the
    finalizer. Mutant: `directory.see` always says true: status writes wake passes, two for each change.
    (tests/unit/test_handlers.py has the same without a cluster.)
    """
    async with operator(kubeconfig=kubeconfig, namespace=shop) as running:
        await running.line("channels to look after")
        await api.create(CHANNELS, resource(namespace=shop))
        await until(api, CHANNELS, "orders", shop, installed)
        before = max(1, await running.metric(PASSES))  # it is counted a moment after its status is there
        assert before <= 3
        for number in range(ROUNDS):
            generation = number + 2
            await api.patch(CHANNELS, "orders", {"spec": {"suspend": not number % 2}}, namespace=shop)
            seen = partial(seen_generation, generation)
            await until(api, CHANNELS, "orders", shop, seen)
        assert ROUNDS - 1 <= await running.metric(PASSES) - before <= ROUNDS + 1


def seen_generation(generation, body):
    return body["status"]["observedGeneration"] == generation


async def test_an_id_that_was_deleted_by_hand_is_put_back_by_the_operator_that_runs(
    kubeconfig, api, shop, record_property
):
    """The same id. It logs in by a kubeconfig here: what its account may in the cluster is in golden/rbac.txt.

    Mutant: no task `installation id` in `Operator._work`.
    """
    name = f"{FULLNAME}.installation"
    async with operator(kubeconfig=kubeconfig, namespace=shop) as running:
        await running.line("channels to look after")
        before = (await api.get(CONFIGMAPS, name, namespace=shop))["data"]
        await api.delete(CONFIGMAPS, name, namespace=shop)
        began_s = time.monotonic()
        body = await until(api, CONFIGMAPS, name, shop, lambda body: body is not None, timeout_s=120)
        record_property("figures", f"installation id deleted → put back: {time.monotonic() - began_s:.0f} s")
        assert body["data"] == before


async def test_a_pod_of_the_group_is_counted_long_before_the_minute_is_over(kubeconfig, api, shop, record_property):
    """Mutant: no handler for pods."""
    async with operator(kubeconfig=kubeconfig, namespace=shop) as running:
        await running.line("channels to look after")
        await api.create(CHANNELS, resource(namespace=shop))
        await until(api, CHANNELS, "orders", shop, installed)
        pod = {
            "metadata": {"name": "app-1", "namespace": shop, "labels": {"notifychannel.io/inject": "app"}},
            "spec": {"containers": [{"name": "app", "image": "notifychannel/none:none", "imagePullPolicy": "Never"}]},
        }
        began_s = time.monotonic()
        await api.create(PODS, pod)
        await until(api, CHANNELS, "orders", shop, is_counted, timeout_s=BY_THE_CLOCK_S)
        record_property("figures", f"labelled pod → counted: {time.monotonic() - began_s:.2f} s")


def is_counted(body):
    return body["status"]["pods"]["matched"] == 1


async def test_while_the_database_hangs_the_other_channels_go_on_and_the_end_is_in_time(
    kubeconfig, api, shop, site, record_property
):
    """Mutants: one place for all in the work queue (`most=1`); DRAIN_S of 60: the end waits for passes that hang."""
    async with operator(kubeconfig=kubeconfig, namespace=shop) as running:
        await running.line("channels to look after")
        async with site_wire(site) as wire:
            uri = site.database.dsn(site.installer).replace(str(site.database.server.port), str(wire.port))
            labels = {"notifychannel.io/allow": "true"}
            body = {"metadata": {"name": "frozen", "namespace": shop, "labels": labels}, "stringData": {"uri": uri}}
            await api.create(SECRETS, body)
            wire.freeze()
            database = {"secretRef": {"name": "frozen"}}
            for number in range(FROZEN):
                name = f"frozen-{number}"
                await api.create(CHANNELS, resource(name, namespace=shop, database=database, channel=name))
            await api.create(CHANNELS, resource(namespace=shop))
            applied_s = time.monotonic()
            await until(api, CHANNELS, "orders", shop, installed)
            installed_s = time.monotonic() - applied_s
            frozen = [await api.get(CHANNELS, f"frozen-{number}", namespace=shop) for number in range(FROZEN)]
            assert not all(condition(body, "TriggersInstalled") for body in frozen), "it has waited for them"
            began_s = time.monotonic()
            running.send(signal.SIGTERM)
            assert await running.ends(POD_S) == 0
            ended_s = time.monotonic() - began_s
            await running.line("was given back")
            record_property(
                "figures",
                f"beside {FROZEN} channels whose database hangs: installed after {installed_s:.1f} s (goal 10), the "
                f"end takes {ended_s:.1f} s (goal 20)",
            )


def site_wire(site):
    from tests.wire import Wire  # noqa: PLC0415

    return Wire(target=site.database.server.port)


async def test_the_cleanup_leaves_the_channels_and_nothing_else(kubeconfig, api, shop, site, record_property):
    """Mutant: skip `_delete_own`, or `cleanup.release`."""
    async with operator(kubeconfig=kubeconfig, namespace=shop) as running:
        await running.line("channels to look after")
        await api.create(CHANNELS, resource("dropped", namespace=shop, channel="dropped"))
        await api.create(CHANNELS, resource("kept", namespace=shop, channel="kept", reclaimPolicy="Retain"))
        for name in ("dropped", "kept"):
            await until(api, CHANNELS, name, shop, installed)
        running.send(signal.SIGTERM)
        await running.ends()
    functions = len(await site.triggers())
    began_s = time.monotonic()
    async with operator("cleanup", kubeconfig=kubeconfig, namespace=shop, pod="job") as job:
        assert await job.ends() == 0
    record_property("figures", f"cleanup of a release with 2 channels: {time.monotonic() - began_s:.1f} s")
    assert 0 < len(await site.triggers()) < functions, "reclaimPolicy: Retain keeps its own"
    for name in ("dropped", "kept"):
        assert not (await api.get(CHANNELS, name, namespace=shop))["metadata"].get("finalizers")
    await nothing_left(api, shop)
    async with operator("cleanup", kubeconfig=kubeconfig, namespace=shop, pod="job") as again:
        assert await again.ends() == 0


async def test_the_cleanup_gives_a_database_up_that_is_away_and_says_the_sql(kubeconfig, api, shop, site):
    """Mutant: retry for ever: `helm uninstall` would hang."""
    async with site_wire(site) as wire:
        uri = site.database.dsn(site.installer).replace(str(site.database.server.port), str(wire.port))
        await api.patch(SECRETS, "db", {"stringData": {"uri": uri}}, namespace=shop)
        async with operator(kubeconfig=kubeconfig, namespace=shop) as running:
            await running.line("channels to look after")
            await api.create(CHANNELS, resource(namespace=shop, cleanupTimeout="5s"))
            await until(api, CHANNELS, "orders", shop, installed)
            running.send(signal.SIGTERM)
            await running.ends()
        await wire.refuse()
        wire.cut()
        async with operator("cleanup", kubeconfig=kubeconfig, namespace=shop, pod="job") as job:
            assert await job.ends() == 0
    notes = [
        event["note"] for event in await api.list(EVENTS, namespace=shop) if event["reason"] == "CleanupIncomplete"
    ]
    assert len(notes) == 1
    (channel,) = await api.list(CHANNELS, namespace=shop)
    kept = next(it["message"] for it in channel["status"]["conditions"] if it["type"] == "TriggersInstalled")
    assert "triggers may be left" in kept
    assert (await site.triggers()) != []
    site.psql(kept.splitlines()[-1], role=site.installer)
    assert await site.triggers() == []
    await nothing_left(api, shop)


async def nothing_left(api, namespace):
    """No object of a release, but what the cluster and the test itself have made."""
    assert {each["metadata"]["name"] for each in await api.list(CONFIGMAPS, namespace=namespace)} == {
        "kube-root-ca.crt"
    }
    assert {each["metadata"]["name"] for each in await api.list(SECRETS, namespace=namespace)} == {"db"}
    with pytest.raises(NotFound):
        await api.get(LEASES, FULLNAME, namespace=namespace)


async def counted(running, name, value):
    return await running.metric(f"notifychannel_operator_{name}") == value


async def eventually(holds, timeout_s=200.0):
    async with asyncio.timeout(timeout_s):
        while not await holds():  # noqa: ASYNC110 it is asked over HTTP
            await asyncio.sleep(0.2)
