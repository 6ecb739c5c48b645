"""Resyncs: every reason, merged into one, alone on the wire, and polls when nothing else comes."""

from __future__ import annotations

import pytest

from notifychannel_sidecar.hints import Reason, timestamp
from tests.notification import MIDNIGHT_US, channel, inbox_with, keys, payload

SINCE = "2026-01-01T00:00:00.000000Z"
LATER = "2026-01-01T00:01:00.000000Z"


def since(work) -> str | None:
    return None if work.since_us is None else timestamp(work.since_us)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.CHANGE])
def test_a_resync_carries_its_reason_and_since_and_no_hints(reason):
    inbox = inbox_with()
    inbox.resync("orders", reason, 5.0, since=SINCE)
    work = inbox.take("orders", 5.0)
    assert (work.reason, since(work), work.hints) == (reason, SINCE, ())
    assert inbox.counts("orders").resyncs == {reason: 1}


def test_all_resyncs_merge_into_one_with_the_strongest_reason_the_earliest_since_and_the_earliest_due_time():
    inbox = inbox_with()
    inbox.resync("orders", Reason.SKIPPED, 0.0, since=LATER, delay=8.0)
    inbox.resync("orders", Reason.RECONNECT, 0.0, since=SINCE, delay=5.0)
    inbox.resync("orders", Reason.OVERFLOW, 0.0, since=LATER, delay=9.0)
    assert inbox.next_due("orders", 0.0) == 5.0
    work = inbox.take("orders", 5.0)
    assert (work.reason, since(work)) == (Reason.RECONNECT, SINCE)
    inbox.acknowledge(work, 5.0)
    assert inbox.next_due("orders", 5.0) is None


def test_an_unknown_since_wins_over_every_known_one():
    """Mutant: `earlier` that ignores None."""
    inbox = inbox_with()
    inbox.resync("orders", Reason.RECONNECT, 0.0, since=SINCE)
    inbox.resync("orders", Reason.START, 0.0, since=None)
    assert since(inbox.take("orders", 0.0)) is None


def test_while_a_resync_waits_for_its_spread_keys_go_on_being_delivered():
    inbox = inbox_with()
    inbox.resync("orders", Reason.RECONNECT, 0.0, since=SINCE, delay=5.0)
    inbox.put("orders", payload(42), 0.0)
    work = inbox.take("orders", 0.25)
    assert keys(work) == [42]
    inbox.acknowledge(work, 1.0)
    assert inbox.take("orders", 5.0).reason is Reason.RECONNECT


def test_a_resync_swallows_pending_keys_and_its_since_is_not_after_their_changes():
    """Mutant: no loop over `drop()` in Box._take_resync: rows that changed before `since` would never be looked at."""
    inbox = inbox_with()
    inbox.put("orders", payload(1, seconds=-60), 0.0)
    inbox.put("orders", payload(2, seconds=30), 0.0)
    inbox.resync("orders", Reason.SKIPPED, 0.1, since=SINCE)
    work = inbox.take("orders", 0.1)
    assert work.since_us == MIDNIGHT_US - 60_000_000
    inbox.acknowledge(work, 0.2)
    assert inbox.take("orders", 10.0) is None
    assert inbox.counts("orders").pending_keys == 0


def test_a_resync_waits_for_the_answers_in_flight_and_nothing_starts_before_its_own():
    """Mutant: `return self._take_resync(now)` whatever is in flight; or no question for `taken` in Box.take."""
    inbox = inbox_with(channel(max_hints=1))
    inbox.put("orders", payload(1, 2, 3), 0.0)
    first, second = inbox.take("orders", 1.0), inbox.take("orders", 1.0)
    inbox.resync("orders", Reason.RECONNECT, 1.0, since=SINCE)
    assert inbox.next_due("orders", 1.0) is None
    inbox.acknowledge(first, 1.1)
    assert inbox.take("orders", 1.1) is None
    inbox.acknowledge(second, 1.2)
    resync = inbox.take("orders", 1.2)
    assert resync.reason is Reason.RECONNECT
    inbox.put("orders", payload(4), 1.3)
    inbox.resync("orders", Reason.SKIPPED, 1.3, since=LATER)
    assert inbox.next_due("orders", 9.0) is None
    assert inbox.take("orders", 9.0) is None
    inbox.acknowledge(resync, 9.0)
    assert inbox.take("orders", 9.0).reason is Reason.SKIPPED


