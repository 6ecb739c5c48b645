"""The numbers of channels that are delivered AtLeastOnce, read when Prometheus asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client import Metric

    from notifychannel_sidecar.durable.agenda import Agenda

STATES: tuple[str, ...] = ("pending", "claimed", "retrying", "dead")


class DurableMetrics(Collector):
    """Asks each agenda. What waits for the group is as the queue last counted it, and the same from every pod."""

    def __init__(self, *, agendas: Callable[[], Iterable[tuple[str, Agenda]]]) -> None:
        self._agendas = agendas

    def describe(self) -> Iterable[Metric]:
        """No look at the agendas just to know the names."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """One family each, with a sample per channel."""
        claims = GaugeMetricFamily("notifychannel_claims", "Rows of the queue that it holds now", labels=["channel"])
        claimed = CounterMetricFamily("notifychannel_claimed", "Rows that it has claimed", labels=["channel"])
        settled = CounterMetricFamily(
            "notifychannel_settled", "Rows that it has told the queue of, by what became of them",
            labels=["channel", "outcome"],
        )  # fmt: skip
        escalated = CounterMetricFamily(
            "notifychannel_escalated", "Rows whose escalation it has delivered", labels=["channel"]
        )
        rows = GaugeMetricFamily(
            "notifychannel_queue_rows", "Rows of the whole group in the queue, by state", labels=["channel", "state"]
        )
        oldest = GaugeMetricFamily(
            "notifychannel_queue_oldest_seconds", "Age of the oldest that nobody has acknowledged", labels=["channel"]
        )
        for name, agenda in self._agendas():
            claims.add_metric([name], agenda.hold.claims)
            claimed.add_metric([name], agenda.claimed)
            for outcome, count in agenda.outcomes.items():
                settled.add_metric([name, outcome], count)
            escalated.add_metric([name], agenda.escalated)
            if (waiting := agenda.waiting) is not None:
                for state in STATES:
                    rows.add_metric([name, state], getattr(waiting, state))
                oldest.add_metric([name], waiting.oldest_s or 0.0)
        yield from (claims, claimed, settled, escalated, rows, oldest)
