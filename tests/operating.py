"""A shop as an operator sees it: a real database (see premises.py), the cluster in memory, and passes over channels."""

from __future__ import annotations

import base64
import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from notifychannel_operator import inject, names
from notifychannel_operator.kinds import CHANNELS, CONFIGMAPS, PODS, SECRETS
from notifychannel_operator.passes.connect import connected
from notifychannel_operator.passes.edges import Edges
from notifychannel_operator.passes.reconcile import reconcile
from notifychannel_operator.passes.sidecar import Sidecar
from notifychannel_operator.passes.whereabouts import Ref
from notifychannel_sidecar import config as configs
from tests.kube_memory import KubeMemory

SETTINGS = inject.Settings(image="notifychannel/sidecar:test")
SOURCE = {
    "schema": "public",
    "table": "orders",
    "key": [{"column": "id"}],
    "rules": [{"name": "any", "events": ["Insert", "Update", "Delete"]}],
}
EVENTS = {**SOURCE, "table": "events"}
CONSUMER = {"group": "app", "endpoint": {"port": 8080, "path": "/hints"}}
ORDERS = Ref("shop", "orders")


def resource(name: str = "orders", *, namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    """A NotifyChannel as a person writes it."""
    annotations = spec.pop("annotations", {})
    return {
        "apiVersion": "notifychannel.io/v1alpha1",
        "kind": "NotifyChannel",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {
            "database": {"secretRef": {"name": "db"}},
            "sources": [SOURCE],
            "consumers": [CONSUMER],
            **spec,
        },
    }


def pod(name: str = "app-1", *, group: str = "app", injected: bool = True, **status: Any) -> dict[str, Any]:
    """A running pod of a Deployment, as the API server has it."""
    labels = {inject.GROUP_LABEL: group, "pod-template-hash": "5d8f9"}
    owner = {"kind": "ReplicaSet", "name": f"{group}-5d8f9", "controller": True, "uid": "rs"}
    made: dict[str, Any] = {
        "metadata": {"name": name, "namespace": "shop", "labels": labels, "ownerReferences": [owner]},
        "spec": {"containers": [{"name": "app", "image": "app"}]},
        "status": {"phase": "Running", "podIP": "10.0.0.7", **status},
    }
    if injected:
        made["metadata"]["annotations"] = {"notifychannel.io/sidecar": inject.fingerprint(SETTINGS)}
        made["spec"]["initContainers"] = [{"name": "notifychannel", "restartPolicy": "Always"}]
    return made


def listening(channel: str = "orders", *, good: bool = True, said: str = "the application answers 200") -> Sidecar:
    """What a healthy sidecar says."""
    return Sidecar(is_listening=True, deliveries={channel: (good, said)})


@dataclass(kw_only=True)
class Operating:
    """One operator at work; `restart` forgets what passes remember."""

    kube: KubeMemory
    edges: Edges
    statuses: dict[str, Sidecar | None] = field(default_factory=dict)
    """What a probe of an address answers."""
    time: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    async def run(self, ref: Ref = ORDERS) -> Any:
        """One pass."""
        return await reconcile(self.edges, ref)

    def restart(self) -> None:
        """Another process."""
        self.edges = replace(self.edges, memory=type(self.edges.memory)())

    def apply(self, *bodies: dict[str, Any]) -> None:
        """As kubectl apply does."""
        for body in bodies:
            self.kube.put(CHANNELS, body)

    def pods(self, *bodies: dict[str, Any]) -> None:
        """Make pods."""
        for body in bodies:
            self.kube.put(PODS, body)

    def secret(self, dsn: str, *, name: str = "db", namespace: str = "shop", allow: str | None = "true") -> None:
        """The installer's Secret."""
        labels = {} if allow is None else {"notifychannel.io/allow": allow}
        data = {"uri": base64.b64encode(dsn.encode()).decode()}
        metadata = {"name": name, "namespace": namespace, "labels": labels}
        self.kube.put(SECRETS, {"metadata": metadata, "data": data})

    def status(self, ref: Ref = ORDERS) -> dict[str, Any]:
        """As it was written last."""
        found = self.kube.find(CHANNELS, ref.name, ref.namespace)
        assert found is not None
        return copy.deepcopy(found.get("status") or {})

    def condition(self, type_: str, ref: Ref = ORDERS) -> tuple[str, str, str]:
        """(status, reason, message)."""
        found = next(it for it in self.status(ref)["conditions"] if it["type"] == type_)
        return found["status"], found["reason"], found["message"]

    def says(self, type_: str, ref: Ref = ORDERS) -> tuple[str, str]:
        """(status, reason)."""
        return self.condition(type_, ref)[:2]

    def config(self, group: str = "app", namespace: str = "shop") -> configs.Config | None:
        """What the sidecars of a group are told."""
        found = self.kube.find(CONFIGMAPS, f"notifychannel-{group}", namespace)
        return None if found is None else configs.parse(found["data"]["config.json"])

    def told(self, group: str = "app", namespace: str = "shop") -> list[str]:
        """Names of the channels in the group's ConfigMap."""
        config = self.config(group, namespace)
        return [] if config is None else [it.name for it in config.channels]


def operating(**options: Any) -> Operating:
    """An operator whose installation is `test`."""
    kube = KubeMemory()

    async def probe(address: str, _port: int) -> Sidecar | None:
        return made.statuses.get(address)

    edges = Edges(
        kube=kube,  # type: ignore[arg-type]
        connect=connected,
        probe=probe,
        injection=SETTINGS,
        installation="test",
        namespace="notifychannel",
        fullname="notifychannel",
        now=lambda: made.time,
    )
    made = Operating(kube=kube, edges=replace(edges, **options))
    return made


def owner(ref: Ref = ORDERS) -> names.Owner:
    """Of its objects in the database."""
    return names.Owner(installation="test", namespace=ref.namespace, name=ref.name)
