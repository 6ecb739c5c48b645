"""A transaction on a session whose wire may freeze: each step ends, and no rollback is waited for in vain.

asyncpg's own rolls back whatever happened, for as long as it takes. What fails otherwise than by the server's word ends
the session, and with it the transaction.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def transaction(connection: asyncpg.Connection, *, timeout_s: float) -> AsyncIterator[None]:
    """Committed at the end of the block, rolled back where the server refused a statement; raises what asyncpg raises,
    or TimeoutError when BEGIN, COMMIT or ROLLBACK is not answered.
    """
    await _execute(connection, "BEGIN", timeout_s)
    try:
        yield
    except asyncpg.PostgresError:
        if not connection.is_closed():
            await _execute(connection, "ROLLBACK", timeout_s)
        raise
    await _execute(connection, "COMMIT", timeout_s)


async def _execute(connection: asyncpg.Connection, statement: str, timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        await connection.execute(statement)
