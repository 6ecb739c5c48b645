"""`bench outbox-latency`: from before the INSERT to the application's POST by Outbox, beside Notify.

At a low rate the relay sleeps and is rung; busy, it polls every 20 ms and nobody rings.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from notifychannel_cli.bench.figure import Figure, Floor
from notifychannel_cli.bench.pace import paced, percentiles
from notifychannel_cli.bench.receiver import Receiver, receiving
from notifychannel_cli.sidecar_process import SidecarProcess
from notifychannel_operator.quote import ident
from notifychannel_operator.spec import Capture

if TYPE_CHECKING:
    from notifychannel_cli.bench.rig import Rig

CHANGES = 150
PAUSE_S = 0.2
"""Long enough for the relay to be asleep again."""
SECONDS = 10
PER_SECOND = 200
PATIENCE_S = 30.0
GOAL_MORE_MS, GOAL_P50_MS, GOAL_P99_MS = 3.0, 15.0, 50.0
INSERT = "INSERT INTO {table} (tenant_id, status) VALUES (1, 'paid') RETURNING id"
OUTBOX, NOTIFY = "late_outbox", "late_notify"


async def measure(rig: Rig) -> list[Figure]:
    """Low: one change for each side in turn, each awaited before the next. Busy: one every 5 ms, each side alone."""
    channels = {OUTBOX: await rig.hinted(OUTBOX, capture=Capture.OUTBOX), NOTIFY: await rig.hinted(NOTIFY)}
    async with AsyncExitStack() as stack:
        receivers = {table: await stack.enter_async_context(receiving()) for table in channels}
        for table, channel in channels.items():
            config = rig.config(channel, port=receivers[table].port)
            sidecar = SidecarProcess(config=config, uri=rig.dsn("bench_listener"))
            await (await stack.enter_async_context(sidecar)).listening()
            await receivers[table].resynced(1, patience_s=PATIENCE_S)
            await _one(rig, table, receivers[table])  # by Outbox it waits until the relay is elected
        low: dict[str, list[float]] = {table: [] for table in channels}
        for _ in range(rig.rounds(CHANGES, least=10)):
            for table, milliseconds in low.items():
                milliseconds.append(await _one(rig, table, receivers[table]))
                await asyncio.sleep(PAUSE_S)
        busy = {table: await _busy(rig, table, receivers[table]) for table in channels}
    return _figures(low, busy)


async def _one(rig: Rig, table: str, receiver: Receiver) -> float:
    known = len(receiver.arrived)
    started = time.monotonic()
    key = await rig.admin.fetchval(INSERT.format(table=ident(table)))
    arrived = await receiver.until(known + 1, patience_s=PATIENCE_S)
    return (arrived[key] - started) * 1000


async def _busy(rig: Rig, table: str, receiver: Receiver) -> list[float]:
    known, changes = len(receiver.arrived), PER_SECOND * rig.rounds(SECONDS)
    insert = await rig.admin.prepare(INSERT.format(table=ident(table)))
    started = await paced(lambda _: insert.fetchval(), changes, per_second=PER_SECOND)
    arrived = await receiver.until(known + changes, patience_s=PATIENCE_S)
    return [(arrived[key] - at) * 1000 for key, at in started.items()]


def _figures(low: dict[str, list[float]], busy: dict[str, list[float]]) -> list[Figure]:
    by_notify = statistics.median(low[NOTIFY])
    outbox = statistics.median(low[OUTBOX])
    (p50, p99), (notify50, notify99) = (percentiles(busy[table]) for table in (OUTBOX, NOTIFY))
    return [
        Figure(
            name="change → POST by Outbox, low rate, p50", value=outbox, unit="ms",
            floor=Floor(by_notify, "ms, Notify"), goal=by_notify + GOAL_MORE_MS,
        ),
        Figure(
            name=f"change → POST by Outbox, {PER_SECOND}/s, p50", value=p50, unit="ms",
            floor=Floor(notify50, "ms, Notify"), goal=GOAL_P50_MS,
        ),
        Figure(
            name=f"change → POST by Outbox, {PER_SECOND}/s, p99", value=p99, unit="ms",
            floor=Floor(notify99, "ms, Notify"), goal=GOAL_P99_MS,
        ),
    ]  # fmt: skip
