"""`bench bulk`: statements of 10,000 rows and of one with our triggers, as a ratio to the same table without one."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli.bench.figure import Figure, Floor
from notifychannel_operator import names
from notifychannel_operator.quote import ident
from notifychannel_operator.spec import Capture, Event

if TYPE_CHECKING:
    from notifychannel_cli.bench.rig import Rig

ROWS = 10_000
ROUNDS = 15
ALL_KEYS = 100_000
PLAIN = "bulk_plain"
INSERT = (
    "INSERT INTO {table} (tenant_id, status, note) "
    "SELECT i % 100, 'paid', 'order number ' || i FROM generate_series(1, {rows}) AS i"
)
UPDATE = "UPDATE {table} SET status = status || '!'"
SINGLE = (
    "DO $$ BEGIN FOR i IN 1..{rows} LOOP"
    " INSERT INTO {table} (tenant_id, status, note) VALUES (1, 'paid', 'one order'); END LOOP; END $$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hinted:
    """A table with triggers, what is done to it, and what of that is shown."""

    name: str
    statement: str = INSERT
    capture: Capture = Capture.NOTIFY
    event: Event = Event.INSERT
    columns: tuple[str, ...] = ()
    max_keys: int = 1000
    goal: float | None = None


TABLES = {
    "bulk_hinted": Hinted(name="bulk INSERT, default maxKeys", goal=1.4),
    "bulk_all_keys": Hinted(name="bulk INSERT, all keys packed", max_keys=ALL_KEYS),
    "bulk_outbox": Hinted(name="bulk INSERT by Outbox, default maxKeys", capture=Capture.OUTBOX, goal=1.1),
    "bulk_outbox_all_keys": Hinted(
        name="bulk INSERT by Outbox, all keys packed", capture=Capture.OUTBOX, max_keys=ALL_KEYS
    ),
    "bulk_watched": Hinted(
        name="bulk UPDATE, one watched column", statement=UPDATE, event=Event.UPDATE, columns=("status",)
    ),
    "bulk_any": Hinted(name="bulk UPDATE, any column", statement=UPDATE, event=Event.UPDATE),
    "bulk_single": Hinted(name="INSERT of one row, many in a transaction", statement=SINGLE),
    "bulk_single_outbox": Hinted(
        name="INSERT of one row by Outbox, many in a transaction", statement=SINGLE, capture=Capture.OUTBOX
    ),
}  # fmt: skip


async def measure(rig: Rig) -> list[Figure]:
    """Rounds of all tables in turn, so that the machine's moods fall on all; medians."""
    await rig.table(PLAIN)
    for table, each in TABLES.items():
        channel = await rig.hinted(
            table, event=each.event, columns=each.columns, max_keys=each.max_keys, capture=each.capture
        )
        if each.capture is Capture.NOTIFY:
            await rig.listens(names.pg_channel(names.Owner(installation="bench", namespace="bench", name=channel.name)))
    statements = list(dict.fromkeys(each.statement for each in TABLES.values()))
    plain: dict[str, list[float]] = {statement: [] for statement in statements}
    hinted: dict[str, list[float]] = {table: [] for table in TABLES}
    for _ in range(rig.rounds(ROUNDS)):
        for statement, times in plain.items():
            times.append(await _seconds(rig, PLAIN, statement))
        for table, times in hinted.items():
            times.append(await _seconds(rig, table, TABLES[table].statement))
    floors = {statement: statistics.median(times) for statement, times in plain.items()}
    return [_figure(each, statistics.median(hinted[table]), floors[each.statement]) for table, each in TABLES.items()]


def _figure(each: Hinted, seconds: float, floor_s: float) -> Figure:
    floor, note = Floor(floor_s * 1000, "ms, no trigger"), ""
    if each.statement == SINGLE:
        floor = Floor(floor_s / ROWS * 1e6, "µs, no trigger")
        note = f"+ {(seconds - floor_s) / ROWS * 1e6:.0f} µs"
    return Figure(name=each.name, value=seconds / floor_s, unit="x", floor=floor, goal=each.goal, note=note)


async def _seconds(rig: Rig, table: str, statement: str) -> float:
    await rig.admin.execute(f"TRUNCATE {ident(table)}")
    if statement == UPDATE:
        await rig.admin.execute(INSERT.format(table=ident(table), rows=ROWS))
    started = time.perf_counter()
    await rig.admin.execute(statement.format(table=ident(table), rows=ROWS))
    return time.perf_counter() - started
