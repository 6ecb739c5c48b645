"""Who writes orders: one at a steady rate, or four as fast as they can. Each row is a change and a key."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from notifychannel_cli.bench.pace import paced

if TYPE_CHECKING:
    import asyncpg

    from notifychannel_cli.bench.rig import Rig

ONE = "INSERT INTO orders (tenant_id, status) VALUES (1, 'paid') RETURNING id"
WRITERS = 4


async def one(rig: Rig) -> int:
    """A row; its key."""
    key: int = await rig.admin.fetchval(ONE)
    return key


async def steadily(rig: Rig, *, per_second: int, seconds: float) -> dict[int, float]:
    """Key → time.monotonic just before its INSERT."""
    insert = await rig.admin.prepare(ONE)
    return await paced(lambda _: insert.fetchval(), round(per_second * seconds), per_second=per_second)


async def flat_out(rig: Rig, *, seconds: float) -> dict[int, float]:
    """Each of the writers one row after the other; the same."""
    connections = [await rig.connect() for _ in range(WRITERS)]
    until = time.monotonic() + seconds
    found = await asyncio.gather(*(_writes(each, until) for each in connections))
    return {key: at for made in found for key, at in made.items()}


async def _writes(connection: asyncpg.Connection, until: float) -> dict[int, float]:
    insert, made = await connection.prepare(ONE), {}
    while (now := time.monotonic()) < until:
        made[await insert.fetchval()] = now
    return made
