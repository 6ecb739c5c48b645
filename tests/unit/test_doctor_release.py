"""The doctor and the release: who leads whatever the laptop's clock says, and commands that name it as helm does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notifychannel_cli.doctor import cluster, deployment, examination, pods, release
from notifychannel_cli.doctor.finding import Unseen, Verdict
from notifychannel_operator.kube_error import Forbidden, KubeError, NotFound
from tests.unit.test_doctor_cluster import CHANNEL, HEALTHY, LISTENING, POD, RELEASE, SILENT, pod

AHEAD = timedelta(minutes=2)


class Leases:
    """An API server whose clock is behind ours by AHEAD, negative: before it."""

    def __init__(self, *, ahead: timedelta = AHEAD, renewed_after: tuple[int, ...]) -> None:
        self._renewals = [datetime.now(UTC) - ahead + timedelta(seconds=each) for each in renewed_after]

    async def get(self, *_: Any, **__: Any) -> dict[str, Any]:
        """The Lease; the last one again and again."""
        at = self._renewals.pop(0) if len(self._renewals) > 1 else self._renewals[0]
        return {"spec": {"holderIdentity": "op-1_abc", "renewTime": at.isoformat(), "leaseDurationSeconds": 15}}


async def troubles(kube: Any) -> list[str]:
    """What is said of the leader."""
    return [it.why for it in release.leader(await cluster._leader(kube, RELEASE))]


@pytest.mark.looptime
@pytest.mark.parametrize("ahead", [AHEAD, -AHEAD])
async def test_a_leader_who_renews_leads_whatever_the_clock_of_the_laptop_says(ahead):
    """Mutant: `is_renewed` not asked in release.leader: a clock two minutes ahead calls every operator dead."""
    assert await troubles(Leases(ahead=ahead, renewed_after=(0, 4))) == []


@pytest.mark.looptime
@pytest.mark.parametrize("ahead", [AHEAD, -AHEAD])
async def test_one_who_does_not_is_no_leader_though_a_clock_that_is_behind_makes_the_lease_young(ahead):
    """Mutant: `is_late` without abs(): a dead leader's Lease from the future is taken for a fresh one."""
    (said,) = await troubles(Leases(ahead=ahead, renewed_after=(0,)))
    assert "op-1_abc has not renewed the Lease" in said


@pytest.mark.looptime
async def test_a_fresh_lease_is_not_waited_for(looptime):
    assert await troubles(Leases(ahead=timedelta(0), renewed_after=(0,))) == []
    assert looptime == 0


