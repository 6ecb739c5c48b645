"""Operator or injector is not there: hints go on, pods start all the same, and the channel says what is missing."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e import shop as shops
from tests.e2e.issued import DAY, Issued
from tests.e2e.release import TWO_OF_EACH, sidecars

if TYPE_CHECKING:
    from datetime import datetime

    from tests.e2e.cluster import Cluster
    from tests.e2e.release import Release
    from tests.e2e.shop import Shop

pytestmark = pytest.mark.timeout(900)
RELEASE_VALUES = TWO_OF_EACH
TAKEN_OVER_GOAL_S = 30
ENDED_S = 120


async def test_when_the_leader_is_killed_or_deleted_another_one_reconciles(shop, cluster, record_property):
    """The whole of it, from the Lease to the database; test_leadership.py has the parts, and their mutants."""
    await shop.open(shops.channel())
    await asyncio.to_thread(shops.until_condition, shop.kubectl, "orders", "TriggersInstalled", "True")
    killed_s = await asyncio.to_thread(_taken_over, shop, "second", lambda leader: _kill(cluster, shop.release, leader))
    deleted_s = await asyncio.to_thread(
        _taken_over, shop, "third", lambda leader: _delete(cluster, shop.release, leader)
    )
    record_property(
        "figures",
        f"leader killed → a new channel is installed by another: {killed_s:.1f} s, pod deleted by force: "
        f"{deleted_s:.1f} s (goal {TAKEN_OVER_GOAL_S} s)",
    )


def _taken_over(shop: Shop, name: str, end) -> float:
    """The leader is ended and then a channel applied: seconds until it is installed, and by whom."""
    holder = shop.release.kubectl.get("lease", shop.release.name)["spec"]["holderIdentity"]
    end(shop.release.leader())
    began_s = time.monotonic()
    shop.kubectl.apply(shops.channel(name, group=f"{name}-api"))
    shops.until_condition(shop.kubectl, name, "TriggersInstalled", "True", timeout_s=3 * TAKEN_OVER_GOAL_S)
    took_s = time.monotonic() - began_s
    assert shop.release.kubectl.get("lease", shop.release.name)["spec"]["holderIdentity"] != holder
    return took_s


def _kill(cluster: Cluster, release: Release, pod: str) -> None:
    """SIGKILL, from outside: inside its container a process 1 can't be killed. Not on a cluster that isn't kind's."""
    if cluster.node is None:
        _delete(cluster, release, pod)
        return
    pids = _processes(cluster.node, _container(release, pod))
    assert pids, f"no process of {pod} on its node"
    _on(cluster.node, f"kill -KILL {' '.join(pids)}")


def _container(release: Release, pod: str) -> str:
    """Its id."""
    status = release.kubectl.get("pod", pod)["status"]["containerStatuses"][0]
    return status["containerID"].rpartition("/")[2]


def _processes(node: str, container: str) -> list[str]:
    """Their ids on the node."""
    found = _on(node, f"grep -ls {container} /proc/[0-9]*/cgroup || true")
    return [path.split("/")[2] for path in found.split()]


def _on(node: str, command: str) -> str:
    within = ("docker", "exec", node, "sh", "-c", command)
    return subprocess.run(within, capture_output=True, text=True, check=True).stdout


def _delete(cluster: Cluster, release: Release, pod: str) -> None:
    """Returns when it has ended, where the node can be asked: until then it would look after what is applied next."""
    container = _container(release, pod)
    release.kubectl.run("delete", "pod", pod, "--grace-period=0", "--force")
    deadline = time.monotonic() + ENDED_S
    while cluster.node is not None and _processes(cluster.node, container):
        assert time.monotonic() < deadline, f"{pod} still runs"
        time.sleep(0.1)  # each look is a program on the node


async def test_without_any_operator_hints_go_on_and_new_pods_are_injected_and_hear_too(shop, images, record_property):
    owner = await shop.open(shops.channel())
    (first,) = await asyncio.to_thread(shop.run, images)
    await asyncio.to_thread(shops.until_condition, shop.kubectl, "orders", "TriggersInstalled", "True")
    await asyncio.to_thread(shops.until_heard, shop.kubectl, first, None)
    await asyncio.to_thread(shop.release.scale, "operator", 0)
    try:
        pods = await asyncio.to_thread(lambda: shop.run(images, replicas=2))
        assert first in pods
        for pod in pods:
            assert sidecars(shop.kubectl.get("pod", pod))
            await asyncio.to_thread(shops.until_heard, shop.kubectl, pod, None)
        written = time.time()
        await owner.execute("INSERT INTO orders VALUES (1)")
        late_s = [await asyncio.to_thread(shops.until_heard, shop.kubectl, pod, {"id": 1}) - written for pod in pods]
    finally:
        await asyncio.to_thread(shop.release.scale, "operator", 2)
    record_property("figures", f"no operator: a hint at {len(pods)} pods after {max(late_s):.2f} s")


