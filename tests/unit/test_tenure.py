"""A tenure: who leads renews until nothing writes any more, and only then lets others."""

from __future__ import annotations

import asyncio

import pytest

from notifychannel_operator.leadership.tenure import DRAIN_S, Tenure

pytestmark = pytest.mark.looptime


class Election:
    """A lease that is had at once or never, and may be lost."""

    def __init__(self, *, free=True):
        self.log = []
        self.free = free
        self.lost = asyncio.Event()

    async def acquire(self):
        await asyncio.sleep(0 if self.free else 10_000)

    async def keep(self):
        try:
            await self.lost.wait()
            raise RuntimeError("another replica leads")
        finally:
            self.log.append("renewed no more")

    async def release(self):
        self.log.append("given back")

    async def drain(self, limit_s):
        self.log.append("drained")
        async with asyncio.timeout(limit_s):
            await asyncio.sleep(2 * DRAIN_S)

    async def work(self):
        try:
            await asyncio.sleep(10_000)
        finally:
            self.log.append("worked")


def tenure(election, stop):
    return Tenure(lease=election, stop=stop, drain=election.drain)


async def test_who_is_stopped_before_it_leads_never_does():
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(3, stop.set)
    assert not await tenure(Election(free=False), stop).elected()
    assert await tenure(Election(), asyncio.Event()).elected()


async def test_who_is_stopped_drains_ends_its_work_and_then_gives_the_lease_back():
    """Mutants: the lease cancelled before the work; no drain."""
    stop, election = asyncio.Event(), Election()
    asyncio.get_running_loop().call_later(3, stop.set)
    await tenure(election, stop).lead(election.work())
    assert election.log == ["drained", "worked", "renewed no more", "given back"]


async def test_who_loses_the_lease_ends_its_work_without_patience_and_says_so():
    election = Election()
    asyncio.get_running_loop().call_later(3, election.lost.set)
    with pytest.raises(RuntimeError, match="another replica leads"):
        await tenure(election, asyncio.Event()).lead(election.work())
    assert election.log == ["renewed no more", "worked", "given back"]


async def test_work_that_fails_ends_the_tenure_with_its_error():
    election = Election()

    async def fail():
        raise OSError("no port")

    with pytest.raises(OSError, match="no port"):
        await tenure(election, asyncio.Event()).lead(fail())
    assert election.log == ["renewed no more", "given back"]
