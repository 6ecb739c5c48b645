"""What a sidecar holds of the queue: what may go out and when, and what the queue is told afterwards."""

from __future__ import annotations

import itertools

import pytest

from notifychannel_sidecar.durable.claim import Claim
from notifychannel_sidecar.durable.hold import FRESH_S, READY_BATCHES, READY_LEAST, READY_MOST, Hold
from notifychannel_sidecar.durable.settlement import Outcome
from notifychannel_sidecar.hints import Reason
from tests.notification import channel


def claim(order, *, key=None, alone=False, attempt=1, reason=Reason.BULK):
    return Claim(
        id=f"{order:x}-id", key=f"[7,{order}]" if key is None else key, version=order, events="IU", count=3,
        first_at_us=1, last_at_us=2, reason=reason, attempt=attempt, alone=alone, waited_s=0.5,
    )  # fmt: skip


def resync(version=99):
    return claim(version, key="", reason=Reason.RULES)


def holding(*claims, now=0.0, **settings):
    """A hold that has just claimed these."""
    hold = Hold(channel(**settings), epochs=itertools.count())
    hold.claimed(claims, len(claims) + 1, now)
    hold.proven_s, hold.told_timeout_s = now, hold.config.timeout
    return hold


def settled(hold, now=0.0):
    return [(it.claim.version, it.outcome.value, it.error) for it in hold.settlements.take(now)]


def orders(work):
    return [hint.entry.version for hint in work.hints]


def test_a_claim_becomes_a_hint_with_the_queues_id_and_is_told_of_when_it_was_acknowledged():
    hold = holding(claim(1))
    work = hold.take(0.0)
    hint = work.hints[0]
    assert (hint.id, hint.key, hint.events, hint.count) == (
        "1-id",
        '{"tenant_id": 7, "order_id": 1}',
        ("insert", "update"),
        3,
    )
    assert settled(hold) == []
    hold.acknowledge(work, frozenset())
    assert settled(hold) == [(1, "done", None)]
    assert (settled(hold), hold.claims) == ([], 0)


def test_nothing_goes_out_later_than_the_last_call_allows_and_it_does_after_the_next():
    """Mutant: `_may_start` without the time."""
    hold = holding(claim(1), now=100.0)
    late = 100.0 + FRESH_S
    assert (hold.next_due(late), hold.take(late)) == (None, None)
    hold.proven_s = late - 1
    assert orders(hold.take(late)) == [1]


def test_a_post_that_may_take_longer_than_others_know_of_does_not_start():
    """Mutant: `_may_start` without told_timeout_s."""
    it = holding(claim(1), now=100.0)
    it.configure(channel(timeout=it.config.timeout + 1.0))
    assert it.next_due(100.0) is None
    it.told_timeout_s = it.config.timeout
    assert it.next_due(100.0) is not None


def test_what_was_told_of_one_claimer_is_not_known_of_the_next():
    """Who has another number is left alone for as long as its own calls have said. Mutants: `lose` that keeps
    told_timeout_s; one that begins with the configured timeout.
    """
    it = holding(now=100.0)
    it.lose()
    it.claimed([claim(1)], 2, 100.0)
    it.proven_s = 100.0
    assert it.next_due(100.0) is None
    new = Hold(channel(), epochs=itertools.count())
    new.claimed([claim(1)], 2, 100.0)
    new.proven_s = 100.0
    assert new.next_due(100.0) is None
    new.told_timeout_s = new.config.timeout
    assert new.next_due(100.0) is not None


def test_what_a_lost_session_had_is_neither_sent_nor_told_of():
    """Mutants: `lose` keeps `_ready`, `_settled`, or its epoch."""
    hold = holding(*[claim(order) for order in range(5)], max_hints=2)
    late, answered = hold.take(0.0), hold.take(0.0)
    hold.acknowledge(answered, frozenset())
    hold.lose()
    hold.proven_s, hold.told_timeout_s = 0.0, hold.config.timeout
    assert hold.take(0.0) is None
    hold.acknowledge(late, frozenset())
    hold.retry(late, "500")
    assert (settled(hold), hold.claims) == ([], 0)


def test_a_batch_takes_what_may_go_together_up_to_its_size():
    hold = holding(claim(1), claim(2), claim(3, alone=True), claim(4), max_hints=3)
    assert [orders(hold.take(0.0)) for _ in range(3)] == [[1, 2], [3], [4]]
    assert hold.take(0.0) is None


def test_a_batch_that_is_not_full_waits_for_company():
    hold = holding(claim(1), max_hints=3, max_wait=2.0, now=10.0)
    hold.proven_s = 11.0
    assert (hold.next_due(11.0), hold.take(11.0)) == (12.0, None)
    assert orders(hold.take(12.0)) == [1]


