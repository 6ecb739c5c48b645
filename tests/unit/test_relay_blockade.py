"""A queue that takes nothing: how often it is tried, and what is said of it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from notifychannel_sidecar.relay import blockade
from notifychannel_sidecar.relay.blockade import Blockade
from notifychannel_sidecar.relay.position import Drained, Snapshot

DRAIN_S = 0.01
"""From one to the next."""


class Clock:
    """time.monotonic() as the test has it."""

    now_s = 0.0

    def monotonic(self):
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(blockade, "time", made)
    return made


def drained(*, blocked, held=False):
    return Drained(taken=0, hints=0, payloads=0, last=None, round=Snapshot(), more=False, held=held, blocked=blocked)


def tries(seen, clock, *, seconds, blocked=True):
    """When the queue is tried."""
    found = []
    for _ in range(round(seconds / DRAIN_S)):
        tried = seen.may_be_over
        found += [clock.now_s] if tried else []
        seen.look(drained(blocked=blocked), tried=tried)
        clock.now_s = round(clock.now_s + DRAIN_S, 2)
    return found


def test_a_blocked_queue_is_tried_less_and_less_often_up_to_each_second(clock):
    """Mutants: every drain tries; a drain that did not try waits for longer too."""
    found = tries(Blockade(), clock, seconds=10)
    gaps = [later - earlier for earlier, later in pairwise(found)]
    assert gaps == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8] + [1.0] * (len(gaps) - 5), abs=DRAIN_S * 1.1)
    assert len(gaps) >= 12


def test_one_that_takes_rows_again_is_tried_by_every_drain_and_the_next_time_as_the_first(clock):
    """Mutants: the backoff is kept; the time of the next attempt is."""
    seen = Blockade()
    tries(seen, clock, seconds=10)
    seen.look(drained(blocked=False), tried=True)
    assert seen.may_be_over
    assert len(tries(seen, clock, seconds=1, blocked=False)) == 100
    began_s, found = clock.now_s, tries(seen, clock, seconds=1)
    assert [at - began_s for at in found[:3]] == pytest.approx([0.0, 0.05, 0.15], abs=DRAIN_S * 1.1)


def test_both_ends_are_said_once_and_a_drain_that_was_held_is_no_end(clock, caplog):
    """Mutants: said at each drain; at the end of one that did nothing."""
    seen = Blockade()
    tries(seen, clock, seconds=3)
    seen.look(drained(blocked=False, held=True), tried=False)
    tries(seen, clock, seconds=3)
    assert ["locked" in it.message for it in caplog.records] == [True]
    seen.look(drained(blocked=False), tried=True)
    assert caplog.records[-1].message == "the queue takes rows again, after 6.0 s"
    tries(seen, clock, seconds=1, blocked=False)
    assert len(caplog.records) == 2
