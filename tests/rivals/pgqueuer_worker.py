"""PgQueuer (MIT, https://pypi.org/project/pgqueuer/) as a rival; not installed with us. DSN prepare | URL.

A trigger enqueues a job for each row, as its own enqueue() does; a job posts and is done at 2xx. Five consumers and a
hundred jobs a batch, as in its own benchmark.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import asyncpg
import uvloop
from pgqueuer import AsyncpgDriver, Job, PgQueuer, Queries

CONSUMERS, BATCH = 5, 100
TRIGGER = """
CREATE FUNCTION enqueue_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH queued AS (
        INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status)
        VALUES (0, 'change', convert_to(NEW.id::text, 'UTF8'), now(), 'queued') RETURNING id, entrypoint, priority)
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM queued;
    RETURN NULL;
END $$;
CREATE TRIGGER enqueue_change AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION enqueue_change();
"""


async def prepare(dsn: str) -> None:
    """Its tables, as it makes them by default, and the trigger."""
    connection = await asyncpg.connect(dsn)
    await Queries(AsyncpgDriver(connection)).install()
    await connection.execute(TRIGGER)
    await connection.close()


async def work(dsn: str, url: str) -> None:
    """For ever."""
    async with aiohttp.ClientSession(raise_for_status=True) as session:

        async def change(job: Job) -> None:
            await session.post(url, json={"hints": [{"key": {"id": int(job.payload or b"")}}]})

        consumers = [PgQueuer(AsyncpgDriver(await asyncpg.connect(dsn))) for _ in range(CONSUMERS)]
        for consumer in consumers:
            consumer.entrypoint("change")(change)
        await asyncio.gather(*(consumer.run(batch_size=BATCH) for consumer in consumers))


if __name__ == "__main__":
    _, dsn, what = sys.argv
    uvloop.run(prepare(dsn) if what == "prepare" else work(dsn, what))
