"""What happens to PgBouncer, through which the sidecars go, a pool in session mode."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.checker import shop
from tests.faults.fault import Fault
from tests.pgbouncer import PgBouncer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults.place import Place

POOL_SIZE = 20
"""Enough for all sessions of the sidecars."""


@asynccontextmanager
async def _in_between(place: Place) -> AsyncIterator[None]:
    pooler = PgBouncer(server=place.server, pool_mode="session", pool_size=POOL_SIZE, users=(shop.LISTENER,))
    with pooler:
        place.pooler = pooler
        place.wire.lead_to(pooler.port)
        yield None
    place.pooler = None
    place.wire.lead_to(place.server.port)


@asynccontextmanager
async def _restarted(place: Place) -> AsyncIterator[None]:
    assert place.pooler is not None
    await asyncio.to_thread(place.pooler.stop)
    try:
        yield None
    finally:
        await asyncio.to_thread(place.pooler.start)


FAULTS = (Fault(name="PgBouncer restarted", prepared=_in_between, broken=_restarted),)
