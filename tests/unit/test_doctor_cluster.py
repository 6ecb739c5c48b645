"""The doctor's judgements of a cluster: a healthy one, and each thing broken in it.

tests/e2e/test_doctor.py breaks them for real.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notifychannel_cli.doctor import channels, examination, rbac
from notifychannel_cli.doctor.certificate import Certificate
from notifychannel_cli.doctor.channels import Secret, Shape
from notifychannel_cli.doctor.cluster import Seen
from notifychannel_cli.doctor.dry_run import DryRun
from notifychannel_cli.doctor.finding import Unseen, Verdict
from notifychannel_cli.doctor.pods import Pod
from notifychannel_cli.doctor.release import Definition, Leader, Release, Rights
from notifychannel_operator import certificates, inject
from notifychannel_operator.passes import secret
from tests.operating import SETTINGS

NOW = datetime(2026, 6, 1, tzinfo=UTC)
AUTHORITY = certificates.make_ca(NOW)
LEAF = certificates.make_leaf(AUTHORITY, ("notifychannel-injector.notifychannel.svc",), NOW)
RELEASE = Release(
    namespace="notifychannel", fullname="notifychannel", account="notifychannel-operator", webhook="notifychannel",
    watched=(), certificate="notifychannel-injector-tls", has_own_certificate=True, settings=SETTINGS,
)  # fmt: skip
CERTIFICATE = Certificate(release=RELEASE, leaf=LEAF.certificate_pem, authorities=AUTHORITY.certificate_pem, now=NOW)
LEADER = Leader(release=RELEASE, holder="operator-1_abc", renewed_at=NOW, duration_s=15, now=NOW + timedelta(seconds=3))
CHANNEL: dict[str, Any] = {
    "metadata": {"namespace": "shop", "name": "orders", "generation": 2},
    "spec": {"consumers": [{"group": "orders-api"}]},
    "status": {"observedGeneration": 2, "conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted"}]},
}
SECRET = Secret(
    namespace="shop", channel="orders", name="db",
    shape=Shape(labels={"notifychannel.io/allow": "true"}, keys=frozenset({"uri"})),
)  # fmt: skip
LISTENING = {"state": "LISTENING", "reason": None, "channels": {}, "last_round_trip": {"age_s": 3.2}}


def pod(*, is_injected: bool = True, **spec: Any) -> dict[str, Any]:
    """A running one, as the injector leaves it."""
    body: dict[str, Any] = {
        "metadata": {
            "namespace": "shop", "name": "orders-api-1", "labels": {inject.GROUP_LABEL: "orders-api"},
            "annotations": {},
        },
        "spec": {"containers": [{"name": "app"}], **spec},
        "status": {"phase": "Running"},
    }  # fmt: skip
    if is_injected:
        body["metadata"]["annotations"]["notifychannel.io/sidecar"] = inject.fingerprint(SETTINGS)
        body["spec"]["initContainers"] = [{"name": "notifychannel", "restartPolicy": "Always"}]
    return body


POD = Pod(body=pod(), settings=SETTINGS, status=LISTENING, webhook={"namespaceSelector": {}}, is_known=True)
HEALTHY = Seen(
    definition=Definition(is_there=True, is_served=True, version="1", ours="1"),
    leader=LEADER,
    rights=Rights(release=RELEASE, lacking=()),
    dry_run=DryRun(release=RELEASE, namespace="shop", is_injected=True, certificate=CERTIFICATE),
    certificate=CERTIFICATE,
    channels=(CHANNEL,),
    secrets=(SECRET,),
    pods=(POD,),
)
SILENT = replace(HEALTHY.dry_run, is_injected=False)
OLD = replace(CERTIFICATE, now=certificates.expires_at(LEAF.certificate_pem) - timedelta(days=3))
WAITS = {"type": "Listening", "status": "False", "reason": "Partly", "message": "1 of 2 pods listen"}
SAD = {**CHANNEL, "status": {**CHANNEL["status"], "conditions": [WAITS]}}
STARTS = {"type": "Ready", "status": "False", "reason": "NoPods", "message": "Listening: none runs yet"}
UNREADY = {**CHANNEL, "status": {**CHANNEL["status"], "conditions": [{**WAITS, "status": "Unknown"}, STARTS]}}
DEAF = {**LISTENING, "state": "WAITING", "reason": "Unreachable"}
NO_SECRET = {**DEAF, "reason": "NoSecret", "last_round_trip": None}
GONE = "/etc/notifychannel/secret: no such folder; write it"
NONE = replace(SECRET, shape=Shape(labels=None))
OTHERS = pod()
OTHERS["metadata"]["labels"] = {inject.GROUP_LABEL: "others"}
ODD = pod()
ODD["metadata"]["annotations"]["notifychannel.io/sidecar"] = "00000000"
BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("cluster/crd", {"definition": Definition(is_there=False)}, "not installed"),
    ("cluster/crd", {"definition": replace(HEALTHY.definition, is_served=False)}, "does not serve"),
    ("cluster/crd", {"definition": replace(HEALTHY.definition, version="2")}, "of version 2"),
    ("cluster/leader", {"leader": replace(LEADER, holder=None)}, "has no holder"),
    ("cluster/leader", {"leader": replace(LEADER, now=NOW + timedelta(seconds=20))}, "for 20s"),
    ("cluster/rbac", {"rights": Rights(release=RELEASE, lacking=("list pods",))}, "list pods"),
    ("cluster/injector", {"dry_run": SILENT}, "without the sidecar"),
    ("cluster/injector", {"dry_run": replace(SILENT, replicas=0)}, "it is scaled to 0"),
    ("cluster/certificate", {"certificate": OLD}, "ends in 3 days"),
    ("cluster/certificate", {"certificate": replace(CERTIFICATE, leaf=b"")}, "holds no certificate"),
    ("cluster/certificate", {"certificate": replace(OLD, now=OLD.now + timedelta(days=9))}, "has ended"),
    ("cluster/ca-bundle", {"certificate": replace(CERTIFICATE, authorities=b"")}, "caBundle"),
    ("cluster/ca-bundle", {"certificate": replace(CERTIFICATE, authorities=None)}, "no MutatingWebhook"),
    ("channel/conditions", {"channels": (SAD,)}, "Listening: Partly\n1 of 2 pods listen"),
    ("channel/conditions", {"channels": ({**CHANNEL, "status": {}},)}, "no pass has looked"),
    ("channel/conditions", {"channels": (UNREADY,)}, "Ready: NoPods"),
    ("channel/secret", {"secrets": (NONE,)}, "there is no Secret db"),
    ("channel/secret", {"secrets": (replace(SECRET, shape=replace(SECRET.shape, labels={})),)}, "the label"),
    ("channel/secret", {"secrets": (replace(SECRET, shape=replace(SECRET.shape, keys=frozenset({"host"}))),)}, "user"),
    ("pods/injected", {"pods": (replace(POD, body=pod(is_injected=False, hostNetwork=True)),)}, "HostNetwork"),
    ("pods/injected", {"pods": (replace(POD, body=pod(is_injected=False)),)}, "NotAsked"),
    ("pods/outdated", {"pods": (replace(POD, body=ODD),)}, "other settings"),
    ("pods/group", {"pods": (replace(POD, is_known=False),)}, "orders-api"),
    ("pods/listening", {"pods": (replace(POD, status=DEAF),)}, "Unreachable"),
    ("pods/listening", {"pods": (replace(POD, status=NO_SECRET),)}, "NoSecret\nIt never connected: the Secret "),
    ("pods/listening", {"pods": (replace(POD, status={**LISTENING, "secret": {"error": GONE}}),)}, "restart will be"),
    ("pods/listening", {"pods": (replace(POD, status={**LISTENING, "config": {"error": GONE}}),)}, "restart will be"),
    ("pods/listening", {"pods": (replace(POD, status={**DEAF, "last_round_trip": {"age_s": 99.0}}),)}, "1m 39s ago"),
    ("pods/probe", {"pods": (replace(POD, status={"hello": "world"}),)}, "no sidecar"),
]  # fmt: skip


def found(seen: Seen | Unseen) -> list[Any]:
    """Of the cluster's checks."""
    said = examination.findings(seen, Unseen(why="not asked"))
    return [it for it in said if it.check in examination.OF_CLUSTER]


