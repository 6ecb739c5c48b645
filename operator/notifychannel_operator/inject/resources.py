"""How much the sidecar asks for and may take, so that quotas, QoS class and pod-level resources stay as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notifychannel_operator.inject import fields, quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notifychannel_operator.inject.request import Request
    from notifychannel_operator.inject.settings import Settings


def resources(pod: Mapping[str, Any], request: Request, settings: Settings) -> dict[str, Any]:
    """Memory: request = limit. CPU: a limit only where every container has one; request = limit if Guaranteed.

    What the pod states for itself as a whole (`spec.resources`) the sidecar takes its share of, and requests nothing:
    the API server refuses a pod whose containers together request more than the pod
    (https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/2837-pod-level-resource-spec).
    """
    requests: dict[str, Any] = {"cpu": settings.cpu_request, "memory": request.memory}
    limits: dict[str, Any] = {"memory": request.memory}
    if _all_have_cpu_limits(pod):
        limits["cpu"] = settings.cpu_limit
        if _is_guaranteed(pod):
            requests["cpu"] = settings.cpu_limit
    _share(requests, limits, whole=fields.mapping(fields.spec_of(pod).get("resources")))
    return {"requests": requests, "limits": limits} if limits else {"requests": requests}


def _share(requests: dict[str, Any], limits: dict[str, Any], *, whole: Mapping[str, Any]) -> None:
    """Where only the pod's limit is stated, any request of a container's would become the pod's: so there is none."""
    stated, most = fields.mapping(whole.get("requests")), fields.mapping(whole.get("limits"))
    for name in ("cpu", "memory"):
        if name in stated:
            requests[name] = "0"
        elif name in most:
            del requests[name]
        if name in most and (name not in stated or not _fits(limits.get(name), most[name])):
            limits.pop(name, None)


def _all_have_cpu_limits(pod: Mapping[str, Any]) -> bool:
    found = fields.containers(pod)
    return bool(found) and all(_amount(container, "limits", "cpu") is not None for container in found)


def _is_guaranteed(pod: Mapping[str, Any]) -> bool:
    """https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/#guaranteed"""
    return all(
        (limit := _amount(container, "limits", name)) is not None
        and _amount(container, "requests", name) in (None, limit)
        for container in fields.containers(pod)
        for name in ("cpu", "memory")
    )


def _amount(container: Mapping[str, Any], what: str, name: str) -> Any:
    return quantity.parse(fields.mapping(fields.mapping(container.get("resources")).get(what)).get(name))


def _fits(limit: Any, whole: Any) -> bool:
    ours, most = quantity.parse(limit), quantity.parse(whole)
    return ours is None or most is None or ours <= most
