"""What kopf calls, called as kopf does: which event makes a pass."""

from __future__ import annotations

import asyncio

import kopf
import pytest

from notifychannel_operator.watch.canary import Canary
from notifychannel_operator.watch.directory import Directory
from notifychannel_operator.watch.handlers import handlers
from notifychannel_operator.work.queue import Verdict, WorkQueue
from tests.operating import resource

pytestmark = pytest.mark.looptime
HOUR_S = 3600.0
ORDERS = ("shop", "orders")


class Watch:
    """Tells the handlers of one operator of events, and counts the passes that they make."""

    def __init__(self):
        self.passes = []
        self.writes = 0
        """Of each pass: how often it writes the status, as one that has something to say does."""
        self._queue = WorkQueue(interval_s=HOUR_S, most=10)
        canary = Canary(kube=None, namespace="nc", name="nc.canary")
        registry = handlers(directory=Directory(), queue=self._queue, canary=canary)
        (self._channel,) = [it.fn for it in registry._watching.get_all_handlers() if it.fn.__name__ == "channel"]
        self.body = resource()
        self.body["metadata"] |= {"uid": "1", "generation": 1}

    async def tells(self, type_):
        await self._channel(body=kopf.Body(self.body), type=type_)
        await asyncio.sleep(1)  # on looptime: until there is nothing to do

    async def work(self, key):
        self.passes.append(key)
        if self.writes:
            self.writes -= 1
            conditions = [{"type": "Ready", "status": "True", "reason": f"{self.writes}"}]
            self.body = {**self.body, "status": {"conditions": conditions}}
            await self._channel(body=kopf.Body(self.body), type="MODIFIED")
        return Verdict()

    async def __aenter__(self):
        self._task = asyncio.create_task(self._queue.run(self.work))
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.wait([self._task])


async def test_a_channel_that_went_without_having_changed_is_looked_at():
    """It has no finalizer (nothing was installed), so its last event is like the one before; only a pass takes it out
    of the ConfigMaps. Mutant: `or type == "DELETED"` left out.
    """
    async with Watch() as watch:
        await watch.tells("ADDED")
        assert watch.passes == [ORDERS]
        await watch.tells("DELETED")
        assert watch.passes == [ORDERS, ORDERS]


async def test_what_a_pass_writes_into_the_status_makes_no_other_pass():
    """Mutant: `see` of the directory always says true: each write wakes a pass, which writes, which wakes."""
    async with Watch() as watch:
        watch.writes = 5
        await watch.tells(None)
        assert watch.passes == [ORDERS]
        watch.body["metadata"]["generation"] = 2
        await watch.tells("MODIFIED")
        assert watch.passes == [ORDERS, ORDERS]
