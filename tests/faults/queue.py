"""The server's NOTIFY queue is full: a listener sits idle in a transaction, and others NOTIFY until no more fits."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from tests.faults.fault import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults.place import Place

SETTING = "max_notify_queue_pages"
FEWEST, USUAL = "64", "1048576"
"""https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-MAX-NOTIFY-QUEUE-PAGES, from 17 on."""
FILL = "SELECT pg_notify('filler', $1::text || repeat('x', $2))"
LARGE, SMALL = 7900, 100
FULL = "SELECT pg_notification_queue_usage() > 0.9"


@asynccontextmanager
async def _small(place: Place) -> AsyncIterator[None]:
    await _restart_with(place, FEWEST)
    try:
        yield None
    finally:
        await _restart_with(place, USUAL)


async def _restart_with(place: Place, pages: str) -> None:
    place.server.configure({SETTING: pages})
    await asyncio.to_thread(place.server.restart)


@asynccontextmanager
async def _full(place: Place) -> AsyncIterator[str]:
    async with place.asking() as holder:
        await holder.add_listener("filler", lambda *_: None)
        await holder.execute("BEGIN; SELECT 1")
        async with place.asking() as filler:
            for size in (LARGE, SMALL):
                await _fill(filler, size)
            assert await filler.fetchval(FULL)
        yield f"of {FEWEST} pages"


async def _fill(filler: asyncpg.Connection, size: int) -> None:
    number = 0
    try:
        while True:
            number += 1
            await filler.execute(FILL, str(number), size)
    except asyncpg.ProgramLimitExceededError:
        return


FAULTS = (Fault(name="NOTIFY queue full", prepared=_small, broken=_full),)
