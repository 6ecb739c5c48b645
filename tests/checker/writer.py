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
FEW, MANY = 12, 600
"""Rows that one statement inserts at most: most statements, and those that make the numbers."""
INSERT = "INSERT INTO orders SELECT unnest($1::bigint[])"
UPDATE = "UPDATE orders SET version = version + 1 WHERE id = $1"
UPDATE_MANY = "UPDATE orders SET version = version + 1 WHERE id = ANY($1::bigint[])"
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
    """Changes rows with ids that nobody else uses, but the hot ones."""

    dsn: str
    ledger: Ledger
    random: Random
    ids: Iterator[int]
    _own: list[int] = field(default_factory=list)
    _many: list[int] = field(default_factory=list)
    _touched: list[int] = field(default_factory=list)
    """In this transaction."""
    _sent_s: float | None = None
    """When its COMMIT was sent."""
    _connection: asyncpg.Connection | None = None

    async def run(self, until: int) -> None:
        """Until all writers together have committed so many."""
        while self.ledger.committed < until:
            self._touched, self._sent_s = [], None
            try:
                connection = await self._connected()
                await self._transaction(connection)
            except AGAIN:
                await asyncio.sleep(0.05)
            except LOST:
                if self._sent_s is not None:
                    self.ledger.may_have_changed(self._touched, sent_s=self._sent_s, now_s=_now_s())
                self.leave()
                await asyncio.sleep(0.1)
            except BaseException:
                self.leave()
                raise
            else:
                self._note_committed()

    def leave(self) -> None:
        """Without a word."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def forget(self) -> None:
        """Its rows are gone."""
        self._own, self._many = [], []

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self.dsn, timeout=5, command_timeout=60)
        return self._connection

    async def _transaction(self, connection: asyncpg.Connection) -> None:
        """One of the kinds; each says what it touches before it commits, and when it does."""
        kinds = (
            self._insert, self._change, self._delete, self._abort, self._savepoint, self._long,
            self._insert_many, self._change_many,
        )  # fmt: skip
        (kind,) = self.random.choices(kinds, weights=(60, 20, 4, 8, 6, 2, 3, 2))
        await kind(connection)

    def _commits(self, *ids: int) -> None:
        self._touched += ids
        self._sent_s = _now_s()

    def _note_committed(self) -> None:
        if self._sent_s is not None:
            self.ledger.changed(self._touched, sent_s=self._sent_s, now_s=_now_s())

    def _fresh(self, most: int = FEW) -> list[int]:
        return [next(self.ids) for _ in range(self.random.randint(1, most))]

    def _hot(self) -> int:
        return self.random.randrange(HOT)

    async def _insert(self, connection: asyncpg.Connection) -> None:
        ids = self._fresh()
        self._commits(*ids)
        await connection.execute(INSERT, ids)
        self._own = ids

    async def _change(self, connection: asyncpg.Connection) -> None:
        ids = [self._hot(), *self._own[:2]]
        async with connection.transaction():
            for each in ids:
                await connection.execute(UPDATE, each)
            self._commits(*ids)

    async def _delete(self, connection: asyncpg.Connection) -> None:
        gone, self._own = self._own[:1], self._own[1:]
        for each in gone:
            self._commits(each)
            await connection.execute(DELETE, each)

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
            self._commits(*kept, *after)
        self.ledger.took_back(gone)

    async def _long(self, connection: asyncpg.Connection) -> None:
        """Commits long after its rows were written, so that many a snapshot has passed it by."""
        ids = self._fresh()
        async with connection.transaction():
            await connection.execute(INSERT, ids)
            await asyncio.sleep(self.random.uniform(0.2, 3.0))
            self._commits(*ids)

    async def _insert_many(self, connection: asyncpg.Connection) -> None:
        ids = self._fresh(MANY)
        self._commits(*ids)
        await connection.copy_records_to_table("orders", columns=["id"], records=[(each,) for each in ids])
        self._many = ids

    async def _change_many(self, connection: asyncpg.Connection) -> None:
        self._commits(*self._many)
        await connection.execute(UPDATE_MANY, self._many)


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


def _now_s() -> float:
    return asyncio.get_running_loop().time()
