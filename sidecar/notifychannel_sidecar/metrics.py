"""What is counted, for Prometheus; docs/metrics.md says what each is good for, and a test proves that both agree.

Its own registry, no globals. Labels are the channel, an answer, a reason: never a key.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from notifychannel_sidecar.deliverer.answer import Outcome
from notifychannel_sidecar.state import Phase

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from notifychannel_sidecar.clock import Clock
    from notifychannel_sidecar.deliverer.answer import Answer
    from notifychannel_sidecar.listener.look import Look
    from notifychannel_sidecar.listener.roundtrip import RoundTrip
    from notifychannel_sidecar.relay.position import Drained
    from notifychannel_sidecar.state import State

BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""From a bare loopback delivery to an application that was down for minutes."""


BATCHES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000)
"""Up to the largest `maxHints`."""


class Metrics:
    """Told what happened by the callbacks of listener, deliverer and reload."""

    def __init__(self, *, clock: Clock, version: str) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        ProcessCollector(registry=self.registry)
        self._listening = self._gauge("listening", "1 while LISTEN is proven, else 0")
        self._reconnections = self._counter("reconnections", "Times the listener had to wait and try again", "reason")
        self._round_trip = self._histogram("round_trip_seconds", "NOTIFY to oneself until it was back")
        self._round_trip_at = self._gauge("last_round_trip_timestamp_seconds", "Unix time of the last round trip")
        self._queue = self._gauge("notification_queue_usage", "pg_notification_queue_usage(), 0 to 1")
        self._delivered = self._counter("hints_delivered", "Hints that the application acknowledged", "channel")
        self._deliveries = self._counter("deliveries", "POSTs by what came back", "channel", "answer")
        self._post = self._histogram("delivery_seconds", "A POST until its answer", "channel")
        self._answered_at = self._gauge(
            "last_answer_timestamp_seconds", "Unix time of the application's last answer, whatever it was", "channel"
        )
        self._batch = Histogram(
            "notifychannel_batch_hints", "Hints of a POST, resyncs left out", ["channel"], registry=self.registry,
            buckets=BATCHES,
        )  # fmt: skip
        self._latency = self._histogram(
            "change_to_delivery_seconds", "From the statement to the application's 2xx", "channel"
        )
        self._debounce = self._histogram("debounce_seconds", "How long a hint was held back to merge", "channel")
        self._reloads = self._counter("config_reloads", "Changed configuration files, taken or refused", "result")
        self._relay = self._gauge("relay", "1 while this sidecar is the relay of its database, else 0")
        self._takings = self._counter("relay_roles_taken", "Times this sidecar became the relay")
        self._drain = self._histogram("relay_drain_seconds", "A drain of the outbox, empty ones too")
        self._rows = self._counter("relay_rows", "Rows that this sidecar took from the outbox")
        self._payloads = self._counter("relay_payloads", "NOTIFYs that this sidecar sent for them")
        self._held = self._counter("relay_held", "Drains put off because the NOTIFY queue was more than half full")
        self._outbox = self._gauge("outbox_bytes", "The outbox with its indexes, where a channel captures by it")
        self._claiming = self._gauge("claiming", "1 while the session that claims is there, where a channel is durable")
        self._claim_errors = self._counter("claim_errors", "Times that session ended and was tried again", "reason")
        self._gauge("build_info", "Always 1; the version is the label", "version").labels(version).set(1)
        for result in ("ok", "bad"):
            self._reloads.labels(result)

    def add(self, collector: Collector) -> None:
        """Something that is asked when Prometheus comes."""
        self.registry.register(collector)

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)

    def on_state(self, state: State) -> None:
        """The listener's state has changed."""
        self._listening.set(state.phase is Phase.LISTENING)
        if state.why is not None:
            self._reconnections.labels(state.why.value).inc()

    def on_round_trip(self, trip: RoundTrip) -> None:
        """A NOTIFY to oneself has come back."""
        self._round_trip.observe(trip.trip_s)
        self._round_trip_at.set_to_current_time()
        self._queue.set(trip.queue_usage)

    def on_relay(self, look: Look) -> None:
        """The outbox was looked at."""
        self._outbox.set(look.size_bytes)

    def on_claims(self, state: State) -> None:
        """The session that claims has come or gone."""
        self._claiming.set(state.phase is Phase.LISTENING)
        if state.why is not None:
            self._claim_errors.labels(state.why.value).inc()

    def on_role(self, has: bool) -> None:
        """The sidecar has become the relay, or is it no more."""
        self._relay.set(has)
        self._takings.inc(has)

    def on_drain(self, drained: Drained, seconds: float) -> None:
        """The relay has drained."""
        self._drain.observe(seconds)
        self._rows.inc(drained.taken)
        self._payloads.inc(drained.payloads)
        self._held.inc(drained.held)

    def on_answer(self, answer: Answer) -> None:
        """A POST has ended."""
        channel = answer.channel
        self._deliveries.labels(channel, answer_label(answer)).inc()
        if answer.word is None:  # a POST
            self._post.labels(channel).observe(answer.seconds)
            if answer.hints:
                self._batch.labels(channel).observe(answer.hints)
        if answer.status is not None:
            self._answered_at.labels(channel).set_to_current_time()
        if answer.outcome in (Outcome.ACKNOWLEDGED, Outcome.PARTLY):
            self._delivered.labels(channel).inc(len(answer.first_at_us))
        debounce = self._debounce.labels(channel)
        for waited_s in answer.waited_s:
            debounce.observe(waited_s)
        now_us = self._clock.database_us(time.monotonic())
        if now_us is not None:
            latency = self._latency.labels(channel)
            for first_at_us in answer.first_at_us:
                latency.observe(max(0.0, (now_us - first_at_us) / 1e6))

    def on_reload(self, *, good: bool) -> None:
        """A changed configuration was taken, or refused."""
        self._reloads.labels("ok" if good else "bad").inc()

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"notifychannel_{name}", help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"notifychannel_{name}", help_text, labels, registry=self.registry)

    def _histogram(self, name: str, help_text: str, *labels: str) -> Histogram:
        return Histogram(f"notifychannel_{name}", help_text, labels, registry=self.registry, buckets=BUCKETS_S)


def answer_label(answer: Answer) -> str:
    """`2xx` … `5xx`, `429`, why there was no answer, or how it went without one: few values, whatever is answered."""
    if answer.word is not None:
        return answer.word
    if answer.status is None:
        return answer.fault.value if answer.fault else "none"
    return "429" if answer.status == 429 else f"{answer.status // 100}xx"  # noqa: PLR2004
