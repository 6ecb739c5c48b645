"""What the operator counts, and that docs/metrics.md says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from notifychannel_operator.metrics import Metrics
from notifychannel_operator.passes.outbox import Outbox
from notifychannel_operator.passes.status import Pods
from notifychannel_operator.passes.waiting import Waiting
from notifychannel_operator.passes.whereabouts import Identity, Ref
from notifychannel_operator.work.queue import Ending

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(notifychannel_operator_\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$", re.MULTILINE)

ORDERS = Ref("shop", "orders")
WAITING = Waiting(group="app", rows=7, dead=3, escalated=1, oldest_s=90.0, last_error="500")
PODS = Pods(matched=5, injected=4, outdated=3, listening=2, delivering=1, stuck=6)


def asked(**changes):
    """Metrics that find these values when Prometheus comes, of an operator that has nothing to do."""
    made = Metrics(version="1.2.3")
    nothing = {
        "waiting": lambda: 0, "running": lambda: 0, "by_ready": dict, "is_leading": lambda: True,
        "canary_late_s": lambda: 0.0, "certificate_expires_s": lambda: 0.0, "outboxes": dict, "queues": dict,
        "pods": dict, "repairs": dict,
    }  # fmt: skip
    made.ask(**{**nothing, **changes})
    return made


@pytest.fixture
def metrics():
    return filled()


def filled():
    """Of an operator that has something of everything."""
    made = asked(
        waiting=lambda: 3, running=lambda: 2, by_ready=lambda: {"True": 7}, canary_late_s=lambda: 1.5,
        certificate_expires_s=lambda: 99.0,
        outboxes=lambda: {Identity("123", "shop"): Outbox(size_bytes=8192, rows=5, looked_s=0.0)},
        queues=lambda: {ORDERS: (WAITING,)}, pods=lambda: {ORDERS: PODS}, repairs=lambda: {ORDERS: 6},
    )  # fmt: skip
    made.on_connection_error("Unreachable")
    for ending in Ending:
        made.on_pass(ending, 0.1)
    return made


def told(metrics):
    return {
        (sample.name.removeprefix("notifychannel_operator_"), *sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def test_the_page_and_the_code_agree(metrics):
    """Mutant: rename any metric, or change a label or a sentence, on one side."""
    described = {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels)), meaning)
        for name, kind, labels, meaning in ROW.findall(PAGE.read_text())
    }
    found = {}
    for family in metrics.registry.collect():
        if family.name.startswith("notifychannel_operator_"):
            labels = next((tuple(sample.labels) for sample in family.samples if "le" not in sample.labels), ())
            found[family.name] = (family.type, labels, family.documentation)
    assert described == found


def test_passes_are_counted_by_their_end_and_only_broken_ones_are_errors(metrics):
    samples = told(metrics)
    assert all(samples["passes_total", ending.value] == 1 for ending in Ending)
    assert samples["pass_seconds_count",] == len(Ending)
    broken = {labels[1] for labels in samples if labels[0] == "pass_errors_total"}
    assert broken == {"bug", "kube-error", "timeout"}


def test_the_gauges_are_asked_when_prometheus_comes(metrics):
    samples = told(metrics)
    assert (samples["queue_depth",], samples["passes_running",], samples["leading",]) == (3, 2, 1)
    assert (samples["channels", "True"], samples["channels", "False"]) == (7, 0)
    assert (samples["canary_late_seconds",], samples["certificate_expiry_timestamp_seconds",]) == (1.5, 99)


def test_an_outbox_is_told_with_its_database_and_no_more_when_it_is_gone():
    """Mutant: a Gauge with labels, which would keep the last value of a database that nobody looks at any more."""
    outboxes = {Identity("123", "shop"): Outbox(size_bytes=8192, rows=5, looked_s=0.0)}
    made = asked(outboxes=lambda: outboxes)
    assert told(made)["outbox_bytes", "123", "shop"] == 8192
    outboxes.clear()
    assert not [name for name in told(made) if name[0].startswith("outbox")]


def test_of_a_certificate_that_is_not_the_operators_it_tells_no_end():
    """An alert on it would never be still, or never be heard. Mutant: a gauge that says 0."""
    made = asked(certificate_expires_s=None)
    assert ("certificate_expiry_timestamp_seconds",) not in told(made)


def test_prometheus_can_read_it(metrics):
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    assert list(text_string_to_metric_families(metrics.text().decode()))


def test_what_waits_in_the_queue_is_told_by_channel_and_group_and_no_more_when_it_is_gone():
    """Mutant: `_queues` that swaps rows and dead letters."""
    queues = {ORDERS: (WAITING,)}
    made = asked(queues=lambda: queues)
    names = ("queue_rows", "queue_oldest_seconds", "queue_dead_letters", "queue_escalated")
    assert [told(made)[name, "shop", "orders", "app"] for name in names] == [7, 90, 3, 1]
    queues.clear()
    assert not [name for name in told(made) if name[0].startswith("queue_") and len(name) > 1]


def test_pods_are_told_by_channel_and_state_and_repairs_by_channel_and_no_more_when_it_is_gone():
    """Mutant: `listening` for `injected` in `Pods`' samples."""
    pods, repairs = {ORDERS: PODS}, {ORDERS: 0}
    made = asked(pods=lambda: pods, repairs=lambda: repairs)
    samples = told(made)
    states = ("matched", "injected", "outdated", "listening", "delivering", "stuck")
    assert [samples["pods", "shop", "orders", state] for state in states] == [5, 4, 3, 2, 1, 6]
    assert samples["repairs_total", "shop", "orders"] == 0
    pods.clear()
    repairs.clear()
    assert not [name for name in told(made) if name[0] in {"pods", "repairs_total"}]
