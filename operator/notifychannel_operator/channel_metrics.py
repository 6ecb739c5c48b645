"""What the operator tells of each channel when Prometheus comes: its pods, its repairs, what waits in its queue.

As at the channel's last pass, and nothing of a channel that is being deleted: they are asked for as a whole.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from prometheus_client.core import Metric

    from notifychannel_operator.passes.status import Pods
    from notifychannel_operator.passes.waiting import Waiting
    from notifychannel_operator.passes.whereabouts import Ref

CHANNEL = ("namespace", "channel")
CONSUMER = (*CHANNEL, "group")


class ChannelMetrics(Collector):
    """Asks what passes remember."""

    def __init__(
        self,
        *,
        queues: Callable[[], Mapping[Ref, Sequence[Waiting]]],
        pods: Callable[[], Mapping[Ref, Pods]],
        repairs: Callable[[], Mapping[Ref, int]],
    ) -> None:
        self._queues = queues
        self._pods = pods
        self._repairs = repairs

    def collect(self) -> Iterator[Metric]:
        """One family each, with a sample per channel."""
        yield from _queues(self._queues())
        pods = _gauge("pods", "Pods of a channel's groups, by what they are", *CHANNEL, "state")
        for ref, seen in self._pods().items():
            for state, count in asdict(seen).items():
                pods.add_metric((*ref, state), count)
        yield pods
        repairs = CounterMetricFamily(
            "notifychannel_operator_repairs",
            "Functions put back, with their triggers, as they had been left",
            labels=CHANNEL,
        )
        for ref, count in self._repairs().items():
            repairs.add_metric(ref, count)
        yield repairs


def _queues(found: Mapping[Ref, Sequence[Waiting]]) -> Iterator[Metric]:
    rows = _gauge("queue_rows", "Keys that wait to be acknowledged, without dead letters", *CONSUMER)
    oldest = _gauge("queue_oldest_seconds", "How long the oldest of them has waited", *CONSUMER)
    dead = _gauge("queue_dead_letters", "Dead letters", *CONSUMER)
    escalated = _gauge("queue_escalated", "Keys that wait and were escalated", *CONSUMER)
    for ref, consumers in found.items():
        for it in consumers:
            consumer = (*ref, it.group)
            rows.add_metric(consumer, it.rows)
            oldest.add_metric(consumer, it.oldest_s)
            dead.add_metric(consumer, it.dead)
            escalated.add_metric(consumer, it.escalated)
    yield from (rows, oldest, dead, escalated)


def _gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"notifychannel_operator_{name}", help_text, labels=labels)
