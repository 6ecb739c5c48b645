"""The inbox's own numbers, read when Prometheus asks: nothing is counted twice on the way of a notification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from notifychannel_sidecar.hints import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prometheus_client import Metric

    from notifychannel_sidecar.inbox.work import Counts

COUNTERS: tuple[tuple[str, str, Callable[[Counts], int]], ...] = (
    ("notifications", "NOTIFYs heard", lambda counts: counts.notifications),
    ("hints_received", "Keys that they named", lambda counts: counts.keys),
    ("hints_merged", "Of those, the ones that went into a hint already pending", lambda counts: counts.merged),
    ("polls", "Resyncs that came because time had passed", lambda counts: counts.resyncs.get(Reason.POLL, 0)),
    ("overflows", "Times the channel's keys became one resync, for want of memory", lambda counts: counts.overflows),
    ("malformed", "Payloads that are not what the channel's format says", lambda counts: counts.malformed),
    ("suspended", "NOTIFYs ignored because the channel is suspended", lambda counts: counts.suspended),
)


class InboxMetrics(Collector):
    """Asks `counts(name)` for each name of `names()`."""

    def __init__(
        self,
        *,
        names: Callable[[], Sequence[str]],
        counts: Callable[[str], Counts],
        breaker_open: Callable[[str], bool],
    ) -> None:
        self._names = names
        self._counts = counts
        self._breaker_open = breaker_open

    def describe(self) -> Iterable[Metric]:
        """No look at an inbox just to know the names."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """One family each, with a sample per channel."""
        found = {name: self._counts(name) for name in self._names()}
        for metric, help_text, value in COUNTERS:
            counter = CounterMetricFamily(f"notifychannel_{metric}", help_text, labels=["channel"])
            for name, counts in found.items():
                counter.add_metric([name], value(counts))
            yield counter
        yield self._resyncs(found)
        pending = GaugeMetricFamily("notifychannel_pending_keys", "Keys waiting or in flight", labels=["channel"])
        breaker = GaugeMetricFamily(
            "notifychannel_breaker_open", "1 while the endpoint is in trouble and only tried", labels=["channel"]
        )
        for name, counts in found.items():
            pending.add_metric([name], counts.pending_keys)
            breaker.add_metric([name], self._breaker_open(name))
        yield pending
        yield breaker

    def _resyncs(self, found: dict[str, Counts]) -> Metric:
        resyncs = CounterMetricFamily(
            "notifychannel_resyncs", "Asked for, but polls, by reason", labels=["channel", "reason"]
        )
        for name, counts in found.items():
            for reason in Reason:
                if reason not in (Reason.CHANGE, Reason.POLL):
                    resyncs.add_metric([name, reason.value], counts.resyncs.get(reason, 0))
        return resyncs
