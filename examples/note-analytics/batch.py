"""The ETL as it was, every 15 minutes over everything; and at once when a bulk import is done.

The timer is its own: without channels, and without a sidecar, it does all that there is to do.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import suppress

import asyncpg
from aiohttp import web
from micro_etl import AWAY, end, process, try_later

EVERY_S = int(os.environ.get("EVERY_S", "900"))
STATUSES = """
UPDATE facts f SET note_status = n.status FROM notes n
WHERE n.id = f.note_id AND f.note_status <> n.status AND ($1::bigint[] IS NULL OR n.id = ANY ($1))
"""


class Batch:
    def __init__(self, database: asyncpg.Pool) -> None:
        self.database = database
        self.done_at = time.monotonic()

    async def run(self, why: str) -> None:
        failed = await process(self.database, None, "batch")
        await self.database.execute(STATUSES, None)
        self.done_at = time.monotonic()
        print(json.dumps({"batch": why, "failed": failed}), flush=True)

    async def imports(self, request: web.Request) -> web.Response:
        await self.run((await request.json())["reason"])
        return web.Response(status=204)

    async def statuses(self, request: web.Request) -> web.Response:
        hints = (await request.json())["hints"]
        await self.database.execute(STATUSES, [hint["key"]["id"] for hint in hints] or None)
        return web.Response(status=204)

    async def by_itself(self) -> None:
        """So long after it was done last, whyever that was."""
        while True:
            await asyncio.sleep(1)
            if time.monotonic() >= self.done_at + EVERY_S:
                with suppress(*AWAY):
                    await self.run("timer")


async def main() -> web.Application:
    dsn = os.environ["DATABASE_URL"]
    database = await asyncpg.create_pool(dsn, min_size=0, max_size=2, timeout=5, command_timeout=60)
    batch = Batch(database)
    net = asyncio.create_task(batch.by_itself())
    net.add_done_callback(end)

    async def close(_: web.Application) -> None:
        net.cancel()
        await database.close()

    application = web.Application(middlewares=[try_later])
    application.router.add_post("/imports", batch.imports)
    application.router.add_post("/statuses", batch.statuses)
    application.on_cleanup.append(close)
    return application


if __name__ == "__main__":
    web.run_app(main(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")), print=None, access_log=None)
