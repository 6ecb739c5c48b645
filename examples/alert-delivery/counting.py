"""Counts alerts by severity: a second consumer of the same alerts, to whom it does not matter how deliveries go."""

from __future__ import annotations

import asyncio
import math
import os
import time
from contextlib import suppress

import asyncpg
from aiohttp import web

from application import AWAY, end, try_later

COUNT = """
INSERT INTO alert_statistics (severity, alerts)
SELECT severity, count(*) FROM alert_notification_queue GROUP BY severity
ON CONFLICT (severity) DO UPDATE SET alerts = excluded.alerts
"""
silent_at = time.monotonic() + 120


async def hints(request: web.Request) -> web.Response:
    """Whichever alerts are new: counted anew is counted right."""
    heard((await request.json())["next_within"])
    await request.app["database"].execute(COUNT)
    return web.Response(status=204)


def heard(next_within: float | None) -> None:
    global silent_at
    silent_at = time.monotonic() + (2 * next_within if next_within else math.inf)


async def look_by_itself(application: web.Application):
    """The safety net: who hears nothing for twice `next_within` looks at everything."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(1)
            if time.monotonic() >= silent_at:
                with suppress(*AWAY):
                    await application["database"].execute(COUNT)
                heard(60)

    pool = asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=0, max_size=2, timeout=5, command_timeout=10)
    async with pool as application["database"]:
        watching = asyncio.create_task(watch())
        watching.add_done_callback(end)
        yield
        watching.cancel()


if __name__ == "__main__":
    application = web.Application(middlewares=[try_later])
    application.router.add_post("/hints", hints)
    application.cleanup_ctx.append(look_by_itself)
    web.run_app(application, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")), print=None, access_log=None)
