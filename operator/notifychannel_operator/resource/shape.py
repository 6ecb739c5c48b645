"""Which fields a NotifyChannel has, and nothing about what may stand in them.

The parser refuses every other field; docs/resource.md and the CRD are tested against this table.
"""

from __future__ import annotations

import re

API_VERSION = "notifychannel.io/v1alpha1"
KIND = "NotifyChannel"
TAKE_OVER = "notifychannel.io/take-over"
OWN_METADATA = ("name", "namespace", "labels", "annotations")
"""What a person writes; the rest of the metadata is Kubernetes' own."""

FIELDS: dict[str, tuple[str, ...]] = {
    "": ("apiVersion", "kind", "metadata", "spec", "status"),
    # Kubernetes' own, so that what `kubectl get -o yaml` prints can be linted:
    # https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
    "metadata": (
        "name", "namespace", "labels", "annotations", "generateName", "finalizers", "ownerReferences", "uid",
        "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
        "managedFields", "selfLink",
    ),
    "spec": (
        "suspend", "database", "channel", "capture", "payload", "sources", "audit", "consumers", "reclaimPolicy",
        "cleanupTimeout",
    ),
    "spec.database": ("secretRef",),
    "spec.database.secretRef": ("name",),
    "spec.payload": ("format", "fields"),
    "spec.sources[]": ("schema", "table", "key", "maxKeys", "rules"),
    "spec.sources[].key[]": ("column", "name", "lookup"),
    "spec.sources[].key[].lookup": ("schema", "table", "column", "match"),
    "spec.sources[].rules[]": ("name", "events", "columns", "when"),
    "spec.sources[].rules[].when": ("allOf",),
    "spec.sources[].rules[].when.allOf[]": ("column", "operator", "values", "row"),
    "spec.audit": ("enabled", "retention"),
    "spec.consumers[]": (
        "group", "endpoint", "claim", "debounce", "batch", "poll", "resync", "delivery", "retry", "escalation",
    ),
    "spec.consumers[].claim": ("timeout",),
    "spec.consumers[].endpoint": ("port", "path", "timeout", "traceparent"),
    "spec.consumers[].debounce": ("window", "maxDelay", "minInterval"),
    "spec.consumers[].batch": ("maxHints", "maxWait"),
    "spec.consumers[].poll": ("interval",),
    "spec.consumers[].resync": ("spread",),
    "spec.consumers[].retry": ("maxAttempts", "initialDelay", "maxDelay"),
    "spec.consumers[].escalation": ("after", "path"),
}  # fmt: skip
"""Path of a mapping → its fields; `[]` stands for any index."""

_INDEX = re.compile(r"\[\d+\]")


def fields_at(path: str) -> tuple[str, ...]:
    """The fields of the mapping at a path as messages write it (`spec.sources[0].key[1]`)."""
    return FIELDS[_INDEX.sub("[]", path)]
