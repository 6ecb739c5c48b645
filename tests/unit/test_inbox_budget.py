"""Memory is bounded by one budget of keys: past it the largest channel's become one resync."""

from __future__ import annotations

import tracemalloc

import pytest

from notifychannel_sidecar.hints import Reason
from tests.notification import MIDNIGHT_US, channel, inbox_with, keys, payload


def test_past_the_budget_the_largest_channel_collapses_into_one_resync_since_its_first_change():
    inbox = inbox_with(channel(), channel(name="small"), budget=10)
    inbox.put("orders", payload(*range(8), seconds=5), 0.0)
    inbox.put("orders", payload(3, seconds=2), 0.0)
    inbox.put("small", payload(1, 2, 3), 0.0)
    assert inbox.counts("orders").overflows == 1
    assert inbox.counts("orders").resyncs == {Reason.OVERFLOW: 1}
    assert keys(inbox.take("small", 1.0)) == [1, 2, 3]
    work = inbox.take("orders", 1.0)
    assert (work.reason, work.since_us, work.hints) == (Reason.OVERFLOW, MIDNIGHT_US + 2_000_000, ())


def test_keys_in_flight_count_and_are_never_dropped():
    inbox = inbox_with(channel(), channel(name="other"), budget=4)
    inbox.put("orders", payload(1, 2, 3), 0.0)
    in_flight = inbox.take("orders", 1.0)
    inbox.put("other", payload(1, 2), 1.0)
    assert inbox.counts("other").overflows == 1
    inbox.put_back(in_flight)
    assert keys(inbox.take("orders", 2.0)) == [1, 2, 3]


def test_memories_of_min_interval_go_before_keys_do():
    inbox = inbox_with(channel(window=0.0, min_interval=60.0), budget=4)
    inbox.put("orders", payload(1, 2, 3), 0.0)
    inbox.acknowledge(inbox.take("orders", 0.0), 0.0)
    inbox.put("orders", payload(4, 5), 1.0)
    counts = inbox.counts("orders")
    assert (counts.overflows, counts.remembered_keys, counts.pending_keys) == (0, 0, 2)


@pytest.mark.slow
def test_many_times_as_many_keys_while_nothing_is_delivered_stay_within_the_budget_and_become_one_resync():
    """A real sidecar gets a million of them: test_sidecar_memory.py. Mutant: no `self._on_full(now)` in Intake._add."""
    inbox = inbox_with(budget=10_000)
    most = 0
    for start in range(0, 200_000, 100):
        inbox.put("orders", payload(*range(start, start + 100)), start / 1_000_000)
        most = max(most, inbox.counts("orders").pending_keys)
    assert most <= 10_000
    assert inbox.counts("orders").overflows == 200_000 // 10_001
    work = inbox.take("orders", 60.0)
    assert (work.reason, work.since_us) == (Reason.OVERFLOW, MIDNIGHT_US)
    inbox.acknowledge(work, 60.0)
    assert inbox.next_due("orders", 61.0) is None
    assert inbox.counts("orders").pending_keys == 0


def test_a_key_held_costs_less_than_a_kilobyte():
    inbox = inbox_with(budget=10_000)
    tracemalloc.start()
    try:
        for start in range(0, 30_000, 100):
            inbox.put("orders", payload(*range(start, start + 100)), 0.0)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 10_000 * 600


def test_long_texts_of_others_count_for_their_length():
    """Mutant: `return 1` in budget.cost: 100,000 keys of 8,000 bytes would be the end of the pod."""
    inbox = inbox_with(channel(format="Text", key=("payload",), window=0.0), budget=100)
    for number in range(4):
        inbox.put("orders", f"{number}" * 7999, 0.0)
    assert inbox.counts("orders").overflows == 1
    inbox.acknowledge(inbox.take("orders", 2.0), 2.0)
    assert inbox._budget.used == 0
