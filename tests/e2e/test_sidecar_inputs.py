"""What the sidecar is given is missing, wrong or late: the application starts all the same, it is named, and mended."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager, suppress

import pytest

from tests.e2e import application
from tests.e2e import shop as shops
from tests.e2e.kubectl import CommandError
from tests.e2e.watching import identities

SECRETS = {"no-secret": "NoSecret", "wrong-password": "AuthenticationFailed", "wrong-database": "WrongDatabase"}
LAG_GOAL_S, LAG_GUARD_S = 90, 180


def status(kubectl, pod):
    """What the sidecar says of itself."""
    return json.loads(kubectl.proxied(pod, 9789, "/status"))


def until_status(kubectl, pod, wanted, *, timeout_s=120):
    """The status when it is so, and when that was (Unix time); asked again and again, for nothing tells of it."""
    deadline, said = time.monotonic() + timeout_s, None
    while time.monotonic() < deadline:
        with suppress(CommandError):  # it may not serve yet
            if wanted(said := status(kubectl, pod)):
                return said, time.time()
        time.sleep(0.2)
    raise AssertionError(f"{pod} does not say so within {timeout_s} s: {said}")


def start(shop, images, *groups):
    """A Deployment for each group; they are Ready at the end. Group → its pod."""
    shop.kubectl.put(*(shops.deployment(images, name=group, group=group) for group in groups))
    for group in groups:
        shop.kubectl.rolled_out(f"deployment/{group}")
    return {group: shops.pods(shop.kubectl, app=group)[0] for group in groups}


async def test_the_application_starts_without_inputs_and_with_wrong_ones_and_each_is_named_and_mended(
    shop, images, record_property
):
    """Mutant: `optional` of a source of the projected volume as False (volumes.py): the pods without one never start.

    A second: a Secret that can't be used ends the sidecar (reload.py raising): restarts are counted.
    """
    groups = (*SECRETS, "no-channel")
    owner = await shop.open(*(shops.channel(group, group=group) for group in SECRETS))
    wrong = {
        "wrong-password": shop.postgres.uri("listener").replace(shop.postgres.passwords["listener"], "no-password"),
        "wrong-database": shop.postgres.uri("listener", dbname="postgres"),
    }
    for group, uri in wrong.items():
        shop.postgres.secret(f"notifychannel-{group}", "listener", uri=uri)
    shop.postgres.secret("notifychannel-no-channel", "listener")
    pods = start(shop, images, *groups)
    before = identities(shop.kubectl, "notifychannel.io/inject")
    for group, reason in SECRETS.items():
        body, _ = shops.until_condition(shop.kubectl, group, "Listening", "False", reason)
        assert f"notifychannel-{group}" in shops.message(body, "Listening")
        assert "no-password" not in json.dumps(body)
    said, _ = until_status(shop.kubectl, pods["no-channel"], lambda it: it["reason"] == "NotConfigured")
    assert said["state"] == "WAITING"

    mended_at = time.time()
    for group in SECRETS:
        shop.postgres.secret(f"notifychannel-{group}", "listener")
    late = shops.channel("no-channel", group="no-channel")
    await shop.postgres.grant(json.dumps(late))
    shop.kubectl.apply(late)
    heard_s = {
        group: shops.until_heard(shop.kubectl, pod, None, timeout_s=LAG_GUARD_S) - mended_at
        for group, pod in pods.items()
    }
    for group in groups:
        shops.until_condition(shop.kubectl, group, "Ready", "True")
    ready_s = time.time() - mended_at
    await owner.execute("INSERT INTO orders (id) VALUES (1)")
    for pod in pods.values():
        shops.until_heard(shop.kubectl, pod, {"id": 1})
    assert identities(shop.kubectl, "notifychannel.io/inject") == before
    told = ", ".join(f"{group} {took_s:.1f} s" for group, took_s in heard_s.items())
    record_property("figures", f"mended → resync (kubelet syncs each 10 s): {told}; all Ready after {ready_s:.1f} s")


@contextmanager
def unreachable(cluster, kubectl, pod):
    """Packets of others to the pod's status port are dropped, as a network policy does."""
    assert cluster.node, "packets are dropped on the node, so this needs a kind cluster"
    address = kubectl.get("pod", pod)["status"]["podIP"]
    rule = ["FORWARD", "-d", address, "-p", "tcp", "--dport", "9789", "-j", "DROP"]

    def iptables(*arguments):
        subprocess.run(["docker", "exec", cluster.node, "iptables", "-w", *arguments], check=True, capture_output=True)

    iptables("-I", *rule)
    try:
        yield
    finally:
        iptables("-D", *rule)