def test_a_failed_resync_comes_back_after_a_growing_backoff_and_merges_with_newer_ones():
    inbox = inbox_with()
    inbox.put("orders", payload(1, seconds=-60), 0.0)
    inbox.resync("orders", Reason.RECONNECT, 0.0, since=SINCE)
    now = 0.0
    for shortest, longest in ((1, 2), (2, 4), (4, 8), (8, 16), (16, 32), (30, 60), (30, 60)):
        work = inbox.take("orders", now)
        inbox.retry(work, now)
        inbox.resync("orders", Reason.BULK, now, since=LATER)
        wait = inbox.next_due("orders", now) - now
        assert shortest <= wait <= longest
        now += wait
    assert (work.reason, work.since_us) == (Reason.RECONNECT, MIDNIGHT_US - 60_000_000)


def test_a_resync_put_back_in_trouble_is_due_again_at_once():
    inbox = inbox_with()
    inbox.resync("orders", Reason.START, 0.0, since=None)
    inbox.put_back(inbox.take("orders", 0.0))
    assert inbox.take("orders", 0.0).reason is Reason.START


def test_a_payload_without_keys_is_a_bulk_resync_since_its_statement_debounced_like_a_key():
    inbox = inbox_with(channel(window=1.0, max_delay=3.0, min_interval=10.0))
    for tick in range(10):
        inbox.put("orders", payload(event="T", seconds=tick), float(tick) / 2)
    assert inbox.next_due("orders", 2.9) == 3.0
    work = inbox.take("orders", 3.0)
    assert (work.reason, work.since_us) == (Reason.BULK, MIDNIGHT_US)
    inbox.acknowledge(work, 3.0)
    inbox.put("orders", payload(event="T"), 3.1)
    assert inbox.next_due("orders", 3.1) == 13.0


def test_an_unknown_hash_of_the_rules_is_one_resync_within_the_spread_however_many_payloads_come():
    inbox = inbox_with(channel(resync_spread=10.0))
    inbox.put("orders", payload(1, rules="00000009", seconds=5), 0.0)
    due = inbox.next_due("orders", 0.0)
    assert 0 < due <= 10.0
    for tick in range(100):
        inbox.put("orders", payload(tick, rules="00000009", seconds=6), 0.0)
    assert inbox.next_due("orders", 0.0) == due
    work = inbox.take("orders", due)
    assert (work.reason, work.since_us) == (Reason.RULES, MIDNIGHT_US + 5_000_000)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (payload(event="T", rules="00000000"), Reason.RULES),
        (payload()[:10] + "0" * 16, Reason.BULK),
    ],
)
def test_what_the_operator_sends_after_a_repair_and_a_trigger_that_failed_leave_since_unknown(text, reason):
    """Mutant: `since_us=found.at_us` in payload._own: what changed while the trigger was gone is older than that."""
    inbox = inbox_with(channel(resync_spread=0.0))
    inbox.put("orders", text, 0.0)
    work = inbox.take("orders", 1.0)
    assert (work.reason, work.since_us) == (reason, None)


def test_other_rules_at_a_reload_ask_for_a_resync_and_other_key_names_drop_what_was_keyed_by_the_old_ones():
    inbox = inbox_with(channel(resync_spread=0.0))
    inbox.put("orders", payload(1), 0.0)
    inbox.configure([channel(resync_spread=0.0, rules="00000001", key=("order_id", "tenant_id"))], 0.1)
    work = inbox.take("orders", 0.1)
    assert (work.reason, work.since_us) == (Reason.RULES, None)
    inbox.acknowledge(work, 0.2)
    assert inbox.next_due("orders", 9.0) is None


