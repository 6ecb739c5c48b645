"""What is counted, and that docs/metrics.md says so."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from notifychannel_sidecar.clock import Clock
from notifychannel_sidecar.deliverer.answer import Answer, Fault, Outcome
from notifychannel_sidecar.durable.agenda import Agenda, Waiting
from notifychannel_sidecar.durable.hold import Hold
from notifychannel_sidecar.durable_metrics import DurableMetrics
from notifychannel_sidecar.hints import Mode, Reason
from notifychannel_sidecar.inbox.work import Counts
from notifychannel_sidecar.inbox_metrics import InboxMetrics
from notifychannel_sidecar.metrics import Metrics
from notifychannel_sidecar.state import Phase, State, Why
from notifychannel_sidecar.stream.stream import Stream
from notifychannel_sidecar.stream_metrics import StreamMetrics
from tests.notification import ORDERS
from tests.unit.test_roundtrip import trip

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(notifychannel_\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$", re.MULTILINE)
COUNTS = Counts(
    notifications=3, keys=9, merged=4, pending_keys=5, remembered_keys=0, resyncs={Reason.START: 1, Reason.POLL: 2},
    overflows=0, malformed=0, suspended=0,
)  # fmt: skip


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def metrics(clock):
    return filled(clock)


def filled(clock):
    """With one channel that is delivered in all ways."""
    made = Metrics(clock=clock, version="1.2.3")
    made.add(InboxMetrics(names=lambda: ["orders"], counts=lambda _: COUNTS, breaker_open=lambda _: True))
    agenda = Agenda(Hold(ORDERS, epochs=itertools.count()))
    agenda.waiting = Waiting(pending=1, claimed=2, retrying=3, dead=4, oldest_s=5.5)
    agenda.claimed = 9
    agenda.outcomes["done"] = 7
    made.add(DurableMetrics(agendas=lambda: [("orders", agenda)]))
    stream = Stream(mode=lambda: Mode.LISTENING)
    stream.configure([replace(ORDERS, port=0, path="")])
    made.add(StreamMetrics(stream=stream))
    return made


def answer(**changes):
    return Answer(
        **{
            "channel": "orders", "outcome": Outcome.ACKNOWLEDGED, "status": 204, "fault": None, "hints": 1,
            "reason": None, "seconds": 0.003, "first_at_us": (), "waited_s": (0.25,), "breaker_open": False, **changes,
        }
    )  # fmt: skip


def told(metrics):
    """All samples by name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def use_all(metrics):
    """Every metric with labels shows them only once it was used."""
    metrics.on_answer(answer())
    metrics.on_state(State(phase=Phase.WAITING, since_s=0, why=Why.UNREACHABLE))
    metrics.on_claims(State(phase=Phase.WAITING, since_s=0, why=Why.UNREACHABLE))


def test_the_page_and_the_code_agree(metrics, clock):
    """Mutant: rename any metric, or change a label or a sentence, on one side."""
    clock.measured(now=time.monotonic(), database_us=time.time_ns() // 1000)
    use_all(metrics)
    metrics.on_answer(answer(first_at_us=(1,)))
    described = {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels)), meaning)
        for name, kind, labels, meaning in ROW.findall(PAGE.read_text().partition("\n# Metrics of ")[0])
    }
    found = {}
    for family in metrics.registry.collect():
        if family.name.startswith("notifychannel_"):
            labels = next((tuple(sample.labels) for sample in family.samples if "le" not in sample.labels), ())
            found[family.name] = (family.type, labels, family.documentation)
    assert described == found


def test_prometheus_can_read_it(metrics):
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    use_all(metrics)
    names = {family.name for family in text_string_to_metric_families(metrics.text().decode())}
    assert {"notifychannel_notifications", "notifychannel_listening"} <= names


def test_the_inbox_is_asked_when_prometheus_comes(metrics):
    samples = told(metrics)
    assert samples["notifychannel_notifications_total", "orders"] == 3
    assert samples["notifychannel_pending_keys", "orders"] == 5
    assert samples["notifychannel_polls_total", "orders"] == 2
    assert samples["notifychannel_resyncs_total", "orders", "start"] == 1
    assert samples["notifychannel_breaker_open", "orders"] == 1
    assert ("notifychannel_resyncs_total", "orders", "poll") not in samples


def test_what_is_put_on_the_stream_is_delivered_and_no_post(metrics):
    metrics.on_answer(answer(status=None, word="stream", seconds=0.0, first_at_us=(1,)))
    samples = told(metrics)
    assert samples["notifychannel_deliveries_total", "orders", "stream"] == 1
    assert samples["notifychannel_hints_delivered_total", "orders"] == 1
    assert ("notifychannel_delivery_seconds_count", "orders") not in samples


def test_listening_is_one_only_while_it_is_proven(metrics):
    """Mutant: set to 1 for CONNECTING."""
    for phase, value in ((Phase.CONNECTING, 0), (Phase.LISTENING, 1), (Phase.WAITING, 0), (Phase.FINISHED, 0)):
        metrics.on_state(State(phase=phase, since_s=0))
        assert told(metrics)["notifychannel_listening",] == value


def test_the_time_from_change_to_answer_is_corrected_by_the_databases_clock(metrics, clock):
    """Mutant: time.time() for the database's clock: here they are a day apart."""
    a_day_us = 86_400 * 10**6
    database_us = time.time_ns() // 1000 + a_day_us
    clock.measured(now=time.monotonic(), database_us=database_us)
    metrics.on_answer(answer(first_at_us=(database_us - 30_000,)))
    samples = told(metrics)
    assert samples["notifychannel_change_to_delivery_seconds_count", "orders"] == 1
    assert 0.03 <= samples["notifychannel_change_to_delivery_seconds_sum", "orders"] < 5
    assert samples["notifychannel_hints_delivered_total", "orders"] == 1


def test_without_the_databases_clock_no_latency_is_guessed(metrics):
    metrics.on_answer(answer(first_at_us=(1,)))
    samples = told(metrics)
    assert samples["notifychannel_hints_delivered_total", "orders"] == 1
    assert ("notifychannel_change_to_delivery_seconds_count", "orders") not in samples


@pytest.mark.parametrize(
    ("status", "fault", "label"),
    [(200, None, "2xx"), (301, None, "3xx"), (429, None, "429"), (404, None, "4xx"), (503, None, "5xx"),
     *((None, fault, fault.value) for fault in Fault)],
)  # fmt: skip
def test_answers_are_counted_in_few_kinds(metrics, status, fault, label):
    metrics.on_answer(answer(status=status, fault=fault, outcome=Outcome.FAILED))
    assert told(metrics)["notifychannel_deliveries_total", "orders", label] == 1


def test_a_round_trip_tells_the_queue(metrics):
    metrics.on_round_trip(trip(queue_usage=0.5, trip_s=0.2))
    samples = told(metrics)
    assert samples["notifychannel_notification_queue_usage",] == 0.5
    assert samples["notifychannel_round_trip_seconds_count",] == 1


def test_reloads_are_counted_from_nought(metrics):
    metrics.on_reload(good=False)
    samples = told(metrics)
    assert samples["notifychannel_config_reloads_total", "bad"] == 1
    assert samples["notifychannel_config_reloads_total", "ok"] == 0
