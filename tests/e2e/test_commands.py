"""What a person, or a GitOps tool, types at a cluster: the commands of pages and runbooks, and all of it again."""

from __future__ import annotations

import asyncio
import json
import subprocess

import pytest

from tests.e2e import application
from tests.e2e import shop as shops
from tests.e2e.cluster import ROOT
from tests.e2e.kubectl import CommandError
from tests.e2e.release import TWO_OF_EACH
from tests.e2e.typed import Place
from tests.pages import blocks

pytestmark = pytest.mark.timeout(900)
RELEASE_VALUES = ("operator.passIntervalSeconds=5", *TWO_OF_EACH)
MARKER = "run by test_the_commands_of_the_pages_do_what_they_say"
PRINTED = {
    "docs/conditions.md": ["Accepted", "TriggersInstalled"],
    "docs/doctor.md": ["√ every sidecar listens", "√ the outbox is drained", "database/pooler"],
    "docs/howto/behind-pgbouncer.md": ["Listening", "√ LISTEN hears"],
    "docs/runbooks/NotifyChannelNotReady.md": ["orders", "Message:"],
    "docs/runbooks/NotifyChannelBacklogHigh.md": ["notifychannel_pending_keys{", "dead"],
    "docs/runbooks/NotifyChannelCertificateExpiring.md": ["notAfter=", "the injector's certificate"],
    "docs/runbooks/NotifyChannelDeadLetters.md": ["has a dead letter", '{"id":1}'],
    "docs/runbooks/NotifyChannelDriftRepeated.md": ["drift was repaired"],
    "docs/runbooks/NotifyChannelErrorRateHigh.md": ['answer="5xx"', "not-delivering"],
    "docs/runbooks/NotifyChannelLagHigh.md": ["notifychannel_delivery_seconds_count", '"window":"20ms"'],
    "docs/runbooks/NotifyChannelNotClaiming.md": ['"queue"', "claim"],
    "docs/runbooks/NotifyChannelNotListening.md": ['"state": "LISTENING"', "orders"],
    "docs/runbooks/NotifyChannelOperatorNotLeading.md": ["Running", "-operator-"],
    "docs/runbooks/NotifyChannelOutboxGrowing.md": ["outbox"],
    "docs/runbooks/NotifyChannelPodsNotInjected.md": ["WorkloadInjected", "notifychannel"],
    "docs/runbooks/NotifyChannelSidecarNotRunning.md": ["Container ID", "orders-api", "Listening"],
    "docs/install.md": ["STATUS: deployed"],
    "docs/howto/upgrade.md": ["STATUS: deployed", "restarted"],
    "docs/howto/uninstall.md": ["deleted"],
}
"""Words that say that a page's blocks found what they look for, in the order in which a person would need them."""


def typed_blocks(page: str) -> list[str]:
    return [it.text for it in blocks((ROOT / page).read_text()) if it.marker == MARKER]


async def a_bad_day(shop, pod):
    """A dead letter, and a trigger that somebody dropped and the operator has put back."""
    application.tell(shop.kubectl, pod, status=500)
    owner = await shop.postgres.connect()
    await owner.execute("INSERT INTO orders (id) VALUES (1)")
    shop.kubectl.until("nch", lambda it: "has a dead letter" in shops.message(it, "Delivering"))
    named = (
        "SELECT quote_ident(tgname) FROM pg_trigger WHERE tgrelid = 'orders'::regclass AND NOT tgisinternal ORDER BY 1"
    )
    triggers = await owner.fetch(named)
    await owner.execute(f"DROP TRIGGER {triggers[0][0]} ON orders")
    async with asyncio.timeout(60):
        while await owner.fetch(named) != triggers:  # noqa: ASYNC110 - a database can only be asked
            await asyncio.sleep(0.2)


async def test_the_commands_of_the_pages_do_what_they_say(shop, images, tmp_path):
    """Mutants: another label, port, path, metric or name in any of the pages' blocks."""
    shop.postgres.secret("orders-db", "installer", allowed=True)
    retry = {"delivery": "AtLeastOnce", "retry": {"maxAttempts": 1}}
    channel = shops.channel(capture="Outbox", database="orders-db", consumer=retry)
    await shop.open(channel)
    (pod,) = shop.run(images)
    shops.until_condition(shop.kubectl, "orders", "Ready", "True")
    manifest = tmp_path / "orders.yaml"
    manifest.write_text(json.dumps({**channel, "metadata": {"name": "orders", "namespace": shop.release.served}}))
    place = Place(shop=shop, pod=pod, manifest=manifest)

    def followed(page: str, *, of: slice = slice(None)) -> None:
        said = "".join(map(place.run, typed_blocks(page)[of]))
        assert [words for words in PRINTED[page] if words not in said] == [], f"{page}: {said}"

    pages = list(PRINTED)
    for page in pages[:3]:
        followed(page)
    await a_bad_day(shop, pod)
    for page in pages[3:-3]:
        followed(page, of=slice(1) if page.endswith("DeadLetters.md") else slice(None))
    application.tell(shop.kubectl, pod, status=200)
    assert "due again" in place.run(typed_blocks("docs/runbooks/NotifyChannelDeadLetters.md")[1])
    shops.until_heard(shop.kubectl, pod, {"id": 1})
    try:
        for page in pages[-3:]:
            followed(page)
    finally:
        shop.release.install()  # which may read the Secrets of the tests after this one again


