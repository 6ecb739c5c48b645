"""When a Deployment or StatefulSet is as it should be: by what `kubectl rollout status` goes."""

from __future__ import annotations

from typing import Any


def is_done(body: dict[str, Any]) -> bool:
    """Its controller has seen the last change, and every pod is of it and answers."""
    status, wanted = body.get("status") or {}, body["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < body["metadata"]["generation"]:
        return False
    if "serviceName" in body["spec"]:  # a StatefulSet
        is_of_it = status.get("updateRevision") == status.get("currentRevision")
        return is_of_it and status.get("readyReplicas", 0) >= wanted
    updated = status.get("updatedReplicas", 0)
    return updated >= wanted and status.get("replicas", 0) <= updated <= status.get("availableReplicas", 0)
