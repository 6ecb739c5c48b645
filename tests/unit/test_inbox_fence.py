"""When a channel with other rules is looked at once more: after all who may have written under the old ones."""

from __future__ import annotations

import pytest

from notifychannel_sidecar.hints import NO_RULES, Reason
from notifychannel_sidecar.inbox.fence import Fence
from tests.notification import channel, inbox_with

OTHER_RULES = f"1{NO_RULES}U0000000000000000"


def look(fence, *, transaction, oldest_running, late=False):
    return fence.look(transaction=transaction, oldest_running=oldest_running, late=late)


def rules(inbox):
    """How many resyncs of `orders` were asked for because of other rules."""
    return inbox.counts("orders").resyncs.get(Reason.RULES, 0)


def test_it_is_due_once_when_all_who_ran_at_the_next_round_trip_have_ended():
    """Mutant: `<=` for `<`, or the fence is kept."""
    fence = Fence()
    fence.tell()
    fence.start()
    assert not look(fence, oldest_running=90, transaction=100)
    assert not look(fence, oldest_running=99, transaction=110)
    assert look(fence, oldest_running=100, transaction=120)
    assert not look(fence, oldest_running=130, transaction=130)


def test_where_nobody_writes_the_next_round_trip_is_enough():
    fence = Fence()
    fence.tell()
    fence.start()
    assert look(fence, oldest_running=100, transaction=100)


def test_what_is_told_during_a_round_trip_is_fenced_by_the_one_after():
    """Mutant: `look` takes `_told`: a transaction younger than this trip's and older than the new rules is missed."""
    fence = Fence()
    fence.start()
    fence.tell()
    assert not look(fence, oldest_running=100, transaction=100)
    fence.start()
    assert not look(fence, oldest_running=105, transaction=110)
    assert look(fence, oldest_running=110, transaction=120)


def test_a_round_trip_that_failed_and_another_server_forget_nothing():
    """Mutant: `start` clears `_starting`, or `anew` clears only."""
    fence = Fence()
    fence.tell()
    fence.start()
    fence.start()
    assert not look(fence, oldest_running=900, transaction=1000)
    fence.anew()
    fence.start()
    assert look(fence, oldest_running=10, transaction=10)


def test_who_subscribed_too_late_waits_for_all_who_ran_then_and_no_longer():
    """Mutant: `late` left aside, or a fence that stays."""
    fence = Fence()
    assert not look(fence, oldest_running=90, transaction=100, late=True)
    assert not look(fence, oldest_running=99, transaction=110)
    assert look(fence, oldest_running=100, transaction=120)
    assert not look(fence, oldest_running=130, transaction=130)


def test_the_second_resync_spreads_and_says_that_nobody_knows_since_when():
    """Mutants: `ask_rules_again` that tells the fence too, so it never ends; due without spread; `since` kept."""
    inbox = inbox_with(channel(resync_spread=10.0, rules="00000001"))
    inbox.put("orders", "100000009U1767225600000000", 0.0)
    first = inbox.take("orders", 10.0)
    assert first.since_us is not None
    inbox.acknowledge(first, 10.0)
    inbox.round_trip_starts()
    inbox.round_trip(20.0, transaction=100, oldest_running=90)
    assert rules(inbox) == 1
    inbox.round_trip_starts()
    inbox.round_trip(30.0, transaction=110, oldest_running=100)
    assert rules(inbox) == 2
    assert 30.0 < inbox.next_due("orders", 30.0) < 40.0
    second = inbox.take("orders", 40.0)
    assert (second.reason, second.since_us) == (Reason.RULES, None)
    inbox.acknowledge(second, 40.0)
    for trip in (120, 130):
        inbox.round_trip_starts()
        inbox.round_trip(50.0, transaction=trip, oldest_running=trip)
    assert rules(inbox) == 2


@pytest.mark.parametrize("change", [{"rules": "00000009"}, {"suspend": False}])
def test_a_configuration_with_other_rules_is_looked_at_again_too(change):
    """Mutant: `Box.configure` that asks without telling the fence."""
    inbox = inbox_with(channel(suspend=True))
    inbox.configure([channel(**change)], 0.0)
    inbox.round_trip_starts()
    inbox.round_trip(1.0, transaction=100, oldest_running=100)
    assert rules(inbox) == 2


def test_another_server_answers_and_the_second_resync_still_comes():
    """Mutant: `Inbox.another_server` does nothing: a server with smaller ids would never reach the fence."""
    inbox = inbox_with(channel(resync_spread=0.0))
    inbox.put("orders", OTHER_RULES, 0.0)
    inbox.round_trip_starts()
    inbox.round_trip(1.0, transaction=1000, oldest_running=900)
    inbox.another_server()
    inbox.round_trip_starts()
    inbox.round_trip(2.0, transaction=10, oldest_running=10)
    assert rules(inbox) == 2


def test_only_the_channels_that_were_subscribed_to_too_late_are_looked_at_again():
    """Mutant: `late=bool(late)`."""
    inbox = inbox_with(channel(), channel(name="other"))
    inbox.round_trip_starts()
    inbox.round_trip(1.0, transaction=100, oldest_running=90, late=["other"])
    inbox.round_trip_starts()
    inbox.round_trip(2.0, transaction=110, oldest_running=110)
    assert rules(inbox) == 0
    assert inbox.counts("other").resyncs == {Reason.RULES: 1}
