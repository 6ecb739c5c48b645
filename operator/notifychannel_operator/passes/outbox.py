"""Keeps a database's outbox bounded where no sidecar lives to be its relay, and says how large it is.

Takes the relay's role only when nobody has had it for a while, drains for some seconds, and past a cap makes the rest
one resync per channel: nothing is deleted that is not NOTIFYed. Has the role for a batch at a time. Refuses to compete.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_operator import sqlfile
from notifychannel_operator.quote import ident

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

CAP_BYTES = 1_000_000_000
"""Of rows that wait in one table: past it they become one resync per channel."""
LOOK_EVERY_S = 10.0
"""However many channels a database has."""
GRACE_S = 30.0
"""Without a relay, before a pass does its work: sidecars move the role in half of that."""
DRAIN_S = 3.0
COLLAPSE_S = 7.0
"""For each pass, of the 30 s that it has."""
BATCH_ROWS = 5_000
COME_BACK_S = 1.0
"""When it was not done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """One database's, at the last look; times are the event loop's."""

    size_bytes: int
    rows: int
    """About so many wait."""
    looked_s: float
    idle_since_s: float | None = None
    """Since then rows have waited and nobody had the role."""
    is_behind: bool = False
    """A pass has begun to drain it and had to stop."""


async def look_after(connection: Connection, before: Outbox | None, *, cap_bytes: int = CAP_BYTES) -> Outbox | None:
    """The outbox of this database, drained if nobody else does; None where there is none. Raises asyncpg.PostgresError.

    The same as `before` when that is young.
    """
    now_s = asyncio.get_running_loop().time()
    if before is not None and not before.is_behind and now_s - before.looked_s < LOOK_EVERY_S:
        return before
    owner = await connection.fetchval(sqlfile.read("outbox/owner.sql"))
    if owner is None:
        return None
    found = await _look(connection, owner)
    if found["holder"] is None:
        await _mind_queue(connection, owner)
    idle_since_s = None
    if found["waits"]:
        idle_since_s = now_s if before is None or before.idle_since_s is None else before.idle_since_s
    is_behind = False
    if idle_since_s is not None and now_s - idle_since_s >= GRACE_S:
        is_behind = await _trim(connection, owner, cap_bytes=cap_bytes)
        found = await _look(connection, owner)
    return Outbox(
        size_bytes=found["bytes"],
        rows=found["rows"],
        looked_s=now_s,
        idle_since_s=idle_since_s,
        is_behind=is_behind,
    )


async def _look(connection: Connection, owner: str) -> asyncpg.Record:
    async with _acting(connection, owner):
        (row,) = await connection.fetch(sqlfile.read("outbox/look.sql"))
    return row


async def _mind_queue(connection: Connection, owner: str) -> None:
    """What else the relay would do for the queue, if there is one, that does not need a claimer."""
    loop = asyncio.get_running_loop()
    ends_s, trimmed = loop.time() + DRAIN_S, BATCH_ROWS
    async with _acting(connection, owner):
        if not await connection.fetchval(sqlfile.read("queue/is_made.sql")):
            return
        await connection.execute(sqlfile.read("queue/settle.sql"))
    while trimmed >= BATCH_ROWS and loop.time() < ends_s:
        async with _acting(connection, owner):
            trimmed = await connection.fetchval(sqlfile.read("queue/trim.sql"), BATCH_ROWS)


async def _trim(connection: Connection, owner: str, *, cap_bytes: int) -> bool:
    """Whether something is left that it could not do in its time."""
    left_from, is_blocked = await _drain(connection, owner)
    if left_from is None:
        return False
    is_done = await _collapse(connection, owner, left_from, cap_bytes=cap_bytes)
    return not is_done and not is_blocked


async def _drain(connection: Connection, owner: str) -> tuple[int | None, bool]:
    """The transaction to go on with where its time was over or the NOTIFY queue is too full, and where rows stay that
    the queue does not take: then whether it was that, which no haste helps. None: there is no more to do, or somebody
    else does it.
    """
    loop, low, is_blocked = asyncio.get_running_loop(), 0, False
    ends_s = loop.time() + DRAIN_S
    while loop.time() < ends_s:
        done = await _as_relay(connection, owner, "drain", low, BATCH_ROWS)
        if done is None:
            return None, False
        if done["held"]:
            return low, False
        is_blocked = is_blocked or done["blocked"]
        if not done["more"]:
            return (0, True) if is_blocked else (None, False)
        low = done["last"]
    return (0, True) if is_blocked else (low, False)


async def _collapse(connection: Connection, owner: str, low: int, *, cap_bytes: int) -> bool:
    """Whether all is gone, or somebody else's to do; what is below the cap stays."""
    loop, cap = asyncio.get_running_loop(), cap_bytes
    ends_s = loop.time() + COLLAPSE_S
    while loop.time() < ends_s:
        done = await _as_relay(connection, owner, "collapse", cap, low, BATCH_ROWS)
        if done is None:
            return True
        if not done["more"]:
            return bool(done["taken"]) or cap == 0
        cap, low = 0, done["last"]
    return False


async def _as_relay(connection: Connection, owner: str, name: str, *arguments: object) -> asyncpg.Record | None:
    """One batch; None where somebody has the role. For this transaction only: a pooler may not keep our session."""
    async with _acting(connection, owner):
        if not await connection.fetchval(sqlfile.read("outbox/take_role.sql")):
            return None
        (row,) = await connection.fetch(sqlfile.read(f"outbox/{name}.sql"), *arguments)
    return row


@asynccontextmanager
async def _acting(connection: Connection, owner: str) -> AsyncIterator[None]:
    """A transaction as the owner: a member of it, whose rights may not be inherited, acts so in every step."""
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(sqlfile.fill("outbox/act_as.sql", role=ident(owner)))
        yield
