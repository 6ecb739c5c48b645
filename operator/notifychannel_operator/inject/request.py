"""What a pod asks for by its label and annotations, parsed once into a value that can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from notifychannel_operator.inject import fields, quantity
from notifychannel_operator.inject.reason import Reason
from notifychannel_operator.resource import grammar

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP_LABEL = "notifychannel.io/inject"
SECRET = "notifychannel.io/secret"  # noqa: S105  an annotation's name
STATUS_PORT = "notifychannel.io/status-port"
LOCAL_PORT = "notifychannel.io/local-port"
MEMORY = "notifychannel.io/memory"
FINGERPRINT = "notifychannel.io/sidecar"
DEFAULT_STATUS_PORT = 9789
DEFAULT_LOCAL_PORT = 9790
LEAST_PORT, MOST_PORT = 1024, 65_535
"""The sidecar is no root, and binds no port that only root may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A pod that asks for the sidecar."""

    group: str
    secret: str
    """The Secret with the listener's credentials, mounted by the kubelet."""
    status_port: int
    local_port: int
    """At 127.0.0.1: the stream and the claims, for the application."""
    memory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a pod can't have the sidecar; `detail` says more than the reason's own remedy."""

    reason: Reason
    detail: str | None = None


def group_of(pod: Mapping[str, Any]) -> str | None:
    """The group that the pod's label names, None where it names none that could be one."""
    label = fields.labels_of(pod).get(GROUP_LABEL)
    return label if isinstance(label, str) and grammar.label(label) is None else None


def status_port(pod: Mapping[str, Any]) -> int:
    """Where the pod's sidecar serves /status: the annotation where it can be used, else the default."""
    return _port(fields.annotations_of(pod).get(STATUS_PORT)) or DEFAULT_STATUS_PORT


def parse(pod: Mapping[str, Any], *, memory: str) -> Request | Refusal:
    """The request, with `memory` where the pod names none."""
    label = fields.labels_of(pod).get(GROUP_LABEL)
    if label is None:
        return Refusal(reason=Reason.NO_LABEL)
    if label == "":
        return Refusal(reason=Reason.NO_GROUP)
    group = group_of(pod)
    if group is None:
        return Refusal(reason=Reason.INVALID_GROUP)
    written = fields.annotations_of(pod)
    request = Request(
        group=group,
        secret=written.get(SECRET, f"notifychannel-{group}"),
        status_port=status_port(pod),
        local_port=_port(written.get(LOCAL_PORT)) or DEFAULT_LOCAL_PORT,
        memory=written.get(MEMORY, memory),
    )
    return _refusal(request, written) or request


def _refusal(request: Request, written: Mapping[str, Any]) -> Refusal | None:
    if not isinstance(request.secret, str) or grammar.subdomain(request.secret) is not None:
        return _invalid(SECRET, "names no Secret; write the name of one in the pod's namespace")
    for annotation in (STATUS_PORT, LOCAL_PORT):
        if annotation in written and _port(written[annotation]) is None:
            return _invalid(annotation, f"is no port for it; write a number from {LEAST_PORT} to {MOST_PORT}")
    if request.status_port == request.local_port:
        return _invalid(LOCAL_PORT, f"names the status port, {request.status_port}; write another number")
    amount = quantity.parse(request.memory) if isinstance(request.memory, str) else None
    if amount is None or amount < quantity.LEAST_MEMORY:
        return _invalid(MEMORY, "is no amount of memory for it; write one of at least 64Mi, like 128Mi")
    return None


def _invalid(annotation: str, complaint: str) -> Refusal:
    return Refusal(reason=Reason.INVALID_ANNOTATION, detail=f"the annotation {annotation} {complaint}")


def _port(text: Any) -> int | None:
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= len(str(MOST_PORT)):
        number = int(text)
        return number if LEAST_PORT <= number <= MOST_PORT else None
    return None
