"""What `kubectl get` is asked, as the API server's own path and query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

IN_A_NAMESPACE = {
    **dict.fromkeys(("configmaps", "pods", "resourcequotas", "secrets", "serviceaccounts", "services"), "/api/v1"),
    **dict.fromkeys(("deployments", "statefulsets"), "/apis/apps/v1"),
    "leases": "/apis/coordination.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "notifychannels": "/apis/notifychannel.io/v1alpha1",
}
CLUSTER_WIDE = {
    "namespaces": "/api/v1", "nodes": "/api/v1",
    "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1",
    "clusterrolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "mutatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1",
}  # fmt: skip
SHORT = {"nch": "notifychannels", "crd": "customresourcedefinitions"}


@dataclass(frozen=True, kw_only=True)
class Question:
    """One object, or all that a query selects."""

    path: str
    query: dict[str, str] = field(default_factory=dict)

    def with_query(self, **more: str) -> str:
        """The URL, without its host."""
        query = urlencode({**self.query, **more})
        return f"{self.path}?{query}" if query else self.path


def asked(*words: str, namespace: str = "default") -> Question | None:
    """`asked("pods", "-l", "app=web")`, `asked("pod", "web")`; None: only kubectl knows what such words mean."""
    names: list[str] = []
    query: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if word in ("-n", "--namespace"):
            namespace = next(rest)
        elif word == "-l":
            query["labelSelector"] = next(rest)
        elif word.startswith("--field-selector="):
            query["fieldSelector"] = word.partition("=")[2]
        elif word.startswith("-"):
            return None
        else:
            names.append(word)
    kind, *objects = names
    path = _path(kind, namespace)
    if path is None or len(objects) > 1 or (objects and query):
        return None
    return Question(path="/".join((path, *objects)), query=query)


def object_of(body: dict[str, Any], namespace: str) -> Question:
    """The object that a manifest is about; of the kinds above."""
    path = _path(body["kind"].lower(), namespace)
    assert path, f"question.py does not know {body['kind']}"
    return Question(path=f"{path}/{body['metadata']['name']}")


def group_of(resource: str) -> str:
    """The API group of one of the kinds above; "" of the first ones."""
    _, where, *rest = {**IN_A_NAMESPACE, **CLUSTER_WIDE}[resource].split("/")
    return rest[0] if where == "apis" else ""


def _path(kind: str, namespace: str) -> str | None:
    plural = SHORT.get(kind, kind)
    for each in (plural, f"{plural}s"):
        if each in IN_A_NAMESPACE:
            return f"{IN_A_NAMESPACE[each]}/namespaces/{namespace}/{each}"
        if each in CLUSTER_WIDE:
            return f"{CLUSTER_WIDE[each]}/{each}"
    return None
