# ruff: noqa: INP001, T201, PLR2004
"""`helm test`: does somebody lead, does the injector answer, and does a pod that asks for the sidecar get it?

Runs in the operator's image on the standard library. The pod is a dry run: nothing is created.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
API = "https://kubernetes.default.svc"
PATIENCE_S = 60
"""A new webhook configuration takes the API server a second or two, a new leader up to half a minute."""


def main() -> None:
    """Each check is tried until it passes; the first that never does ends the test with its sentence."""
    release, fullname, target = os.environ["NAMESPACE"], os.environ["FULLNAME"], os.environ["TEST_NAMESPACE"]
    patiently(lambda: leads(release, fullname))
    patiently(lambda: is_injected(target))


def patiently(check: Callable[[], tuple[bool, str]]) -> None:
    """Print what it says; exit when it still says no after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        is_good, sentence = check()
        if is_good or time.monotonic() > deadline:
            print(sentence, flush=True)
            if not is_good:
                sys.exit(1)
            return
        time.sleep(1)


def leads(namespace: str, name: str) -> tuple[bool, str]:
    """The Lease has a holder who renewed it lately."""
    status, lease = call("GET", f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}")
    spec = lease.get("spec") or {}
    holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
    if status != 200 or not holder or not renewed:
        return False, f"nobody leads: the Lease {namespace}/{name} has no holder; look at the log of {name}-operator"
    age_s = (datetime.now(UTC) - datetime.fromisoformat(renewed)).total_seconds()
    if age_s > spec.get("leaseDurationSeconds", 15):
        return False, f"nobody leads: {holder} has not renewed the Lease {namespace}/{name} for {age_s:.0f} s"
    return True, f"{holder} leads"


def is_injected(namespace: str) -> tuple[bool, str]:
    """A pod with the label comes back with the sidecar."""
    status, pod = call("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", POD)
    if status != 201:
        return False, f"no pod in {namespace}: {pod.get('message', status)}; name another namespace in test.namespace"
    names = [container["name"] for container in pod["spec"].get("initContainers", ())]
    if "notifychannel" not in names:
        return False, (
            f"a pod of {namespace} with the label notifychannel.io/inject is not injected: look at the log of the "
            "injector, and at clientConfig.caBundle and namespaceSelector of the MutatingWebhookConfiguration"
        )
    return True, f"a pod of {namespace} with the label notifychannel.io/inject is injected"


def call(method: str, path: str, body: object = None) -> tuple[int, dict]:
    """Status and JSON; an error of the API server is an answer too."""
    request = urllib.request.Request(  # noqa: S310 - the address is above
        API + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": "application/json"},
    )
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")
    except OSError as error:
        return 0, {"message": str(error)}


SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
POD = {
    "metadata": {"generateName": "notifychannel-test-", "labels": {"notifychannel.io/inject": "notifychannel-test"}},
    "spec": {
        "automountServiceAccountToken": False,
        "containers": [
            {
                "name": "application",
                "image": "never-pulled:0",
                "securityContext": SECURITY,
                "resources": {
                    "requests": {"cpu": "10m", "memory": "16Mi"},
                    "limits": {"cpu": "10m", "memory": "16Mi"},
                },
            }
        ],
    },
}
"""As strict as any namespace may ask for: restricted, and with limits."""

if __name__ == "__main__":
    main()
