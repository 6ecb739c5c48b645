"""Deliveries on the loop's time: debounce, parallel POSTs, backoff, reloads and the end.

The application is a real server in the same loop; under looptime a minute of waiting takes no time.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from notifychannel_sidecar.deliverer.answer import Outcome
from notifychannel_sidecar.hints import Reason
from tests.application import Close, Hang, Say
from tests.carrying import carrying
from tests.notification import channel

pytestmark = pytest.mark.looptime
MARKER = 99


def orders(post) -> list[int]:
    return [key["order_id"] for key in post.keys]


async def test_fifty_changes_of_a_key_in_a_second_with_a_window_of_half_a_second_are_one_hint():
    """The marker, due after everything else, proves that no second hint came. Mutant: as in test_inbox."""
    async with carrying(channel(window=0.5, max_delay=10.0)) as parts:
        for _ in range(50):
            parts.put(1)
            await asyncio.sleep(0.02)
        hint = (await parts.app.next_post()).hint
        parts.put(MARKER)
        marker = await parts.app.next_post()
    assert (hint["count"], orders(marker)) == (50, [MARKER])
    assert len(parts.app.posts) == 2


async def test_a_key_that_never_rests_is_delivered_every_max_delay():
    async with carrying(channel(window=0.5, max_delay=2.0)) as parts:
        start = parts.now
        for _ in range(1000):
            parts.put(1)
            await asyncio.sleep(0.01)
        await parts.app.until(lambda posts: len(posts) == 5)
    moments = [post.at - start for post in parts.app.posts]
    assert moments == pytest.approx([2.0, 4.0, 6.0, 8.0, 10.0], abs=0.1)


async def test_min_interval_spaces_the_deliveries_of_a_key_and_never_loses_its_last_change():
    async with carrying(channel(window=0.0, min_interval=3.0)) as parts:
        for _ in range(10):
            parts.put(1, event="U")
            await asyncio.sleep(0.5)
        parts.put(1, event="D")
        await parts.app.until(lambda posts: "delete" in posts[-1].hint["events"])
        await parts.until_answers(lambda answers: len(answers) == len(parts.app.posts))
        gaps = [after.at - before.at for before, after in pairwise(parts.app.posts)]
        assert min(gaps) >= 3.0
        assert sum(post.hint["count"] for post in parts.app.posts) == 11


async def test_a_window_of_zero_goes_out_at_once():
    async with carrying(channel(window=0.0)) as parts:
        parts.put(1)
        assert (await parts.app.next_post()).at == pytest.approx(parts.now, abs=0.05)


async def test_a_key_at_which_the_application_hangs_does_not_hold_the_others():
    """Mutant: `range(1)` in Courier.run."""
    async with carrying(channel(window=0.0, timeout=60.0)) as parts:
        parts.app.then(Hang())
        parts.put(1)
        await parts.app.next_post()
        start = parts.now
        for order in range(2, 12):
            parts.put(order)
            assert orders(await parts.app.next_post()) == [order]
            await parts.until_answers(lambda answers, count=order - 1: len(answers) == count)
        assert parts.now - start < 1.0
        parts.put(1)
        parts.put(MARKER)
        assert orders(await parts.app.next_post()) == [MARKER]
        parts.app.release()
        assert orders(await parts.app.next_post()) == [1]
    assert parts.app.overlaps == []


async def test_no_more_than_max_in_flight_posts_run_at_once():
    """Mutant: `range(9)` in Courier.run."""
    async with carrying(channel(window=0.0, max_hints=1), max_in_flight=3) as parts:
        parts.app.then(*[Hang()] * 3)
        parts.put(*range(10))
        await parts.app.until(lambda posts: len(posts) == 3)
        await asyncio.sleep(1.0)
        assert len(parts.app.posts) == 3
        parts.app.release()
        await parts.app.until(lambda posts: len(posts) == 10)
    assert parts.app.most_at_once == 3
    assert parts.app.overlaps == []


async def test_a_resync_waits_for_the_posts_in_flight_and_is_alone():
    async with carrying(channel(window=0.0, timeout=60.0)) as parts:
        parts.app.then(Hang(), Hang())
        parts.put(1)
        await parts.app.next_post()
        parts.resync(Reason.RECONNECT)
        parts.put(2)
        await asyncio.sleep(5.0)
        assert len(parts.app.posts) == 1
        parts.app.release()
        assert (await parts.app.next_post()).body["hints"] == []
        parts.put(3)
        await asyncio.sleep(5.0)
        assert len(parts.app.posts) == 2
        parts.app.release()
        assert orders(await parts.app.next_post()) == [3]
    assert parts.app.overlaps == []


async def test_a_failing_key_is_tried_for_ever_with_backoff_while_others_pass():
    async with carrying(channel(window=0.0)) as parts:
        parts.app.judge = lambda body: Say(status=500 if body["hints"][0]["key"]["order_id"] == 1 else 200)
        parts.put(1, 2, 3)
        await parts.app.until(lambda posts: len(posts) == 15)
        poison = [post for post in parts.app.posts[1:] if orders(post) == [1]]
    assert [post.hint["attempt"] for post in poison] == list(range(1, len(poison) + 1))
    gaps = [after.at - before.at for before, after in pairwise(poison)]
    assert 1 <= gaps[0] <= 2.1
    assert all(30 <= gap <= 60.1 for gap in gaps[6:])


async def test_an_endpoint_in_trouble_for_ten_minutes_is_tried_gently_and_then_gets_all():
    """Mutant: `LONGEST_S = 0.2` in breaker.py."""
    async with carrying(channel(window=0.0, max_hints=1000)) as parts:
        parts.app.behaviour = Close()
        for order in range(60):
            parts.put(order)
            await asyncio.sleep(10.0)
        tried = len(parts.app.posts)
        parts.app.behaviour = Say()
        await parts.until_answers(lambda answers: answers[-1].outcome is Outcome.ACKNOWLEDGED)
    assert 600 / 5 <= tried <= 600 / 2
    assert len(parts.app.posts[-1].keys) == 60


@pytest.mark.parametrize(("poll_interval", "wait"), [(60.0, 20.0), (10.0, 10.0), (0.0, 20.0)])
async def test_retry_after_is_obeyed_up_to_the_poll_interval(poll_interval, wait):
    async with carrying(channel(window=0.0, poll_interval=poll_interval)) as parts:
        parts.app.then(Say(status=503, headers={"Retry-After": "20"}))
        parts.put(1)
        first, second = await parts.app.next_post(), await parts.app.next_post()
    assert second.at - first.at == pytest.approx(wait, abs=0.1)


async def test_something_is_heard_within_next_within_even_when_nothing_happens():
    async with carrying(channel(poll_interval=30.0)) as parts:
        start = parts.now
        await parts.app.until(lambda posts: len(posts) == 3)
    moments = [start, *(post.at for post in parts.app.posts)]
    promised = {post.body["next_within"] for post in parts.app.posts}
    assert promised == {33}
    assert all(27 <= after - before <= 33 for before, after in pairwise(moments))
    assert {post.body["reason"] for post in parts.app.posts} == {"poll"}


async def test_finishing_delivers_all_that_is_pending_at_once_with_one_attempt_each():
    async with carrying(channel(window=60.0, max_delay=60.0)) as parts:
        parts.app.judge = lambda body: Say(status=500 if len(body["hints"]) > 1 else 409)
        parts.put(1, 2, 3)
        start = parts.now
        await parts.deliverer.finish(timeout=10.0)
        assert parts.now - start < 0.5
    assert [len(post.keys) for post in parts.app.posts] == [3, 1, 1, 1]


async def test_finishing_tries_an_endpoint_in_trouble_once_and_does_not_wait_for_it():
    async with carrying(channel(window=0.0)) as parts:
        parts.app.then(Say(status=503, headers={"Retry-After": "30"}))
        parts.app.behaviour = Close()
        parts.put(1)
        await parts.until_answers(bool)
        start = parts.now
        await parts.deliverer.finish(timeout=10.0)
        assert parts.now - start < 0.5
    assert [answer.outcome for answer in parts.answers] == [Outcome.TROUBLE] * 2


async def test_finishing_ends_after_its_timeout_where_the_application_hangs():
    async with carrying(channel(window=0.0, timeout=60.0)) as parts:
        parts.app.behaviour = Hang()
        parts.put(1)
        await parts.app.next_post()
        start = parts.now
        await parts.deliverer.finish(timeout=7.0)
        assert parts.now - start == pytest.approx(7.0, abs=0.1)


async def test_finishing_with_nothing_pending_returns_at_once():
    async with carrying(channel(), channel(name="other")) as parts:
        await asyncio.sleep(1.0)
        start = parts.now
        await parts.deliverer.finish(timeout=7.0)
        assert parts.now - start < 0.1


async def test_a_reload_in_mid_traffic_goes_on_at_the_new_path_and_loses_nothing():
    config = channel(window=0.1, max_hints=5)
    async with carrying(config) as parts:
        for order in range(100):
            if order == 50:
                parts.configure(replace(config, path="/new", window=0.3))
            parts.put(order)
            await asyncio.sleep(0.01)
        parts.put(MARKER + 1)
        await parts.app.until(lambda posts: {order for post in posts for order in orders(post)} == set(range(101)))
    assert {post.path for post in parts.app.posts} == {"/hints", "/new"}


async def test_a_removed_channel_is_cut_off_in_flight_and_a_new_one_is_served():
    async with carrying(channel(window=0.0, timeout=60.0)) as parts:
        parts.app.then(Hang())
        parts.put(1)
        await parts.app.next_post()
        parts.configure(channel(name="other", window=0.0))
        parts.put(2, name="other")
        post = await parts.app.next_post()
        assert (post.body["channel"], orders(post)) == ("other", [2])
        await parts.until_answers(lambda answers: len(answers) == 1)
        assert parts.deliverer.delivering("orders") == (True, "nothing had to be delivered yet")


async def test_a_suspended_channel_is_silent_and_its_switch_back_is_a_resync():
    config = channel(window=0.0, poll_interval=1.0, resync_spread=0.0)
    async with carrying(config) as parts:
        parts.configure(replace(config, suspend=True))
        parts.put(1)
        await asyncio.sleep(100.0)
        assert parts.app.posts == []
        parts.configure(config)
        assert (await parts.app.next_post()).body["reason"] == "rules"


async def test_more_keys_than_the_budget_while_the_application_hangs_end_in_one_resync_after_it():
    async with carrying(channel(window=0.0, timeout=1000.0, max_hints=1), max_in_flight=1, budget=100) as parts:
        parts.app.then(Hang())
        parts.put(0)
        await parts.app.next_post()
        for start in range(1, 5001, 100):
            parts.put(*range(start, start + 100))
        assert parts.inbox.counts("orders").overflows > 10
        parts.app.release()
        post = await parts.app.next_post()
        assert (post.body["reason"], post.body["hints"]) == ("overflow", [])
        parts.put(MARKER)
        assert orders(await parts.app.next_post()) == [MARKER]
        assert len(parts.app.posts) == 3
