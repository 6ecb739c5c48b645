"""What becomes of hints by the answer: versions, attempts, backoff, one by one."""

from __future__ import annotations

import json

from notifychannel_sidecar.inbox.inbox import Inbox
from tests.notification import channel, inbox_with, keys, payload


def test_an_id_is_the_same_over_retries_and_new_after_a_change():
    """Mutant: `if last is not None: return last` in Versions._sending."""
    inbox = inbox_with()
    inbox.put("orders", payload(42), 0.0)
    first = inbox.take("orders", 1.0)
    inbox.retry(first, 1.0)
    second = inbox.take("orders", 10.0)
    inbox.put_back(second)
    third = inbox.take("orders", 10.0)
    assert first.hints[0].id == second.hints[0].id == third.hints[0].id
    assert [work.hints[0].attempt for work in (first, second, third)] == [1, 2, 2]
    inbox.put("orders", payload(42), 10.0)
    inbox.retry(third, 10.0)
    fourth = inbox.take("orders", 30.0)
    assert fourth.hints[0].id != first.hints[0].id
    assert (fourth.hints[0].attempt, fourth.hints[0].count) == (1, 2)


def test_ids_differ_between_keys_channels_and_starts_of_the_sidecar():
    ids = set()
    for _ in range(2):
        inbox = Inbox(budget=10, on_due=lambda _: None)
        inbox.configure([channel(), channel(name="other")], 0.0)
        for name in ("orders", "other"):
            inbox.put(name, payload(1, 2), 0.0)
            ids |= {hint.id for hint in inbox.take(name, 1.0).hints}
    assert len(ids) == 8


def test_a_single_hint_that_fails_waits_with_growing_backoff_for_ever():
    inbox = inbox_with()
    inbox.put("orders", payload(42), 0.0)
    now = 1.0
    for attempt, longest in enumerate((2, 4, 8, 16, 32, 60, 60, 60), start=1):
        work = inbox.take("orders", now)
        assert work.hints[0].attempt == attempt
        inbox.retry(work, now)
        wait = inbox.next_due("orders", now) - now
        assert longest / 2 <= wait <= longest
        now += wait


def test_a_change_during_the_backoff_does_not_shorten_it_and_does_not_reset_its_growth():
    """Mutant: `self.not_before = …` left out of Entry.absorb, or `failures=0` in Versions._sending."""
    inbox = inbox_with(channel(window=0.0))
    inbox.put("orders", payload(42), 0.0)
    now = 0.0
    for _ in range(6):
        work = inbox.take("orders", now)
        inbox.put("orders", payload(42), now)
        inbox.retry(work, now)
        due = inbox.next_due("orders", now)
        inbox.put("orders", payload(42), now + 0.1)
        assert inbox.next_due("orders", now + 0.1) == due
        now, wait = due, due - now
    assert wait >= 30


def test_a_batch_that_is_not_accepted_is_sent_one_by_one_without_an_attempt():
    inbox = inbox_with()
    inbox.put("orders", payload(1, 2, 3), 0.0)
    batch = inbox.take("orders", 1.0)
    inbox.retry(batch, 1.0)
    singles = [inbox.take("orders", 1.0) for _ in range(3)]
    assert [keys(single) for single in singles] == [[1], [2], [3]]
    assert [single.hints[0].attempt for single in singles] == [1, 1, 1]
    assert [single.hints[0].id for single in singles] == [hint.id for hint in batch.hints]
    inbox.acknowledge(singles[0], 1.0)
    inbox.retry(singles[1], 1.0)
    inbox.acknowledge(singles[2], 1.0)
    inbox.put("orders", payload(1, 3), 100.0)
    inbox.put("orders", payload(2), 100.0)
    assert keys(inbox.take("orders", 101.0)) == [2]
    assert keys(inbox.take("orders", 101.0)) == [1, 3]


def test_put_back_in_trouble_a_batch_stays_a_batch_and_goes_on_merging():
    """Mutant: no `newer.absorb(entry)` in Pending.put_back."""
    inbox = inbox_with()
    inbox.put("orders", payload(1, 2), 0.0)
    batch = inbox.take("orders", 1.0)
    inbox.put("orders", payload(2, event="D", seconds=9), 1.0)
    inbox.put_back(batch)
    again = inbox.take("orders", 2.0)
    assert sorted(keys(again)) == [1, 2]
    merged = next(hint for hint in again.hints if json.loads(hint.key)["order_id"] == 2)
    assert (merged.count, merged.events) == (2, ("update", "delete"))
    assert merged.last_at_us - merged.first_at_us == 9_000_000


def test_only_the_ids_that_the_application_wants_again_come_back_as_an_attempt():
    """Mutant: `hint.id not in retry_ids` in Box.acknowledge."""
    inbox = inbox_with()
    inbox.put("orders", payload(1, 2, 3), 0.0)
    batch = inbox.take("orders", 1.0)
    inbox.acknowledge(batch, 1.0, [batch.hints[1].id, "never sent"])
    assert inbox.take("orders", 1.9) is None
    again = inbox.take("orders", 3.0)
    assert keys(again) == [2]
    assert again.hints[0].attempt == 2
    assert inbox.counts("orders").pending_keys == 1


def test_an_answer_that_comes_twice_or_after_the_channel_is_gone_changes_nothing():
    inbox = inbox_with()
    inbox.put("orders", payload(1), 0.0)
    work = inbox.take("orders", 1.0)
    inbox.acknowledge(work, 1.0)
    inbox.acknowledge(work, 1.0)
    inbox.put_back(work)
    assert inbox.next_due("orders", 9.0) is None
    inbox.configure([], 2.0)
    inbox.retry(work, 2.0)
    inbox.acknowledge(work, 2.0)
    inbox.put_back(work)
