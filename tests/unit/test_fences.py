"""When a channel with other rules is looked at once more: after all who may have written under the old ones."""

from __future__ import annotations

from notifychannel_sidecar.listener.fences import Fences
from tests.unit.test_roundtrip import trip


def test_it_is_due_once_when_all_who_ran_at_the_next_round_trip_have_ended():
    """Mutant: `>` for `>=`, or the fence is kept."""
    fences = Fences()
    fences.tell("orders")
    fences.start()
    assert not fences.look(trip(oldest_running=90, transaction=100))
    assert not fences.look(trip(oldest_running=99, transaction=110))
    assert fences.look(trip(oldest_running=100, transaction=120)) == {"orders"}
    assert not fences.look(trip(oldest_running=130, transaction=130))


def test_where_nobody_writes_the_next_round_trip_is_enough():
    fences = Fences()
    fences.tell("orders")
    fences.start()
    assert fences.look(trip(oldest_running=100, transaction=100)) == {"orders"}


def test_what_is_told_during_a_round_trip_is_fenced_by_the_one_after():
    """Mutant: `look` takes `_told`: a transaction younger than this trip's and older than the new rules is missed."""
    fences = Fences()
    fences.start()
    fences.tell("orders")
    assert not fences.look(trip(oldest_running=100, transaction=100))
    fences.start()
    assert not fences.look(trip(oldest_running=105, transaction=110))
    assert fences.look(trip(oldest_running=110, transaction=120)) == {"orders"}


def test_a_round_trip_that_failed_and_another_server_forget_nobody():
    """Mutant: `start` clears `_starting`, or `anew` clears only."""
    fences = Fences()
    fences.tell("orders")
    fences.start()
    fences.start()
    assert not fences.look(trip(oldest_running=900, transaction=1000))
    fences.anew()
    fences.start()
    assert fences.look(trip(oldest_running=10, transaction=10)) == {"orders"}