def test_what_is_in_flight_during_a_reload_with_other_key_names_is_not_put_back_under_them():
    """Mutant: `if True:` for the question about the generation in Box._return."""
    inbox = inbox_with(channel(resync_spread=0.0))
    inbox.put("orders", payload(1), 0.0)
    work = inbox.take("orders", 1.0)
    inbox.configure([channel(resync_spread=1000.0, rules="00000001", key=("order_id", "tenant_id"))], 1.0)
    inbox.put_back(work)
    due = inbox.next_due("orders", 1.0)
    assert due > 2.0
    assert inbox.take("orders", due).reason is Reason.RULES


def test_a_suspended_channel_ignores_everything_and_its_switch_back_is_a_resync():
    """Mutant: no `old.suspend or` in Box.configure."""
    inbox = inbox_with(channel(resync_spread=0.0, poll_interval=30.0))
    inbox.put("orders", payload(1), 0.0)
    inbox.configure([channel(resync_spread=0.0, poll_interval=30.0, suspend=True)], 0.0)
    inbox.put("orders", payload(2), 1.0)
    inbox.resync("orders", Reason.RECONNECT, 1.0, since=SINCE)
    assert inbox.next_due("orders", 1000.0) is None
    assert inbox.take("orders", 1000.0) is None
    assert inbox.counts("orders").suspended == 1
    inbox.configure([channel(resync_spread=0.0, poll_interval=30.0)], 1000.0)
    work = inbox.take("orders", 1000.0)
    assert (work.reason, work.since_us) == (Reason.RULES, None)


def test_a_poll_comes_after_each_interval_without_a_resync_with_jitter_and_since_the_last_acknowledged_take():
    """Mutant: `self._whole_us = None` for ever (the application would read everything at each poll)."""
    inbox = inbox_with(channel(poll_interval=30.0))
    inbox.set_clock(100.0, MIDNIGHT_US)
    assert 27.0 <= inbox.next_due("orders", 0.0) <= 33.0
    now, waits, sinces = 100.0, [], []
    for _ in range(20):
        work = inbox.take("orders", now)
        sinces.append(work.since_us)
        inbox.acknowledge(work, now + 1)
        due = inbox.next_due("orders", now + 1)
        waits.append(due - now - 1)
        taken_us, now = MIDNIGHT_US + round((now - 100) * 1e6), due
        assert work.reason is Reason.POLL
        assert inbox.take("orders", now - 0.001) is None
        expected_us = taken_us
    assert all(27.0 <= wait <= 33.0 for wait in waits)
    assert len(set(waits)) > 10
    assert sinces[0] is None
    assert inbox.take("orders", now).since_us == expected_us


def test_a_poll_does_not_come_before_the_backoff_of_a_failed_resync_and_a_poll_of_zero_never():
    inbox = inbox_with(channel(poll_interval=1.0))
    work = inbox.take("orders", 10.0)
    for _ in range(7):
        inbox.retry(work, 10.0)
        work = inbox.take("orders", 100.0) or work
    inbox.retry(work, 100.0)
    assert inbox.next_due("orders", 100.0) >= 130.0
    assert inbox_with(channel(poll_interval=0.0)).next_due("orders", 0.0) is None


def test_an_acknowledged_resync_of_any_reason_starts_the_poll_clock_anew():
    inbox = inbox_with(channel(poll_interval=30.0))
    inbox.resync("orders", Reason.START, 25.0, since=None)
    inbox.acknowledge(inbox.take("orders", 25.0), 25.0)
    assert inbox.next_due("orders", 25.0) >= 25.0 + 27.0
