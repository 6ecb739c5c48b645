"""The queue of passes, on a clock of its own."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest

from notifychannel_operator.kube_error import Unreachable
from notifychannel_operator.work.queue import Ending, Verdict, WorkQueue

pytestmark = pytest.mark.looptime
A, B = ("shop", "a"), ("shop", "b")


class Passes:
    """What a pass does here: it takes its time, and says what it is told to say."""

    def __init__(self, *, takes_s=0.0):
        self.takes_s = takes_s
        self.at: list[tuple[str, float]] = []
        self.running: list[tuple[str, str]] = []
        self.most = 0
        self.says: dict = {}
        self.endings: list[Ending] = []

    async def __call__(self, key):
        assert key not in self.running
        self.running.append(key)
        self.most = max(self.most, len(self.running))
        self.at.append((key.name, asyncio.get_running_loop().time()))
        try:
            await asyncio.sleep(self.takes_s)
            said = self.says.get(key, Verdict())
            if isinstance(said, Exception):
                raise said
            return said
        finally:
            self.running.remove(key)

    def times(self, name):
        return [at for each, at in self.at if each == name]


@asynccontextmanager
async def running(passes, **changes):
    queue = WorkQueue(
        **{
            "interval_s": 60.0, "most": 10, "on_pass": lambda ending, _: passes.endings.append(ending), **changes,
        }
    )  # fmt: skip
    task = asyncio.create_task(queue.run(passes))
    yield queue
    assert not task.done(), "nothing ends the loop"
    task.cancel()
    await asyncio.wait([task])


async def test_an_event_is_a_pass_at_once_and_another_after_the_interval_with_jitter():
    passes = Passes()
    async with running(passes) as queue:
        queue.add(A)
        await asyncio.sleep(200)
    first, *later = passes.times("a")
    assert first < 0.01
    gaps = [after - before for before, after in zip([first, *later], later, strict=False)]
    assert len(gaps) == 3
    assert all(54 <= gap <= 66 for gap in gaps)
    assert len(set(gaps)) == 3, "jitter: no two alike"


async def test_what_comes_during_a_pass_is_one_pass_more():
    """Mutant: ignore `add` while the key runs."""
    passes = Passes(takes_s=5.0)
    async with running(passes) as queue:
        queue.add(A)
        await asyncio.sleep(1)
        for _ in range(10):
            queue.add(A)
        await asyncio.sleep(20)
    assert passes.times("a") == pytest.approx([0, 5], abs=0.01)


async def test_a_pass_that_wants_to_come_back_sooner_does():
    passes = Passes()
    passes.says[A] = Verdict(next_in_s=2.0)
    async with running(passes) as queue:
        queue.add(A)
        await asyncio.sleep(5)
    assert passes.times("a") == pytest.approx([0, 2, 4], abs=0.01)


async def test_a_pass_may_wake_others():
    passes = Passes()
    passes.says[A] = Verdict(wake=frozenset({B}))
    async with running(passes) as queue:
        queue.add(B, in_s=50)
        queue.add(A)
        await asyncio.sleep(5)
    assert [name for name, _ in passes.at] == ["a", "b"]


async def test_a_channel_that_is_gone_is_forgotten():
    passes = Passes()
    passes.says[A] = Verdict(is_gone=True)
    async with running(passes) as queue:
        queue.add(A)
        await asyncio.sleep(300)
        assert queue.keys == 0
    assert len(passes.at) == 1
    assert passes.endings == [Ending.GONE]


async def test_no_more_passes_at_once_than_allowed_over_all_and_for_one_secret():
    passes = Passes(takes_s=1.0)
    async with running(passes, most=3, most_in_lane=2) as queue:
        for number in range(6):
            queue.add(("shop", f"c{number}"), lane=("shop", "db"))
        await asyncio.sleep(0.5)
        assert (passes.most, queue.running, queue.waiting) == (2, 2, 4)
        for number in range(6):
            queue.add(("other", f"c{number}"), lane=("other", "db"))
        await asyncio.sleep(20)
    assert passes.most == 3
    assert len(passes.at) == 12


@pytest.mark.parametrize(
    ("error", "ending"),
    [(ValueError("password=hunter2"), Ending.BUG), (Unreachable(status=0, reason="x"), Ending.KUBE_ERROR)],
)
async def test_a_broken_pass_is_tried_again_with_backoff_and_disturbs_nobody(error, ending, caplog):
    """Mutant: let the exception out of `_judged`; or log with `exc_info`."""
    passes = Passes()
    passes.says[A] = error
    with caplog.at_level(logging.WARNING):
        async with running(passes) as queue:
            queue.add(A)
            queue.add(B)
            await asyncio.sleep(16)
            passes.says.clear()
            await asyncio.sleep(100)
    assert passes.times("a")[:5] == pytest.approx([0, 1, 3, 7, 15], abs=0.01)
    assert passes.times("a")[5] == pytest.approx(31, abs=0.01)
    assert passes.times("a")[6] == pytest.approx(91, abs=7), "after a good one the interval again"
    assert len(passes.times("b")) >= 2
    assert passes.endings.count(ending) == 5
    assert "hunter2" not in caplog.text
    assert "pass shop/a" in caplog.text


async def test_the_backoff_never_exceeds_the_interval():
    passes = Passes()
    passes.says[A] = ValueError()
    async with running(passes) as queue:
        queue.add(A)
        await asyncio.sleep(1000)
    gaps = [after - before for before, after in zip(passes.times("a"), passes.times("a")[1:], strict=False)]
    assert max(gaps) <= 66


async def test_a_pass_that_takes_too_long_is_given_up():
    """Mutant: no time limit."""
    passes = Passes(takes_s=1000.0)
    async with running(passes, limit_s=120.0) as queue:
        queue.add(A)
        await asyncio.sleep(119)
        assert queue.oldest_s() == pytest.approx(119, abs=0.1)
        await asyncio.sleep(2)
        assert passes.endings == [Ending.TIMEOUT]


async def test_draining_waits_for_what_runs_and_starts_nothing_more():
    passes = Passes(takes_s=3.0)
    async with running(passes, most=1) as queue:
        queue.add(A)
        queue.add(B)
        await asyncio.sleep(1)
        await queue.drain(10)
        assert asyncio.get_running_loop().time() == pytest.approx(3, abs=0.01)
        await asyncio.sleep(100)
    assert [name for name, _ in passes.at] == ["a"]


async def test_draining_is_not_endless():
    passes = Passes(takes_s=100.0)
    async with running(passes) as queue:
        queue.add(A)
        await asyncio.sleep(1)
        with pytest.raises(TimeoutError):
            await queue.drain(5)


async def test_a_pass_that_is_cancelled_from_inside_is_tried_again():
    """Mutant: leave the branch out: the key keeps its place among the running ones, and no pass ever follows."""
    passes = Passes()
    tries = []

    async def work(key):
        tries.append(key)
        if len(tries) == 1:
            raise asyncio.CancelledError
        return await passes(key)

    queue = WorkQueue(interval_s=60.0, most=1, on_pass=lambda ending, _: passes.endings.append(ending))
    task = asyncio.create_task(queue.run(work))
    queue.add(A)
    await asyncio.sleep(30)
    task.cancel()
    await asyncio.wait([task])
    assert passes.times("a")
    assert passes.endings[:2] == [Ending.BUG, Ending.DONE]
