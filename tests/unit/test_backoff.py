"""How long the listener waits before it tries again."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from notifychannel_sidecar.listener.backoff import Backoff


def longest(_low, high):
    return high


def test_waits_double_up_to_the_maximum():
    backoff = Backoff(initial_s=0.25, maximum_s=10.0, jitter=longest)
    assert [backoff.next_s() for _ in range(8)] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_connection_that_lived_is_forgiven_and_one_that_died_young_is_not():
    """Mutant: `lived` sets attempts to 0 whatever the time."""
    backoff = Backoff(forgive_after_s=30.0, jitter=longest)
    for _ in range(4):
        backoff.next_s()
    backoff.lived(29.9)
    assert backoff.attempts == 4
    backoff.lived(30.0)
    assert backoff.next_s() == 0.25


@given(st.integers(0, 10_000), st.integers(0, 2**32))
def test_a_wait_is_never_shorter_than_half_nor_longer_than_the_maximum(attempts, seed):
    backoff = Backoff(jitter=random.Random(seed).uniform)  # noqa: S311
    backoff.attempts = attempts
    full = min(10.0, 0.25 * 2.0 ** min(attempts, 60))
    assert full / 2 <= backoff.next_s() <= full


def test_many_pods_do_not_come_at_once():
    """Mutant: no jitter."""
    waits = {Backoff().next_s() for _ in range(20)}
    assert len(waits) > 10
