"""What goes takes all of ours along: a channel, a namespace whose database has gone, the whole release. In time."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e import shop as shops

if TYPE_CHECKING:
    import asyncpg

    from tests.e2e.kubectl import Kubectl
    from tests.e2e.release import Release
    from tests.e2e.shop import Shop

RELEASE_VALUES = ("operator.passIntervalSeconds=5",)
GONE_GOAL_S, RELEASE_GOAL_S = 10, 60
COLLECTED_S = 120
MADE_BY_THE_DBA = ["function skipped", "schema notifychannel", "sequence skips"]
"""By `notifychannel sql --grants`, with the listener's rights on them: docs/database.md says how to leave nothing."""
TRACES = """
SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname = 'notifychannel'
UNION ALL SELECT 'function ' || proname FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
  WHERE nspname = 'notifychannel' OR obj_description(p.oid, 'pg_proc') LIKE '%"notifychannel"%'
UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT CASE relkind WHEN 'S' THEN 'sequence ' ELSE 'relation ' END || relname
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'notifychannel'
ORDER BY 1
"""
KINDS = (
    "deployments", "replicasets", "pods", "jobs", "services", "serviceaccounts", "secrets", "configmaps", "leases",
    "poddisruptionbudgets", "networkpolicies", "roles", "rolebindings",
)  # fmt: skip
EVERYWHERE = ("mutatingwebhookconfigurations", "clusterroles", "clusterrolebindings")

pytestmark = pytest.mark.timeout(900)


async def traces(connection: asyncpg.Connection) -> list[str]:
    """All of ours in the database; the shop's own tables have no trigger."""
    return [row[0] for row in await connection.fetch(TRACES)]


async def installed(shop: Shop, *names: str) -> None:
    for name in names:
        await asyncio.to_thread(shops.until_condition, shop.kubectl, name, "TriggersInstalled", "True")


def gone(kubectl: Kubectl, what: str, *, timeout_s: float = 180) -> float:
    """Wait until it is; seconds."""
    began = time.monotonic()
    kubectl.run("wait", what, "--for=delete", f"--timeout={timeout_s}s", timeout_s=timeout_s + 10)
    return time.monotonic() - began


def ended(kubectl: Kubectl, what: str) -> float:
    """Delete it and wait."""
    kubectl.run("delete", what, "--wait=false")
    return gone(kubectl, what)


def events(kubectl: Kubectl, reason: str) -> list[str]:
    return [each["note"] for each in kubectl.get("events.events.k8s.io")["items"] if each.get("reason") == reason]


async def test_a_deleted_channel_leaves_nothing_that_the_operator_has_made(shop, record_property):
    """Mutant: in `removal.of`, leave the last step out: the schema that the operator made stays."""
    await shop.open(shops.channel("one"), shops.channel("two", tables=("orders", "visits")))
    admin = await shop.postgres.connect("postgres")
    await installed(shop, "one", "two")
    assert len(await traces(admin)) > len(MADE_BY_THE_DBA) + 2
    first_s = await asyncio.to_thread(ended, shop.kubectl, "notifychannel/one")
    assert len(await traces(admin)) > len(MADE_BY_THE_DBA), "the other one's stay"
    assert await traces(admin) != MADE_BY_THE_DBA
    last_s = await asyncio.to_thread(ended, shop.kubectl, "notifychannel/two")
    assert await traces(admin) == MADE_BY_THE_DBA
    assert shops.configs(shop.kubectl) == []

    await admin.execute("DROP SCHEMA notifychannel CASCADE; GRANT CREATE ON DATABASE app TO installer")
    shop.kubectl.apply(shops.channel("own"))
    await installed(shop, "own")
    assert "schema notifychannel" in await traces(admin)
    own_s = await asyncio.to_thread(ended, shop.kubectl, "notifychannel/own")
    assert await traces(admin) == []
    await admin.execute("REVOKE CREATE ON DATABASE app FROM installer")
    assert events(shop.kubectl, "CleanupIncomplete") == []
    record_property(
        "figures",
        f"channel deleted → gone with its triggers: {first_s:.1f} s, the last of a database {last_s:.1f} s, with the "
        f"schema that the operator made {own_s:.1f} s (goal {GONE_GOAL_S})",
    )


async def test_a_channel_whose_database_is_away_goes_after_its_timeout_and_says_the_sql(shop, record_property):
    """Mutant: no `left` in `cleanup.clean_up`: it would hang for ever."""
    await shop.open(shops.channel(cleanupTimeout="10s"))
    await installed(shop, "orders")
    shop.postgres.secret("installer-db", "installer", allowed=True, uri="postgresql://installer:x@nobody/app")
    took_s = await asyncio.to_thread(ended, shop.kubectl, "notifychannel/orders")
    (note,) = await asyncio.to_thread(events, shop.kubectl, "CleanupIncomplete")
    installer = await shop.postgres.connect("installer")
    await installer.execute(note.partition("run:\n")[2].partition("\nBecause")[0])
    assert await traces(installer) == MADE_BY_THE_DBA
    record_property(
        "figures", f"database away, cleanupTimeout 10 s: the channel is gone after {took_s:.1f} s (goal 20)"
    )


