"""One pod → what to add to it, or why not. Pure: no call to the API or a database, the same answer for the same pod.

Raw JSON in, JSON Patch out: what this program does not know of a pod stays as it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from notifychannel_operator import names
from notifychannel_operator.inject import container, fields, obstacle, patch, volumes
from notifychannel_operator.inject import request as requests
from notifychannel_operator.inject.reason import LOOKS_LIKE_A_SWITCH, OTHER_SETTINGS, Reason, sentence
from notifychannel_operator.inject.request import Refusal, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notifychannel_operator.inject.settings import Settings

SWITCHES = frozenset({"true", "false", "enabled", "disabled", "yes", "no"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """The answer for one pod."""

    patch: list[dict[str, Any]]
    """Empty where the pod stays as it is."""
    reason: Reason
    warning: str | None = None
    """A sentence for whoever created the pod; never a value of the pod."""


def decide(pod: Mapping[str, Any], *, namespace: str, settings: Settings) -> Injection:  # noqa: ARG001
    """What to add to a pod at its creation. `namespace` is part of the contract, and decides nothing today.

    Idempotent: a pod that has been injected is left alone, so the webhook may be called again (IfNeeded).
    """
    if requests.GROUP_LABEL not in fields.labels_of(pod):
        return Injection(patch=[], reason=Reason.NO_LABEL)
    if is_injected(pod):
        warning = sentence(Reason.ALREADY_INJECTED, OTHER_SETTINGS) if is_outdated(pod, settings) else None
        return Injection(patch=[], reason=Reason.ALREADY_INJECTED, warning=warning)
    request = requests.parse(pod, memory=settings.memory)
    if isinstance(request, Refusal):
        return _refuse(request.reason, request.detail)
    if (reason := obstacle.find(pod, request)) is not None:
        return _refuse(reason)
    return Injection(
        patch=[
            *patch.append(pod, "initContainers", [container.container(pod, request, settings)]),
            *patch.append(pod, "volumes", volumes.volumes(request)),
            *patch.annotate(pod, requests.FINGERPRINT, fingerprint(settings)),
        ],
        reason=Reason.INJECTED,
        warning=sentence(Reason.INJECTED, LOOKS_LIKE_A_SWITCH) if request.group in SWITCHES else None,
    )


def is_injected(pod: Mapping[str, Any]) -> bool:
    """Whether the sidecar is there, and from us: a native sidecar of our name, and our annotation."""
    return isinstance(fields.annotations_of(pod).get(requests.FINGERPRINT), str) and any(
        each.get("name") == container.NAME and fields.is_sidecar(each) for each in fields.init_containers(pod)
    )


def is_outdated(pod: Mapping[str, Any], settings: Settings) -> bool:
    """Whether an injected pod was injected by other settings, or another version, than it would be now."""
    return is_injected(pod) and fields.annotations_of(pod).get(requests.FINGERPRINT) != fingerprint(settings)


@lru_cache(maxsize=8)
def fingerprint(settings: Settings) -> str:
    """8 hex digits of what would be added to a plain pod now: other settings or another version, other digits."""
    request = Request(
        group="g", secret="s", memory=settings.memory,  # noqa: S106
        status_port=requests.DEFAULT_STATUS_PORT, local_port=requests.DEFAULT_LOCAL_PORT,
    )  # fmt: skip
    limited = {"spec": {"containers": [{"resources": {"limits": {"cpu": "1"}}}]}}
    added = [container.container(limited, request, settings), volumes.volumes(request)]
    return names.digest(json.dumps(added, sort_keys=True))


def _refuse(reason: Reason, detail: str | None = None) -> Injection:
    return Injection(patch=[], reason=reason, warning=sentence(reason, detail))