def until_asked_anew(kubectl, *wanted):
    """The channel when Delivering is so; a pass takes the answer of one that was within the last second."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < LAG_GUARD_S:
        shops.passed_over(kubectl, "orders")
        with suppress(CommandError):
            body, _ = shops.until_condition(kubectl, "orders", "Delivering", *wanted, timeout_s=5)
            return body, time.monotonic() - began_s
    raise AssertionError(f"Delivering is not {wanted} within {LAG_GUARD_S} s")


async def test_where_status_can_not_be_read_listeners_are_counted_by_their_sessions(
    cluster, shop, images, record_property
):
    """Mutant: `_listens` of hearing.py answering False where there is no status."""
    owner = await shop.open(shops.channel())
    pod = shop.run(images)[0]
    shops.until_condition(shop.kubectl, "orders", "Ready", "True")
    shops.until_heard(shop.kubectl, pod, None)
    with unreachable(cluster, shop.kubectl, pod):
        body, took_s = until_asked_anew(shop.kubectl, "Unknown", "Unknown")
        assert "NetworkPolicy" in shops.message(body, "Delivering")
        assert shops.condition(body, "Listening") == ("True", "Listening")
        assert shops.condition(body, "Ready") == ("True", "Ready")
        assert body["status"]["pods"]["listening"] == 1
        await owner.execute("INSERT INTO orders (id) VALUES (1)")
        shops.until_heard(shop.kubectl, pod, {"id": 1})
    _, back_s = shops.until_condition(shop.kubectl, "orders", "Delivering", "True", timeout_s=LAG_GUARD_S)
    record_property("figures", f"/status unreachable: said after {took_s:.1f} s, readable again: after {back_s:.1f} s")


async def changed_while_unknown(shop, owner, pod, number):
    """Both channels say something new and rows change; when, and whether the sidecar still had the old file then."""
    known = status(shop.kubectl, pod)["config"]["hash"]
    orders, visits = shops.channel(), shops.channel("visits", tables=("visits",), channel=f"another_{number}")
    orders["spec"]["sources"][0]["rules"] = [{"name": f"paid-{number}", "events": ["Insert"]}]
    changed_at = time.time()
    shop.kubectl.apply(orders, visits)
    for name in ("orders", "visits"):
        shops.until_condition(shop.kubectl, name, "TriggersInstalled", "True", timeout_s=LAG_GUARD_S)
    at = time.time()
    await owner.execute(f"INSERT INTO orders (id) VALUES ({number})")
    await owner.execute(f"INSERT INTO visits VALUES ({number}, '2026-01-01')")
    was_unknown = status(shop.kubectl, pod)["config"]["hash"] == known
    return known, changed_at, at, was_unknown


@pytest.mark.alone
async def test_with_the_default_kubelet_a_changed_channel_reaches_the_sidecar_and_nothing_is_lost_meanwhile(
    shop, images, cluster, kubelet_sync_frequency, record_property
):
    """Other rules in one channel, another PostgreSQL channel in the other; rows change while the sidecar knows of none.

    Mutant: an unknown hash that is dropped, not a resync (inbox); a new subscription that puts no resync (listener).
    """
    # last in its file: it restarts the kubelet twice
    before = cluster.sync_frequency_now()
    owner = await shop.open(shops.channel(), shops.channel("visits", tables=("visits",)))
    pod = shop.run(images)[0]
    for name in ("orders", "visits"):
        shops.until_condition(shop.kubectl, name, "Ready", "True")
    with kubelet_sync_frequency("1m0s"):
        assert cluster.sync_frequency_now() == "1m0s"
        shop.kubectl.wait_for("pod/postgres-0", "condition=Ready")  # so that its Service leads to it again
        for number in range(1, 5):  # the kubelet may look in just now
            known, changed_at, at, was_unknown = await changed_while_unknown(shop, owner, pod, number)
            if was_unknown:
                break
        assert was_unknown, "the kubelet was faster than the rows four times"
        resync = application.until_acknowledged(shop.kubectl, pod, None, channel="orders", after=at)
        _, known_at = until_status(shop.kubectl, pod, lambda it: it["config"]["hash"] != known, timeout_s=LAG_GUARD_S)
        renamed = application.until_acknowledged(shop.kubectl, pod, None, channel="visits", after=at)
        await owner.execute("INSERT INTO orders (id) VALUES (100)")
        await owner.execute("INSERT INTO visits VALUES (100, '2026-01-01')")
        for channel in ("orders", "visits"):
            application.until_acknowledged(shop.kubectl, pod, {"id": 100}, channel=channel)
            shops.until_condition(shop.kubectl, channel, "Ready", "True")
    assert cluster.sync_frequency_now() == before
    assert resync["at"] < known_at
    assert resync["reason"] == "rules"
    lag_s = known_at - changed_at
    record_property(
        "figures",
        f"kubelet at its default: a changed channel is in force after {lag_s:.0f} s (goal {LAG_GOAL_S} s); a row under"
        f" rules that the sidecar does not know is a resync after {resync['at'] - at:.2f} s; what was said on a"
        f" PostgreSQL channel that it does not know is covered after {renamed['at'] - at:.0f} s",
    )
