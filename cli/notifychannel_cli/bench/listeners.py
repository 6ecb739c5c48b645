"""`bench listeners`: what 10, 100 and 500 idle listeners leave writers of their commit rate, by Outbox and by Notify.

Eight pgbench clients, single-row INSERTs, fsync on. The listeners hear a channel on which nothing comes, and cost all
the same: a commit that NOTIFYs wakes every session of the database that listens to anything
(https://www.postgresql.org/docs/current/sql-notify.html). By Outbox only the relay NOTIFYs, in batches.
"""

from __future__ import annotations

import asyncio
import statistics
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg

from notifychannel_cli.bench.figure import Figure, Floor, Goal
from notifychannel_cli.bench.receiver import receiving
from notifychannel_cli.bench.writers import commits_per_second
from notifychannel_cli.sidecar_process import SidecarProcess
from notifychannel_operator.spec import Capture

if TYPE_CHECKING:
    from notifychannel_cli.bench.rig import Rig

COUNTS = (10, 100, 500)
CLIENTS = 8
SECONDS = 3
ROUNDS = 3
WINDOW_S = 1.0
"""What the sidecar does with the hints is not what is measured."""
GOAL = 0.9
OUTBOX, NOTIFY = "listeners_outbox", "listeners_notify"
CLOSE_TIMEOUT_S = 5.0


async def measure(rig: Rig) -> list[Figure]:
    """Rounds of each capture in turn, with none, then with more and more listeners; medians."""
    channels = [await rig.hinted(OUTBOX, capture=Capture.OUTBOX), await rig.hinted(NOTIFY)]
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving())
        config = rig.config(*channels, port=receiver.port)
        calm = tuple(replace(each, window=WINDOW_S, max_delay=WINDOW_S) for each in config.channels)
        sidecar = SidecarProcess(config=replace(config, channels=calm), uri=rig.dsn("bench_listener"))
        await (await stack.enter_async_context(sidecar)).listening()
        rates = {0: await _rates(rig)}
        for count, before in zip(COUNTS, (0, *COUNTS), strict=False):
            for _ in range(count - before):
                await _listen(rig, stack)
            rates[count] = await _rates(rig)
    return [
        _figure(capture, count, rates[count][table], rates[0][table])
        for count in COUNTS
        for table, capture in ((OUTBOX, "Outbox"), (NOTIFY, "Notify"))
    ]


async def _rates(rig: Rig) -> dict[str, float]:
    rates: dict[str, list[float]] = {OUTBOX: [], NOTIFY: []}
    for _ in range(rig.rounds(ROUNDS)):
        for table, measured in rates.items():
            measured.append(await asyncio.to_thread(commits_per_second, rig, table, CLIENTS, SECONDS))
            await rig.drained()
    return {table: statistics.median(measured) for table, measured in rates.items()}


async def _listen(rig: Rig, stack: AsyncExitStack) -> None:
    # By the socket, where no password is asked for: 500 of them would cost the better part of a minute.
    connection = await asyncpg.connect(
        host=str(rig.server.directory), port=rig.server.port, user="postgres", database="bench"
    )
    stack.push_async_callback(connection.close, timeout=CLOSE_TIMEOUT_S)
    await connection.execute("LISTEN listeners_idle")


def _figure(capture: str, count: int, value: float, floor: float) -> Figure:
    return Figure(
        name=f"commits kept by {capture}, {count} listeners",
        value=value / floor,
        unit="x",
        floor=Floor(floor, "commits/s, no idle listener"),
        goal=GOAL if capture == "Outbox" else None,
        side=Goal.AT_LEAST,
        note=f"{value:,.0f} commits/s",
    )
