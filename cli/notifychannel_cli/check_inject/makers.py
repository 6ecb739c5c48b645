"""What made a pod, from its owner up: the first that carries the label which belongs into its pod template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notifychannel_cli.check_inject import template
from notifychannel_operator.inject import GROUP_LABEL
from notifychannel_operator.kinds import Kind
from notifychannel_operator.kube import Forbidden, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notifychannel_operator.kube import Kube

MOST = 3
"""CronJob, Job, pod; Deployment, ReplicaSet, pod."""


async def misplaced(kube: Kube, pod: Mapping[str, Any], namespace: str) -> tuple[str, str] | None:
    """(`Deployment/orders-api`, where the label belongs); None: the pod has it, or nothing that the person may see."""
    if GROUP_LABEL in (pod["metadata"].get("labels") or {}):
        return None
    body = pod
    for _ in range(MOST):
        owner = next((it for it in body["metadata"].get("ownerReferences") or () if it.get("controller")), None)
        if owner is None or owner["kind"] not in template.MAKERS:
            return None
        try:
            body = {"kind": owner["kind"], **await kube.get(_kind(owner), owner["name"], namespace=namespace)}
        except (Forbidden, NotFound):
            return None
        if (where := template.misplaced(body)) is not None:
            return f"{owner['kind']}/{owner['name']}", where
    return None


def _kind(owner: Mapping[str, Any]) -> Kind:
    """Kubernetes' own: all plurals of theirs end in s."""
    group, _, version = owner["apiVersion"].rpartition("/")
    return Kind(group=group, version=version, plural=f"{owner['kind'].lower()}s", kind=owner["kind"])
