"""Which keys may run now: pure, with the time as a number."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from notifychannel_operator.work.schedule import Schedule

A, B, C = ("shop", "a"), ("shop", "b"), ("shop", "c")
ONE, TWO = ("shop", "db-one"), ("shop", "db-two")


def schedule(most=10, most_in_lane=10):
    return Schedule(most=most, most_in_lane=most_in_lane)


def test_a_key_is_taken_when_it_is_due_and_not_before():
    some = schedule()
    some.add(A, at_s=5.0)
    assert (some.take(4.9), some.next_s()) == ([], 5.0)
    assert some.take(5.0) == [A]
    assert some.next_s() is None


def test_a_key_that_runs_is_not_taken_again_until_it_is_done():
    """Mutant: in `add`, plan a running key like any other."""
    some = schedule()
    some.add(A, at_s=0.0)
    assert some.take(0.0) == [A]
    some.add(A, at_s=0.0)
    some.add(A, at_s=0.0)
    assert some.take(99.0) == []
    some.done(A, next_at_s=160.0)
    assert some.take(99.0) == [A]
    some.done(A, next_at_s=160.0)
    assert some.take(99.0) == [], "twice while it ran is once more"


def test_the_sooner_time_wins():
    some = schedule()
    some.add(A, at_s=60.0)
    some.add(A, at_s=70.0)
    assert some.next_s() == 60.0
    some.add(A, at_s=3.0)
    assert some.next_s() == 3.0
    assert some.take(3.0) == [A]
    some.done(A, next_at_s=63.0)
    assert some.take(60.0) == [], "the first plan has been replaced"


def test_no_more_run_than_may_and_the_lane_has_its_own_bound():
    """Mutant: `_has_room` is always true."""
    some = schedule(most=3, most_in_lane=2)
    for number in range(4):
        some.add(("shop", f"one-{number}"), at_s=0.0, lane=ONE)
    some.add(B, at_s=0.0, lane=TWO)
    taken = some.take(0.0)
    assert len(taken) == 3
    assert B in taken, "a lane that is full does not keep another one waiting"
    assert some.waiting == 2
    some.done(B, next_at_s=60.0)
    assert some.take(0.0) == [], "the other lane is full"


def test_a_key_that_waits_moves_to_its_new_lane():
    some = schedule(most_in_lane=1)
    some.add(A, at_s=0.0, lane=ONE)
    some.add(B, at_s=0.0, lane=ONE)
    assert some.take(0.0) == [A]
    some.add(B, at_s=0.0, lane=TWO)
    assert some.take(0.0) == [B]


def test_what_is_gone_is_forgotten_unless_it_was_asked_for_meanwhile():
    some = schedule()
    for key in (A, B):
        some.add(key, at_s=0.0)
    some.take(0.0)
    some.add(B, at_s=1.0)
    some.gone(A)
    some.gone(B)
    assert A not in some
    assert some.take(1.0) == [B]


KEYS = st.sampled_from([A, B, C])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), KEYS, st.integers(0, 5), st.sampled_from([None, ONE, TWO])),
        st.tuples(st.just("take")),
        st.tuples(st.just("done"), KEYS, st.integers(0, 5)),
        st.tuples(st.just("gone"), KEYS),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(steps=STEPS)
def test_whatever_happens_none_runs_twice_and_none_is_lost(steps):
    """Mutant: drop `again_at_s` in `done`, or forget `is_waiting` in `_is_current`."""
    some = schedule(most=2, most_in_lane=1)
    now, running, wanted = 0.0, set(), set()
    for step in steps:
        now += 1.0
        if step[0] == "add":
            some.add(step[1], at_s=now + step[2], lane=step[3])
            wanted.add(step[1])
        elif step[0] == "take":
            taken = some.take(now)
            assert not running & set(taken)
            assert len(taken) == len(set(taken))
            running |= set(taken)
            wanted -= set(taken)
        elif step[1] in running:
            running.discard(step[1])
            some.done(step[1], next_at_s=now + step[2]) if step[0] == "done" else some.gone(step[1])
        assert len(running) == some.running <= 2
    for key in sorted(running):
        some.gone(key)
    seen = set()
    for _ in range(5):
        now += 100.0
        for key in some.take(now):
            seen.add(key)
            some.gone(key)
    assert wanted <= seen