def test_a_healthy_cluster_is_well_in_every_check():
    assert [(it.check.id, it.why) for it in found(HEALTHY) if it.verdict is not Verdict.OK] == []
    assert {it.check for it in found(HEALTHY)} == set(examination.OF_CLUSTER)


@pytest.mark.parametrize(("check", "broken", "why"), BROKEN, ids=lambda it: it if isinstance(it, str) else "")
def test_what_is_broken_is_named_with_a_remedy_and_nothing_else_is(check, broken, why):
    wrong = [it for it in found(replace(HEALTHY, **broken)) if it.verdict in {Verdict.FAILED, Verdict.WARNING}]
    assert [it.check.id for it in wrong] == [check]
    assert why in wrong[0].why
    assert wrong[0].remedy


def test_every_check_of_a_cluster_has_something_that_breaks_it():
    assert {check for check, _, _ in BROKEN} | {"cluster/reachable"} == {it.id for it in examination.OF_CLUSTER}


def test_what_cannot_be_asked_is_not_well_and_a_pod_that_cannot_be_reached_says_so():
    away = Unseen(why="no answer", is_unreachable=True)
    assert {it.verdict for it in found(away)} == {Verdict.FAILED, Verdict.NOT_CHECKED}
    silent = replace(POD, status=Unseen(why="a policy", remedy=("port-forward",)))
    said = {it.check.id: it for it in found(replace(HEALTHY, pods=(POD, silent)))}
    for check in ("pods/listening", "pods/probe"):
        assert (said[check].verdict, said[check].about) == (Verdict.NOT_CHECKED, "shop/orders-api-1")


