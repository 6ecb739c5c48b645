"""What the injector counts, for Prometheus; docs/injection.md explains it, and a test holds both together.

Its own registry, no globals. No label says anything of a pod.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from notifychannel_operator.inject import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 3.0)
"""From a pod without the label to the three seconds after which the API server goes on without an answer."""
PREFIX = "notifychannel_injector"


class Metrics:
    """Told what happened, or asked when Prometheus comes."""

    def __init__(
        self, *, version: str, is_ready: Callable[[], bool], certificate_expires_s: Callable[[], float]
    ) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._admissions = self._counter("admissions", "Reviews answered, by what was decided", "reason")
        self._seconds = Histogram(
            f"{PREFIX}_admission_seconds", "A review until its answer", registry=self.registry, buckets=BUCKETS_S
        )
        self._refused = self._counter("refused_requests", "Requests that were no review, by HTTP status", "status")
        self._reloads = self._counter("certificate_reloads", "Changed certificates, taken or refused", "result")
        self._gauge("ready", "1 while /readyz says yes").set_function(is_ready)
        self._gauge(
            "certificate_expiry_timestamp_seconds", "Unix time at which the served certificate ends; 0: there is none"
        ).set_function(certificate_expires_s)
        self._gauge("build_info", "Always 1; the version is the label", "version").labels(version).set(1)
        for reason in Reason:
            self._admissions.labels(reason.value)
        for result in ("ok", "bad"):
            self._reloads.labels(result)

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)

    def on_admission(self, reason: Reason, seconds: float) -> None:
        """A review was answered."""
        self._admissions.labels(reason.value).inc()
        self._seconds.observe(seconds)

    def on_refused(self, status: int) -> None:
        """Something was sent that is no review."""
        self._refused.labels(str(status)).inc()

    def on_reload(self, good: bool) -> None:
        """A changed certificate was taken, or refused."""
        self._reloads.labels("ok" if good else "bad").inc()

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", help_text, labels, registry=self.registry)
