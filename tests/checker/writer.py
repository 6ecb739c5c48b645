"""One of the sixteen: it inserts, changes and deletes rows in every kind of transaction there is, over and over.

Its connection may be ended at any moment; then nobody knows what became of the transaction, but the table.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from tests.checker.ledger import Ledger

HOT = 200
"""Rows that all change, over and over: those with the smallest ids."""
INSERT = "INSERT INTO orders SELECT unnest($1::bigint[])"
UPDATE = "UPDATE orders SET version = version + 1 WHERE id = $1"
DELETE = "DELETE FROM orders WHERE id = $1"
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    OSError,
    TimeoutError,
)
"""The connection is gone, or was told to go."""
AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.CannotConnectNowError)


@dataclass(kw_only=True)
class Writer:
    """Makes `changes` of rows, committed ones; `number` keeps its ids from the others'."""

    dsn: str
    number: int
    changes: int
    ledger: Ledger
    random: Random
    ids: Iterator[int]
    committed: int = 0
    _own: list[int] = field(default_factory=list)
    _connection: asyncpg.Connection | None = None

    async def run(self) -> None:
        """Until they are made."""
        try:
            while self.committed < self.changes:
                try:
                    connection = await self._connected()
                    await self._transaction(connection)
                except AGAIN:
                    await asyncio.sleep(0.05)
                except LOST:
                    await self._drop()
        finally:
            await self._drop()

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self.dsn, timeout=5, command_timeout=60)
        return self._connection

    async def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
            await asyncio.sleep(0.1)

    async def _transaction(self, connection: asyncpg.Connection) -> None:
        """One of these kinds, as dice will have it."""
        kinds = (self._insert, self._change, self._delete, self._abort, self._savepoint, self._long)
        (kind,) = self.random.choices(kinds, weights=(60, 20, 4, 8, 6, 2))
        await kind(connection)

    def _fresh(self, most: int = 12) -> list[int]:
        return [next(self.ids) for _ in range(self.random.randint(1, most))]

    def _hot(self) -> int:
        return self.random.randrange(HOT)

    async def _insert(self, connection: asyncpg.Connection) -> None:
        ids = self._fresh()
        await connection.execute(INSERT, ids)
        self.committed += len(ids)
        self._own = ids

    async def _change(self, connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            await connection.execute(UPDATE, self._hot())
            for each in self._own[:2]:
                await connection.execute(UPDATE, each)
        self.committed += 1 + len(self._own[:2])

    async def _delete(self, connection: asyncpg.Connection) -> None:
        for each in self._own[:1]:
            await connection.execute(DELETE, each)
            self.committed += 1
        self._own = self._own[1:]

    async def _abort(self, connection: asyncpg.Connection) -> None:
        ids = self._fresh()
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(INSERT, ids)
        await connection.execute(UPDATE, self._hot())
        await transaction.rollback()
        self.ledger.took_back(ids)

    async def _savepoint(self, connection: asyncpg.Connection) -> None:
        kept, gone, after = self._fresh(), self._fresh(), self._fresh(3)
        async with connection.transaction():
            await connection.execute(INSERT, kept)
            inner = connection.transaction()
            await inner.start()
            await connection.execute(INSERT, gone)
            await connection.execute(UPDATE, self._hot())
            await inner.rollback()
            await connection.execute(INSERT, after)
        self.ledger.took_back(gone)
        self.committed += len(kept) + len(after)

    async def _long(self, connection: asyncpg.Connection) -> None:
        """Commits long after its rows were written, so that many a snapshot has passed it by."""
        ids = self._fresh()
        async with connection.transaction():
            await connection.execute(INSERT, ids)
            await asyncio.sleep(self.random.uniform(0.2, 3.0))
        self.committed += len(ids)


async def idle(dsn: str, *, in_transaction: bool) -> None:
    """A connection that does nothing, for ever; in a transaction that has an id, for some seconds at a time."""
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=5)
            try:
                while True:
                    await (_hold(connection) if in_transaction else asyncio.sleep(3600))
            finally:
                connection.terminate()
        except (*LOST, *AGAIN):
            await asyncio.sleep(0.2)


async def _hold(connection: asyncpg.Connection) -> None:
    """Without a block that would roll back, and fail on a dead connection, when this is cancelled."""
    await connection.execute("BEGIN")
    await connection.execute("SELECT pg_current_xact_id()")
    await asyncio.sleep(4)
    await connection.execute("ROLLBACK")