def test_a_resync_goes_alone_after_all_answers_and_before_other_posts():
    """Mutant: no look at `_in_flight` in `next_due`."""
    hold = holding(claim(1), resync(), claim(2))
    first = hold.take(0.0)
    assert hold.next_due(0.0) is None
    hold.acknowledge(first, frozenset())
    everything = hold.take(0.0)
    assert (everything.hints, everything.reason) == ((), Reason.RULES)
    assert hold.next_due(0.0) is None
    hold.acknowledge(everything, frozenset())
    assert orders(hold.take(0.0)) == [2]
    assert settled(hold) == [(1, "done", None), (99, "done", None)]


def test_a_refused_batch_goes_back_one_by_one_and_a_refused_hint_counts():
    hold = holding(claim(1), claim(2), max_hints=2)
    hold.retry(hold.take(0.0), "500")
    assert settled(hold) == [(1, "alone", "500"), (2, "alone", "500")]
    hold.claimed([claim(1, alone=True)], 1, 0.0)
    hold.retry(hold.take(0.0), "timeout")
    assert settled(hold) == [(1, "retry", "timeout")]


def test_hints_that_the_application_wants_again_are_attempts_and_the_others_are_done():
    hold = holding(claim(1), claim(2))
    hold.acknowledge(hold.take(0.0), frozenset({"2-id"}))
    assert settled(hold) == [(1, "done", None), (2, "retry", "asked")]


def test_in_trouble_all_goes_back_and_nothing_is_claimed_until_the_endpoint_may_be_tried():
    """Mutant: `put_back` keeps what is ready: another pod, which is well, would wait for it."""
    hold = holding(*[claim(order) for order in range(4)], max_hints=2)
    hold.put_back(hold.take(0.0), until=3.0, error="refused")
    assert settled(hold) == [(0, "back", "refused"), (1, "back", "refused"), (2, "back", None), (3, "back", None)]
    assert (hold.claims, hold.quiet_until) == (0, 3.0)
    assert hold.room() == READY_LEAST, "what one trial needs"


def test_a_refusal_keeps_no_more_than_a_batch_for_later():
    hold = holding(*[claim(order) for order in range(9)], max_hints=2)
    hold.retry(hold.take(0.0), "500")
    assert [outcome for _, outcome, _ in settled(hold)] == ["alone", "alone", *["back"] * 5]


def test_a_key_that_was_printed_under_other_rules_becomes_a_resync_and_the_rest_goes_out():
    """Mutant: MalformedKeyError is let through."""
    hold = holding(claim(1, key="[7]"), claim(2))
    assert orders(hold.take(0.0)) == [2]
    assert (hold.asks, settled(hold)) == (Reason.RULES, [(1, "done", None)])


def test_a_batch_of_nothing_but_such_keys_is_passed_over():
    hold = holding(claim(1, key="[7]"), claim(2, key="x"), max_hints=2)
    assert hold.take(0.0) is None
    assert len(settled(hold)) == 2


def test_more_is_claimed_ahead_only_where_the_application_empties_it():
    hold = holding(max_hints=100)
    assert hold.room() == 100 * READY_BATCHES
    for _ in range(5):
        asked = hold.room()
        hold.claimed([claim(order) for order in range(asked)], asked, 0.0)
        while hold.take(0.0) is not None:
            pass
    assert hold.room() == 100 * READY_MOST
    hold.claimed([claim(1)], hold.room(), 0.0)
    hold.retry(hold.take(0.0), "500")
    assert hold.room() == 100 * READY_BATCHES


def test_small_batches_are_claimed_some_at_a_time():
    assert holding(max_hints=1).room() == READY_LEAST


@pytest.mark.parametrize("why", ["suspend", "close"])
def test_a_channel_that_rests_claims_nothing_and_gives_back_what_is_not_in_flight(why):
    """Also what a call brings that was under way. Mutant: `claimed` without the look at `is_closing`."""
    hold = holding(claim(1), claim(2), max_hints=1)
    work = hold.take(0.0)
    if why == "suspend":
        hold.configure(channel(max_hints=1, suspend=True))
    else:
        hold.close()
    assert (hold.room(), hold.take(0.0)) == (0, None)
    hold.claimed([claim(3)], 1, 0.0)
    assert (hold.take(0.0), settled(hold)) == (None, [(2, "back", None), (3, "back", None)])
    hold.acknowledge(work, frozenset())
    assert settled(hold) == [(1, "done", None)]


def test_a_post_that_was_broken_off_is_given_back_when_it_can_no_longer_be_worked_on():
    hold = holding(claim(1), timeout=2.0)
    hold.broke_off(hold.take(10.0 - 10.0), 10.0)
    assert (settled(hold, 11.9), hold.claims, hold.settlements.due_at) == ([], 1, 12.0)
    assert settled(hold, 12.0) == [(1, "back", None)]


