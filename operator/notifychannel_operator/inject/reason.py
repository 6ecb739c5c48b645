"""Why a pod was injected or not: a closed set, each with the sentence that a person reads as a warning of kubectl."""

from __future__ import annotations

from enum import Enum
from typing import assert_never


class Reason(Enum):
    """What `decide` and the injector answer; the value is a metric's label and the audit annotation."""

    INJECTED = "Injected"
    ALREADY_INJECTED = "AlreadyInjected"
    NO_LABEL = "NoLabel"
    NO_GROUP = "NoGroup"
    INVALID_GROUP = "InvalidGroup"
    INVALID_ANNOTATION = "InvalidAnnotation"
    HOST_NETWORK = "HostNetwork"
    WINDOWS = "Windows"
    MIRROR_POD = "MirrorPod"
    PORT_TAKEN = "PortTaken"
    NAME_TAKEN = "NameTaken"
    UNREADABLE = "Unreadable"
    NOT_A_CREATION = "NotACreation"
    INTERNAL_ERROR = "InternalError"


def remedy(reason: Reason) -> str | None:  # noqa: C901, PLR0911  one sentence for each member
    """What it means for the pod and what to do; None where there is nothing to say. Fits a warning (256 bytes)."""
    match reason:
        case Reason.INJECTED | Reason.ALREADY_INJECTED | Reason.NO_LABEL | Reason.NOT_A_CREATION:
            return None
        case Reason.NO_GROUP:
            return "the label notifychannel.io/inject is empty; write the group of a consumer of a NotifyChannel"
        case Reason.INVALID_GROUP:
            return (
                "the label notifychannel.io/inject holds no group's name; write a-z, 0-9 and -, with a letter or digit"
                " at both ends"
            )
        case Reason.INVALID_ANNOTATION:
            return "an annotation can't be used; correct it in the pod template"
        case Reason.HOST_NETWORK:
            return (
                "with hostNetwork the sidecar's ports and 127.0.0.1 would be the node's; take hostNetwork out of the"
                " pod template"
            )
        case Reason.WINDOWS:
            return "the sidecar's image is for Linux; run the application on Linux nodes, or the sidecar elsewhere"
        case Reason.MIRROR_POD:
            return "a static pod can't have ConfigMaps and Secrets; run the application by a Deployment"
        case Reason.PORT_TAKEN:
            return (
                "a container of the pod has the sidecar's status port; write another one into the annotation"
                " notifychannel.io/status-port of the pod template"
            )
        case Reason.NAME_TAKEN:
            return (
                "a container or volume of the pod is already called notifychannel or notifychannel-no-token; rename it,"
                " or take what an older injection left out of the pod template"
            )
        case Reason.UNREADABLE:
            return "this is not a pod as the API server writes it; apply it by kubectl"
        case Reason.INTERNAL_ERROR:
            return "the injector met a bug; its log names the place: report it"
        case _:
            assert_never(reason)


OTHER_SETTINGS = (
    "the pod template already holds a sidecar made by other settings; take the init container and the volumes called"
    " notifychannel, and the annotation notifychannel.io/sidecar, out of it"
)
LOOKS_LIKE_A_SWITCH = "the label notifychannel.io/inject names a group: this pod is in the group called like a switch"


def sentence(reason: Reason, detail: str | None = None) -> str | None:
    """The whole warning, or None where a person needs none; `detail` takes the remedy's place."""
    what = detail or remedy(reason)
    if what is None:
        return None
    injected = reason in (Reason.INJECTED, Reason.ALREADY_INJECTED)
    return f"NotifyChannel: {what}" if injected else f"NotifyChannel: sidecar not injected ({reason.value}): {what}"
