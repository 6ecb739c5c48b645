"""`bench outbox`: what writers keep of their commit rate by each capture, at 1, 8 and 32 of them, beside no trigger.

pgbench of the same server, single-row INSERTs; fsync as the disk has it, and made slower by 1 ms: `commit_delay`, for
which the one that flushes for a group sleeps (https://www.postgresql.org/docs/current/runtime-config-wal.html). One
real sidecar hears the channels and is the relay. The logged outbox is that of AtLeastOnce, whose changes are merged
into the queue and rest there: delivery is not what is measured. `naive` is what one would write by hand.
"""

from __future__ import annotations

import asyncio
import statistics
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from notifychannel_cli.bench.figure import Figure, Floor, Goal
from notifychannel_cli.bench.receiver import receiving
from notifychannel_cli.bench.writers import CLIENTS, commits_per_second
from notifychannel_cli.sidecar_process import SidecarProcess
from notifychannel_operator.spec import Capture, Delivery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from notifychannel_cli.bench.rig import Rig

SECONDS = 2
ROUNDS = 2
DELAYS_US = (0, 1000)
GOALS = {(32, 1000): 0.95, (32, 0): 0.85}
WINDOW_S = 60.0
"""What sidecar and application do with the hints is not what is measured: elsewhere they have cores of their own."""
REST_S = 600.0
"""Longer than the measure takes."""
PLAIN, OUTBOX = "outbox_plain", "outbox_outbox"
KEPT_BY = {
    OUTBOX: "Outbox", "outbox_logged": "Outbox, logged", "outbox_notify": "Notify", "outbox_naive": "a naive trigger",
}  # fmt: skip
"""Table → what its changes are captured by."""
NAIVE = """
CREATE FUNCTION outbox_naive() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('outbox_naive', json_build_object('id', NEW.id)::text); RETURN NULL; END $$;
CREATE TRIGGER naive AFTER INSERT ON outbox_naive FOR EACH ROW EXECUTE FUNCTION outbox_naive()
"""


async def measure(rig: Rig) -> list[Figure]:
    """Rounds of the five tables in turn; medians."""
    await rig.table(PLAIN)
    await rig.table("outbox_naive")
    await rig.admin.execute(NAIVE)
    await rig.listens("outbox_naive")
    figures = []
    async with _relayed(rig):
        for delay_us in DELAYS_US:
            async with _slower(rig, delay_us):
                for clients in CLIENTS:
                    figures += await _at(rig, clients, delay_us)
    await rig.forget()
    return figures


@asynccontextmanager
async def _relayed(rig: Rig) -> AsyncIterator[None]:
    channels = [
        await rig.hinted("outbox_notify"),
        await rig.hinted(OUTBOX, capture=Capture.OUTBOX),
        await rig.hinted(
            "outbox_logged", capture=Capture.OUTBOX, delivery=Delivery.AT_LEAST_ONCE, window_s=REST_S
        ),
    ]  # fmt: skip
    async with receiving() as receiver:
        config = rig.config(*channels, port=receiver.port)
        calm = [
            replace(each, window=max(each.window, WINDOW_S), max_delay=max(each.max_delay, WINDOW_S))
            for each in config.channels
        ]
        config = replace(config, channels=tuple(calm))
        async with SidecarProcess(config=config, uri=rig.dsn("bench_listener")) as sidecar:
            await sidecar.listening()
            yield


@asynccontextmanager
async def _slower(rig: Rig, delay_us: int) -> AsyncIterator[None]:
    await rig.configure({"commit_delay": str(delay_us), "commit_siblings": "0"})
    try:
        yield
    finally:
        await rig.configure({"commit_delay": "0", "commit_siblings": "5"})


async def _at(rig: Rig, clients: int, delay_us: int) -> list[Figure]:
    rates: dict[str, list[float]] = {table: [] for table in (PLAIN, *KEPT_BY)}
    for _ in range(rig.rounds(ROUNDS)):
        for table, measured in rates.items():
            measured.append(await asyncio.to_thread(commits_per_second, rig, table, clients, SECONDS))
            await rig.drained()
    kept = {table: statistics.median(measured) for table, measured in rates.items()}
    floor = Floor(kept[PLAIN], "commits/s, no trigger")
    where = f"{clients} {'writer' if clients == 1 else 'writers'}{', fsync + 1 ms' if delay_us else ''}"
    return [
        Figure(
            name=f"commits kept by {capture}, {where}", value=kept[table] / kept[PLAIN], unit="x", floor=floor,
            goal=GOALS.get((clients, delay_us)) if table == OUTBOX else None, side=Goal.AT_LEAST,
            note=f"{kept[table]:,.0f} commits/s",
        )
        for table, capture in KEPT_BY.items()
    ]  # fmt: skip
