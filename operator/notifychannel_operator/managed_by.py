"""The label on what the operator makes in the cluster, by which it knows it again after any restart or upgrade.

It is Kubernetes' own (kubernetes.io/docs/concepts/overview/working-with-objects/common-labels); helm writes its own
name into it, so nothing of the chart is taken for ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY, OURS = "app.kubernetes.io/managed-by", "notifychannel"
"""On all of them since the first release that made any."""
SELECTOR = f"{KEY}={OURS}"


def labels() -> dict[str, str]:
    """Of an object that is ours."""
    return {KEY: OURS}


def is_ours(body: Mapping[str, Any]) -> bool:
    """Whether the operator has made this object."""
    return bool((body["metadata"].get("labels") or {}).get(KEY) == OURS)
