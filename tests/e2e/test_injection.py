"""Injection as a real API server and kubelet see it: what is accepted, what runs, what stays untouched."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e import webhook as webhooks
from tests.e2e.kubectl import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.kubectl import Kubectl

FOLDER = Path(__file__).parents[1] / "unit" / "golden" / "inject"
REFUSED_ANYWAY = {
    "not_a_pod": "containers is no list",
    "name_taken_by_a_init_container": "no image",
    "name_taken_by_a_token_volume": "no image",
    "name_taken_by_a_volume": "no image",
    "already_injected": "empty projected volume",
    "already_injected_by_another_version": "empty projected volume",
    "mirror_pod": "only a kubelet makes them",
    "windows_by_options": "hostProcess needs hostNetwork",
}
"""Golden pods that no API server accepts, with or without us."""
PATIENCE_S = 120


@pytest.fixture(scope="module")
def webhook(kubectl, images) -> Iterator[webhooks.Webhook]:
    with webhooks.injecting(kubectl, operator=images["operator"], sidecar=images["sidecar"]) as found:
        yield found


@pytest.fixture
def injected(webhook, new_namespace):
    """A namespace whose pods the injector is asked for."""
    name = new_namespace(**webhook.selector)
    _until_asked(webhook.kubectl.within(name), name)
    return name


def _until_asked(kubectl: Kubectl, namespace: str) -> None:
    """A new webhook configuration takes the API server a second or two, and so does the way to a new Service."""
    probe = pod("probe", [{"name": "app", "image": "x"}])
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(CommandError):
            if "initContainers" in kubectl.within(namespace).dry_run(probe)["spec"]:
                return
        time.sleep(0.2)
    raise AssertionError("the API server does not ask the injector")


def pod(
    name: str, containers: list[dict[str, Any]], *, group: str | None = "orders-api", **spec: Any
) -> dict[str, Any]:
    labels = {"app": name} | ({"notifychannel.io/inject": group} if group else {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": containers, "terminationGracePeriodSeconds": 2, **spec},
    }


def app(image: str, **fields: Any) -> dict[str, Any]:
    return {"name": "app", "image": image, "imagePullPolicy": "IfNotPresent", **fields}


@contextmanager
def _dry_runs(kubectl: Kubectl) -> Iterator[Callable[[str, dict[str, Any]], dict[str, Any] | None]]:
    """The same a hundred times, by one process; None where the pod is refused."""
    command = [kubectl.program, "proxy", "--port=0"]
    with subprocess.Popen(command, env=kubectl.environment(), stdout=subprocess.PIPE, text=True) as proxy:
        try:
            origin = f"http://{proxy.stdout.readline().split()[-1]}"

            def create(namespace: str, body: dict[str, Any]) -> dict[str, Any] | None:
                request = urllib.request.Request(  # noqa: S310  http, to 127.0.0.1
                    f"{origin}/api/v1/namespaces/{namespace}/pods?dryRun=All",
                    data=json.dumps(body).encode(),
                    headers={"Content-Type": "application/json"},
                )
                try:
                    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                        return json.load(answer)
                except urllib.error.HTTPError as error:
                    with error:
                        if error.code not in (400, 403, 422):
                            raise
                    return None

            yield create
        finally:
            proxy.kill()


def _comparable(created: dict[str, Any]) -> dict[str, Any]:
    """Without what the API server makes up anew each time."""
    found = copy.deepcopy(created)
    for name in ("uid", "name", "namespace", "creationTimestamp", "managedFields"):
        found["metadata"].pop(name, None)
    text = re.sub(r"kube-api-access-[a-z0-9]{5}", "kube-api-access", json.dumps(found))
    return json.loads(re.sub(r'"lastTransitionTime": "[^"]*"', '"lastTransitionTime": ""', text))


def _without_ours(made: dict[str, Any], plain: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both pods without what injection adds, and without what the API server makes of that."""
    made, plain = copy.deepcopy(made), copy.deepcopy(plain)
    assert made["spec"]["initContainers"].pop()["name"] == "notifychannel"
    made["spec"]["volumes"] = [each for each in made["spec"]["volumes"] if not each["name"].startswith("notifychannel")]
    for found in (made, plain):
        found["metadata"].get("annotations", {}).pop("notifychannel.io/sidecar", None)
        for where, name in (("spec", "initContainers"), ("spec", "volumes"), ("metadata", "annotations")):
            if not found[where].get(name):
                found[where].pop(name, None)
    summed = made["spec"].get("resources", {}).get("requests", {})
    for resource in set(summed) - set(plain["spec"].get("resources", {}).get("requests", {})):
        del summed[resource]  # the API server's sum over the containers, ours among them
    if (plain["status"]["qosClass"], made["status"]["qosClass"]) == ("BestEffort", "Burstable"):
        del plain["status"]["qosClass"], made["status"]["qosClass"]  # a request of ours is one of the pod's
    return made, plain


