"""The command that makes a pod anew, so that it is injected: for the owner that made it. Pure; nothing here runs it.

Source: https://kubernetes.io/docs/concepts/architecture/garbage-collection/#owners-dependents
"""

from __future__ import annotations

import re
from typing import Any

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
ROLLED_OUT = {"Deployment": "deployment", "StatefulSet": "statefulset", "DaemonSet": "daemonset"}


def command(pod: dict[str, Any], *, namespace: str) -> str:
    """For a shell; a name that no API server would take is never in it."""
    kind, name = _owner(pod)
    own = _safe(str(pod["metadata"].get("name", ""))) or "POD"
    if name is None:
        return f"kubectl -n {namespace} get pod {own} -o yaml, then delete it and create it again from its manifest"
    if kind in ROLLED_OUT:
        return f"kubectl -n {namespace} rollout restart {ROLLED_OUT[kind]}/{name}"
    if kind == "Job":
        return f"kubectl -n {namespace} delete job {name}, and create it again"
    return f"kubectl -n {namespace} delete pod {own}"


def _owner(pod: dict[str, Any]) -> tuple[str, str | None]:
    """Kind and name of what controls it; the Deployment behind a ReplicaSet, which is called <name>-<hash>."""
    metadata = pod["metadata"]
    owners = metadata.get("ownerReferences") or []
    owner = next((it for it in owners if it.get("controller")), None)
    if owner is None:
        return "", None
    kind, name = str(owner.get("kind")), _safe(str(owner.get("name")))
    hashed = (metadata.get("labels") or {}).get("pod-template-hash")
    if kind == "ReplicaSet" and name and hashed and name.endswith(f"-{hashed}"):
        return "Deployment", name.removesuffix(f"-{hashed}")
    return kind, name or ""


def _safe(name: str) -> str | None:
    return name if _NAME.fullmatch(name) else None
