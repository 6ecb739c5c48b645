"""The numbers of the stream, read when Prometheus asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from notifychannel_sidecar.stream.stream import Stream


class StreamMetrics(Collector):
    """Asks it for each channel that is streamed."""

    def __init__(self, *, stream: Stream) -> None:
        self._stream = stream

    def describe(self) -> Iterable[Metric]:
        """No look at the stream just to know the names."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """One family each, with a sample per channel."""
        readers = GaugeMetricFamily("notifychannel_stream_readers", "Who reads the stream now", labels=["channel"])
        events = CounterMetricFamily("notifychannel_stream_events", "Events for all readers", labels=["channel"])
        overflows = CounterMetricFamily(
            "notifychannel_stream_overflows", "Resyncs for readers that missed more than is kept", labels=["channel"]
        )
        for name in sorted(self._stream.shelves.names):
            counts = self._stream.counts(name)
            readers.add_metric([name], counts.readers)
            events.add_metric([name], counts.events)
            overflows.add_metric([name], counts.overflows)
        yield from (readers, events, overflows)
        yield CounterMetricFamily(
            "notifychannel_stream_slow_readers", "Readers cut off because they did not read",
            value=self._stream.tally.slow_readers,
        )  # fmt: skip
