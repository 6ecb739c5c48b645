"""Pods with our label: injected or why not, of which settings, and what their sidecars answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from notifychannel_cli import shown
from notifychannel_cli.check_inject import verdict
from notifychannel_cli.doctor import mounted
from notifychannel_cli.doctor.finding import Trouble, Unseen
from notifychannel_operator import inject
from notifychannel_operator.passes import container, restart, sidecar
from notifychannel_operator.passes.conditions import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LONGEST_S = 1e9
"""An age that somebody may mean; whoever may run a pod may answer anything."""
GONE = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One that is neither finished nor ending."""

    body: Mapping[str, Any]
    settings: inject.Settings | Unseen
    """Of the release, by which pods are injected."""
    status: Mapping[str, Any] | Unseen
    """The document of its sidecar's /status."""
    webhook: Mapping[str, Any] | Unseen | None
    """The injector's; None: there is none."""
    is_known: bool | None
    """A channel of its namespace names its group; None: the channels can't be read."""
    causes: tuple[str, ...] = ()
    """Ids of the checks that have found why the injector is not asked (consequence.py)."""

    @property
    def name(self) -> str:
        """`namespace/name`."""
        return f"{self.body['metadata']['namespace']}/{self.body['metadata']['name']}"

    @property
    def restart(self) -> str:
        """The command that makes it anew."""
        return restart.command(dict(self.body), namespace=self.body["metadata"]["namespace"])


def counts(body: Mapping[str, Any]) -> bool:
    """Whether it is one of those."""
    return (body.get("status") or {}).get("phase") not in GONE and not body["metadata"].get("deletionTimestamp")


def is_running(body: Mapping[str, Any]) -> bool:
    """With a sidecar that may be asked."""
    return inject.is_injected(body) and (body.get("status") or {}).get("phase") == "Running"


def injected(seen: Sequence[Pod]) -> Iterator[Trouble | Unseen]:
    """Labelled and without the sidecar: the injector's own reason, or what kept it from being asked. What follows from
    an injector that can't be asked now either is judged where that is.
    """
    for it in seen:
        if inject.is_injected(it.body):
            continue
        namespace, name = it.body["metadata"]["namespace"], it.body["metadata"]["name"]
        if isinstance(it.settings, Unseen):
            why = f"it has no sidecar\nThe injector's reason can't be told: {it.settings.why}"
            look = f"kubectl -n {namespace} describe nch  # WorkloadInjected says why"
            yield Trouble(about=it.name, why=why, remedy=(look,))
            continue
        webhooks = None if isinstance(it.webhook, Unseen) else (it.webhook,) if it.webhook else ()
        labels = {"kubernetes.io/metadata.name": namespace}
        said = verdict.of_pod(name, namespace, it.body, settings=it.settings, webhooks=webhooks, labels=labels)
        if it.causes and said.reason == verdict.NOT_ASKED:
            why = f"it has no sidecar: {said.reason}\nIt follows: mend {', '.join(it.causes)} first, then make it anew"
            yield Unseen(about=it.name, why=why, remedy=(it.restart,))
            continue
        could = bool(inject.decide(it.body, namespace=namespace, settings=it.settings).patch)
        remedy = it.restart if could else f"{_edit(it)}  # the pod template"
        yield Trouble(about=it.name, why=f"it has no sidecar: {said.reason}\n{said.detail}", remedy=(remedy,))


def outdated(seen: Sequence[Pod]) -> Iterator[Trouble | Unseen]:
    """Injected by other settings, or another version: it goes on working."""
    for it in seen:
        if isinstance(it.settings, Unseen):
            yield replace(it.settings, about=it.name)
        elif inject.is_outdated(it.body, it.settings):
            why = "its sidecar is of other settings or another version than pods are given now\nIt goes on working"
            yield Trouble(about=it.name, why=why, remedy=(it.restart,), is_warning=True)


