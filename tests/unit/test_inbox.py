"""What arrives merges per key and is due when the debounce says so."""

from __future__ import annotations

import json
import math
import tracemalloc

import pytest

from notifychannel_sidecar.hints import Reason
from tests.notification import MIDNIGHT_US, Notes, channel, inbox_with, keys, payload


def test_a_change_is_due_after_its_window_and_says_what_happened():
    inbox = inbox_with()
    inbox.put("orders", payload(42, event="I", seconds=1), 10.0)
    assert inbox.next_due("orders", 10.0) == 10.25
    assert inbox.take("orders", 10.24) is None
    work = inbox.take("orders", 10.25)
    (hint,) = work.hints
    assert json.loads(hint.key) == {"tenant_id": 7, "order_id": 42}
    assert (work.reason, hint.events, hint.count, hint.attempt) == (Reason.CHANGE, ("insert",), 1, 1)
    assert hint.first_at_us == hint.last_at_us == MIDNIGHT_US + 1_000_000
    assert hint.waited_s == pytest.approx(0.25)


def test_changes_of_a_key_merge_with_events_in_order_times_from_first_to_last_and_every_statement_counted():
    inbox = inbox_with()
    for event, seconds in (("I", 2.0), ("U", 3.0), ("U", 1.0), ("I", 2.5), ("D", 2.0)):
        inbox.put("orders", payload(42, event=event, seconds=seconds), 10.0)
    (hint,) = inbox.take("orders", 20.0).hints
    assert (hint.events, hint.count) == (("insert", "update", "delete"), 5)
    assert (hint.first_at_us, hint.last_at_us) == (MIDNIGHT_US + 1_000_000, MIDNIGHT_US + 3_000_000)


def test_fifty_changes_in_a_second_within_a_window_of_half_a_second_are_one_hint():
    """Mutant: `settled = entry.first + self._window` in Schedule.due."""
    inbox = inbox_with(channel(window=0.5, max_delay=10.0))
    taken = []
    for tick in range(50):
        now = tick / 50
        inbox.put("orders", payload(42), now)
        taken.append(inbox.take("orders", now))
    assert taken == [None] * 50
    assert inbox.take("orders", 1.47) is None
    assert inbox.take("orders", 0.98 + 0.5).hints[0].count == 50
    assert inbox.next_due("orders", 2.0) is None


def test_a_key_that_never_rests_is_due_max_delay_after_its_first_change():
    """Mutant: no `min(settled, latest)` in Schedule.due."""
    inbox = inbox_with(channel(window=0.5, max_delay=2.0))
    taken_at = []
    for tick in range(100):
        now = tick / 10
        inbox.put("orders", payload(42), now)
        if (work := inbox.take("orders", now)) is not None:
            taken_at.append(now)
            inbox.acknowledge(work, now)
    assert taken_at == [pytest.approx(moment) for moment in (2.0, 4.1, 6.2, 8.3)]


def test_a_window_of_zero_is_due_at_once():
    notes = Notes()
    inbox = inbox_with(channel(window=0.0), notes=notes)
    inbox.put("orders", payload(42), 3.0)
    assert notes[-1] == "orders"
    assert keys(inbox.take("orders", 3.0)) == [42]


def test_who_waits_is_woken_only_by_what_is_due_earlier():
    notes = Notes()
    inbox = inbox_with(notes=notes)
    inbox.next_due("orders", 0.0)
    notes.clear()
    inbox.put("orders", payload(1), 1.0)
    inbox.put("orders", payload(2), 1.1)
    inbox.put("orders", payload(1), 1.2)
    assert notes == ["orders"]
    inbox.resync("orders", Reason.START, 1.2, since=None)
    assert notes == ["orders", "orders"]


def test_a_key_changed_in_flight_is_delivered_again_after_the_answer_and_not_before():
    """Mutant: `return self._schedule.add(entry)` without the question about in_flight in Pending.add."""
    inbox = inbox_with()
    inbox.put("orders", payload(42), 0.0)
    first = inbox.take("orders", 1.0)
    inbox.put("orders", payload(42), 1.0)
    assert inbox.take("orders", 50.0) is None
    inbox.acknowledge(first, 50.0)
    second = inbox.take("orders", 50.0)
    assert keys(second) == [42]
    assert second.hints[0].id != first.hints[0].id
    assert second.hints[0].count == 1


def test_min_interval_holds_a_key_back_but_never_loses_its_last_change():
    """Mutant: no `newer.not_before = …` in Pending.forget (too early), or `pop` without `not_before = rested_at`."""
    inbox = inbox_with(channel(window=0.0, min_interval=5.0))
    inbox.put("orders", payload(42), 0.0)
    inbox.acknowledge(inbox.take("orders", 0.0), 0.0)
    inbox.put("orders", payload(42), 1.0)
    assert inbox.next_due("orders", 1.0) == 5.0
    work = inbox.take("orders", 5.0)
    inbox.put("orders", payload(42), 5.1)
    inbox.acknowledge(work, 6.0)
    assert inbox.take("orders", 10.9) is None
    assert keys(inbox.take("orders", 11.0)) == [42]


