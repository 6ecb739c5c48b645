"""Whether a pod has the sidecar, or would get it, and why not: the injector's own decision in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from notifychannel_operator import inject
from notifychannel_operator.inject.reason import Reason
from notifychannel_operator.inject.request import Refusal, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from notifychannel_operator.inject import Settings

AGAIN = "create it again: kubectl rollout restart what made it, or delete it"
LABEL = f"add the label {inject.GROUP_LABEL}: GROUP to the pod template's labels"
MISPLACED = "LabelMisplaced"
NOT_ASKED = "NotAsked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Of one pod."""

    what: str
    """`Deployment/orders-api`."""
    namespace: str | None
    injected: bool
    """It has the sidecar, or would get it."""
    reason: str
    """Of the injector's set, one of the webhook's, or LabelMisplaced."""
    detail: str

    @property
    def is_refused(self) -> bool:
        """It asks for the sidecar and has it not."""
        return not self.injected and self.reason != Reason.NO_LABEL.value

    def __str__(self) -> str:
        """A line."""
        whose = f"{self.namespace}, " if self.namespace else ""
        return f"{whose}{self.what}: {'injected' if self.injected else f'not injected ({self.reason})'}: {self.detail}"


def of_template(
    what: str, namespace: str | None, pod: Mapping[str, Any], settings: Settings, *, misplaced: str | None = None,
    maker: str = "",
) -> Verdict:  # fmt: skip
    """What the injector would say to a pod that is made of it. `misplaced`: as of a Template, by `maker`, if that is
    not it.
    """
    decision = inject.decide(pod, namespace=namespace or "", settings=settings)
    injected = decision.reason in (Reason.INJECTED, Reason.ALREADY_INJECTED)
    if injected:
        detail = decision.warning or _request(pod, settings)
    elif decision.reason is Reason.NO_LABEL and misplaced:
        detail = (
            f"the label {inject.GROUP_LABEL} stands on {maker or what} itself, and pods do not inherit it; move it "
        )
        detail += f"to {misplaced}"
        return Verdict(what=what, namespace=namespace, injected=False, reason=MISPLACED, detail=detail)
    elif decision.reason is Reason.NO_LABEL:
        detail = f"nothing asks for it; {LABEL}"
    else:
        detail = decision.warning or decision.reason.value
    return Verdict(
        what=what, namespace=namespace, injected=injected, reason=decision.reason.value, detail=_short(detail)
    )


def of_pod(
    name: str, namespace: str, pod: Mapping[str, Any], *, settings: Settings | None,
    webhooks: Sequence[Mapping[str, Any]] | None, labels: Mapping[str, str], misplaced: str | None = None,
    maker: str = "",
) -> Verdict:  # fmt: skip
    """Of a pod that runs. `settings`, `webhooks`: the release's, None where they can't be read; `labels`: of the
    namespace; the last two as of a template.
    """
    assumed = settings or inject.Settings(image="unknown")
    what = f"Pod/{name}"
    if inject.is_injected(pod):
        if settings is None:
            detail = "whether by today's settings can't be told without the injector's Deployment"
        elif inject.is_outdated(pod, settings):
            detail = f"by other settings, or another version, than today's; {AGAIN}"
        else:
            detail = "by today's settings"
        return Verdict(
            what=what, namespace=namespace, injected=True, reason=Reason.ALREADY_INJECTED.value, detail=detail
        )
    found = of_template(what, namespace, pod, assumed, misplaced=misplaced, maker=maker)
    if not found.injected:
        return found
    reason, detail = _passed_by(webhooks, labels)
    return Verdict(what=what, namespace=namespace, injected=False, reason=reason, detail=detail)


def _passed_by(webhooks: Sequence[Mapping[str, Any]] | None, labels: Mapping[str, str]) -> tuple[str, str]:
    """Why a pod that could have it has it not."""
    if webhooks is None:
        return NOT_ASKED, (
            "nothing in the pod stands against it: no injector was there or answered when it was created, or the"
            f" webhook leaves out this namespace, which your account may not see; {AGAIN}"
        )
    if not webhooks:
        return (
            "NoWebhook",
            "no injector of NotifyChannel is installed in this cluster; install the chart, then " + AGAIN,
        )
    if not any(selects(each.get("namespaceSelector") or {}, labels) for each in webhooks):
        return "NamespaceExcluded", (
            "the webhook leaves out this namespace (the chart's watchNamespaces, or webhook.excludedNamespaces)"
        )
    return NOT_ASKED, (
        "nothing in the pod stands against it: it was created when the injector was not installed or did not answer"
        f" (failurePolicy Ignore), or before the label was there; {AGAIN}"
    )


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """As the API server reads a label selector.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements
    """
    exact = (labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return all(exact) and all(_holds(each, labels) for each in selector.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def _request(pod: Mapping[str, Any], settings: Settings) -> str:
    asked = parse(pod, memory=settings.memory)
    if isinstance(asked, Refusal):
        return ""
    return f"group {asked.group}, Secret {asked.secret}, /status on port {asked.status_port}, {asked.memory} of memory"


def _short(detail: str) -> str:
    """Without what the line says already."""
    start = "NotifyChannel: "
    detail = detail.removeprefix(start)
    return detail.partition("): ")[2] if detail.startswith("sidecar not injected (") else detail
