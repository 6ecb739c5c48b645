"""Which resync a channel needs when it is subscribed to."""

from __future__ import annotations

import pytest

from notifychannel_sidecar.hints import Reason
from notifychannel_sidecar.listener.subscriptions import Subscriptions
from tests.listening import channel


@pytest.fixture
def subscriptions():
    return Subscriptions(spread=lambda _low, high: high)


def said(dues):
    return [(due.name, due.reason, due.since_us, due.delay_s) for due in dues]


def test_the_first_subscription_is_a_start_at_once_and_the_next_a_reconnection_spread_out(subscriptions):
    """Mutant: `since_us` also for a start: what was before the process is not looked at."""
    both = [channel("orders", resync_spread=10.0), channel("items", resync_spread=0.0)]
    start = [("orders", Reason.START, None, 0.0), ("items", Reason.START, None, 0.0)]
    assert said(subscriptions.connected(both, since_us=5)) == start
    again = [("orders", Reason.RECONNECT, 7, 10.0), ("items", Reason.RECONNECT, 7, 0.0)]
    assert said(subscriptions.connected(both, since_us=7)) == again


def test_on_a_living_connection_only_what_is_new_or_moved_is_resynced(subscriptions):
    list(subscriptions.connected([channel("orders"), channel("items")], since_us=None))
    now = [channel("orders", pg_channel="elsewhere"), channel("items", window=9.0), channel("more")]
    expected = [("orders", Reason.RULES, 7, 0.0), ("more", Reason.START, None, 0.0)]
    assert said(subscriptions.changed(now, since_us=7)) == expected
    assert said(subscriptions.changed(now, since_us=8)) == []


def test_a_channel_that_went_away_and_came_back_starts_anew(subscriptions):
    """Mutant: `keep` does nothing: with it went keys that were pending, which `since` would not cover."""
    list(subscriptions.connected([channel("orders")], since_us=None))
    subscriptions.keep([])
    subscriptions.keep([channel("orders")])
    assert said(subscriptions.connected([channel("orders")], since_us=7)) == [("orders", Reason.START, None, 0.0)]


def test_what_is_new_since_a_connection_was_lost_starts_with_the_next(subscriptions):
    list(subscriptions.connected([channel("orders", resync_spread=0.0)], since_us=None))
    now = [channel("orders", resync_spread=0.0), channel("items")]
    expected = [("orders", Reason.RECONNECT, 7, 0.0), ("items", Reason.START, None, 0.0)]
    assert said(subscriptions.connected(now, since_us=7)) == expected
