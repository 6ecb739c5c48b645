"""Delivers: a plain loop that claims jobs at its sidecar and says what became of them. It serves nothing.

Who counts attempts, waits between them and keeps what nobody can deliver is the sidecar.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
from service import AWAY, SIDECAR, database

if TYPE_CHECKING:
    import asyncpg

CHANNEL = "new-delivery-job"
WAIT_S = int(os.environ.get("WAIT_S", "5"))
"""For a claim; who gets none looks at the table, so a job that nobody tells of waits for so long."""
PENDING = "SELECT id FROM delivery_jobs WHERE status = 'pending' ORDER BY id"
TAKE = """
SELECT j.phone, j.alert_id, a.message FROM delivery_jobs j JOIN fleet_alert a ON a.id = j.alert_id
WHERE j.id = $1 AND j.status <> 'delivered' FOR UPDATE OF j
"""
FAILED = "UPDATE delivery_jobs SET status = 'failed' WHERE id = $1"
DELIVERED = "UPDATE delivery_jobs SET status = 'delivered', delivered_at = clock_timestamp() WHERE id = $1"
MARK = "UPDATE fleet_alert SET delivered_at = clock_timestamp() WHERE id = $1 AND delivered_at IS NULL"


async def send(phone: str, message: str) -> None:
    """Yours: a text message, say. Whatever it raises is a failed attempt; who waits for a network needs a timeout."""
    if not phone.startswith("+"):
        raise ValueError(f"{phone} is no telephone number")
    print(f"to {phone}: {message}", flush=True)


async def deliver(pool: asyncpg.Pool, job_id: int) -> str | None:
    """What is wrong, if something is. A job that is delivered already is left alone.

    Its row stays locked while it is sent, so that nobody sends it twice at once; so long a connection is in use.
    """
    async with pool.acquire() as connection, connection.transaction():
        job = await connection.fetchrow(TAKE, job_id)
        if job is None:
            return None
        try:
            await send(job["phone"], job["message"])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this job's
            await connection.execute(FAILED, job_id)
            return repr(error)
        await connection.execute(DELIVERED, job_id)
        await connection.execute(MARK, job["alert_id"])
        return None


async def deliver_all(pool: asyncpg.Pool) -> None:
    """What no claim has brought; failed ones are left to the sidecar, which tries them again."""
    for row in await pool.fetch(PENDING):
        await deliver(pool, row["id"])


async def work(pool: asyncpg.Pool, sidecar: aiohttp.ClientSession, claim: dict[str, Any]) -> None:
    errors = [await deliver(pool, hint["key"]["job_id"]) for hint in claim["hints"]]
    if not claim["hints"]:
        await deliver_all(pool)
    error = next(filter(None, errors), None)
    answer = {"retry": [claim["claim"]], "error": error} if error else {"done": [claim["claim"]]}
    await ask(sidecar, "/v1/ack", **answer)


async def ask(sidecar: aiohttp.ClientSession, path: str, **body: object) -> dict[str, Any]:
    async with sidecar.post(path, json=body, raise_for_status=True) as answer:
        return await answer.json()


async def turn(pool: asyncpg.Pool, sidecar: aiohttp.ClientSession) -> None:
    try:
        claims = (await ask(sidecar, "/v1/claim", channel=CHANNEL, max=10, wait=WAIT_S))["claims"]
    except (aiohttp.ClientError, TimeoutError):
        await asyncio.sleep(1)
        claims = []
    try:
        await pool.execute("SELECT 1")
    except AWAY:  # nothing can be done now, which is no attempt
        await ask(sidecar, "/v1/ack", release=[claim["claim"] for claim in claims])
        raise
    await asyncio.gather(*(work(pool, sidecar, claim) for claim in claims))
    if not claims:
        await deliver_all(pool)


async def main() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    timeout = aiohttp.ClientTimeout(total=WAIT_S + 5)  # who gets none is told so two seconds later
    async with database() as pool, aiohttp.ClientSession(SIDECAR, timeout=timeout) as sidecar:
        while not stopping.is_set():
            try:
                await turn(pool, sidecar)
            except (*AWAY, aiohttp.ClientError, TimeoutError):  # what was claimed comes again
                await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main())
