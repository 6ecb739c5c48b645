"""What of a pod leaves no place for the sidecar: hostNetwork, Windows, static pods, a port or a name that is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notifychannel_operator.inject import fields
from notifychannel_operator.inject.container import NAME
from notifychannel_operator.inject.reason import Reason
from notifychannel_operator.inject.volumes import NAMES as VOLUMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notifychannel_operator.inject.request import Request

MIRROR = "kubernetes.io/config.mirror"
OS_LABELS = ("kubernetes.io/os", "beta.kubernetes.io/os")


def find(pod: Mapping[str, Any], request: Request) -> Reason | None:
    """The first obstacle, or None."""
    if not fields.is_readable(pod):
        return Reason.UNREADABLE
    if MIRROR in fields.annotations_of(pod):
        return Reason.MIRROR_POD
    if fields.spec_of(pod).get("hostNetwork") is True:
        return Reason.HOST_NETWORK
    if _is_for_windows(fields.spec_of(pod)):
        return Reason.WINDOWS
    if _has_our_names(pod):
        return Reason.NAME_TAKEN
    return Reason.PORT_TAKEN if _has_port(pod, request.status_port) else None


def _is_for_windows(spec: Mapping[str, Any]) -> bool:
    """By its `os`, its node selector, or options that the API server accepts for Windows alone."""
    selector = fields.mapping(spec.get("nodeSelector"))
    return (
        fields.mapping(spec.get("os")).get("name") == "windows"
        or any(selector.get(label) == "windows" for label in OS_LABELS)
        or bool(fields.mapping(spec.get("securityContext")).get("windowsOptions"))
    )


def _has_our_names(pod: Mapping[str, Any]) -> bool:
    return any(container.get("name") == NAME for container in fields.containers(pod)) or any(
        volume.get("name") in VOLUMES for volume in fields.objects(fields.spec_of(pod).get("volumes"))
    )


def _has_port(pod: Mapping[str, Any], port: int) -> bool:
    """Containers that run beside the sidecar share its ports; init containers that end do so before it starts."""
    beside = fields.objects(fields.spec_of(pod).get("containers"))
    beside += [container for container in fields.init_containers(pod) if fields.is_sidecar(container)]
    return any(
        each.get("containerPort") == port and each.get("protocol", "TCP") == "TCP"
        for container in beside
        for each in fields.objects(container.get("ports"))
    )