@pytest.mark.parametrize(
    ("payload", "known"),
    [("15f3a9c02U", True), ("25f3a9c02U", True), ("100000000T", False), ("", False), ("15f3a9c0", False)],
)
def test_only_who_writes_under_our_rules_has_told_the_queue(payload, known):
    assert holding().knows(payload) is known


CLAIMED = {"port": 0, "path": "", "delivery": "AtLeastOnce"}


def ignored(_is_told):
    pass


def test_where_hints_are_claimed_room_is_what_is_waited_for_and_each_goes_out_alone():
    """Mutants: `room` in batches; a resync that waits until nothing is out."""
    hold = holding(**CLAIMED)
    assert (hold.room(), hold.want(3), hold.room()) == (0, True, 3)
    hold.claimed([claim(1), resync(), claim(2)], 3, 0.0)
    assert hold.room() == 0
    assert [orders(hold.take(0.0)) for _ in range(3)] == [[1], [], [2]]
    assert hold.take(0.0) is None


def test_what_nobody_waits_for_any_more_goes_back_also_what_a_call_brings_that_was_under_way():
    """Mutants: `want` that keeps it; `claimed` that does."""
    hold = holding(**CLAIMED)
    hold.want(2)
    hold.claimed([claim(1), claim(2)], 2, 0.0)
    assert hold.want(1)
    assert settled(hold) == [(2, "back", None)]
    hold.want(0)
    hold.claimed([claim(3)], 1, 0.0)
    assert settled(hold) == [(1, "back", None), (3, "back", None)]


@pytest.mark.parametrize("towards", ["claims", "posts"])
def test_a_channel_that_changes_its_way_gives_back_what_is_not_out(towards):
    """What was claimed ahead for POSTs is more than anybody waits for. Mutant: `configure` without the way."""
    before, after = ({}, CLAIMED) if towards == "claims" else (CLAIMED, {})
    hold = holding(**before)
    hold.want(3)
    hold.claimed([claim(1), claim(2), claim(3)], 3, 0.0)
    hold.quiet_until = 100.0
    hold.configure(channel(**after))
    assert [it[1] for it in settled(hold)] == ["back"] * 3
    assert (hold.claims, hold.quiet_until < 0.0) == (0, True)


def test_a_post_that_is_cut_off_by_a_shorter_timeout_is_kept_for_as_long_as_it_may_take():
    """Mutant: `broke_off` by the configuration of now."""
    hold = holding(claim(1), timeout=10.0)
    work = hold.take(0.0)
    hold.configure(channel(**CLAIMED, timeout=1.0))
    hold.broke_off(work, 0.0)
    assert hold.settlements.due_at == 10.0


def test_what_is_kept_can_be_answered_until_its_time_is_over_and_once():
    hold = holding(**CLAIMED)
    hold.want(2)
    hold.claimed([claim(1), claim(2)], 2, 0.0)
    first, second = hold.take(0.0), hold.take(0.0)
    for work in (first, second):
        hold.keep(work, 30.0)
    told = []
    assert hold.answer(first, Outcome.DONE, None, told.append)
    assert not hold.answer(first, Outcome.DONE, None, told.append)
    assert settled(hold, 29.0) == [(1, "done", None)]
    assert told == []
    hold.settlements.told()
    assert (told, settled(hold, 30.0)) == ([True], [(2, "back", None)])


def test_who_has_answered_hears_that_a_lost_session_took_it_along_also_when_it_was_being_told():
    """Mutants: `lose` that forgets `_telling`; `_settled`."""
    hold = holding(**CLAIMED)
    hold.want(2)
    hold.claimed([claim(1), claim(2)], 2, 0.0)
    works = [hold.take(0.0), hold.take(0.0)]
    told = []
    hold.answer(works[0], Outcome.DONE, None, told.append)
    hold.settlements.take(0.0)
    hold.answer(works[1], Outcome.RETRY, "x", told.append)
    hold.lose()
    assert told == [False, False]
    hold.settlements.told()
    assert told == [False, False]
    assert not hold.answer(works[0], Outcome.DONE, None, ignored)


def test_what_goes_out_or_is_extended_is_ours_no_longer_than_others_count_on():
    """Mutants: the time alone; the configured timeout alone, of which others have not heard."""
    hold = holding(now=100.0, **CLAIMED, timeout=10.0)
    assert hold.ours_until(102.0) == 112.0
    assert hold.ours_until(200.0) == 100.0 + FRESH_S + 10.0
    hold.configure(channel(**CLAIMED, timeout=60.0))
    assert hold.ours_until(102.0) == 112.0
