"""Users: they commit rows all the time, and write down which commits failed, and whose fault that was.

It is told by a control: other users do the same with a table that has no trigger of ours. A commit that fails where
none of theirs fails the same way at about that time failed because of us; else PostgreSQL itself takes none.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from tests.checker.shop import APPLICATION
from tests.checker.writer import AGAIN, HOT, LOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ORDERS, CONTROL = "orders", "control"
MAKE_CONTROL = f"""
DROP TABLE IF EXISTS control;
CREATE TABLE control (id bigint PRIMARY KEY, version bigint NOT NULL DEFAULT 0, note text DEFAULT repeat('x', 1000));
ALTER TABLE control OWNER TO {APPLICATION}
"""
"""Its rows are large, so that a full disk is met there no later."""
SAME_TIME_S = 5.0
AWAY, SLOW = "away", "slow"
AGAIN_S = 0.1
STATEMENT_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Of one commit."""

    at_s: float
    kind: str
    """A SQLSTATE, or AWAY: the connection was ended or lost, or SLOW: no answer in time."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How many they are, and how fast."""

    users: int
    controls: int
    pause_s: float
    """Between two transactions of one."""


@dataclass(kw_only=True)
class Users:
    """Of both tables."""

    commits: int = 0
    users: int = 0
    failures: dict[str, list[Failure]] = field(default_factory=lambda: {ORDERS: [], CONTROL: []})
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    def ours(self) -> int:
        """Commits that failed because of us."""
        return sum(not _is_theirs(failure, self.failures[CONTROL]) for failure in self.failures[ORDERS])

    def theirs(self) -> int:
        """Commits that PostgreSQL took from nobody."""
        return len(self.failures[ORDERS]) - self.ours()

    async def commit_again(self) -> None:
        """Wait until that has gone well once more, in a transaction that began after this call."""
        before = self.commits
        async with self._more:
            await self._more.wait_for(lambda: self.commits > before + self.users)

    @asynccontextmanager
    async def at_work(self, dsn: str, pace: Pace) -> AsyncIterator[None]:
        """All the time, until the end of the block; none is cut off in the middle."""
        ids, over, self.users = itertools.count(HOT), asyncio.Event(), pace.users
        tables = [ORDERS] * pace.users + [CONTROL] * pace.controls
        async with asyncio.TaskGroup() as group:
            for table in tables:
                group.create_task(self._work(table, dsn, ids, over, pace.pause_s))
            try:
                yield
            finally:
                over.set()

    async def _work(self, table: str, dsn: str, ids: Iterator[int], over: asyncio.Event, pause_s: float) -> None:
        connection, mine = None, next(ids)
        while not over.is_set():
            if connection is None and (connection := await _connected(dsn)) is None:
                continue
            last, mine = mine, next(ids)
            try:
                await _transaction(connection, table, mine, last)
                await self._note_commit(table)
            except (*LOST, *AGAIN, asyncpg.PostgresError) as error:
                at_s = asyncio.get_running_loop().time()
                self.failures[table].append(Failure(at_s=at_s, kind=_kind(error)))
                connection.terminate()
                connection = None
            await asyncio.sleep(pause_s)
        if connection is not None:
            await connection.close(timeout=5)

    async def _note_commit(self, table: str) -> None:
        if table == ORDERS:
            async with self._more:
                self.commits += 1
                self._more.notify_all()


async def _connected(dsn: str) -> asyncpg.Connection | None:
    """None where that does not go now; nothing was to be committed yet."""
    try:
        return await asyncpg.connect(dsn, timeout=5, command_timeout=STATEMENT_S)
    except (*LOST, *AGAIN, asyncpg.PostgresError):
        await asyncio.sleep(AGAIN_S)
        return None


async def _transaction(connection: asyncpg.Connection, table: str, new: int, old: int) -> None:
    """A new row, and a change of one that was new before."""
    async with connection.transaction():
        await connection.execute(f"INSERT INTO {table} (id) VALUES ($1)", new)
        await connection.execute(f"UPDATE {table} SET version = version + 1 WHERE id = $1", old)


def _kind(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return SLOW
    if isinstance(error, asyncpg.PostgresError) and not isinstance(error, (*LOST, *AGAIN)):
        return str(error.sqlstate)
    return str(error.sqlstate) if isinstance(error, asyncpg.DeadlockDetectedError) else AWAY


def _is_theirs(failure: Failure, control: list[Failure]) -> bool:
    return any(each.kind == failure.kind and abs(each.at_s - failure.at_s) <= SAME_TIME_S for each in control)
