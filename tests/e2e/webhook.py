"""The injector in the cluster without the chart: for tests of injection alone, beside a release or without one.

`failurePolicy: Fail`, unlike the chart's: a test must not mistake a failed admission for a pod that was left alone.
"""

from __future__ import annotations

import base64
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from notifychannel_operator import certificates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.kubectl import Kubectl

SECOND = """
import base64, json, ssl
from aiohttp import web

async def admit(request):
    review = await request.json()
    pod = review["request"]["object"]
    late = {"name": "late", "image": "IMAGE", "restartPolicy": "Always", "args": ["-c", "import time; time.sleep(3e3)"],
            "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}}}
    response = {"uid": review["request"]["uid"], "allowed": True}
    found = pod["spec"].get("initContainers") or []
    if not any(each["name"] == "late" for each in found):
        patch = [{"op": "add", "path": "/spec/initContainers", "value": [*found, late]}]
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
    return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
application = web.Application()
application.router.add_post("/inject", admit)
web.run_app(application, port=8443, ssl_context=context)
"""
"""A webhook of somebody else, which adds a container with limits after ours has been asked."""


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """An injector that is asked for pods of namespaces with this label."""

    kubectl: Kubectl
    selector: dict[str, str]

    def metrics(self) -> str:
        """Of the injector, through the API server."""
        name = self.kubectl.get("pods", "-l", "app=injector")["items"][0]["metadata"]["name"]
        return self.kubectl.proxied(name, 8080, "/metrics")


@contextmanager
def injecting(kubectl: Kubectl, *, operator: str, sidecar: str) -> Iterator[Webhook]:
    """Deploy the injector and its webhook; both removed at the end."""
    name = f"inj-{secrets.token_hex(3)}"
    mine = kubectl.within(name)
    selector = {"notifychannel.test/injection": name}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    environment = {"NOTIFYCHANNEL_TLS_DIR": "/tls", "NOTIFYCHANNEL_SIDECAR_IMAGE": sidecar}
    container = {
        "image": operator,
        "command": ["notifychannel-injector"],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 10},
    }
    try:
        bundle = _serve(mine, "injector", container)
        kubectl.apply(_configuration(name, namespace=name, service="injector", bundle=bundle, selector=selector))
        yield Webhook(kubectl=mine, selector=selector)
    finally:
        kubectl.run("delete", "mutatingwebhookconfiguration", name, "--ignore-not-found")
        kubectl.run("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@contextmanager
def second(webhook: Webhook, kubectl: Kubectl, *, image: str) -> Iterator[None]:
    """Somebody else's webhook for the same namespaces; by its name the API server asks it after ours."""
    namespace = webhook.kubectl.arguments[-1]
    container = {"image": image, "args": ["-c", SECOND.replace("IMAGE", image)]}
    bundle = _serve(
        webhook.kubectl, "second", container | {"readinessProbe": {"tcpSocket": {"port": 8443}, "timeoutSeconds": 10}}
    )
    name = f"zz-{namespace}"
    try:
        kubectl.apply(
            _configuration(
                name,
                namespace=namespace,
                service="second",
                bundle=bundle,
                selector=webhook.selector,
                policy="Ignore",  # until the node's proxy knows its Service
            )
        )
        yield
    finally:
        kubectl.run("delete", "mutatingwebhookconfiguration", name, "--ignore-not-found")


def _serve(kubectl: Kubectl, name: str, container: dict[str, Any]) -> bytes:
    """A Deployment, a Service and a Secret with a fresh certificate; the CA that a webhook trusts."""
    now = datetime.now(UTC)
    ca = certificates.make_ca(now)
    leaf = certificates.make_leaf(ca, certificates.service_names(name, kubectl.arguments[-1]), now)
    values = {"tls.crt": leaf.certificate_pem, "tls.key": leaf.key_pem}
    data = {key: base64.b64encode(value).decode() for key, value in values.items()}
    full = container | {"name": name, "volumeMounts": [{"name": "tls", "mountPath": "/tls", "readOnly": True}]}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls", "data": data},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {
                        "terminationGracePeriodSeconds": 10,
                        "containers": [full],
                        "volumes": [{"name": "tls", "secret": {"secretName": name}}],
                    },
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": [{"port": 443, "targetPort": 8443}]},
        },
    )
    kubectl.rolled_out(f"deployment/{name}")
    return ca.certificate_pem


def _configuration(
    name: str, *, namespace: str, service: str, bundle: bytes, selector: dict[str, str], policy: str = "Fail"
) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "injection.notifychannel.test",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": policy,
                "reinvocationPolicy": "IfNeeded",
                "timeoutSeconds": 15,  # a node on which many files begin at once is slow
                "clientConfig": {
                    "service": {"name": service, "namespace": namespace, "path": "/inject"},
                    "caBundle": base64.b64encode(bundle).decode(),
                },
                "namespaceSelector": {"matchLabels": selector},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            }
        ],
    }
