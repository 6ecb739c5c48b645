"""`bench bulk`: a 10,000-row INSERT with our triggers of each capture, as a ratio to the same table without one."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from notifychannel_cli.bench.figure import Figure, Floor
from notifychannel_operator import names
from notifychannel_operator.quote import ident
from notifychannel_operator.spec import Capture

if TYPE_CHECKING:
    from notifychannel_cli.bench.rig import Rig

ROWS = 10_000
ROUNDS = 15
GOAL, GOAL_OUTBOX = 1.4, 1.1
ALL_KEYS = 100_000
FIGURES = {
    "bulk_hinted": ("bulk INSERT, default maxKeys", GOAL),
    "bulk_all_keys": ("bulk INSERT, all keys packed", None),
    "bulk_outbox": ("bulk INSERT by Outbox, default maxKeys", GOAL_OUTBOX),
    "bulk_outbox_all_keys": ("bulk INSERT by Outbox, all keys packed", None),
}
"""Table → name of its figure, and the goal."""
INSERT = (
    "INSERT INTO {table} (tenant_id, status, note) "
    "SELECT i % 100, 'paid', 'order number ' || i FROM generate_series(1, $1) AS i"
)


async def measure(rig: Rig) -> list[Figure]:
    """Rounds of the three tables in turn, so that the machine's moods fall on all; medians."""
    await rig.table("bulk_plain")
    notify = [await rig.hinted("bulk_hinted"), await rig.hinted("bulk_all_keys", max_keys=ALL_KEYS)]
    await rig.hinted("bulk_outbox", capture=Capture.OUTBOX)
    await rig.hinted("bulk_outbox_all_keys", capture=Capture.OUTBOX, max_keys=ALL_KEYS)
    owners = [names.Owner(installation="bench", namespace="bench", name=channel.name) for channel in notify]
    await rig.listens(*(names.pg_channel(owner) for owner in owners))
    seconds: dict[str, list[float]] = {table: [] for table in ("bulk_plain", *FIGURES)}
    for _ in range(rig.rounds(ROUNDS)):
        for table, times in seconds.items():
            times.append(await _insert(rig, table))
    plain = statistics.median(seconds["bulk_plain"])
    floor = Floor(plain * 1000, "ms, no trigger")
    return [
        Figure(name=name, value=statistics.median(seconds[table]) / plain, unit="x", floor=floor, goal=goal)
        for table, (name, goal) in FIGURES.items()
    ]


async def _insert(rig: Rig, table: str) -> float:
    await rig.admin.execute(f"TRUNCATE {ident(table)}")
    started = time.perf_counter()
    await rig.admin.execute(INSERT.format(table=ident(table)), ROWS)
    return time.perf_counter() - started
