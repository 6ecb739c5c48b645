"""A database that goes away and comes back, and passwords that change: no pod notices, and hints come again."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import asynccontextmanager

from notifychannel_operator.leadership.deadline import EXIT_CODE
from tests.e2e import application
from tests.e2e import shop as shops
from tests.e2e.watching import identities, is_ready, watched

AWAY_S = 60.0
GOAL_S = 15.0
GUARD_S = 60.0
SELECTOR = f"app={shops.GROUP}"
SERVER_IS_KEPT = True


def posts_since(shop, pod, at):
    """What the application was told after that time, as (reason, keys)."""
    posts = [it for it in application.heard(shop.kubectl, pod)["posts"] if it["at"] >= at]
    return [(it["body"]["reason"], [hint["key"]["id"] for hint in it["body"]["hints"]]) for it in posts]


def scale(shop, what, replicas):
    shop.kubectl.run("scale", what, f"--replicas={replicas}")


@asynccontextmanager
async def away(shop):
    """The database is not there; at the end of the `with` it is, whatever happens."""
    scale(shop, "statefulset/postgres", 0)
    shop.kubectl.wait_for("pod/postgres-0", "delete")
    try:
        yield
    finally:
        scale(shop, "statefulset/postgres", 1)


def until_database_ready(shop):
    """When the pod of PostgreSQL was seen to be Ready (Unix time)."""
    shop.kubectl.until(
        "pods", lambda it: is_ready(it) and "deletionTimestamp" not in it["metadata"], "-l", "app=postgres"
    )
    return time.time()


async def test_a_minute_without_its_database_leaves_the_application_ready_and_ends_in_one_resync(
    shop, images, record_property
):
    """Also for a pod that starts meanwhile.

    Mutant: a readinessProbe on the sidecar that asks /status for LISTENING (container.py): pods are Ready no more.
    """
    await shop.open(shops.channel())
    first = shop.run(images)[0]
    shops.until_condition(shop.kubectl, "orders", "Ready", "True")
    shops.until_heard(shop.kubectl, first, None)  # a pod may listen a moment before its application was told so
    before = identities(shop.kubectl, SELECTOR)
    with watched(shop.kubectl, SELECTOR) as seen:
        gone_at = time.time()
        async with away(shop):
            _, said_s = shops.until_condition(shop.kubectl, "orders", "Listening", "False", "Unreachable")
            scale(shop, f"deployment/{shops.GROUP}", 2)
            shop.kubectl.rolled_out(f"deployment/{shops.GROUP}")
            late = next(it for it in shops.pods(shop.kubectl) if it != first)
            assert posts_since(shop, late, 0) == posts_since(shop, first, gone_at) == []
            await asyncio.sleep(max(0.0, gone_at + AWAY_S - time.time()))  # the minute is what is tested
        ready_at = until_database_ready(shop)
        heard_s = [shops.until_heard(shop.kubectl, pod, None, after=gone_at) - ready_at for pod in (first, late)]
        body, counted_s = shops.until_condition(shop.kubectl, "orders", "Ready", "True")
        owner = await shop.postgres.connect()
        await owner.execute("INSERT INTO orders (id) VALUES (1)")
        for pod in (first, late):
            shops.until_heard(shop.kubectl, pod, {"id": 1})
        assert posts_since(shop, first, gone_at) == [("reconnect", []), ("change", [1])]
        assert posts_since(shop, late, 0) == [("start", []), ("change", [1])]
    assert (seen.unready(), seen.has_ended) == (set(), False)
    assert body["status"]["pods"]["listening"] == 2
    after = identities(shop.kubectl, SELECTOR)
    assert after[first] == before[first]
    assert {count for _, counts in after.values() for count in counts} == {0}
    assert max(heard_s) < GUARD_S
    record_property(
        "figures",
        f"database away for {AWAY_S:.0f} s: named after {said_s:.1f} s; resync {max(heard_s):.1f} s after it was ready"
        f" (goal {GOAL_S:.0f} s), Ready {counted_s:.1f} s after that",
    )


async def test_the_pod_of_the_database_is_replaced_and_hints_come_again(shop, images, record_property):
    """Mutant: the listener's backoff without its maximum, or a lost connection that `on_loss` does not tell of."""
    await shop.open(shops.channel())
    pod = shop.run(images)[0]
    shops.until_heard(shop.kubectl, pod, None)
    gone_at = time.time()
    shop.kubectl.run("delete", "pod", "postgres-0")
    ready_at = until_database_ready(shop)
    heard_s = shops.until_heard(shop.kubectl, pod, None, after=gone_at) - ready_at
    owner = await shop.postgres.connect()
    await owner.execute("INSERT INTO orders (id) VALUES (1)")
    shops.until_heard(shop.kubectl, pod, {"id": 1})
    assert posts_since(shop, pod, gone_at) == [("reconnect", []), ("change", [1])]
    assert heard_s < GUARD_S
    record_property(
        "figures",
        f"pod of PostgreSQL deleted: {ready_at - gone_at:.1f} s until another is ready, and listening"
        f" {heard_s:.1f} s after that (goal {GOAL_S:.0f} s)",
    )