GITOPS = ("--server-side", "--field-manager=gitops", "--force-conflicts")
WAYS = ((), GITOPS)


def drift(kubectl, manifest, *way):
    """What `kubectl diff` prints: what applying it would change."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    command = ["kubectl", *kubectl.arguments, "diff", *way, "-f", "-"]
    done = subprocess.run(
        command, input=text, env=kubectl.environment(), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def managers(body, *path):
    """Who owns that field."""
    found = set()
    for entry in body["metadata"]["managedFields"]:
        fields = [entry["fieldsV1"]]
        for name in path:
            fields = [
                under for it in fields for key, under in it.items() if key == name or (name == "k:" and key[:2] == "k:")
            ]
        found |= {entry["manager"]} if fields else set()
    return found


def generations(release):
    items = release.kubectl.get(
        "deployments,mutatingwebhookconfigurations", "-l", f"app.kubernetes.io/instance={release.name}"
    )["items"]
    return {it["metadata"]["name"]: it["metadata"]["generation"] for it in items}


async def test_a_release_and_a_channel_that_are_applied_again_do_not_drift(shop, cluster, images):
    """Mutants: a caBundle in the chart's webhook; an operator that writes its finalizer or a default into the spec."""
    release, kubectl, everywhere = shop.release, shop.kubectl, cluster.kubectl
    channel = shops.channel()
    await shop.open(channel)
    kubectl.run("wait", "nch/orders", "--for=condition=TriggersInstalled", "--timeout=120s")
    body = kubectl.get("notifychannel", "orders")
    assert shops.condition(body, "Ready") == ("False", "NoPods"), "so its workload may not wait for it to be Ready"
    workload = shops.deployment(images)
    kubectl.apply(workload)
    (pod,) = shop.run(images)
    kubectl.run("wait", "nch/orders", "--for=condition=Ready", "--timeout=120s")

    rendered = release.helm.run("get", "manifest", release.name, "--namespace", release.namespace)
    before = generations(release)
    assert [drift(everywhere, rendered, *way) for way in WAYS] == ["", ""]
    everywhere.run("apply", *GITOPS, "-f", "-", stdin=rendered)
    webhook = release.kubectl.get("mutatingwebhookconfiguration", release.name, "--show-managed-fields")
    path = ("f:webhooks", "k:", "f:clientConfig", "f:caBundle")
    assert managers(webhook, *path) == {"notifychannel-operator"}
    release.install()
    assert generations(release) == before
    assert [drift(everywhere, rendered, *way) for way in WAYS] == ["", ""]
    assert drift(kubectl, (ROOT / "crds" / "notifychannels.yaml").read_text(), *GITOPS) == ""

    assert [drift(kubectl, channel, *way) for way in WAYS] == ["", ""]
    kubectl.run("apply", *GITOPS, "-f", "-", stdin=json.dumps(channel))
    body = kubectl.get("notifychannel", "orders", "--show-managed-fields")
    assert "notifychannel-operator" not in managers(body, "f:spec")
    assert managers(body, "f:metadata", "f:finalizers") == {"notifychannel-operator"}
    assert managers(body, "f:status") == {"notifychannel-operator"}

    assert [drift(kubectl, workload, *way) for way in WAYS] == ["", ""]
    inits = kubectl.get("pod", pod)["spec"]["initContainers"]
    assert [it["name"] for it in inits] == ["notifychannel"]


async def test_who_waits_for_ready_waits_for_the_pass_over_what_was_applied(shop, images):
    """As `kubectl wait` and kstatus read it. Mutant: conditions without observedGeneration."""
    channel = shops.channel()
    await shop.open(channel)
    shop.run(images)
    shop.kubectl.run("wait", "nch/orders", "--for=condition=Ready", "--timeout=120s")
    for suspend in (True, False):
        channel["spec"]["suspend"] = suspend
        shop.kubectl.apply(channel)
        shop.kubectl.run("wait", "nch/orders", "--for=condition=Ready", "--timeout=120s")
        body = shop.kubectl.get("notifychannel", "orders")
        assert body["status"]["observedGeneration"] == body["metadata"]["generation"]
    channel["spec"]["sources"][0]["table"] = "nowhere"
    shop.kubectl.apply(channel)
    with pytest.raises(CommandError, match="timed out"):
        shop.kubectl.run("wait", "nch/orders", "--for=condition=Ready", "--timeout=2s")
