"""A processor: told up to ten comments by the sidecar, it makes facts of them. It logs JSON, as its sidecar does."""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from contextlib import suppress

import asyncpg
from aiohttp import web
from micro_etl import AWAY, end, process, try_later


class Processor:
    def __init__(self, database: asyncpg.Pool) -> None:
        self.database = database
        self.silent_at = time.monotonic() + 120

    async def comments(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.heard(body["next_within"])
        ids = {hint["key"]["id"]: hint["id"] for hint in body["hints"]}
        began = time.monotonic()
        failed = await process(self.database, list(ids) or None, "stream")
        seconds = round(time.monotonic() - began, 4)
        log(channel=body["channel"], reason=body["reason"], comments=len(ids), failed=failed, seconds=seconds)
        return web.json_response({"retry": [ids[it] for it in failed if it in ids]})  # the others are done

    def heard(self, next_within: float | None) -> None:
        self.silent_at = time.monotonic() + (2 * next_within if next_within else math.inf)

    async def look_by_itself(self) -> None:
        """The safety net: who hears nothing for twice `next_within` looks at everything."""
        while True:
            await asyncio.sleep(1)
            if time.monotonic() >= self.silent_at:
                with suppress(*AWAY):
                    log(reason="silence", failed=await process(self.database, None, "stream"))
                self.heard(60)


def log(**what: object) -> None:
    print(json.dumps(what), flush=True)


async def main() -> web.Application:
    dsn = os.environ["DATABASE_URL"]
    database = await asyncpg.create_pool(dsn, min_size=0, max_size=4, timeout=5, command_timeout=60)
    processor = Processor(database)
    net = asyncio.create_task(processor.look_by_itself())
    net.add_done_callback(end)

    async def close(_: web.Application) -> None:
        net.cancel()
        await database.close()

    application = web.Application(middlewares=[try_later])
    application.router.add_post("/comments", processor.comments)
    application.on_cleanup.append(close)
    return application


if __name__ == "__main__":
    web.run_app(main(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")), print=None, access_log=None)
