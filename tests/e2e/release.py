"""A release of the chart that serves some namespaces only, so that it meddles with nobody on the cluster."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.e2e import chart, pod_logs
from tests.e2e.api_server import install
from tests.e2e.kubectl import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.cluster import Cluster
    from tests.e2e.kubectl import Helm, Kubectl

CRD = "notifychannels.notifychannel.io"
INJECTED_AFTER_S = 120
ONE_OF_EACH, TWO_OF_EACH = (tuple(f"{it}.replicas={count}" for it in ("operator", "injector")) for count in (1, 2))
"""Two is the chart's default. Tests to which the second is nothing have one: its start and its life cost as much."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """`kubectl` is within its own namespace; every object of it is called `<name>…`."""

    kubectl: Kubectl
    helm: Helm
    name: str
    namespace: str
    served: str
    """The one namespace whose channels and pods it serves."""
    values: tuple[str, ...]

    def install(self, *values: str, timeout_s: int = 300) -> float:
        """`helm upgrade --install --wait`; the seconds it took."""
        began = time.monotonic()
        self.helm.run(
            "upgrade", "--install", self.name, chart.CHART, "--namespace", self.namespace, "--wait",
            "--timeout", f"{timeout_s}s", *chart.arguments(*self.values, *values), timeout_s=timeout_s + 30,
        )  # fmt: skip
        return time.monotonic() - began

    def uninstall(self, *arguments: str) -> float:
        """`helm uninstall --wait`; the seconds it took."""
        began = time.monotonic()
        self.helm.run("uninstall", self.name, "--namespace", self.namespace, "--wait", *arguments, timeout_s=400)
        return time.monotonic() - began

    def leader(self) -> str | None:
        """The pod that holds the Lease."""
        holder = self.kubectl.get("lease", self.name)["spec"].get("holderIdentity")
        return holder.partition("_")[0] if holder else None

    def pods(self, component: str) -> list[str]:
        """Names of those of `operator` or `injector` that are not going."""
        items = self.kubectl.get("pods", "-l", self.selector(component))["items"]
        return sorted(each["metadata"]["name"] for each in items if "deletionTimestamp" not in each["metadata"])

    def metrics(self, pod: str) -> str:
        """Of one of its pods, through the API server, ready or not."""
        return self.kubectl.proxied(pod, 8080, "/metrics")

    def selector(self, component: str) -> str:
        """Of the pods of `operator` or `injector`."""
        return f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"

    def scale(self, component: str, replicas: int) -> None:
        """The Deployment `operator` or `injector`, and wait until it is so."""
        self.kubectl.run("scale", f"deployment/{self.name}-{component}", f"--replicas={replicas}")
        if replicas:
            self.kubectl.rolled_out(f"deployment/{self.name}-{component}")
        else:
            self.kubectl.run(
                "wait", "pods", "-l", self.selector(component), "--for=delete", "--timeout=180s", timeout_s=190
            )

    def until_injecting(self) -> None:
        """A new webhook configuration takes the API server a second or two: until a dry-run pod comes back injected."""
        deadline = time.monotonic() + INJECTED_AFTER_S
        while not is_injected(self.kubectl, self.served):
            if time.monotonic() > deadline:
                raise CommandError(f"no pod of {self.served} is injected after {INJECTED_AFTER_S} s")
            time.sleep(0.3)


@contextmanager
def released(
    cluster: Cluster, images: dict[str, str], *, namespace: str, served: str, values: tuple[str, ...] = ()
) -> Iterator[Release]:
    """Installed for the served namespace; uninstalled at the end, without the cleanup that has tests of its own."""
    kubectl = cluster.kubectl
    install(kubectl)
    tag = images["operator"].rpartition(":")[2]
    name = f"nc-{secrets.token_hex(3)}"
    own = (
        f"fullnameOverride={name}", f"image.tag={tag}", f"sidecar.image.tag={tag}", "crds.create=false",
        f"watchNamespaces={{{served}}}",
        "webhook.timeoutSeconds=15",  # a pod that is made while the node is busy is to have its sidecar all the same
        *ONE_OF_EACH,
    )  # fmt: skip
    made = Release(
        kubectl=kubectl.within(namespace),
        helm=cluster.helm,
        name=name,
        namespace=namespace,
        served=served,
        values=(*own, *values),
    )
    try:
        made.install()
        made.until_injecting()
        yield made
    finally:
        try:
            pod_logs.search(made.kubectl)
        finally:
            if name in cluster.helm.run("list", "--namespace", namespace, "--all", "--short").split():
                made.uninstall("--no-hooks")


def is_injected(kubectl: Kubectl, namespace: str) -> bool:
    """A dry run of a pod with the label."""
    return bool(sidecars(kubectl.within(namespace).dry_run(labelled_pod())))


def labelled_pod() -> dict[str, Any]:
    """One that asks for the sidecar, for dry runs; any namespace takes it."""
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "dry-run", "labels": {"notifychannel.io/inject": "some-group"}},
        "spec": {
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "app", "image": "never-pulled:0",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    }  # fmt: skip


def sidecars(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """The containers that the injector has added: one or none."""
    return [each for each in pod["spec"].get("initContainers", ()) if each["name"] == "notifychannel"]
