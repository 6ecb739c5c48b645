"""A shop in a namespace: tables in PostgreSQL, a channel, and an application whose pods carry the label."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.e2e import application

if TYPE_CHECKING:
    import asyncpg

    from tests.e2e.kubectl import Kubectl
    from tests.e2e.postgresql import PostgreSQL
    from tests.e2e.release import Release

GROUP = "orders-api"
TABLES = """
CREATE TABLE orders (id bigint PRIMARY KEY, status text NOT NULL DEFAULT 'new', note text);
CREATE TABLE visits (id bigint, day date) PARTITION BY RANGE (day);
CREATE TABLE visits_2026 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
"""
EVERY = [{"name": "every", "events": ["Insert", "Update", "Delete"]}]
RESTRICTED = {
    "allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip


def source(table: str, *, schema: str = "public", key: str = "id") -> dict[str, Any]:
    """Every change of a table."""
    return {"schema": schema, "table": table, "key": [{"column": key}], "rules": EVERY}


def channel(
    name: str = "orders", *, tables: tuple[str, ...] = ("orders",), group: str = GROUP, database: str = "installer-db",
    consumer: dict[str, Any] | None = None, **spec: Any,
) -> dict[str, Any]:  # fmt: skip
    """A NotifyChannel; its poll is an hour away, so that whatever is heard was NOTIFYed.

    Its application has more time to answer than on a node of its own, so that nothing is told a second time.
    """
    consumers = [{
        "group": group, "endpoint": {"port": 8080, "path": "/hints", "timeout": "15s"}, "poll": {"interval": "1h"},
        "debounce": {"window": "20ms", "maxDelay": "1s"}, "resync": {"spread": "0s"}, **(consumer or {}),
    }]  # fmt: skip
    return {
        "apiVersion": "notifychannel.io/v1alpha1",
        "kind": "NotifyChannel",
        "metadata": {"name": name},
        "spec": {
            "database": {"secretRef": {"name": database}},
            "sources": [source(each) for each in tables],
            "consumers": consumers,
            **spec,
        },
    }


def deployment(
    images: dict[str, str], *, name: str = GROUP, group: str | None = GROUP, replicas: int = 1,
    annotations: dict[str, str] | None = None, **pod: Any,
) -> dict[str, Any]:  # fmt: skip
    """The application, as a restricted pod; without a group it carries no label of ours."""
    labels = {"app": name} | ({"notifychannel.io/inject": group} if group else {})
    container = {
        "name": "application", "image": images["application"], "imagePullPolicy": "IfNotPresent",
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 10},
        "securityContext": RESTRICTED,
    }  # fmt: skip
    spec = {"containers": [container], "terminationGracePeriodSeconds": 10, **pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels, "annotations": annotations or {}}, "spec": spec},
        },
    }


@dataclass(frozen=True, kw_only=True)
class Shop:
    """One namespace that a release serves, with a PostgreSQL of its own."""

    kubectl: Kubectl
    """Within that namespace."""
    postgres: PostgreSQL
    release: Release

    async def open(self, *channels: dict[str, Any], tables: str = TABLES) -> asyncpg.Connection:
        """Tables, grants, Secrets, and these channels applied; the connection of the tables' owner."""
        owner = await self.postgres.connect()
        await owner.execute(tables)
        named = [{**each, "metadata": {**each["metadata"], "namespace": self.release.served}} for each in channels]
        if named:
            await self.postgres.grant(*map(json.dumps, named))
        self.postgres.secret("installer-db", "installer", allowed=True)
        self.postgres.secret(f"notifychannel-{GROUP}", "listener")
        if channels:
            self.kubectl.apply(*channels)
        return owner

    def run(self, images: dict[str, str], *, replicas: int = 1, **pod: Any) -> list[str]:
        """The application's Deployment, rolled out; names of its pods."""
        self.kubectl.put(deployment(images, replicas=replicas, **pod))
        self.kubectl.rolled_out(f"deployment/{GROUP}")
        return pods(self.kubectl)


def condition(body: dict[str, Any] | None, kind: str) -> tuple[str, str]:
    """(status, reason) of one condition, empty texts where it is not there yet."""
    found = ((body or {}).get("status") or {}).get("conditions") or []
    return next(((each["status"], each["reason"]) for each in found if each["type"] == kind), ("", ""))


def message(body: dict[str, Any], kind: str) -> str:
    """What it says."""
    return next((each["message"] for each in body["status"]["conditions"] if each["type"] == kind), "")


def until_condition(
    kubectl: Kubectl, name: str, kind: str, status: str, reason: str | None = None, *, timeout_s: float = 240
) -> tuple[dict[str, Any], float]:
    """The channel when this condition is so, for its present generation; and the seconds that took."""

    def holds(body: dict[str, Any]) -> bool:
        is_fresh = (body.get("status") or {}).get("observedGeneration") == body["metadata"]["generation"]
        found = condition(body, kind)
        return is_fresh and found[0] == status and reason in (None, found[1])

    return kubectl.until("notifychannels", holds, f"--field-selector=metadata.name={name}", timeout_s=timeout_s)


def passed_over(kubectl: Kubectl, name: str) -> None:
    """Have the operator look at the channel now, not by the minute: any change but of its status does."""
    kubectl.run("annotate", "notifychannel", name, f"example.com/look={time.time()}", "--overwrite")


def pods(kubectl: Kubectl, *, app: str = GROUP) -> list[str]:
    """Names of its pods that are not going."""
    items = kubectl.get("pods", "-l", f"app={app}")["items"]
    return sorted(each["metadata"]["name"] for each in items if "deletionTimestamp" not in each["metadata"])


def configs(kubectl: Kubectl) -> list[str]:
    """Names of the groups' ConfigMaps."""
    items = kubectl.get("configmaps", "-l", "app.kubernetes.io/managed-by=notifychannel")["items"]
    return [each["metadata"]["name"] for each in items if each["metadata"]["name"].startswith("notifychannel-")]


def until_heard(
    kubectl: Kubectl, pod: str, key: dict[str, Any] | None, *, after: float = 0, timeout_s: float = 120
) -> float:
    """Wait until the pod has acknowledged a hint of this key (None: a resync), and when it did (Unix time).

    Before a key of a pod that has just begun, wait for its first resync: what is heard before that is swallowed by it.
    """
    found = application.until_acknowledged(kubectl, pod, key, after=after, timeout_s=timeout_s)
    return float(found["at"])
