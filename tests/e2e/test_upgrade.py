"""A release with other images: no application pod is restarted, and who runs the old sidecar is counted and named."""

from __future__ import annotations

import asyncio
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e import shop as shops

if TYPE_CHECKING:
    from tests.e2e.kubectl import Kubectl
    from tests.e2e.shop import Shop

REPLICAS = 2
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def next_tag(cluster, images) -> str:
    """Both images of this tree under another tag, in the cluster."""
    tag = images["operator"].rpartition(":")[2] + "-next"
    for name in ("operator", "sidecar"):
        subprocess.run(["docker", "tag", images[name], f"notifychannel/{name}:{tag}"], check=True)
    cluster.load(*(f"notifychannel/{name}:{tag}" for name in ("operator", "sidecar")))
    return tag


def lives(kubectl: Kubectl) -> dict[str, Any]:
    """Of each application pod that is not going: which one it is, and how often any container of it was restarted."""
    return {
        each["metadata"]["name"]: (
            each["metadata"]["uid"],
            {
                status["name"]: (status["restartCount"], status["containerID"])
                for kind in ("initContainerStatuses", "containerStatuses")
                for status in each["status"].get(kind, ())
            },
        )
        for each in kubectl.get("pods", "-l", f"app={shops.GROUP}")["items"]
        if "deletionTimestamp" not in each["metadata"]
    }


def until_outdated(shop: Shop, count: int) -> tuple[dict[str, Any], float]:
    """The channel that counts so many of its pods as outdated."""

    def holds(body: dict[str, Any]) -> bool:
        pods = (body.get("status") or {}).get("pods") or {}
        return (pods.get("outdated"), pods.get("injected"), pods.get("matched")) == (count, REPLICAS, REPLICAS)

    return shop.kubectl.until("notifychannels", holds, timeout_s=150)


async def test_an_upgrade_restarts_no_application_pod_and_says_which_command_does(
    shop, images, next_tag, record_property
):
    """Mutants: leave the image out of `inject.fingerprint`; have the operator restart what is outdated."""
    owner = await shop.open(shops.channel())
    await asyncio.to_thread(shop.run, images, replicas=REPLICAS)
    await asyncio.to_thread(shops.until_condition, shop.kubectl, "orders", "Ready", "True")
    before = lives(shop.kubectl)
    assert [set(containers) for _, containers in before.values()] == [{"notifychannel", "application"}] * REPLICAS
    old_injectors = shop.release.pods("injector")

    upgrade_s = await asyncio.to_thread(
        shop.release.install, f"image.tag={next_tag}", f"sidecar.image.tag={next_tag}"
    )  # fmt: skip
    began_s = time.monotonic()
    body, _ = await asyncio.to_thread(until_outdated, shop, REPLICAS)
    counted_s = time.monotonic() - began_s
    command = f"kubectl -n {shop.release.served} rollout restart deployment/{shops.GROUP}"
    assert shops.condition(body, "WorkloadInjected") == ("True", "Outdated")
    assert command in shops.message(body, "WorkloadInjected")
    body, _ = await asyncio.to_thread(shops.until_condition, shop.kubectl, "orders", "Ready", "True", "Ready")
    assert body["status"]["pods"]["outdated"] == REPLICAS, "an outdated sidecar works on"
    assert lives(shop.kubectl) == before
    since = time.time()
    await owner.execute("INSERT INTO orders VALUES (1)")
    for pod in before:
        await asyncio.to_thread(shops.until_heard, shop.kubectl, pod, {"id": 1}, after=since)

    for pod in old_injectors:  # a pod that goes answers the API server's open connections for some seconds more
        shop.release.kubectl.wait_for(f"pod/{pod}", "delete")
    shop.kubectl.run(*command.split()[3:])
    await asyncio.to_thread(shop.kubectl.rolled_out, f"deployment/{shops.GROUP}")
    began_s = time.monotonic()
    body, _ = await asyncio.to_thread(until_outdated, shop, 0)
    settled_s = time.monotonic() - began_s
    after = lives(shop.kubectl)
    assert not {uid for uid, _ in after.values()} & {uid for uid, _ in before.values()}
    sidecars = {
        container["image"]
        for each in shop.kubectl.get("pods", "-l", f"app={shops.GROUP}")["items"]
        for container in each["spec"]["initContainers"]
        if "deletionTimestamp" not in each["metadata"]
    }
    assert sidecars == {f"notifychannel/sidecar:{next_tag}"}
    await asyncio.to_thread(shops.until_condition, shop.kubectl, "orders", "WorkloadInjected", "True", "Injected")
    record_property(
        "figures",
        f"helm upgrade {upgrade_s:.0f} s, application pods restarted: 0; outdated counted {counted_s:.1f} s later "
        f"(goal 60), rolled out again → outdated 0 after {settled_s:.1f} s",
    )
