"""What one sidecar's /metrics says of its channels at one moment. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "notifychannel_"
WAITING = ("pending", "claimed", "retrying")
"""States of the durable queue in which a key is still to be acknowledged."""


@dataclass(slots=True, kw_only=True)
class Sample:
    """Of one channel, by one sidecar; counts are since the sidecar's start."""

    listening: bool = False
    delivered: float = 0.0
    pending: float = 0.0
    """Keys that wait in the sidecar or are in flight."""
    buckets: dict[float, float] = field(default_factory=dict)
    """Upper bound in seconds → hints whose change was acknowledged within it."""
    queue: dict[str, float] = field(default_factory=dict)
    """Rows of the whole group in the durable queue, by state."""

    @property
    def waiting(self) -> float:
        """Of the queue."""
        return sum(self.queue.get(state, 0.0) for state in WAITING)


def read(text: str) -> Mapping[str, Sample]:
    """By channel. Raises ValueError where it is not what Prometheus reads."""
    found: dict[str, Sample] = {}
    listening = False
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            if name == f"{PREFIX}listening":
                listening = value == 1
            if "channel" not in labels:
                continue
            sample = found.setdefault(labels["channel"], Sample())
            match name.removeprefix(PREFIX):
                case "hints_delivered_total":
                    sample.delivered = value
                case "pending_keys":
                    sample.pending = value
                case "change_to_delivery_seconds_bucket":
                    sample.buckets[float(labels["le"])] = value
                case "queue_rows":
                    sample.queue[labels["state"]] = value
    for sample in found.values():
        sample.listening = listening
    return found