def test_the_release_is_called_as_helm_calls_it():
    """Release `prod` is called prod-notifychannel in the cluster. Mutant: `fullname` in it: helm knows none."""
    container = {"env": [{"name": "NOTIFYCHANNEL_FULLNAME", "value": "prod-notifychannel"}]}
    body: dict[str, Any] = {
        "metadata": {"namespace": "nch", "annotations": {"meta.helm.sh/release-name": "prod"}},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    found = deployment.read(body)
    assert found is not None
    assert found.upgrade.startswith("helm -n nch upgrade prod charts/notifychannel ")
    del body["metadata"]["annotations"]
    found = deployment.read(body)
    assert found is not None
    assert " upgrade prod-notifychannel " in found.upgrade


def test_a_webhook_that_cannot_be_read_is_not_called_missing():
    """Mutant: Unseen taken for None in pods.injected: "no injector is installed; install the chart"."""
    without = replace(POD, body=pod(is_injected=False))
    (found,) = pods.injected([replace(without, webhook=Unseen(why="your account may not ask"))])
    assert found.why.startswith("it has no sidecar: NotAsked\n")
    (found,) = pods.injected([replace(without, webhook=None)])
    assert found.why.startswith("it has no sidecar: NoWebhook\n")


THEIRS = {**CHANNEL, "spec": {**CHANNEL["spec"], "database": {"secretRef": {"name": "db"}}}}


class OneNamespace:
    """An API server to which the account is nobody outside `shop`; there it has a channel and these pods."""

    def __init__(self, *pods: dict[str, Any], deployments: tuple[dict[str, Any], ...] = ()) -> None:
        self._there = {"pods": pods, "deployments": deployments, "notifychannels": (THEIRS,)}

    async def list(self, kind: Any, *, namespace: str | None = None, **_: Any) -> list[dict[str, Any]]:
        """In `shop` only."""
        if namespace != "shop":
            raise Forbidden(status=403, reason="Forbidden", message=f"may not list {kind.plural} at the cluster scope")
        return list(self._there[kind.plural])

    async def get(self, kind: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """Nothing of a release's."""
        raise Forbidden(status=403, reason="Forbidden", message=f"may not get {kind.plural}")

    rehearse = get

    async def proxied(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Each sidecar is deaf."""
        return {**LISTENING, "state": "WAITING", "reason": "NoSecret"}


async def seen_from(kube: Any) -> dict[tuple[str, str], Any]:
    """The findings by check and what they are about."""
    there = await cluster.look(kube, namespace="shop", version="1")
    return {(it.check.id, it.about): it for it in examination.findings(there, Unseen(why="not asked"))}


async def test_who_may_look_into_one_namespace_only_is_told_of_its_pods_and_what_was_not_seen():
    """Mutants: `look` that gives up the pods where there is no release; `outdated` that calls them well."""
    bare = pod(is_injected=False)
    bare["metadata"]["name"] = "bare"
    said = await seen_from(OneNamespace(pod(), bare))
    deaf = said["pods/listening", "shop/orders-api-1"]
    assert (deaf.verdict, "NoSecret" in deaf.why) == (Verdict.FAILED, True)
    assert said["pods/injected", "shop/bare"].verdict is Verdict.FAILED
    assert "describe nch" in said["pods/injected", "shop/bare"].remedy[0]
    for check, about in (("pods/outdated", "shop/orders-api-1"), ("cluster/leader", "")):
        assert said[check, about].verdict is Verdict.NOT_CHECKED
        assert "may not list deployments at the cluster scope" in said[check, about].why


async def test_a_release_in_the_namespace_that_an_account_may_see_is_looked_at():
    """Mutant: `_operators` that asks for all namespaces only."""
    env = {"NOTIFYCHANNEL_FULLNAME": "prod", "NOTIFYCHANNEL_CERTIFICATE": "own"}
    container = {"env": [{"name": name, "value": value} for name, value in env.items()]}
    body = {"metadata": {"namespace": "shop"}, "spec": {"template": {"spec": {"containers": [container]}}}}
    said = await seen_from(OneNamespace(pod(), deployments=(body,)))
    assert "may not get leases" in said["cluster/leader", ""].why


class Injectors:
    """An API server with the injector's Deployment, or with this answer instead."""

    def __init__(self, answer: int | KubeError) -> None:
        self._answer = answer

    async def get(self, kind: Any, name: str, *, namespace: str) -> dict[str, Any]:
        """Of the release, and nothing else."""
        assert (kind.plural, name, namespace) == ("deployments", "notifychannel-injector", "notifychannel")
        if isinstance(self._answer, KubeError):
            raise self._answer
        return {"spec": {"replicas": self._answer}}


@pytest.mark.parametrize(
    ("answer", "replicas"),
    [
        (0, 0),
        (2, 2),
        (Forbidden(status=403, reason="Forbidden", message="no"), None),
        (NotFound(status=404, reason="NotFound", message="no"), None),
    ],
)
async def test_how_many_injectors_there_are_to_be_is_the_deployments_word(answer, replicas):
    """Mutant: Forbidden not caught: the dry run, which was allowed, is not judged."""
    kube: Any = Injectors(answer)
    assert await deployment.injectors(kube, RELEASE) == replicas


def of(seen: cluster.Seen) -> dict[str, Any]:
    """What is said of each check."""
    return {it.check.id: it for it in examination.findings(seen, Unseen(why="not asked"))}


def test_an_injector_that_is_scaled_to_0_is_scaled_up_and_nothing_else_is_wrong_before_it_is():
    """Mutants: replicas not looked at; pods.injected judged without causes; InjectorDown a failure of its own."""
    down = {"type": "WorkloadInjected", "status": "False", "reason": "InjectorDown", "message": "so"}
    channel = {**CHANNEL, "status": {"observedGeneration": 2, "conditions": [down]}}
    bare = replace(POD, body=pod(is_injected=False))
    said = of(replace(HEALTHY, dry_run=replace(SILENT, replicas=0), pods=(bare,), channels=(channel,)))
    assert [check for check, it in said.items() if it.verdict is Verdict.FAILED] == ["cluster/injector"]
    assert said["cluster/injector"].remedy == (
        "kubectl -n notifychannel scale deployment notifychannel-injector --replicas=1",
    )
    for check in ("pods/injected", "channel/conditions"):
        assert said[check].verdict is Verdict.NOT_CHECKED
        assert "It follows: mend cluster/injector first" in said[check].why
    assert said["pods/injected"].remedy == (bare.restart,)


def test_a_pod_that_the_injector_would_refuse_is_wrong_whether_it_answers_or_not():
    """Mutant: every bare pod follows from the injector."""
    bare = replace(POD, body=pod(is_injected=False, hostNetwork=True))
    said = of(replace(HEALTHY, dry_run=SILENT, pods=(bare,)))
    assert (said["pods/injected"].verdict, "HostNetwork" in said["pods/injected"].why) == (Verdict.FAILED, True)
