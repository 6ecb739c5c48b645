"""What the operator counts, for Prometheus; docs/metrics.md says what each is good for, and a test holds both together.

Its own registry, no globals. No label is a channel here, for their number is the users' affair: channel_metrics.py has
what an alert has to name one for. A database is one only of its outbox, which no status tells of.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from notifychannel_operator.channel_metrics import ChannelMetrics
from notifychannel_operator.work.queue import Ending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from prometheus_client.core import Metric

    from notifychannel_operator.passes.outbox import Outbox
    from notifychannel_operator.passes.status import Pods
    from notifychannel_operator.passes.waiting import Waiting
    from notifychannel_operator.passes.whereabouts import Identity, Ref

BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)
"""From a pass that finds nothing to do to one that is given up."""
READY = ("True", "False", "Unknown")


class Metrics:
    """Told what happened, or asked when Prometheus comes."""

    def __init__(self, *, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._passes = self._counter("passes", "Passes by how they ended", "ending")
        self._pass_seconds = self._histogram("pass_seconds", "One pass over one channel")
        self._errors = self._counter("pass_errors", "Passes that broke; they are tried again", "ending")
        self._connections = self._counter(
            "database_connection_errors", "Connections to users' databases that came to nothing", "error"
        )
        self._renewals = self._counter("certificate_errors", "Looks at the certificate that came to nothing")
        self._gauge("build_info", "Always 1; the version is the label", "version").labels(version).set(1)
        for ending in Ending:
            self._passes.labels(ending.value)

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)

    def ask(
        self,
        *,
        waiting: Callable[[], int],
        running: Callable[[], int],
        by_ready: Callable[[], Mapping[str, int]],
        is_leading: Callable[[], bool],
        canary_late_s: Callable[[], float],
        certificate_expires_s: Callable[[], float] | None,
        outboxes: Callable[[], Mapping[Identity, Outbox]],
        queues: Callable[[], Mapping[Ref, Sequence[Waiting]]],
        pods: Callable[[], Mapping[Ref, Pods]],
        repairs: Callable[[], Mapping[Ref, int]],
    ) -> None:
        """Where the gauges find their values when Prometheus comes; call it once.

        `certificate_expires_s`: None where the certificate is somebody else's; then there is no such gauge.
        """
        self._gauge("queue_depth", "Channels that are due and wait for a place to run").set_function(waiting)
        self._gauge("passes_running", "Passes under way").set_function(running)
        self._gauge("leading", "1 while this replica holds the lease, else 0").set_function(is_leading)
        self._gauge("canary_late_seconds", "How long the watch owes us an event").set_function(canary_late_s)
        if certificate_expires_s is not None:
            self._gauge(
                "certificate_expiry_timestamp_seconds", "Unix time at which the injector's certificate ends; 0: unknown"
            ).set_function(certificate_expires_s)
        self.registry.register(Outboxes(outboxes))
        self.registry.register(ChannelMetrics(queues=queues, pods=pods, repairs=repairs))
        channels = self._gauge("channels", "Channels by their condition Ready", "ready")
        for ready in READY:
            channels.labels(ready).set_function(partial(_of, by_ready, ready))

    def on_pass(self, ending: Ending, seconds: float) -> None:
        """A pass has ended."""
        self._passes.labels(ending.value).inc()
        self._pass_seconds.observe(seconds)
        if ending not in (Ending.DONE, Ending.GONE):
            self._errors.labels(ending.value).inc()

    def on_connection_error(self, error: str) -> None:
        """A database could not be reached; `error` is the exception's type."""
        self._connections.labels(error).inc()

    def on_certificate_error(self) -> None:
        """The certificate could not be looked at or renewed."""
        self._renewals.inc()

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"notifychannel_operator_{name}", help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"notifychannel_operator_{name}", help_text, labels, registry=self.registry)

    def _histogram(self, name: str, help_text: str, *labels: str) -> Histogram:
        return Histogram(f"notifychannel_operator_{name}", help_text, labels, registry=self.registry, buckets=BUCKETS_S)


class Outboxes(Collector):
    """Of each database that has one: they come and go, so they are asked for as a whole."""

    def __init__(self, ask: Callable[[], Mapping[Identity, Outbox]]) -> None:
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        """When Prometheus comes."""
        labels = ("system_identifier", "dbname")
        size = GaugeMetricFamily(
            "notifychannel_operator_outbox_bytes", "Size of a database's outbox, dead rows included", labels=labels
        )
        rows = GaugeMetricFamily(
            "notifychannel_operator_outbox_rows", "About how many rows wait in it for the relay", labels=labels
        )
        for identity, outbox in self._ask().items():
            size.add_metric(identity, outbox.size_bytes)
            rows.add_metric(identity, outbox.rows)
        yield size
        yield rows


def _of(by_ready: Callable[[], Mapping[str, int]], ready: str) -> int:
    return by_ready().get(ready, 0)
