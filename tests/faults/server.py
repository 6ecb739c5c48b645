"""What happens to PostgreSQL: sessions of ours are ended, it crashes and starts again, another one takes its place."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.checker import shop
from tests.faults.fault import Fault
from tests.standby import standby

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults.place import Place

KILL = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1"
IN_STEP = "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')"


@asynccontextmanager
async def _backends_killed(place: Place) -> AsyncIterator[str]:
    async with place.asking() as connection:
        killed = await connection.fetchval(KILL, shop.LISTENER)
    assert killed
    yield "every session of every sidecar"


@asynccontextmanager
async def _restarted(place: Place) -> AsyncIterator[str]:
    await asyncio.to_thread(place.server.restart, "immediate")
    yield "as after a crash"


@asynccontextmanager
async def _with_standby(place: Place) -> AsyncIterator[None]:
    """Commits wait for it, so it has all that was committed. It stays, for whoever comes after."""
    made = await asyncio.to_thread(place.stack.enter_context, standby(place.server))
    place.server.configure({"synchronous_standby_names": "'*'"})
    place.server.reload()
    async with asyncio.timeout(60), place.asking() as connection:
        while not await connection.fetchval(IN_STEP):  # noqa: ASYNC110 - a server can only be asked
            await asyncio.sleep(0.1)
    place.standby = made
    yield None


@asynccontextmanager
async def _failed_over(place: Place) -> AsyncIterator[str]:
    """The name of the database leads to the new one, as a Service of Kubernetes does it."""
    assert place.standby is not None
    await asyncio.to_thread(place.server.stop, "immediate")
    promoted, place.standby = place.standby, None
    await asyncio.to_thread(promoted.run, "psql", promoted.dsn(), "-X", "-q", "-c", "SELECT pg_promote()")
    place.lead_to(promoted)
    yield "a synchronous one"


FAULTS = (
    Fault(name="backend killed", broken=_backends_killed, lasts=False),
    Fault(name="server restarted", broken=_restarted, lasts=False),
)
FAILOVER = Fault(name="fail-over to a promoted standby", prepared=_with_standby, broken=_failed_over, lasts=False)