def test_the_api_server_accepts_every_golden_pod_and_nothing_but_the_additions_is_different(
    kubectl, injected, new_namespace
):
    """Each pod twice, with and without the webhook; where it is refused without, it is refused with."""
    plain = new_namespace()
    for namespace in (injected, plain):
        kubectl.within(namespace).run("create", "serviceaccount", "orders")
    with _dry_runs(kubectl) as create:
        answers = {
            path.stem: (
                case,
                *(create(where, {"apiVersion": "v1", "kind": "Pod", **case["pod"]}) for where in (injected, plain)),
            )
            for path in sorted(FOLDER.glob("*.yaml"))
            if (case := yaml.safe_load(path.read_text()))
        }
    assert {name for name, (_, _, without) in answers.items() if without is None} <= set(REFUSED_ANYWAY)
    for name, (case, made, without) in answers.items():
        assert (made is None) == (without is None), name
        if made is not None and without is not None:
            same = _without_ours(made, without) if case["reason"] == "Injected" else (made, without)
            assert _comparable(same[0]) == _comparable(same[1]), name


def test_an_unlabelled_pod_is_untouched_byte_by_byte(kubectl, injected, new_namespace, images):
    plain = new_namespace()
    body = pod("other", [app(images["application"])], group=None)
    texts = [
        json.dumps(_comparable(kubectl.within(namespace).dry_run(body)), indent=1) for namespace in (injected, plain)
    ]  # fmt: skip
    assert texts[0] == texts[1]
    assert "notifychannel.io" not in texts[0]


def test_a_quota_that_demands_limits_is_satisfied(kubectl, injected, images):
    """Mutant: no CPU limit where every container has one → the API server refuses the pod."""
    hard = {"limits.cpu": "2", "limits.memory": "2Gi", "requests.cpu": "2", "requests.memory": "2Gi"}
    mine = kubectl.within(injected)
    mine.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "all"}, "spec": {"hard": hard}})
    mine.until("resourcequotas", lambda found: found.get("status", {}).get("hard") == hard)
    resources = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}}
    with pytest.raises(CommandError, match="must specify"):
        mine.dry_run(pod("unlimited", [app(images["application"])]))
    made = mine.dry_run(pod("limited", [app(images["application"], resources=resources)]))
    assert made["spec"]["initContainers"][0]["resources"]["limits"] == {"cpu": "200m", "memory": "128Mi"}


def test_a_guaranteed_pod_stays_guaranteed(kubectl, injected, images):
    same = {"cpu": "50m", "memory": "64Mi"}
    sure = pod("sure", [app(images["application"], resources={"requests": same, "limits": same})])
    made = kubectl.within(injected).dry_run(sure)
    assert made["status"]["qosClass"] == "Guaranteed"


