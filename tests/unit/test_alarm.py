"""How carriers wait, in a time that takes none."""

from __future__ import annotations

import asyncio
import math

import pytest

from notifychannel_sidecar.deliverer.alarm import Alarm

pytestmark = pytest.mark.looptime


async def test_it_rings_at_its_time_and_not_before():
    loop = asyncio.get_running_loop()
    when = loop.time() + 30
    await Alarm().wait_until(when)
    assert when <= loop.time() < when + 0.01


async def test_who_is_woken_between_look_and_wait_does_not_wait():
    alarm, loop = Alarm(), asyncio.get_running_loop()
    alarm.clear()
    alarm.wake()
    began = loop.time()
    await alarm.wait_until(math.inf)
    assert loop.time() == began


async def test_what_woke_it_before_the_look_is_forgotten():
    alarm, loop = Alarm(), asyncio.get_running_loop()
    alarm.wake()
    alarm.clear()
    began = loop.time()
    await alarm.wait_until(began + 5)
    assert loop.time() >= began + 5


async def test_a_wait_that_is_broken_off_leaves_no_timer_behind():
    alarm, loop = Alarm(), asyncio.get_running_loop()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await alarm.wait_until(loop.time() + 5)
    began = loop.time()
    alarm.clear()
    await alarm.wait_until(began + 60)
    assert loop.time() >= began + 60
