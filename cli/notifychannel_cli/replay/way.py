"""The way of a channel's hints from where its triggers begin: appended to its outbox, or NOTIFYed; throttled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_operator import sqlfile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import asyncpg

MOST_BYTES = 7973
"""Of a payload behind its header, as the trigger function fills it: PostgreSQL takes 7,999."""
MOST_KEYS = 1000
"""Of one transaction: it ends within milliseconds."""
TURNS_PER_S = 5
FULL_S = 1.0
"""Until it is asked again whether the NOTIFY queue has room."""


@dataclass(slots=True, kw_only=True)
class Way:
    """`outbox`: the table to append to, without schema, or None to NOTIFY."""

    connection: asyncpg.Connection
    pg_channel: str
    rules: str
    outbox: str | None

    async def send(self, *, rate: int, on_sent: Callable[[int], None]) -> None:
        """What the cursor still has, `rate` keys a second at most; `on_sent` hears of each committed transaction."""
        now = asyncio.get_running_loop().time
        started_s, sent = now(), 0
        most = max(1, min(MOST_KEYS, rate // TURNS_PER_S))
        fetch = sqlfile.fill("queue/replay_fetch.sql", most=str(most))
        while rows := await self.connection.fetch(fetch):
            await self._put_when_there_is_room(list(bodies(row["key"] for row in rows)))
            sent += len(rows)
            on_sent(len(rows))
            await asyncio.sleep(max(0.0, started_s + sent / rate - now()))

    async def _put_when_there_is_room(self, made: list[str]) -> None:
        while True:
            if await self._put(made):
                return
            await asyncio.sleep(FULL_S)

    async def _put(self, made: list[str]) -> bool:
        """One transaction; False where the NOTIFY queue has no room."""
        if self.outbox is None:
            return bool(
                await self.connection.fetchval(sqlfile.read("queue/notify.sql"), self.pg_channel, self.rules, made)
            )
        async with self.connection.transaction():
            append = sqlfile.fill("queue/append.sql", outbox=self.outbox)
            await self.connection.execute(append, self.pg_channel, self.rules, made)
            await self.connection.execute(sqlfile.read("queue/ring.sql"))
        return True


def bodies(keys: Iterable[str | None]) -> Iterator[str]:
    """Keys packed as a trigger function packs them; an empty one (a resync) for what no payload can hold."""
    lines, size, resync = "", 0, False
    for key in keys:
        length = 1 + len(key.encode()) if key is not None else MOST_BYTES + 1
        if length > MOST_BYTES:
            resync = True
            continue
        if size + length > MOST_BYTES:
            yield lines
            lines, size = "", 0
        lines, size = f"{lines}\n{key}", size + length
    if lines:
        yield lines
    if resync:
        yield ""
