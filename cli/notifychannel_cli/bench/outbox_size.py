"""`bench outbox-size`: how large outbox, logged outbox and queue become while many changes go through, and are after.

Eight pgbench clients UPDATE ten rows at a time of two tables, one with AtLeastOnce, as fast as they can; a real sidecar
drains and delivers meanwhile. `--changes 10000000` for what the README says; without it it shows whether they grow.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from notifychannel_cli.bench.figure import Figure, Floor
from notifychannel_cli.bench.receiver import receiving
from notifychannel_cli.sidecar_process import SidecarProcess
from notifychannel_operator.quote import ident
from notifychannel_operator.spec import Capture, Delivery, Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from notifychannel_cli.bench.rig import Rig

CHANGES, QUICK_CHANGES = 300_000, 2_000
ROWS, AT_ONCE = 10_000, 10
CLIENTS = 8
WINDOW_S = 0.25
LOOK_AGAIN_S = 0.25
PATIENCE_S = 600.0
MIB = 1024 * 1024
GOAL_MIB = 1024.0
"""`outbox_limit`, the cap of each outbox."""
LOGGED, UNLOGGED = "size_logged", "size_unlogged"
WATCHED = ("outbox", "outbox_logged", "queue")
SIZES = """
SELECT pg_total_relation_size('notifychannel.outbox'), pg_total_relation_size('notifychannel.outbox_logged'),
    pg_total_relation_size('notifychannel.queue')
"""
OWN = "SELECT pg_total_relation_size('size_logged') + pg_total_relation_size('size_unlogged')"
FILL = "INSERT INTO {table} (tenant_id, status, note) SELECT 1, 'paid', 'one order' FROM generate_series(1, $1)"
SCRIPT = """
\\set id random(1, {rows} - {others})
UPDATE {table} SET status = 'sent', changed_at = now() WHERE id BETWEEN :id AND :id + {others};
"""
WAITING = "SELECT EXISTS (SELECT FROM notifychannel.queue WHERE state <> 'dead')"


async def measure(rig: Rig) -> list[Figure]:
    """Looks all the time; the most that was seen, and what is left when everything is acknowledged."""
    channels = [
        await rig.hinted(
            LOGGED, event=Event.UPDATE, capture=Capture.OUTBOX, delivery=Delivery.AT_LEAST_ONCE, window_s=WINDOW_S
        ),
        await rig.hinted(UNLOGGED, event=Event.UPDATE, capture=Capture.OUTBOX, window_s=WINDOW_S),
    ]
    changes = rig.changes or rig.rounds(CHANGES, least=QUICK_CHANGES)
    most = dict.fromkeys(WATCHED, 0.0)
    for table in (LOGGED, UNLOGGED):
        await rig.admin.execute(FILL.format(table=ident(table)), ROWS)
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving())
        config = rig.config(*channels, port=receiver.port)
        sidecar = SidecarProcess(config=config, uri=rig.dsn("bench_listener"))
        await (await stack.enter_async_context(sidecar)).listening()
        async with _watched(rig, most):
            await asyncio.to_thread(_update, rig, changes)
            await rig.drained()
            await _delivered(rig)
        after = await _sizes(rig)
    floor = Floor(await rig.admin.fetchval(OWN) / MIB, "MiB, the two tables")
    return [
        Figure(
            name=f"largest {name}, {changes:,} changes", value=most[name], unit="MiB", floor=floor,
            goal=None if name == "queue" else GOAL_MIB, note=f"{after[name]:.1f} MiB after",
        )
        for name in WATCHED
    ]  # fmt: skip


@asynccontextmanager
async def _watched(rig: Rig, most: dict[str, float]) -> AsyncIterator[None]:
    async def look() -> None:
        while True:
            for name, size in (await _sizes(rig, watcher)).items():
                most[name] = max(most[name], size)
            await asyncio.sleep(LOOK_AGAIN_S)

    watcher = await rig.connect()
    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait([looking])


async def _sizes(rig: Rig, connection: asyncpg.Connection | None = None) -> dict[str, float]:
    row = await (connection or rig.admin).fetchrow(SIZES)
    return dict.fromkeys(WATCHED, 0.0) if row is None else {n: size / MIB for n, size in zip(WATCHED, row, strict=True)}


async def _delivered(rig: Rig) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await rig.admin.fetchval(WAITING):  # noqa: ASYNC110  the server can only be asked
            await asyncio.sleep(LOOK_AGAIN_S)


def _update(rig: Rig, changes: int) -> None:
    scripts = []
    for table in (LOGGED, UNLOGGED):
        script = rig.server.directory / f"{table}.sql"
        script.write_text(SCRIPT.format(rows=ROWS, others=AT_ONCE - 1, table=ident(table)))
        scripts += ["--file", str(script)]
    rig.server.run(
        "pgbench", "--no-vacuum", "--client", str(CLIENTS), "--jobs", "2", "--transactions",
        str(max(1, changes // AT_ONCE // CLIENTS)),
        "--host", str(rig.server.directory), "--port", str(rig.server.port), "--username", "postgres", *scripts,
        "bench",
    )  # fmt: skip
