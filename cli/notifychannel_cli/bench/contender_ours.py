"""Our own contender: a table with AtLeastOnce, a real sidecar (relay and claimer), and an application behind HTTP.

A change is handled when the POST that names it has come to the application, which acknowledges it.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli.bench.pace import paced
from notifychannel_cli.bench.receiver import receiving
from notifychannel_cli.sidecar_process import SidecarProcess
from notifychannel_operator.spec import Capture, Delivery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from notifychannel_cli.bench.contender import Handled
    from notifychannel_cli.bench.rig import Rig
    from notifychannel_operator.spec import Channel

PATIENCE_S = 600.0
TABLE = "durable_hinted"
MANY = "INSERT INTO durable_hinted (tenant_id, status) SELECT 1, 'paid' FROM generate_series(1, $1::int)"
ONE = "INSERT INTO durable_hinted (tenant_id, status) VALUES (1, 'paid') RETURNING id"


@dataclass(slots=True, kw_only=True)
class Ours:
    """Numbers of changes are the table's ids."""

    rig: Rig
    name: str = "NotifyChannel"
    _channel: Channel | None = None

    async def prepare(self) -> None:
        """The table, its triggers, and the queue."""
        self._channel = await self.rig.hinted(TABLE, capture=Capture.OUTBOX, delivery=Delivery.AT_LEAST_ONCE)
        await self.forget()

    async def enqueue(self, count: int, *, at_a_time: int) -> float:
        """INSERTs of that many rows each."""
        insert = await self.rig.admin.prepare(MANY)
        started = time.monotonic()
        for first in range(0, count, at_a_time):
            await insert.fetch(min(at_a_time, count - first))
        return time.monotonic() - started

    async def forget(self) -> None:
        """The first resync goes too: it is no change."""
        await self.rig.forget()

    async def paced(self, count: int, *, per_second: int) -> dict[int, float]:
        """Single-row INSERTs."""
        insert = await self.rig.admin.prepare(ONE)
        return await paced(lambda _: insert.fetchval(), count, per_second=per_second)

    @asynccontextmanager
    async def working(self, count: int, *, eager: bool) -> AsyncIterator[Handled]:
        """A sidecar of its own and an application."""
        if self._channel is None:
            raise RuntimeError("prepare() comes first")
        async with receiving() as receiver:
            config = self.rig.config(self._channel, port=receiver.port)
            async with SidecarProcess(config=config, uri=self.rig.dsn("bench_listener")):
                if not eager:  # where one change has come, relay and claimer are at work
                    await self.rig.admin.execute(ONE)
                    await receiver.until(1, patience_s=PATIENCE_S)
                changes = count if eager else count + 1
                yield lambda: receiver.until(changes, patience_s=PATIENCE_S)
