"""A server's clock that is set is noticed by a clock that can't be; one that answers slowly is not taken for it."""

from __future__ import annotations

import pytest

from notifychannel_sidecar.relay.server_clock import ServerClock


def asked(clock, server_s, *, at_s, seconds=0.0):
    return clock.jumped_s(server_s, began_s=at_s, ended_s=at_s + seconds)


@pytest.mark.parametrize("by_s", [3600.0, 2.5, -2.5, -86400.0])
def test_a_jump_is_noticed_once_and_in_full(by_s):
    """Mutants: without the second condition; `_ahead` not kept up to date."""
    clock = ServerClock()
    assert asked(clock, 1000.0, at_s=50.0) == 0.0
    assert asked(clock, 1001.0, at_s=51.0) == 0.0
    assert asked(clock, 1002.0 + by_s, at_s=52.0) == pytest.approx(by_s)
    assert asked(clock, 1003.0 + by_s, at_s=53.0) == 0.0


def test_a_clock_that_is_corrected_slowly_has_not_jumped():
    """Mutant: compare with the first look."""
    clock = ServerClock()
    assert {asked(clock, 1000.0 + 1.5 * number, at_s=50.0 + number) for number in range(20)} == {0.0}


def test_an_answer_that_took_long_is_no_jump():
    """Read anywhere in these ten seconds. Mutant: `server_s - ended_s` for both bounds."""
    clock = ServerClock()
    assert asked(clock, 1000.0, at_s=50.0, seconds=10.0) == 0.0
    assert asked(clock, 1011.0, at_s=61.0) == 0.0
    assert asked(clock, 1012.0, at_s=62.0, seconds=10.0) == 0.0
