"""`bench outbox`: what writers keep of their commit rate by each capture, at 1, 8 and 32 of them, beside no trigger.

pgbench of the same server, single-row INSERTs; fsync as the disk has it, and made slower by 1 ms: `commit_delay`, for
which the one that flushes for a group sleeps (https://www.postgresql.org/docs/current/runtime-config-wal.html). One
real sidecar hears both channels and is the relay.
"""

from __future__ import annotations

import asyncio
import statistics
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from notifychannel_cli.bench.figure import Figure, Floor, Goal
from notifychannel_cli.bench.latency import application
from notifychannel_cli.bench.writers import CLIENTS, commits_per_second
from notifychannel_cli.sidecar_process import SidecarProcess
from notifychannel_operator.spec import Capture

if TYPE_CHECKING:
    from notifychannel_cli.bench.rig import Rig

SECONDS = 2
ROUNDS = 2
DELAYS_US = (0, 1000)
GOALS = {(32, 1000): 0.95, (32, 0): 0.85}
WINDOW_S = 1.0
"""What the sidecar does with the hints is not what is measured."""
PLAIN, NOTIFY, OUTBOX = "outbox_plain", "outbox_notify", "outbox_outbox"


async def measure(rig: Rig) -> list[Figure]:
    """Rounds of the three tables in turn; medians."""
    await rig.table(PLAIN)
    channels = [await rig.hinted(NOTIFY), await rig.hinted(OUTBOX, capture=Capture.OUTBOX)]
    figures = []
    async with AsyncExitStack() as stack:
        _, port = await application(stack)
        configs = [rig.config(channel, port=port) for channel in channels]
        calm = [replace(each, window=WINDOW_S, max_delay=WINDOW_S) for config in configs for each in config.channels]
        sidecar = SidecarProcess(config=replace(configs[0], channels=tuple(calm)), uri=rig.dsn("bench_listener"))
        await (await stack.enter_async_context(sidecar)).listening()
        for delay_us in DELAYS_US:
            await rig.admin.execute(f"ALTER SYSTEM SET commit_delay = {delay_us}")
            await rig.admin.execute("ALTER SYSTEM SET commit_siblings = 0")
            await rig.admin.execute("SELECT pg_reload_conf()")
            for clients in CLIENTS:
                figures += await _at(rig, clients, delay_us)
    return figures


async def _at(rig: Rig, clients: int, delay_us: int) -> list[Figure]:
    rates: dict[str, list[float]] = {PLAIN: [], NOTIFY: [], OUTBOX: []}
    for _ in range(rig.rounds(ROUNDS)):
        for table, measured in rates.items():
            measured.append(await asyncio.to_thread(commits_per_second, rig, table, clients, rig.rounds(SECONDS)))
    plain, notify, outbox = (statistics.median(measured) for measured in rates.values())
    floor = Floor(plain, "commits/s, no trigger")
    where = f"{clients} {'writer' if clients == 1 else 'writers'}{', fsync + 1 ms' if delay_us else ''}"
    return [
        Figure(
            name=f"commits kept by Outbox, {where}", value=outbox / plain, unit="x", floor=floor,
            goal=GOALS.get((clients, delay_us)), side=Goal.AT_LEAST, note=f"{outbox:,.0f} commits/s",
        ),
        Figure(
            name=f"commits kept by Notify, {where}", value=notify / plain, unit="x", floor=floor,
            side=Goal.AT_LEAST, note=f"{notify:,.0f} commits/s",
        ),
    ]  # fmt: skip
