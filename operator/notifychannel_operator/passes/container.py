"""The sidecar's container as the kubelet tells of it: that it can't start, or ends again and again, and why. Pure.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-states
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notifychannel_operator.inject.container import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

ON_ITS_WAY = frozenset({"PodInitializing", "ContainerCreating"})
"""Reasons to wait that pass by themselves; all others (ErrImagePull, CrashLoopBackOff …) are told."""


def why_not(pod: Mapping[str, Any]) -> str | None:
    """Why it does not run, as `ImagePullBackOff`, or `CrashLoopBackOff, last ended by OOMKilled`; None: nothing is said
    against it.
    """
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or []
    found: Mapping[str, Any] = next((it for it in statuses if it.get("name") == NAME), {})
    waits = (found.get("state") or {}).get("waiting") or {}
    reason = waits.get("reason")
    if not reason or reason in ON_ITS_WAY:
        return None
    ended = (found.get("lastState") or {}).get("terminated") or {}
    return f"{reason}, last ended by {ended['reason']}" if ended.get("reason") else str(reason)


def remedy(pod: Mapping[str, Any]) -> tuple[str, ...]:
    """Its events name the image, and its last words are in the log of the one before; commands."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    return (
        f"kubectl -n {namespace} describe pod {name}  # at its end: image, pull secret, node",
        f"kubectl -n {namespace} logs {name} -c {NAME} --previous --tail=20",
    )
