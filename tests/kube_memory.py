"""A stand-in for the cluster's API in tests of passes: keeps objects in memory and records every write.

It knows what passes rely on (resourceVersion, generation, finalizers, merge patch, label selectors, our own fields in
server-side apply) and nothing else; what the real API does is tested on a real cluster in tests/e2e.
"""

from __future__ import annotations

import copy
import itertools
import re
from dataclasses import dataclass, field
from typing import Any

from notifychannel_operator.kinds import CHANNELS, CONFIGMAPS, NAMESPACES, PODS, Kind
from notifychannel_operator.kube_error import Conflict, Forbidden, NotFound

LISTED = {CHANNELS, CONFIGMAPS, PODS}
"""What the operator may list; never Secrets."""


@dataclass(kw_only=True)
class KubeMemory:
    """`objects` by (plural, namespace, name)."""

    objects: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    writes: list[tuple[str, ...]] = field(default_factory=list)
    """(verb, plural, name) of everything that a pass wrote, but Events."""
    reads: list[tuple[str, ...]] = field(default_factory=list)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    """(type, reason, note)."""
    forbidden: set[str] = field(default_factory=set)
    """Plurals that may not be read."""
    _versions: Any = field(default_factory=lambda: itertools.count(1))

    # What a person or Kubernetes does, not recorded.

    def put(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        """Create or replace an object, as kubectl apply does."""
        body = copy.deepcopy(body)
        metadata = body["metadata"]
        namespace = metadata.setdefault("namespace", "shop") if kind.namespaced else ""
        before = self.objects.get((kind.plural, namespace, metadata["name"]))
        number = next(self._versions)
        if before is None:
            metadata.setdefault("uid", f"uid-{number}")
            metadata.setdefault("creationTimestamp", f"2026-01-01T00:00:{number % 60:02d}Z")
            metadata["generation"] = 1
        else:
            for name in ("uid", "creationTimestamp", "generation", "finalizers"):
                if name in before["metadata"]:
                    metadata.setdefault(name, before["metadata"][name])
            metadata["generation"] += before.get("spec") != body.get("spec")
            if "status" in before:
                body.setdefault("status", before["status"])
        metadata["resourceVersion"] = str(number)
        self.objects[kind.plural, namespace, metadata["name"]] = body
        return body

    def remove(self, kind: Kind, name: str, *, namespace: str = "shop", at: str = "2026-01-01T00:00:00Z") -> None:
        """Delete an object, as kubectl delete does."""
        key = (kind.plural, namespace if kind.namespaced else "", name)
        found = self.objects[key]
        if found["metadata"].get("finalizers"):
            found["metadata"]["deletionTimestamp"] = at
        else:
            del self.objects[key]

    def find(self, kind: Kind, name: str, namespace: str = "shop") -> dict[str, Any] | None:
        """The object, or None."""
        return self.objects.get((kind.plural, namespace if kind.namespaced else "", name))

    # What kube.Kube does.

    async def get(self, kind: Kind, name: str, *, namespace: str | None = None) -> dict[str, Any]:
        self.reads.append(("get", kind.plural, name))
        if kind.plural in self.forbidden:
            raise Forbidden(status=403, reason="Forbidden", message=f"may not get {kind.plural}")
        found = self.objects.get((kind.plural, namespace or "", name))
        if found is None:
            raise NotFound(status=404, reason="NotFound", message=f"{kind.plural} {name} not found")
        return copy.deepcopy(found)

    async def metadata(self, kind: Kind, name: str, *, namespace: str | None = None) -> dict[str, Any]:
        found = await self.get(kind, name, namespace=namespace)
        self.reads[-1] = ("metadata", kind.plural, name)
        return {"metadata": found["metadata"]}

    async def list(
        self, kind: Kind, *, namespace: str | None = None, labels: str | None = None
    ) -> list[dict[str, Any]]:
        assert kind in LISTED, f"the operator never lists {kind.plural}"
        found = [
            {name: value for name, value in copy.deepcopy(body).items() if name not in {"apiVersion", "kind"}}
            for (plural, where, _), body in self.objects.items()
            if plural == kind.plural and namespace in (None, where)
        ]
        return [body for body in found if labels is None or _matches(body["metadata"].get("labels") or {}, labels)]

    async def create(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        metadata = body["metadata"]
        self.writes.append(("create", kind.plural, metadata["name"]))
        if self.find(kind, metadata["name"], metadata.get("namespace", "")) is not None:
            raise Conflict(status=409, reason="AlreadyExists")
        return self.put(kind, body)

    async def apply(
        self, kind: Kind, body: dict[str, Any], *, subresource: str | None = None, force: bool = True
    ) -> dict[str, Any]:
        metadata = body["metadata"]
        self.writes.append(("apply", kind.plural, metadata["name"]))
        before = self.find(kind, metadata["name"], metadata.get("namespace", ""))
        merged = {**(before or {}), **body, "data": {**((before or {}).get("data") or {}), **body["data"]}}
        merged["metadata"] = {**((before or {}).get("metadata") or {}), **metadata}
        return self.put(kind, merged)

    async def patch(
        self, kind: Kind, name: str, patch: dict[str, Any], *, namespace: str | None = None,
        subresource: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        self.writes.append(("patch", kind.plural, f"{name}/{subresource}" if subresource else name))
        key = (kind.plural, namespace or "", name)
        found = self.objects.get(key)
        if found is None:
            raise NotFound(status=404, reason="NotFound")
        metadata = patch.get("metadata") or {}
        if (
            metadata.get("resourceVersion", found["metadata"]["resourceVersion"])
            != found["metadata"]["resourceVersion"]
        ):
            raise Conflict(status=409, reason="Conflict")
        assert set(patch) <= {"metadata"} if subresource is None else set(patch) - {"metadata"} == {"status"}
        assert subresource is None or set(metadata) <= {"resourceVersion"}
        made = _merge(found, patch)
        made["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[key] = made
        if made["metadata"].get("deletionTimestamp") and not made["metadata"].get("finalizers"):
            del self.objects[key]
        return copy.deepcopy(made)

    async def delete(self, kind: Kind, name: str, *, namespace: str | None = None) -> None:
        self.writes.append(("delete", kind.plural, name))
        self.objects.pop((kind.plural, namespace or "", name), None)

    async def event(self, *, regarding: dict[str, Any], type: str, reason: str, note: str) -> None:  # noqa: A002
        assert (regarding["apiVersion"], regarding["kind"]) == (CHANNELS.api_version, CHANNELS.kind)
        assert regarding["metadata"]["uid"]
        where = regarding["metadata"]["namespace"]
        space = self.objects.get((NAMESPACES.plural, "", where))
        if space is not None and space["metadata"].get("deletionTimestamp"):
            raise Forbidden(status=403, reason="Forbidden", message="the namespace is being terminated")
        assert len(note.encode()) <= 1024
        self.events.append((type, reason, note))


def _merge(before: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    made = dict(before) if isinstance(before, dict) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = _merge(made.get(name), value)
    return made


def _matches(labels: dict[str, str], selector: str) -> bool:
    if found := re.fullmatch(r"(\S+) in \((.*)\)", selector):
        return labels.get(found[1]) in found[2].split(",")
    name, _, value = selector.partition("=")
    return labels.get(name) == value