def test_memories_of_min_interval_expire():
    inbox = inbox_with(channel(window=0.0, min_interval=5.0))
    for order in range(20):
        inbox.put("orders", payload(order), 0.0)
    inbox.acknowledge(inbox.take("orders", 0.0), 0.0)
    assert inbox.counts("orders").remembered_keys == 20
    inbox.put("orders", payload(99), 6.0)
    inbox.take("orders", 6.0)
    assert inbox.counts("orders").remembered_keys == 0


def test_a_batch_takes_what_is_due_in_order_up_to_max_hints():
    inbox = inbox_with(channel(max_hints=2))
    for order in (3, 1, 2):
        inbox.put("orders", payload(order), order / 100)
    inbox.put("orders", payload(9), 5.0)
    assert [keys(inbox.take("orders", 5.0)), keys(inbox.take("orders", 5.0))] == [[1, 2], [3]]
    assert inbox.take("orders", 5.0) is None
    assert keys(inbox.take("orders", 5.25)) == [9]


def test_a_batch_waits_up_to_max_wait_to_fill_and_no_longer_once_it_is_full():
    inbox = inbox_with(channel(window=0.0, max_hints=3, max_wait=2.0))
    inbox.put("orders", payload(1), 10.0)
    assert inbox.take("orders", 10.0) is None
    assert inbox.next_due("orders", 10.0) == 12.0
    inbox.put("orders", payload(2), 11.0)
    assert inbox.take("orders", 11.0) is None
    assert keys(inbox.take("orders", 12.0)) == [1, 2]
    inbox.put("orders", payload(3, 4, 5), 13.0)
    assert keys(inbox.take("orders", 13.0)) == [3, 4, 5]


def test_other_settings_apply_in_place_and_lose_no_key():
    inbox = inbox_with(channel(window=100.0, max_delay=100.0))
    inbox.put("orders", payload(42), 0.0)
    inbox.configure([channel(window=1.0, max_delay=100.0, port=2)], 0.5)
    assert inbox.next_due("orders", 0.5) == 1.0
    assert keys(inbox.take("orders", 1.0)) == [42]


def test_a_removed_channel_loses_its_keys_and_frees_the_budget_even_of_what_is_in_flight():
    inbox = inbox_with(channel(), budget=4)
    inbox.put("orders", payload(1), 0.0)
    in_flight = inbox.take("orders", 1.0)
    inbox.put("orders", payload(1, 2, 3), 1.0)
    inbox.configure([], 1.0)
    inbox.put("orders", payload(4), 1.0)
    assert inbox.next_due("orders", 9.0) is None
    inbox.configure([channel()], 2.0)
    inbox.put_back(in_flight)
    inbox.put("orders", payload(5, 6, 7, 8), 2.0)
    assert inbox.counts("orders").overflows == 0
    assert keys(inbox.take("orders", 3.0)) == [5, 6, 7, 8]


def test_counts_say_what_came_and_what_merged():
    inbox = inbox_with()
    inbox.put("orders", payload(1, 2), 0.0)
    inbox.put("orders", payload(2, 3), 0.0)
    inbox.put("orders", payload(3), 0.0)
    counts = inbox.counts("orders")
    assert (counts.notifications, counts.keys, counts.merged, counts.pending_keys) == (3, 5, 2, 3)


def test_finishing_makes_everything_due_at_once_and_each_only_once():
    inbox = inbox_with(channel(window=60.0, max_delay=60.0, min_interval=60.0, max_wait=60.0))
    inbox.put("orders", payload(1, 2), 0.0)
    inbox.hurry(1.0)
    work = inbox.take("orders", 1.0)
    assert keys(work) == [1, 2]
    inbox.retry(work, 1.0)
    alone = [inbox.take("orders", 1.0), inbox.take("orders", 1.0)]
    for single in alone:
        inbox.retry(single, 1.0)
    assert sorted(keys(alone[0]) + keys(alone[1])) == [1, 2]
    assert inbox.take("orders", 1.0) is None
    assert inbox.next_due("orders", 1.0) > 1.5


@pytest.mark.parametrize("distinct", [1, 1000])
def test_what_a_hot_key_holds_does_not_grow_with_its_changes(distinct):
    inbox = inbox_with(channel(window=1.0, max_delay=math.inf), budget=10_000)
    for tick in range(distinct):
        inbox.put("orders", payload(tick % distinct), tick / 1000)
    tracemalloc.start()
    try:
        for tick in range(20_000):
            inbox.put("orders", payload(tick % distinct), 1.0 + tick / 1000)
            inbox.next_due("orders", 1.0 + tick / 1000)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 1000 * distinct + 100_000
