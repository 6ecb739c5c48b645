"""Pods, and what makes pods, in YAML: each with the pod as the injector would be asked about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from notifychannel_operator.inject import GROUP_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAKERS = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"), ("spec", "template")),
    "ReplicationController": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "PodTemplate": ("template",),
}
"""Kind → where its pod template is. https://kubernetes.io/docs/concepts/workloads/pods/#pod-templates"""


class NoYAMLError(ValueError):
    """The sentence says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One object of a file that makes pods."""

    kind: str
    name: str
    namespace: str | None
    pod: Mapping[str, Any]
    misplaced: str | None = None
    """Where the label belongs that stands above the pod template."""

    def __str__(self) -> str:
        """`Deployment/orders-api`."""
        return f"{self.kind}/{self.name}"


def read(text: str) -> list[Template]:
    """Of all documents and lists; what makes no pods is left out. Raises NoYAMLError."""
    try:
        documents = list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise NoYAMLError(f"{where}is no YAML; check it by: kubectl apply --dry-run=client") from None
    return [found for document in documents for found in _templates(document)]


def _templates(document: object) -> Iterator[Template]:
    if not isinstance(document, dict):
        return
    items = document.get("items")
    if isinstance(items, list):  # what `kubectl get -o yaml` prints
        for item in items:
            yield from _templates(item)
        return
    kind, metadata = str(document.get("kind")), document.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    pod: Any = document if kind == "Pod" else None
    if kind in MAKERS:
        pod = document
        for part in MAKERS[kind]:
            pod = pod.get(part) if isinstance(pod, dict) else None
        pod = pod if isinstance(pod, dict) else {}
    if isinstance(pod, dict):
        name = named.get("name") or named.get("generateName") or "?"
        yield Template(
            kind=kind, name=str(name), namespace=named.get("namespace"), pod=pod, misplaced=misplaced(document)
        )


def misplaced(maker: Mapping[str, Any]) -> str | None:
    """Where the label belongs that stands on what makes pods, which don't inherit it; None: it is not there."""
    parts = MAKERS.get(str(maker.get("kind")), ())
    above: list[Any] = []
    body: Any = maker
    for part in parts:
        above.append(body)
        body = body.get(part) if isinstance(body, dict) else None
    return ".".join((*parts, "metadata.labels")) if any(GROUP_LABEL in _labels(it) for it in above) else None


def _labels(body: Any) -> Mapping[str, Any]:
    metadata = body.get("metadata") if isinstance(body, dict) else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return labels if isinstance(labels, dict) else {}