def named(seen: Sequence[Pod]) -> Iterator[Trouble | Unseen]:
    """Its group is none that a channel of the namespace names."""
    for it in seen:
        if it.is_known is None:
            yield Unseen(about=it.name, why="your account may not read the channels of its namespace")
        elif not it.is_known:
            group = it.body["metadata"]["labels"][inject.GROUP_LABEL]
            namespace = it.body["metadata"]["namespace"]
            why = f"no NotifyChannel of {namespace} has a consumer with the group {group}: it is told nothing"
            look = (
                f"kubectl -n {namespace} get nch -o custom-columns=NAME:.metadata.name,GROUPS:.spec.consumers[*].group"
            )
            yield Trouble(about=it.name, why=why, remedy=(look,))


def listening(seen: Sequence[Pod]) -> Iterator[Trouble | Unseen]:
    """Its sidecar waits: for what, in its own word, and since when it hears nothing; or does not run, by the kubelet's.
    Or it listens, and would not do so again after a restart.

    Who says LISTENING proves it every ten seconds, and stops to say so when a round trip stays away for five: how old
    that proof is tells nothing more.
    """
    for it in seen:
        if inject.is_injected(it.body) and (stuck := container.why_not(it.body)):
            yield Trouble(about=it.name, why=f"its sidecar does not run: {stuck}", remedy=container.remedy(it.body))
            continue
        if isinstance(it.status, Unseen):
            yield from _unseen(it, it.status)
            continue
        found = sidecar.parse(dict(it.status))
        if found is None or it.is_known is False:
            continue
        yield from mounted.lost(it.name, it.body, it.status) if found.is_listening else (_deaf(it, it.status, found),)


def probe(seen: Sequence[Pod]) -> Iterator[Trouble | Unseen]:
    """What answers on its status port is no sidecar."""
    for it in seen:
        if isinstance(it.status, Unseen):
            yield from _unseen(it, it.status)
        elif sidecar.parse(dict(it.status)) is None:
            yield Trouble(about=it.name, why="what answers on its status port is no sidecar", remedy=(it.restart,))


def _deaf(it: Pod, status: Mapping[str, Any], found: sidecar.Sidecar) -> Trouble:
    why = (found.why or Reason.PENDING).value
    namespace, name = it.body["metadata"]["namespace"], it.body["metadata"]["name"]
    remedy: tuple[str, ...] = (f"kubectl -n {namespace} logs {name} -c notifychannel --tail=20",)
    proof = _proof(status)
    if found.why is Reason.NO_SECRET:
        never, make = mounted.never_connected(it.body, status)
        proof, remedy = proof or never, (make, *remedy)
    below = proof or "It has not proved yet that it hears"
    return Trouble(about=it.name, why=f"its sidecar does not listen: {why}\n{below}", remedy=remedy)


def _proof(status: Mapping[str, Any]) -> str | None:
    """How long ago it last heard itself; None where it did not, or says so by a text that is none of a sidecar's."""
    trip = status.get("last_round_trip")
    age_s = trip.get("age_s") if isinstance(trip, dict) else None
    if isinstance(age_s, int | float) and 0 <= age_s < LONGEST_S:
        return f"It last proved that it hears {shown.span(age_s)} ago"
    return None


def _unseen(it: Pod, why: Unseen) -> Iterator[Unseen]:
    """Only of who should answer."""
    if is_running(it.body) and container.why_not(it.body):
        yield Unseen(about=it.name, why="its sidecar does not run: mend pods/listening first")
    elif is_running(it.body):
        yield replace(why, about=it.name)


def _edit(it: Pod) -> str:
    """Where the pod template is; the pod itself where nobody owns it."""
    namespace = it.body["metadata"]["namespace"]
    return it.restart.replace("rollout restart", "edit", 1) if "rollout restart" in it.restart else (
        f"kubectl -n {namespace} edit pod {it.body['metadata']['name']}"
    )  # fmt: skip
