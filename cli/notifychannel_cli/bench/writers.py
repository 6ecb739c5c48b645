"""`bench writers`: what `capture: Notify` costs at 1, 8 and 32 writers, honestly: NOTIFY ends group commit.

pgbench of the same server, single-row INSERTs, fsync on. A transaction that has NOTIFYed holds one cluster-wide lock
over its commit (https://www.postgresql.org/docs/current/sql-notify.html); `capture: Outbox` is the way out.
"""

from __future__ import annotations

import asyncio
import re
import statistics
from typing import TYPE_CHECKING

from notifychannel_cli.bench.figure import Figure, Floor, Goal
from notifychannel_operator import names
from notifychannel_operator.quote import ident

if TYPE_CHECKING:
    from notifychannel_cli.bench.rig import Rig

CLIENTS = (1, 8, 32)
SECONDS = 3
ROUNDS = 2
SCRIPT = "INSERT INTO {table} (tenant_id, status, note) VALUES (1, 'paid', 'one order');\n"


async def measure(rig: Rig) -> list[Figure]:
    """Commits per second with our trigger, as a ratio to the same table without; no goal: it is as it is."""
    await rig.table("writers_plain")
    channel = await rig.hinted("writers_hinted")
    await rig.listens(names.pg_channel(names.Owner(installation="bench", namespace="bench", name=channel.name)))
    figures = []
    for clients in CLIENTS:
        rates: dict[str, list[float]] = {"writers_plain": [], "writers_hinted": []}
        for _ in range(rig.rounds(ROUNDS)):
            for table, measured in rates.items():
                measured.append(await asyncio.to_thread(commits_per_second, rig, table, clients, SECONDS))
        plain, hinted = (statistics.median(measured) for measured in rates.values())
        figures.append(
            Figure(
                name=f"commits kept, {clients} {'writer' if clients == 1 else 'writers'}",
                value=hinted / plain,
                unit="x",
                floor=Floor(plain, "commits/s, no trigger"),
                side=Goal.AT_LEAST,
                note=f"{hinted:,.0f} commits/s",
            )
        )
    return figures


def commits_per_second(rig: Rig, table: str, clients: int, seconds: int) -> float:
    """Of that many pgbench clients that insert into the table."""
    for_so_long = ("--transactions", "5") if rig.quick else ("--time", str(seconds))
    script = rig.server.directory / f"{table}.sql"
    script.write_text(SCRIPT.format(table=ident(table)))
    printed = rig.server.run(
        "pgbench", "--no-vacuum", "--client", str(clients), "--jobs", "2", *for_so_long,
        "--host", str(rig.server.directory), "--port", str(rig.server.port), "--username", "postgres",
        "--file", str(script), "bench",
    )  # fmt: skip
    found = re.search(r"^tps = ([0-9.]+)", printed, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"pgbench printed no tps: {printed}")
    return float(found[1])
