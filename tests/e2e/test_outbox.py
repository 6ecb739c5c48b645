"""Channels that capture by Outbox: the relay's pod may go, and jobs wait in the queue while there is no pod at all."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from tests.e2e import application
from tests.e2e import shop as shops

GUARD_S = 120.0
GOAL_S = 15.0
TRIGGERS = """
SELECT count(*) FROM pg_proc
WHERE pronamespace = 'notifychannel'::regnamespace AND prorettype = 'trigger'::regtype
"""
WAITING = "SELECT (SELECT count(*) FROM notifychannel.queue) + (SELECT count(*) FROM notifychannel.outbox_logged)"
RELAY = """
SELECT right(a.application_name, 5)
FROM notifychannel.relay_look() AS l JOIN pg_stat_activity AS a ON a.pid = l.holder
"""


def scale(shop, replicas):
    shop.kubectl.run("scale", f"deployment/{shops.GROUP}", f"--replicas={replicas}")


def acknowledged(shop, pods):
    """How often each key was, by all of them together."""
    heard = [each for pod in pods for each in application.heard(shop.kubectl, pod)["acknowledged"]]
    return Counter(each["key"]["id"] for each in heard if each["id"] is not None)


async def until(condition):
    async with asyncio.timeout(GUARD_S):
        while not (found := await condition()):  # noqa: ASYNC110  pods and tables can only be asked
            await asyncio.sleep(0.2)
    return found


async def test_the_relays_pod_is_killed_and_another_one_drains(shop, images, record_property):
    """Mutant: the sidecar's candidate that never looks again when it was refused once."""
    await shop.open(shops.channel(capture="Outbox"))
    pods = shop.run(images, replicas=2)
    shops.until_condition(shop.kubectl, "orders", "Ready", "True")
    owner, admin = await shop.postgres.connect(), await shop.postgres.connect("postgres")
    for pod in pods:
        shops.until_heard(shop.kubectl, pod, None)
    await owner.execute("INSERT INTO orders (id) VALUES (1)")
    for pod in pods:
        shops.until_heard(shop.kubectl, pod, {"id": 1})
    tail = await until(lambda: admin.fetchval(RELAY))
    [relay] = [pod for pod in pods if pod.endswith(tail)]
    [other] = set(pods) - {relay}
    gone_at = time.time()
    shop.kubectl.run("delete", "pod", relay, "--grace-period=0", "--force")
    await owner.execute("INSERT INTO orders (id) VALUES (2)")
    heard_s = shops.until_heard(shop.kubectl, other, {"id": 2}) - gone_at

    async def another_is_relay():  # this one, or the one that the Deployment has begun in the place of the first
        return (await admin.fetchval(RELAY) or tail) != tail

    await until(another_is_relay)
    took_s = time.time() - gone_at
    await owner.execute("INSERT INTO orders (id) VALUES (3)")
    shops.until_heard(shop.kubectl, other, {"id": 3})
    figure = f"relay's pod killed: the next change heard {heard_s:.1f} s, another relay {took_s:.1f} s later"
    record_property("figures", f"{figure} (goal {GOAL_S:.0f} s)")


async def test_a_job_goes_to_one_pod_and_waits_while_there_is_none(shop, images, record_property):
    """Mutants: `claim` without SKIP LOCKED and state; a sidecar that settles what it has not POSTed."""
    await shop.open(shops.channel(capture="Outbox", consumer={"delivery": "AtLeastOnce"}))
    pods = shop.run(images, replicas=2)
    shops.until_condition(shop.kubectl, "orders", "Ready", "True")
    owner, admin = await shop.postgres.connect(), await shop.postgres.connect("postgres")

    async def nothing_waits():
        return await admin.fetchval(WAITING) == 0

    await until(nothing_waits)  # the resync of a new consumer
    await owner.execute("INSERT INTO orders (id) SELECT generate_series(1, 50)")
    await until(nothing_waits)
    assert acknowledged(shop, pods) == Counter(range(1, 51))
    scale(shop, 0)
    shop.kubectl.wait_for(f"pod/{pods[0]}", "delete")
    shop.kubectl.wait_for(f"pod/{pods[1]}", "delete")
    await owner.execute("INSERT INTO orders (id) SELECT generate_series(51, 60)")
    await owner.execute("UPDATE orders SET note = 'again' WHERE id <= 55")
    began_at = time.time()
    scale(shop, 1)
    shop.kubectl.rolled_out(f"deployment/{shops.GROUP}")
    [late] = shops.pods(shop.kubectl)
    await until(nothing_waits)
    assert acknowledged(shop, [late]) == Counter(range(1, 61))
    heard_s = max(each["at"] for each in application.heard(shop.kubectl, late)["acknowledged"]) - began_at
    record_property("figures", f"60 jobs that waited while there was no pod: all acknowledged {heard_s:.1f} s after")


@pytest.mark.parametrize("delivery", ["BestEffort", "AtLeastOnce"])
async def test_a_deleted_channel_leaves_only_what_the_printed_grants_have_made(shop, images, delivery):
    """Mutants: `removal` without the functions; a pass that forgets the consumers of a channel that goes."""
    await shop.open(shops.channel(capture="Outbox", consumer={"delivery": delivery}))
    shop.run(images)
    shops.until_condition(shop.kubectl, "orders", "Ready", "True")
    shop.kubectl.run("delete", "notifychannel", "orders", "--timeout=180s", timeout_s=190)
    admin = await shop.postgres.connect("postgres")
    assert await admin.fetchval(TRIGGERS) == 0
    if delivery == "AtLeastOnce":
        assert await admin.fetchval("SELECT count(*) FROM notifychannel.consumer") == 0
        assert await admin.fetchval("SELECT count(*) FROM notifychannel.queue") == 0
