"""The pods of a channel's groups: how many there are, which carry the sidecar, and why others don't. Pure.

Finished and ending pods are none. Refuses to restart anything: it says which command does.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from notifychannel_operator import inject
from notifychannel_operator.passes import conditions, container, restart
from notifychannel_operator.passes.conditions import Reason, Type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from notifychannel_operator.passes.conditions import Condition

Pod = dict[str, Any]
LABEL = inject.GROUP_LABEL
FINISHED = frozenset({"Succeeded", "Failed"})
STARTING_S = 300.0
"""What a pod may take for its start, at most: whoever is not Ready for longer is in trouble."""
READY_S = 30.0
"""A sidecar tries a refused connection again each 5 s (deliverer/breaker.py): so soon after Ready it may not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A pod with the sidecar that runs, or can't for the sidecar's sake: somebody who should be listening."""

    group: str
    pod: str
    address: str | None
    """None: not to be asked."""
    port: int
    is_starting: bool = False
    """The sidecar runs before its application does: that nobody takes its hints yet is no failure."""
    is_stuck: bool = False
    """The sidecar can't start, or ends again and again, as the kubelet says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """All groups of one channel together."""

    matched: int
    injected: int
    outdated: int
    stuck: int
    seats: tuple[Seat, ...]
    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is known before any pod is looked at."""

    namespace: str
    groups: frozenset[str]
    settings: inject.Settings
    injector: str
    """How kubectl shows whether the injector runs."""
    now: datetime
    """UTC."""


def look(pods: Sequence[Pod], place: Place) -> Workload:
    """What these pods are: all of the namespace with the label of one of the groups."""
    here = [pod for pod in pods if _counts(pod)]
    injected = [pod for pod in here if inject.is_injected(pod)]
    outdated = [pod for pod in injected if inject.is_outdated(pod, place.settings)]
    missing = [pod for pod in here if not inject.is_injected(pod)]
    seats = tuple(_seat(pod, place.now) for pod in injected if _is_running(pod) or container.why_not(pod))
    return Workload(
        matched=len(here),
        injected=len(injected),
        outdated=len(outdated),
        stuck=sum(seat.is_stuck for seat in seats),
        seats=seats,
        condition=_condition(here, missing, outdated, place),
    )


def selector(groups: Iterable[str]) -> str:
    """The label selector of all these groups."""
    return f"{LABEL} in ({','.join(sorted(groups))})"


def _counts(pod: Pod) -> bool:
    return (pod.get("status") or {}).get("phase") not in FINISHED and not pod["metadata"].get("deletionTimestamp")


def _is_running(pod: Pod) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running"


def _condition(here: Sequence[Pod], missing: Sequence[Pod], outdated: Sequence[Pod], place: Place) -> Condition:
    namespace = place.namespace
    if not here:
        return conditions.false(
            Type.WORKLOAD_INJECTED,
            Reason.NO_PODS,
            *(
                f"no pod in the namespace {namespace} carries the label {LABEL}: {group}"
                for group in sorted(place.groups)
            ),
            f"write it into the pod template; to see what is there: kubectl -n {namespace} get pods -L {LABEL}",
        )
    if missing:
        return _not_injected(here, missing, place)
    said = f"{len(here)} of {len(here)} pods carry the sidecar"
    if not outdated:
        return conditions.true(Type.WORKLOAD_INJECTED, Reason.INJECTED, said)
    old = f"{len(outdated)} of them an older one, which goes on working; when it suits you, run:"
    return conditions.true(Type.WORKLOAD_INJECTED, Reason.OUTDATED, f"{said}, {old}", *_restarts(outdated, namespace))


def _not_injected(here: Sequence[Pod], missing: Sequence[Pod], place: Place) -> Condition:
    why = {pod["metadata"]["name"]: _why_not(pod, place) for pod in missing}
    missed = [pod for pod in missing if why[pod["metadata"]["name"]] is None]
    told = f"{len(missing)} of {len(here)} pods do not carry the sidecar"
    refused = tuple(dict.fromkeys(it for it in why.values() if it is not None))
    if not missed:
        return conditions.false(Type.WORKLOAD_INJECTED, Reason.NOT_INJECTED, told, *refused)
    return conditions.false(
        Type.WORKLOAD_INJECTED,
        Reason.INJECTOR_DOWN,
        told,
        f"{len(missed)} of them were made while the injector did not answer or was not installed yet; see that it runs "
        f"({place.injector}), then run:",
        *_restarts(missed, place.namespace),
        *refused,
    )


def _why_not(pod: Pod, place: Place) -> str | None:
    """Why the injector leaves the pod alone; None when it would inject it now."""
    decided = inject.decide(pod, namespace=place.namespace, settings=place.settings)
    return None if decided.patch else decided.warning or f"the injector leaves them alone: {decided.reason.value}"


def _restarts(pods: Iterable[Pod], namespace: str) -> Iterator[str]:
    yield from dict.fromkeys(restart.command(pod, namespace=namespace) for pod in pods)


def _seat(pod: Pod, now: datetime) -> Seat:
    metadata = pod["metadata"]
    is_stuck = container.why_not(pod) is not None
    return Seat(
        group=metadata["labels"][LABEL],
        pod=metadata["name"],
        address=None if is_stuck else _address((pod.get("status") or {}).get("podIP")),
        port=inject.status_port(pod),
        is_starting=_is_starting(pod.get("status") or {}, now),
        is_stuck=is_stuck,
    )


def _is_starting(status: dict[str, Any], now: datetime) -> bool:
    """It has begun not long ago, and its containers are not ready, or have been for moments only."""
    if _age_s(status.get("startTime"), now) > STARTING_S:
        return False
    said: list[dict[str, Any]] = status.get("conditions") or []
    found = next((it for it in said if it.get("type") == "ContainersReady"), {})
    return found.get("status") != "True" or _age_s(found.get("lastTransitionTime"), now) < READY_S


def _age_s(since: object, now: datetime) -> float:
    """Seconds; infinite where it is no time."""
    try:
        began = datetime.fromisoformat(str(since))
    except ValueError:
        return float("inf")
    return (now - (began if began.tzinfo else began.replace(tzinfo=UTC))).total_seconds()


def _address(text: object) -> str | None:
    """A pod's address, and nothing that only the operator's own node or host could mean by it."""
    try:
        found = ipaddress.ip_address(str(text))
    except ValueError:
        return None
    odd = found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified or found.is_reserved
    return None if odd else str(found)
