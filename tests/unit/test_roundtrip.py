"""What follows from round trips: the clock's best sample, and whether something was skipped."""

from __future__ import annotations

import pytest

from notifychannel_sidecar.listener.roundtrip import RoundTrip, Samples, Skips


def trip(**changes):
    return RoundTrip(
        **{
            "at_us": 1, "answered_s": 1.0, "statement_s": 0.1, "trip_s": 0.1, "queue_usage": 0.0, "skipped": 0,
            "oldest_running": 1, "transaction": 1, **changes,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("since", "oldest_running", "late"),
    [(None, 1, False), (100, 99, True), (100, 100, False), (110, 99, True), (111, 99, False)],
)
def test_a_subscription_is_late_while_somebody_is_older_than_the_rules_of_this_history(since, oldest_running, late):
    """Mutants: `<=` for `<`; `< self.transaction` for `<=`, or no such bound: a restored cluster is late for long."""
    assert trip(rules_since=since, oldest_running=oldest_running, transaction=110).is_late is late


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
    assert not skips.look(trip(skipped=0), whole_us=1)
    assert not skips.look(trip(skipped=None), whole_us=1)


def test_a_first_count_above_nought_may_be_of_a_transaction_that_still_runs():
    """Mutant: the first count is taken as the start: who counted before our LISTEN and commits after it is missed."""
    assert Skips().look(trip(skipped=3), whole_us=None)


def test_a_count_that_fell_is_another_count():
    """Mutant: `>` for `!=`: a restored database starts to count anew."""
    skips = Skips()
    assert skips.look(trip(skipped=5), whole_us=1)
    assert skips.look(trip(skipped=2), whole_us=1)


def test_it_is_due_once_more_when_all_who_may_have_counted_have_ended():
    """Mutant: no fence, or one below the running transactions: the application looks before the commit."""
    skips = Skips()
    assert skips.look(trip(skipped=1, transaction=100, oldest_running=90), whole_us=7)
    assert not skips.look(trip(skipped=1, transaction=110, oldest_running=99), whole_us=8)
    assert skips.look(trip(skipped=1, transaction=120, oldest_running=100), whole_us=9)
    assert skips.since_us == 7
    assert not skips.look(trip(skipped=1, transaction=130, oldest_running=130), whole_us=10)


def test_more_that_is_skipped_meanwhile_moves_the_fence_but_not_the_since():
    """Mutant: always the later `whole_us`."""
    skips = Skips()
    assert skips.look(trip(skipped=1, transaction=100), whole_us=7)
    assert skips.look(trip(skipped=2, transaction=200), whole_us=9)
    assert not skips.look(trip(skipped=2, transaction=210, oldest_running=150), whole_us=10)
    assert skips.look(trip(skipped=2, transaction=220, oldest_running=200), whole_us=11)
    assert skips.since_us == 7
