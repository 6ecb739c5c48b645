"""What happens to a sidecar: the kernel kills it for its memory; it dies in the middle of the relay's work."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.checker.killer import RELAYS_AS
from tests.checker.shop import Combination
from tests.faults.fault import Fault
from tests.faults.oom import kill_by_oom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from tests.faults.place import Place

PATIENCE_S = 60.0
RELAY = "SELECT pid, application_name FROM pg_stat_activity WHERE application_name LIKE $1 || '%'"
IN_DRAIN = """
SELECT backend_xid IS NOT NULL AND state = 'active' AND query LIKE '%drain%' FROM pg_stat_activity WHERE pid = $1
"""
"""It has begun to take rows out, and not ended."""


@asynccontextmanager
async def _out_of_memory(place: Place) -> AsyncIterator[str]:
    pod = place.pods[0]
    how = await kill_by_oom(pod.sidecar.process)
    await pod.kill("sidecar")
    yield how


@asynccontextmanager
async def _relay_killed(place: Place) -> AsyncIterator[str]:
    """The session is stopped first, so that it is surely in the middle; then both its ends die."""
    async with place.asking() as connection:
        pid, name = await _stopped_in_drain(connection)
        pod = next(it for it in place.pods if it.name == name.rpartition("/")[2])
        pod.sidecar.process.kill()
        await connection.execute("SELECT pg_terminate_backend($1)", pid)
        os.kill(pid, signal.SIGCONT)
    await pod.kill("relay")
    yield "sidecar and session"


async def _stopped_in_drain(connection: asyncpg.Connection) -> tuple[int, str]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            relay = await connection.fetchrow(RELAY, RELAYS_AS)
            if relay is None or not await connection.fetchval(IN_DRAIN, relay["pid"]):
                await asyncio.sleep(0)
            elif await _stopped(connection, relay["pid"]):
                return relay["pid"], relay["application_name"]


async def _stopped(connection: asyncpg.Connection, pid: int) -> bool:
    """Where it holds something that everybody needs, the question is not answered, and it has to go on."""
    os.kill(pid, signal.SIGSTOP)
    is_in_drain = False
    try:
        is_in_drain = await connection.fetchval(IN_DRAIN, pid, timeout=1)
    except TimeoutError:
        pass
    finally:
        if not is_in_drain:
            os.kill(pid, signal.SIGCONT)
    return is_in_drain


FAULTS = (
    Fault(name="sidecar killed with OOM", broken=_out_of_memory, lasts=False),
    Fault(name="relay killed mid-drain", broken=_relay_killed, lasts=False, best_effort=Combination.OUTBOX),
)