RESTRICTED = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}
CONFINED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_a_pod_runs_in_a_restricted_namespace_without_configuration_and_the_sidecar_cannot_read_the_token(
    kubectl, webhook, new_namespace, images
):
    """Mutants: no runAsNonRoot → refused; no volume at the token's path → the token is there."""
    name = new_namespace(**webhook.selector, **{"pod-security.kubernetes.io/enforce": "restricted"})
    mine = kubectl.within(name)
    mine.apply(pod("orders", [app(images["application"], securityContext=CONFINED)], **RESTRICTED))
    mine.wait_for("pod/orders", "condition=Ready")
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert "token" in mine.run("exec", "orders", "-c", "app", "--", "ls", path)
    assert mine.run("exec", "orders", "-c", "notifychannel", "--", "ls", path) == ""
    with pytest.raises(CommandError, match="No such file"):
        mine.run("exec", "orders", "-c", "notifychannel", "--", "cat", f"{path}/token")
    assert _state_when_it_serves(mine, "orders") == "WAITING"


def test_a_job_with_the_sidecar_completes(kubectl, injected, images):
    mine = kubectl.within(injected)
    short = app(images["application"], args=["-c", "print('done')"])
    template = pod("import", [short], restartPolicy="Never", terminationGracePeriodSeconds=30)  # a busy node is slow
    template["metadata"].pop("name")
    mine.apply(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "import"},
            "spec": {"template": {"metadata": template["metadata"], "spec": template["spec"]}, "backoffLimit": 0},
        }
    )
    mine.wait_for("job/import", "condition=Complete")
    [done] = mine.get("pods", "-l", "app=import")["items"]
    assert [each["name"] for each in done["spec"]["initContainers"]] == ["notifychannel"]
    assert done["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


def test_a_webhook_after_ours_adds_its_container_and_ours_is_there_once(kubectl, webhook, injected, images):
    """Asked again (IfNeeded), ours answers that there is nothing to do. Mutant: reinvocation adds a second sidecar."""
    with webhooks.second(webhook, kubectl, image=images["application"]):
        body, mine = pod("both", [app(images["application"])]), kubectl.within(injected)
        deadline = time.monotonic() + PATIENCE_S
        while len((made := mine.dry_run(body))["spec"]["initContainers"]) < 2:
            assert time.monotonic() < deadline, "the API server does not ask the second webhook"
            time.sleep(0.2)
        assert [each["name"] for each in made["spec"]["initContainers"]] == ["notifychannel", "late"]
        assert re.search(r'admissions_total\{reason="AlreadyInjected"\} [1-9]', webhook.metrics())
        mine.apply(body)
        mine.wait_for("pod/both", "condition=Ready")


@pytest.mark.parametrize("sharing", [{}, {"shareProcessNamespace": True}, {"hostPID": True}], ids=str)
def test_the_hook_finishes_this_sidecar_and_nobody_else(kubectl, injected, images, sharing):
    """Mutants: `kill -USR1 1` everywhere → not finished; no look at the cgroup → the other pod's sidecar too."""
    mine = kubectl.within(injected)
    for name in ("one", "other"):
        mine.apply(pod(name, [app(images["application"], securityContext={"runAsUser": 65532})], **sharing))
    for name in ("one", "other"):
        mine.wait_for(f"pod/{name}", "condition=Ready")
        assert _state_when_it_serves(mine, name) == "WAITING"
    hook = mine.get("pod", "one")["spec"]["initContainers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    mine.run("exec", "one", "-c", "notifychannel", "--", *hook)
    deadline = time.monotonic() + PATIENCE_S
    while _state(mine, "one") != "FINISHED":
        assert time.monotonic() < deadline, "the hook has finished nothing"
        time.sleep(0.1)
    assert _state(mine, "other") == "WAITING"
    for name in ("one", "other"):
        statuses = mine.get("pod", name)["status"]
        assert [each["restartCount"] for each in statuses["containerStatuses"]] == [0]
        assert [each["restartCount"] for each in statuses["initContainerStatuses"]] == [0]


def _state_when_it_serves(kubectl: Kubectl, name: str) -> str:
    """A sidecar has no readiness of its own: a pod is Ready while it still imports."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(CommandError):
            return _state(kubectl, name)
        time.sleep(0.1)
    return _state(kubectl, name)


def _state(kubectl: Kubectl, name: str) -> str:
    return json.loads(kubectl.proxied(name, 9789, "/status"))["state"]