def ends(shop):
    """Each pod of the operator, and how often it has ended; a lease lost on a busy node is no matter of passwords."""
    pods = shop.release.kubectl.get("pods", "-l", shop.release.selector("operator"))["items"]
    found = {}
    for pod in pods:
        (status,) = pod["status"]["containerStatuses"]
        code = status["lastState"].get("terminated", {}).get("exitCode")
        found[pod["metadata"]["uid"]] = (status["restartCount"], code)
    return found


def restarted(before, after):
    """Those that are others by now, or have ended by anything but a lost lease."""
    return [
        uid for uid in before.keys() | after.keys()
        if before.get(uid) != after.get(uid) and (uid not in before or uid not in after or after[uid][1] != EXIT_CODE)
    ]  # fmt: skip


async def rotate(shop, role, name, **options):
    """Another password for the role, in the database and in its Secret; its sessions end."""
    shop.postgres.passwords[role] = secrets.token_hex(16)
    admin = await shop.postgres.connect("postgres")
    await admin.execute(f"ALTER ROLE {role} PASSWORD '{shop.postgres.passwords[role]}'")
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", role)
    return lambda: shop.postgres.secret(name, role, **options)


async def test_new_passwords_are_taken_without_a_restart(shop, images, record_property):
    """First the password changes, and is refused; then the Secret says it. Of sidecar and operator alike.

    Mutant: `Files.look` of the sidecar without `_look_at_secret`; the operator keeping the credentials of a Secret.
    """
    await shop.open(shops.channel())
    pod = shop.run(images)[0]
    shops.until_condition(shop.kubectl, "orders", "Ready", "True")
    shops.until_heard(shop.kubectl, pod, None)
    before, operators = identities(shop.kubectl, SELECTOR), ends(shop)
    rotated_at = time.time()
    tell_sidecar = await rotate(shop, "listener", f"notifychannel-{shops.GROUP}")
    tell_operator = await rotate(shop, "installer", "installer-db", allowed=True)
    shops.passed_over(shop.kubectl, "orders")
    shops.until_condition(shop.kubectl, "orders", "Listening", "False", "AuthenticationFailed")
    shops.until_condition(shop.kubectl, "orders", "TriggersInstalled", "False", "AuthenticationFailed")
    told_at = time.time()
    tell_sidecar()
    tell_operator()
    heard_s = shops.until_heard(shop.kubectl, pod, None, after=rotated_at, timeout_s=180) - told_at
    _, ready_s = shops.until_condition(shop.kubectl, "orders", "Ready", "True")
    owner = await shop.postgres.connect()
    await owner.execute("INSERT INTO orders (id) VALUES (1)")
    shops.until_heard(shop.kubectl, pod, {"id": 1})
    assert posts_since(shop, pod, rotated_at) == [("reconnect", []), ("change", [1])]
    assert identities(shop.kubectl, SELECTOR) == before
    assert restarted(operators, ends(shop)) == []
    record_property(
        "figures",
        f"password rotated: listening {heard_s:.1f} s after the Secret changed (the kubelet syncs each 10 s, by"
        f" default 60 s), operator and Ready {ready_s:.1f} s after that",
    )