async def test_without_any_injector_pods_start_and_the_channel_says_why_and_what_mends_it(
    shop, images, record_property
):
    """What `failurePolicy: Ignore` is for; and the message is a command that works as it stands there."""
    await shop.open(shops.channel())
    await asyncio.to_thread(shop.release.scale, "injector", 0)
    try:
        began_s = time.monotonic()
        await started_without_a_sidecar(shop, images)
        command, said_s = await told_what_mends_it(shop)
    finally:
        await asyncio.to_thread(shop.release.scale, "injector", 2)
    started_s = time.monotonic() - began_s - said_s
    back_s = await mended_by(shop, command)
    record_property(
        "figures",
        f"no injector: pods ready in {started_s:.0f} s, the condition {said_s:.0f} s later, injected {back_s:.0f} s "
        "after the restart that it names",
    )


async def test_with_an_expired_certificate_pods_start_and_a_new_one_comes_with_the_operator(
    shop, images, record_property
):
    """An injector with an expired certificate is not ready; the connections that the API server has are still good."""
    issued = Issued(release=shop.release)
    await shop.open(shops.channel())
    await asyncio.to_thread(shops.until_condition, shop.kubectl, "orders", "TriggersInstalled", "True")
    await asyncio.to_thread(shop.release.scale, "operator", 0)
    try:
        expired = await asyncio.to_thread(_expire, issued)
        await started_without_a_sidecar(shop, images)
    finally:
        began_s = time.monotonic()
        await asyncio.to_thread(shop.release.scale, "operator", 2)
    command, _ = await told_what_mends_it(shop)
    renewed = await asyncio.to_thread(issued.until_renewed, expired)
    await asyncio.to_thread(issued.until_served, renewed)
    await asyncio.to_thread(shop.release.until_injecting)
    served_s = time.monotonic() - began_s
    await mended_by(shop, command)
    record_property("figures", f"expired certificate: injecting again {served_s:.0f} s after the operator is back")


def _expire(issued: Issued) -> datetime:
    """No injector is ready any more, and none has a connection that the API server made in better days."""
    release, ca = issued.release, issued.authority()
    expired = issued.write(authority=ca, signer=ca, age=100 * DAY)
    issued.until_served(expired)
    _until_none_is_ready(release)
    release.kubectl.run("delete", "pods", "-l", release.selector("injector"))
    issued.until_served(expired)
    return expired


def _until_none_is_ready(release: Release) -> None:
    def is_empty(endpoints):
        return not any(each["conditions"]["ready"] for each in endpoints.get("endpoints") or ())

    release.kubectl.until(
        "endpointslices", is_empty, "-l", f"kubernetes.io/service-name={release.name}-injector", timeout_s=180
    )


async def started_without_a_sidecar(shop: Shop, images: dict[str, str]) -> None:
    pods = await asyncio.to_thread(lambda: shop.run(images, replicas=2))
    assert len(pods) == 2
    assert not any(sidecars(shop.kubectl.get("pod", pod)) for pod in pods)


async def told_what_mends_it(shop: Shop) -> tuple[str, float]:
    """The command that the condition names, and the seconds until it did."""

    def holds(body: dict[str, Any]) -> bool:  # one that was made before the other may have been counted alone
        is_said = shops.condition(body, "WorkloadInjected") == ("False", "InjectorDown")
        return is_said and "2 of 2 pods do not carry the sidecar" in shops.message(body, "WorkloadInjected")

    found, took_s = await asyncio.to_thread(
        shop.kubectl.until, "notifychannels", holds, "--field-selector=metadata.name=orders"
    )
    said = shops.message(found, "WorkloadInjected")
    return re.search(r"kubectl .* rollout restart \S+", said)[0], took_s


async def mended_by(shop: Shop, command: str) -> float:
    """That command is typed, as it stands there; seconds until the channel is content."""
    began_s = time.monotonic()
    program, *arguments = shlex.split(command)
    assert program == "kubectl"
    shop.release.until_injecting()
    shop.kubectl.run(*arguments)
    await asyncio.to_thread(shop.kubectl.rolled_out, f"deployment/{shops.GROUP}")
    await asyncio.to_thread(shops.until_condition, shop.kubectl, "orders", "WorkloadInjected", "True", "Injected")
    return time.monotonic() - began_s
