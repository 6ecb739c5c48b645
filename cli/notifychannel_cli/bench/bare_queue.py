"""The floor of a durable queue as a program: what one would write by hand with a table and SKIP LOCKED, and no more.

It takes rows, handles and deletes them in one transaction. It has no HTTP, no merging, no retries, no order per key and
no reconnection. Started by the benchmark; `contender_program.py` says how.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Numbers = dict[int, float]
AT_ONCE = 100
TABLE = """
CREATE TABLE bare_queue (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number integer NOT NULL);
CREATE FUNCTION bare_queue() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('bare_queue', ''); RETURN NULL; END $$;
CREATE TRIGGER bare_queue AFTER INSERT ON bare_queue FOR EACH STATEMENT EXECUTE FUNCTION bare_queue()
"""
TAKE = """
DELETE FROM bare_queue WHERE id IN (SELECT id FROM bare_queue ORDER BY id FOR UPDATE SKIP LOCKED LIMIT $1)
RETURNING number
"""
ADD = "INSERT INTO bare_queue (number) SELECT generate_series($1::int, $2::int)"


async def prepare(connection: asyncpg.Connection) -> None:
    """Make the table."""
    await connection.execute(TABLE)


async def forget(connection: asyncpg.Connection) -> None:
    """Empty it."""
    await connection.execute("TRUNCATE bare_queue")


async def enqueue(connection: asyncpg.Connection, count: str, at_a_time: str) -> float:
    """Seconds."""
    add, started = await connection.prepare(ADD), time.monotonic()
    for first in range(0, int(count), int(at_a_time)):
        await add.fetch(first, min(first + int(at_a_time), int(count)) - 1)
    return time.monotonic() - started


async def pace(connection: asyncpg.Connection, count: str, per_second: str) -> list[tuple[int, float]]:
    """One after the other, each in its time."""
    add, made, began = await connection.prepare(ADD), [], time.monotonic()
    for number in range(int(count)):
        await asyncio.sleep(max(0.0, began + number / int(per_second) - time.monotonic()))
        made.append((number, time.monotonic()))
        await add.fetch(number, number)
    return made


async def work(connection: asyncpg.Connection, count: str, _width: str) -> list[tuple[int, float]]:
    """Until all came; it is as wide as it is."""
    rung, handled = asyncio.Event(), Numbers()
    await connection.add_listener("bare_queue", lambda *_: rung.set())
    print("ready", flush=True)
    take = await connection.prepare(TAKE)
    while len(handled) < int(count):
        rung.clear()
        async with connection.transaction():
            for row in (rows := await take.fetch(AT_ONCE)):
                handled.setdefault(row["number"], time.monotonic())
        if not rows:
            await rung.wait()
    return list(handled.items())


MODES: dict[str, Callable[..., Awaitable[Any]]] = {
    "prepare": prepare, "enqueue": enqueue, "forget": forget, "pace": pace, "work": work,
}  # fmt: skip


async def main(dsn: str, mode: str, *args: str) -> None:
    """Do it, and print what comes of it."""
    connection = await asyncpg.connect(dsn)
    print(json.dumps(await MODES[mode](connection, *args)), flush=True)
    await connection.close()


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        runner = asyncio.run
    else:
        runner = uvloop.run
    runner(main(*sys.argv[1:]))
