"""The breaker: one trial at a time, with backoff up to five seconds or as the endpoint asks."""

from __future__ import annotations

import math

from notifychannel_sidecar.deliverer.breaker import Breaker
from tests.notification import dice


def trouble(breaker: Breaker, now: float, retry_after_s: float | None = None) -> float:
    breaker.trouble(now, trial=breaker.start(), retry_after_s=retry_after_s)
    return breaker.may_start_at() - now


def test_a_closed_breaker_lets_everything_through_at_any_time():
    breaker = Breaker(random=dice())
    assert not breaker.open
    assert [breaker.start(), breaker.start()] == [False, False]
    assert breaker.may_start_at() == -math.inf


def test_trouble_opens_it_with_a_backoff_that_grows_to_five_seconds():
    breaker = Breaker(random=dice())
    waits = [trouble(breaker, 100.0) for _ in range(12)]
    assert 0.1 <= waits[0] <= 0.2
    assert all(2.5 <= wait <= 5.0 for wait in waits[-5:])
    assert len(set(waits[-5:])) == 5


def test_only_one_trial_goes_through_and_its_answer_closes_it():
    """Mutant: `self._trial = False` in Breaker.start."""
    breaker = Breaker(random=dice())
    trouble(breaker, 0.0)
    assert breaker.start()
    assert breaker.may_start_at() == math.inf
    breaker.answered()
    assert (breaker.open, breaker.may_start_at()) == (False, -math.inf)


def test_posts_that_were_under_way_when_it_opened_do_not_lengthen_the_backoff():
    """Mutant: no early return in Breaker.trouble."""
    breaker = Breaker(random=dice())
    wait = trouble(breaker, 0.0)
    for _ in range(3):
        breaker.trouble(0.1, trial=False, retry_after_s=None)
    assert breaker.may_start_at() == wait


def test_retry_after_wins_over_the_backoff_but_zero_is_still_a_pause():
    breaker = Breaker(random=dice())
    assert trouble(breaker, 50.0, retry_after_s=17.0) == 17.0
    assert trouble(breaker, 50.0, retry_after_s=0.0) > 0.05


def test_a_trial_without_an_answer_keeps_it_open_and_a_timeout_alone_does_not_open_it():
    breaker = Breaker(random=dice())
    breaker.unanswered(0.0, trial=breaker.start())
    assert not breaker.open
    trouble(breaker, 0.0)
    breaker.unanswered(1.0, trial=breaker.start())
    assert breaker.open
    assert 1.0 < breaker.may_start_at() < math.inf


def test_finishing_lets_the_trial_through_at_once():
    breaker = Breaker(random=dice())
    trouble(breaker, 0.0, retry_after_s=30.0)
    breaker.hurry(1.0)
    assert breaker.may_start_at() == 1.0
