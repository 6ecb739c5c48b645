"""What the other tests here take for granted of the cluster: if one of these fails, look here first."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import asyncpg
import pytest

from tests.certificates import authority
from tests.e2e import application
from tests.e2e.kubectl import CommandError

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
SLEEP = ["-c", "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(0)); signal.pause()"]
PATIENCE_S = 120.0
WEBHOOK = """
import base64, json, ssl
from aiohttp import web

async def review(request):
    asked = (await request.json())["request"]
    patch = json.dumps([{"op": "add", "path": "/metadata/labels", "value": {"called": "yes"}}])
    answer = {"uid": asked["uid"], "allowed": True, "patchType": "JSONPatch",
              "patch": base64.b64encode(patch.encode()).decode()}
    return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer})

app = web.Application()
app.router.add_post("/", review)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
web.run_app(app, port=8443, ssl_context=context, handle_signals=True)
"""


def container(name: str = "application", **others: Any) -> dict[str, Any]:
    return {"name": name, "image": "notifychannel/application:e2e", "securityContext": RESTRICTED, **others}


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 5, "containers": list(containers), **spec},
    }


READY = {"readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}}


@pytest.mark.usefixtures("neighbours")
def test_a_pod_with_a_native_sidecar_runs_in_a_restricted_namespace(kubectl, new_namespace):
    inside = kubectl.within(new_namespace(**{"pod-security.kubernetes.io/enforce": "restricted"}))
    sidecar = container("sidecar", restartPolicy="Always", args=SLEEP)
    inside.apply(pod("web", container(args=SLEEP), initContainers=[sidecar]))
    inside.wait_for("pod/web", "condition=Ready")
    status = inside.get("pod", "web")["status"]
    assert status["initContainerStatuses"][0]["started"]
    assert inside.run("exec", "web", "-c", "application", "--", "python3", "-c", "print(6 * 7)") == "42\n"


@pytest.mark.usefixtures("neighbours")
def test_the_application_tells_what_it_has_acknowledged(kubectl, namespace):
    inside = kubectl.within(namespace)
    inside.apply(pod("web", container(**READY)))
    inside.wait_for("pod/web", "condition=Ready")
    one, two = (
        {"channel": "orders", "reason": "change", "hints": [{"id": name, "key": {"name": name}}]}
        for name in ("one", "two")
    )
    application.post(inside, "web", one)
    application.tell(inside, "web", retry=["two"])
    application.post(inside, "web", two)
    assert application.until_acknowledged(inside, "web", {"name": "one"})["id"] == "one"
    for key in (None, {"name": "two"}):
        with pytest.raises(AssertionError, match="has not heard"):
            application.until_acknowledged(inside, "web", key, timeout_s=0.1)
    heard = application.heard(inside, "web")
    assert [post["body"] for post in heard["posts"]] == [one, two]
    assert [hint["id"] for hint in heard["acknowledged"]] == ["one"]
    assert '"id": "two"' in inside.run("logs", "web")


@pytest.mark.usefixtures("neighbours")
def test_a_webhook_is_called_through_its_service(kubectl, namespace, tmp_path):
    inside = kubectl.within(namespace)
    ca = authority(tmp_path)
    certificate, key = ca.issue(f"hook.{namespace}.svc", alternatives=f"DNS:hook.{namespace}.svc")
    inside.run("create", "secret", "tls", "hook", f"--cert={certificate}", f"--key={key}")
    mounted = {"volumeMounts": [{"name": "tls", "mountPath": "/tls"}]}
    volumes = [{"name": "tls", "secret": {"secretName": "hook"}}]
    listening = {"readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1}}
    inside.apply(
        pod("hook", container(args=["-c", WEBHOOK], **mounted, **listening), volumes=volumes),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "hook"},
            "spec": {"selector": {"app": "hook"}, "ports": [{"port": 443, "targetPort": 8443}]},
        },
    )
    inside.wait_for("pod/hook", "condition=Ready")
    hook = {
        "name": "hook.e2e.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "timeoutSeconds": 15,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
        "clientConfig": {
            "service": {"namespace": namespace, "name": "hook"},
            "caBundle": base64.b64encode(ca.ca.read_bytes()).decode(),
        },
    }
    kubectl.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": namespace},
            "webhooks": [hook],
        }
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not called(inside):  # a new configuration takes a moment to reach the API server's cache
            assert time.monotonic() < deadline, "the webhook was not called"
    finally:
        kubectl.run("delete", "mutatingwebhookconfiguration", namespace)


def called(inside) -> bool:
    """Whether a ConfigMap made now has come by the webhook."""
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "probe-"}}
    made = json.loads(inside.run("create", "-f", "-", "-o", "json", stdin=json.dumps(probe)))
    return made["metadata"].get("labels") == {"called": "yes"}


def test_a_cel_rule_refuses_with_its_message(kubectl, namespace):
    group = f"{namespace}.example.com"
    bounds = {
        "type": "object",
        "properties": {"min": {"type": "integer"}, "max": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.min <= self.max", "message": "min must not exceed max"}],
    }
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": bounds}}}
    kubectl.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"bounds.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": "Bound", "plural": "bounds", "singular": "bound"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
            },
        }
    )
    try:
        kubectl.wait_for(f"crd/bounds.{group}", "condition=Established")
        bad = {"apiVersion": f"{group}/v1", "kind": "Bound", "metadata": {"name": "bad"}, "spec": {"min": 5, "max": 2}}
        assert "min must not exceed max" in refusal(kubectl.within(namespace), bad)
    finally:
        kubectl.run("delete", "crd", f"bounds.{group}", "--wait=false")


def refusal(inside, manifest: dict[str, Any]) -> str:
    """What the API server says against it, once it knows the kind."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with pytest.raises(CommandError) as caught:
            inside.apply(manifest)
        if "no matches for kind" not in str(caught.value) and "could not find the requested" not in str(caught.value):
            return str(caught.value)
    return "the kind stayed unknown"