def cluster_wide(release: Release, kubectl: Kubectl) -> list[dict[str, Any]]:
    """The operator's rights in its namespaces, everywhere, as a cluster-wide release has them."""
    role = kubectl.within(release.served).get("role", f"{release.name}-operator")
    name = f"{release.name}-everywhere"
    about = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
    subject = {"kind": "ServiceAccount", "name": f"{release.name}-operator", "namespace": release.namespace}
    bound = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    return [
        {**about, "kind": "ClusterRole", "rules": role["rules"]},
        {**about, "kind": "ClusterRoleBinding", "roleRef": bound, "subjects": [subject]},
    ]


async def test_a_namespace_goes_though_its_database_has_gone_before(
    shop, kubectl, release, new_namespace, record_property
):
    """Rights by a ClusterRole. Mutant: `is_gone_for_good` returns False: the namespace waits for cleanupTimeout."""
    await shop.open()
    doomed = kubectl.within(new_namespace())
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "installer-db"}}
    secret["metadata"]["labels"] = {"notifychannel.io/allow": "true"}
    uri = shop.postgres.uri("installer", host=f"postgres.{shop.release.served}")
    doomed.apply({**secret, "stringData": {"uri": uri}})
    here = {**shops.channel(), "metadata": {"name": "orders", "namespace": doomed.arguments[1]}}
    await shop.postgres.grant(json.dumps(here))
    rights = cluster_wide(release, kubectl)
    kubectl.apply(*rights)
    try:
        namespaces = f"watchNamespaces={{{release.served},{doomed.arguments[1]}}}"
        await asyncio.to_thread(release.install, namespaces)
        doomed.apply(shops.channel())
        await asyncio.to_thread(shops.until_condition, doomed, "orders", "TriggersInstalled", "True")
        nowhere = uri.replace(f"postgres.{shop.release.served}", "127.0.0.1")
        doomed.apply({**secret, "stringData": {"uri": nowhere}})
        kubectl.run("delete", "namespace", doomed.arguments[1], "--wait=false")
        took_s = await asyncio.to_thread(gone, kubectl, f"namespace/{doomed.arguments[1]}")
    finally:
        try:
            await asyncio.to_thread(release.install)  # without it: helm makes no Role in a namespace that has gone
        finally:
            kubectl.run("delete", "clusterrole,clusterrolebinding", f"{release.name}-everywhere")
    record_property("figures", f"namespace with a channel whose database is away → gone: {took_s:.1f} s (goal 30)")


def leftovers(kubectl: Kubectl, release: Release) -> list[str]:
    """Everything that carries the release's name, in its namespaces and cluster-wide, when what is collected behind its
    owner has had its time.
    """
    deadline = time.monotonic() + COLLECTED_S
    while (found := _there(kubectl, release)) and time.monotonic() < deadline:
        time.sleep(0.5)  # each look is a few programs
    return found


def _there(kubectl: Kubectl, release: Release) -> list[str]:
    found = []
    for namespace in (release.namespace, release.served):
        printed = kubectl.run("-n", namespace, "get", ",".join(KINDS), "-o", "name")
        found += [f"{namespace}/{line}" for line in printed.split() if release.name in line]
    return found + [
        line for line in kubectl.run("get", ",".join(EVERYWHERE), "-o", "name").split() if release.name in line
    ]


async def test_a_release_that_goes_takes_all_along_but_the_channels(shop, kubectl, release, images, record_property):
    """Last, for it ends the release. Mutant: skip `cleanup.release` in `release_cleanup._let_go`."""
    await shop.open(shops.channel("one"), shops.channel("two", tables=("orders", "visits")))
    await asyncio.to_thread(shop.run, images)
    await installed(shop, "one", "two")
    (pod,) = shops.pods(shop.kubectl)
    uid = shop.kubectl.get("pod", pod)["metadata"]["uid"]
    took_s = await asyncio.to_thread(release.uninstall)
    selector = f"app.kubernetes.io/instance={release.name}"
    going = ("wait", "pods", "-l", selector, "--for=delete", "--timeout=180s")
    await asyncio.to_thread(release.kubectl.run, *going, timeout_s=190)
    admin = await shop.postgres.connect("postgres")
    assert await traces(admin) == MADE_BY_THE_DBA
    assert leftovers(kubectl, release) == []
    assert shops.configs(shop.kubectl) == []
    channels = shop.kubectl.get("notifychannels")["items"]
    assert [each["metadata"]["name"] for each in channels] == ["one", "two"]
    assert not any(each["metadata"].get("finalizers") for each in channels)
    summaries = [each["status"]["summary"] for each in channels]
    assert all(list(it) == ["triggers"] and it["triggers"].startswith("0/") for it in summaries), summaries
    said = [it for each in channels for it in each["status"]["conditions"] if it["type"] == "TriggersInstalled"]
    assert all("nothing of it is left" in it["message"] for it in said), said
    assert kubectl.get("crd", "notifychannels.notifychannel.io")
    assert shop.kubectl.get("pod", pod)["metadata"]["uid"] == uid, "applications are left alone"
    channels_s = await asyncio.to_thread(ended, shop.kubectl, "notifychannel/one")
    record_property(
        "figures",
        f"helm uninstall with its cleanup, 2 channels: {took_s:.1f} s (goal {RELEASE_GOAL_S}); a channel deleted "
        f"afterwards is gone after {channels_s:.1f} s",
    )