@pytest.mark.parametrize(
    "trip", [None, "long ago", {}, {"age_s": "1"}, {"age_s": float("inf")}, {"age_s": float("nan")}]
)
def test_how_long_ago_a_sidecar_heard_itself_is_a_number_or_left_out(trip):
    """Whoever may run a pod may answer. Mutant: no bounds: the doctor ends in a traceback."""
    deaf = replace(POD, status={**DEAF, "last_round_trip": trip})
    (said,) = [it for it in found(replace(HEALTHY, pods=(deaf,))) if it.verdict is Verdict.FAILED]
    assert said.why == "its sidecar does not listen: Unreachable\nIt has not proved yet that it hears"


def test_a_pod_that_is_not_injected_for_the_certificates_sake_is_the_certificates_matter():
    unbelieved = replace(CERTIFICATE, authorities=b"")
    seen = replace(
        HEALTHY, certificate=unbelieved, dry_run=replace(HEALTHY.dry_run, is_injected=False, certificate=unbelieved)
    )
    assert [it.check.id for it in found(seen) if it.verdict is Verdict.FAILED] == ["cluster/ca-bundle"]


@pytest.mark.parametrize(
    ("condition", "broken", "cause"),
    [
        (("Listening", "Partly"), {"pods": (POD, replace(POD, status=DEAF))}, "pods/listening"),
        (("WorkloadInjected", "NotInjected"), {"pods": (replace(POD, body=pod(is_injected=False)),)}, "pods/injected"),
        (("ResolvedRefs", "SecretNotFound"), {"secrets": (NONE,)}, "channel/secret"),
        (("ResolvedRefs", "AccessDenied"), {"rights": Rights(release=RELEASE, lacking=("get",))}, "cluster/rbac"),
        (None, {"leader": replace(LEADER, holder=None)}, "cluster/leader"),
    ],
)  # fmt: skip
def test_a_condition_that_follows_from_what_another_check_found_is_no_second_failure(condition, broken, cause):
    """Mutants: a pod of another group explains Listening; rbac explains every ResolvedRefs."""
    said = [{"type": condition[0], "status": "False", "reason": condition[1], "message": "so"}] if condition else []
    body = {**CHANNEL, "status": {"observedGeneration": 2 if condition else 1, "conditions": said}}
    there = found(replace(HEALTHY, channels=(body,), **broken))
    assert [it.check.id for it in there if it.verdict is Verdict.FAILED] == [cause]
    (follows,) = [it for it in there if it.check.id == "channel/conditions"]
    assert (follows.verdict, f"mend {cause} first" in follows.why) == (Verdict.NOT_CHECKED, True)


@pytest.mark.parametrize(
    "broken",
    [
        {"pods": (replace(POD, body=OTHERS, status=DEAF),)},
        {"rights": Rights(release=RELEASE, lacking=("list pods",))},
        {"definition": replace(HEALTHY.definition, version="2")},
    ],
    ids=["a deaf pod of another group", "a right that has nothing to do with it", "another version"],
)
def test_a_condition_that_nothing_else_explains_is_a_failure_of_its_own(broken):
    """Mutants: the group of the pod not looked at; any failure explains any condition."""
    secret = {"type": "ResolvedRefs", "status": "False", "reason": "SecretInvalid", "message": "so"}
    body = {**CHANNEL, "status": {"observedGeneration": 2, "conditions": [secret, WAITS]}}
    there = found(replace(HEALTHY, channels=(body,), **broken))
    conditions = [it.verdict for it in there if it.check.id == "channel/conditions"]
    assert conditions == [Verdict.FAILED] * 2


def test_the_label_is_the_operators():
    assert channels.ALLOW == secret.ALLOW


def test_the_operators_rights_are_asked_for_where_it_works():
    everywhere = {str(it) for it in rbac.wanted(RELEASE, [("shop", "db")])}
    assert {"list pods", "patch notifychannels/status.notifychannel.io", "get secrets db in shop"} <= everywhere
    narrow = {str(it) for it in rbac.wanted(replace(RELEASE, watched=("team",)), [("shop", "db")])}
    assert "list pods in team" in narrow
    assert "get secrets db in shop" not in narrow
    review = rbac.Right(verb="patch", group="notifychannel.io", resource="notifychannels/status").review(RELEASE)
    assert review["user"] == "system:serviceaccount:notifychannel:notifychannel-operator"
    assert review["resourceAttributes"] == {
        "verb": "patch", "group": "notifychannel.io", "resource": "notifychannels", "subresource": "status",
    }  # fmt: skip