async def test_postgresql_answers_the_test_and_other_pods_and_keeps_its_data(kubectl, namespace, postgres):
    connection = await postgres.connect("app_owner")
    await connection.execute("CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept VALUES (1)")
    inside = kubectl.within(namespace)
    inside.apply(pod("client", container(args=SLEEP)))
    inside.wait_for("pod/client", "condition=Ready")
    query = ["psql", postgres.uri("app_owner"), "-tAc", "SELECT id FROM kept"]
    assert inside.run("exec", "client", "--", *query) == "1\n"

    inside.run("delete", "pod", "postgres-0", "--wait")
    inside.rolled_out("statefulset/postgres")
    again = await postgres.connect("app_owner")
    assert await again.fetchval("SELECT id FROM kept") == 1


async def test_a_standby_refuses_to_write(kubectl, namespace, postgres):
    await asyncio.to_thread(postgres.standby)
    inside = kubectl.within(namespace)
    superuser = postgres.uri("postgres", host="postgres-standby")
    inside.apply(pod("client", container(args=SLEEP)))
    inside.wait_for("pod/client", "condition=Ready")
    with pytest.raises(CommandError, match="read-only transaction"):
        inside.run("exec", "client", "--", "psql", superuser, "-c", "CREATE TABLE no ()")


async def test_a_role_may_do_nothing_before_the_grants(postgres):
    owner = await postgres.connect("app_owner")
    await owner.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    installer = await postgres.connect("installer")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await installer.execute("SELECT * FROM orders")
    await postgres.grant(ORDERS)
    await installer.execute("CREATE TABLE notifychannel.ours ()")


ORDERS = """
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders, namespace: shop}
spec:
  database: {secretRef: {name: orders-db}}
  sources:
    - {schema: public, table: orders, key: [{column: id}], rules: [{name: created, events: [Insert]}]}
  consumers:
    - {group: orders-api, endpoint: {port: 8080, path: /hints}}
"""


@pytest.mark.usefixtures("neighbours")
def test_a_memory_limit_kills(kubectl, namespace):
    inside = kubectl.within(namespace)
    greedy = container(args=["-c", "x = bytearray(300_000_000)"], resources={"limits": {"memory": "64Mi"}})
    inside.apply(pod("greedy", greedy, restartPolicy="Never"))
    inside.wait_for("pod/greedy", "jsonpath={.status.phase}=Failed")
    status = inside.get("pod", "greedy")["status"]["containerStatuses"][0]
    assert status["state"]["terminated"]["reason"] == "OOMKilled"


@pytest.mark.usefixtures("neighbours")
def test_a_changed_configmap_reaches_a_running_pod(kubectl, namespace, record_property):
    inside = kubectl.within(namespace)
    inside.apply(configmap("before"))
    watch = "import pathlib, time\nwhile pathlib.Path('/configuration/word').read_text() != 'after': time.sleep(0.1)\n"
    volumes = [{"name": "configuration", "configMap": {"name": "configuration"}}]
    mounted = {"volumeMounts": [{"name": "configuration", "mountPath": "/configuration"}]}
    inside.apply(pod("reader", container(args=["-c", watch], **mounted), restartPolicy="Never", volumes=volumes))
    inside.wait_for("pod/reader", "condition=Ready")
    began = time.monotonic()
    inside.apply(configmap("after"))
    inside.wait_for("pod/reader", "jsonpath={.status.phase}=Succeeded", timeout_s=180)
    record_property("figures", f"a changed ConfigMap reached the pod after {time.monotonic() - began:.1f} s")


def configmap(word: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "configuration"}, "data": {"word": word}}
