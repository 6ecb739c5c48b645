"""Which steps wait, and how long."""

from __future__ import annotations

from notifychannel_operator.passes.patience import BEHIND_A_PASS_S, Patience
from notifychannel_operator.passes.whereabouts import Ref
from notifychannel_operator.step import Kind, Step

REF = Ref("shop", "orders")
ONE = Step(kind=Kind.INSTALL, sentence="one", statements=(), function="one")
TWO = Step(kind=Kind.INSTALL, sentence="two", statements=(), function="two")


def give_up(patience, now_s, step=ONE, **options):
    patience.gave_up(REF, step, "behind somebody", now_s, **{"behind_a_pass": False, **options})


def test_a_step_is_held_for_longer_each_time_and_no_other_with_it():
    patience = Patience()
    give_up(patience, 0.0)
    assert patience.held(REF, [ONE, TWO], 4.9).keys() == {"one"}
    assert patience.held(REF, [ONE, TWO], 5.0) == {}
    give_up(patience, 5.0)
    assert patience.next_in_s(REF, 5.0) == 10.0
    for attempt in range(20):
        give_up(patience, 100.0 * attempt)
    assert patience.next_in_s(REF, 1900.0) == 600.0


def test_a_step_that_was_taken_begins_anew():
    """Mutant: `taken` doing nothing."""
    patience = Patience()
    give_up(patience, 0.0)
    patience.taken(REF, ONE)
    give_up(patience, 100.0)
    assert patience.next_in_s(REF, 100.0) == 5.0


def test_a_step_that_is_not_wanted_any_more_is_forgotten():
    patience = Patience()
    give_up(patience, 0.0)
    assert patience.waiting(REF, [TWO]) == {}
    assert patience.next_in_s(REF, 0.0) is None


def test_behind_another_pass_it_is_tried_soon_and_counted_for_nothing():
    """Mutant: counted as an attempt: 200 channels in one database would wait for minutes."""
    patience = Patience()
    give_up(patience, 0.0, behind_a_pass=True)
    assert patience.next_in_s(REF, 0.0) == BEHIND_A_PASS_S
    give_up(patience, 1.0)
    assert patience.next_in_s(REF, 1.0) == 5.0
