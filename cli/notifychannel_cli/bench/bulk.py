"""`bench bulk`: a 10,000-row INSERT with our trigger, as a ratio to the same table without one."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from notifychannel_cli.bench.figure import Figure, Floor
from notifychannel_operator import names
from notifychannel_operator.quote import ident

if TYPE_CHECKING:
    from notifychannel_cli.bench.rig import Rig

ROWS = 10_000
ROUNDS = 15
GOAL = 1.4
INSERT = (
    "INSERT INTO {table} (tenant_id, status, note) "
    "SELECT i % 100, 'paid', 'order number ' || i FROM generate_series(1, $1) AS i"
)


async def measure(rig: Rig) -> list[Figure]:
    """Rounds of the three tables in turn, so that the machine's moods fall on all; medians."""
    await rig.table("bulk_plain")
    channels = [await rig.hinted("bulk_hinted"), await rig.hinted("bulk_all_keys", max_keys=100_000)]
    owners = [names.Owner(installation="bench", namespace="bench", name=channel.name) for channel in channels]
    await rig.listens(*(names.pg_channel(owner) for owner in owners))
    seconds: dict[str, list[float]] = {"bulk_plain": [], "bulk_hinted": [], "bulk_all_keys": []}
    for _ in range(rig.rounds(ROUNDS)):
        for table, times in seconds.items():
            times.append(await _insert(rig, table))
    plain, hinted, packed = (statistics.median(times) for times in seconds.values())
    floor = Floor(plain * 1000, "ms, no trigger")
    return [
        Figure(name="bulk INSERT, default maxKeys", value=hinted / plain, unit="x", floor=floor, goal=GOAL),
        Figure(name="bulk INSERT, all keys packed", value=packed / plain, unit="x", floor=floor),
    ]


async def _insert(rig: Rig, table: str) -> float:
    await rig.admin.execute(f"TRUNCATE {ident(table)}")
    started = time.perf_counter()
    await rig.admin.execute(INSERT.format(table=ident(table)), ROWS)
    return time.perf_counter() - started
