"""When a stand-by goes for the role, and up to when a listener knows the outbox to be drained."""

from __future__ import annotations

from notifychannel_sidecar.listener.look import ROUNDS, Drains, Look
from notifychannel_sidecar.relay.standby import StandBy, Verdict


def look(holder, beats, *, at_us=0, rounds=0):
    return Look(at_us=at_us, holder=holder, beats=beats, rounds=rounds, size_bytes=0)


def test_a_role_that_nobody_has_is_taken():
    assert StandBy().look(look(None, 5), 0.0) is Verdict.TAKE


def test_a_relay_that_moves_is_left_alone_however_long():
    """Mutant: the first look counts for all."""
    stand_by = StandBy()
    assert {stand_by.look(look(42, beats), 4.0 * beats) for beats in range(20)} == {Verdict.LEAVE}


def test_a_relay_that_stands_still_for_longer_than_it_ever_may_is_replaced():
    """Its longest drain and pause are 7 s. Mutant: STILL_S of 5."""
    stand_by = StandBy()
    said = [stand_by.look(look(42, 7), now_s) for now_s in (0.0, 4.0, 7.0, 8.0)]
    assert said == [Verdict.LEAVE] * 3 + [Verdict.REPLACE]


def test_looks_that_follow_each_other_closely_count_once():
    """As after a reload. Mutant: count looks instead of seconds."""
    stand_by = StandBy()
    assert {stand_by.look(look(42, 7), number / 10) for number in range(20)} == {Verdict.LEAVE}


def test_a_new_holder_begins_anew_and_so_does_another_server():
    """Mutants: compare only beats; `forget` keeps `last`."""
    stand_by = StandBy()
    stand_by.look(look(42, 7), 0.0)
    assert stand_by.look(look(43, 7), 9.0) is Verdict.LEAVE
    stand_by.forget()
    assert stand_by.look(look(43, 7), 18.0) is Verdict.LEAVE


def test_what_was_committed_before_a_look_is_known_to_be_notified_three_rounds_later():
    """A round counts before its commit, so two are not enough. Mutant: ROUNDS of 2."""
    assert ROUNDS == 3
    drains = Drains()
    assert drains.whole_us is None
    for at_us, rounds in ((10, 100), (20, 101), (30, 102)):
        drains.look(look(42, 0, at_us=at_us, rounds=rounds))
    assert drains.whole_us is None
    drains.look(look(42, 0, at_us=40, rounds=103))
    assert drains.whole_us == 10
    drains.look(look(42, 0, at_us=50, rounds=105))
    assert drains.whole_us == 30
