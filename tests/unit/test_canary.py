"""Is the watch still heard?"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from notifychannel_operator.kube_error import Unreachable
from notifychannel_operator.watch.canary import Canary

pytestmark = pytest.mark.looptime


class Cluster:
    """Says what was written back, as a watch does, unless it is deaf; or is away."""

    def __init__(self):
        self.canary = None
        self.is_deaf = self.is_away = False
        self.bodies = []

    async def apply(self, _kind, body):
        if self.is_away:
            raise Unreachable(status=0, reason="Unreachable")
        self.bodies.append(body)
        if not self.is_deaf:
            self.canary.heard(body)
        return body


@pytest.fixture
def cluster():
    return Cluster()


@asynccontextmanager
async def running(cluster):
    cluster.canary = Canary(kube=cluster, namespace="nc", name="nc.canary")
    task = asyncio.create_task(cluster.canary.run())
    yield cluster.canary
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


async def test_it_is_touched_each_minute_and_well_while_it_is_heard(cluster):
    async with running(cluster) as canary:
        await asyncio.sleep(601)
        assert canary.illness() is None
        assert canary.late_s() == 0
    assert len(cluster.bodies) == 11
    assert len({body["data"]["touched"] for body in cluster.bodies}) == 11


async def test_a_deaf_watch_is_an_illness_after_three_minutes(cluster):
    """Mutant: measure from the last touch: it is never older than a minute."""
    async with running(cluster) as canary:
        await asyncio.sleep(90)
        cluster.is_deaf = True
        await asyncio.sleep(209)
        assert canary.illness() is None
        await asyncio.sleep(3)
        assert "the watch is deaf" in canary.illness()
        cluster.is_deaf = False
        await asyncio.sleep(60)
        assert canary.illness() is None, "one event pays for all before it"


async def test_a_cluster_that_is_away_is_no_illness_of_ours(cluster):
    """Mutant: keep the debt of a touch that failed."""
    async with running(cluster) as canary:
        cluster.is_away = True
        await asyncio.sleep(1000)
        assert canary.illness() is None


async def test_an_event_that_is_older_than_what_is_owed_pays_nothing(cluster):
    async with running(cluster) as canary:
        await asyncio.sleep(1)
        cluster.is_deaf = True
        await asyncio.sleep(60)
        canary.heard(cluster.bodies[0])
        canary.heard({})
        canary.heard({"data": {"touched": "something else"}})
        assert canary.late_s() > 0
