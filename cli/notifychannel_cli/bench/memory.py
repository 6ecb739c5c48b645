"""`bench memory`: the idle sidecar's resident memory, as a ratio to the bare program's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from notifychannel_cli.bench import bare_process
from notifychannel_cli.bench.figure import Figure, Floor
from notifychannel_cli.embedded import free_port
from notifychannel_cli.sidecar_process import SidecarProcess

if TYPE_CHECKING:
    from notifychannel_cli.bench.rig import Rig

GOAL = 1.25
SETTLE_S = 3.0


async def measure(rig: Rig) -> list[Figure]:
    """Both listen on one channel, both have answered /metrics never; read after a few idle seconds."""
    channel = await rig.hinted("memory_hinted")
    sidecar = SidecarProcess(config=rig.config(channel, port=free_port()), uri=rig.dsn("bench_listener"))
    async with sidecar, bare_process.listening(rig.dsn(), "memory_bare") as bare:
        await sidecar.listening()
        await asyncio.sleep(SETTLE_S)
        ours, floor = bare_process.rss_mib(sidecar.pid), bare_process.rss_mib(bare.pid)
    return [
        Figure(
            name="idle memory of the sidecar",
            value=ours / floor,
            unit="x",
            floor=Floor(floor, "MiB, bare"),
            goal=GOAL,
            note=f"{ours:.1f} MiB",
        )
    ]
