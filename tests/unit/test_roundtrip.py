"""What follows from round trips: the clock's best sample, and whether something was skipped."""

from __future__ import annotations

from notifychannel_sidecar.roundtrip import RoundTrip, Samples, Skips


def trip(**changes):
    return RoundTrip(
        **{
            "at_us": 1, "answered_s": 1.0, "statement_s": 0.1, "trip_s": 0.1, "queue_usage": 0.0, "skipped": 0,
            "oldest_running": 1, **changes,
        }
    )  # fmt: skip


def test_the_clock_is_compared_by_the_shortest_statement_of_the_last_eight():
    samples = Samples()
    short = trip(statement_s=0.01)
    assert samples.best(short) is short
    for _ in range(7):
        assert samples.best(trip()) is short
    late = trip(statement_s=0.05)
    assert samples.best(late) is late


def test_a_count_that_never_moved_is_nothing_and_an_unknown_one_says_nothing():
    skips = Skips()
    assert not skips.changed(0)
    assert not skips.changed(None)
    assert not skips.settled(10)


def test_a_first_count_above_nought_may_be_of_a_transaction_that_still_runs():
    """Mutant: the first count is taken as the start: who counted before our LISTEN and commits after it is missed."""
    assert Skips().changed(3)


def test_a_count_that_fell_is_another_count():
    """Mutant: `>` for `!=`: a restored database starts to count anew."""
    skips = Skips()
    assert skips.changed(5)
    assert skips.changed(2)


def test_it_settles_once_when_all_who_counted_have_ended():
    skips = Skips()
    skips.fence(100, whole_us=7)
    assert not skips.settled(99)
    assert skips.settled(100)
    assert not skips.settled(101)
    assert skips.since_us == 7


def test_more_that_is_skipped_meanwhile_moves_the_fence_but_not_the_since():
    """Mutant: `fence` always takes the later `whole_us`."""
    skips = Skips()
    skips.fence(100, whole_us=7)
    skips.fence(200, whole_us=9)
    assert not skips.settled(150)
    assert skips.settled(200)
    assert skips.since_us == 7
