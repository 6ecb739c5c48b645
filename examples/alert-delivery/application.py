"""Delivers alerts to webhooks: told which one by the sidecar, it reads it, POSTs it, and answers as the webhook did.

What went wrong is seen in the answer: a webhook's own status, or 599 where it could not be reached. The sidecar keeps
count of attempts, waits between them and keeps what nobody takes; nothing of that is here.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import asyncpg
from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

LOG = logging.getLogger("delivery")
TODO = """
SELECT a.id, a.severity, a.message, w.name, w.url
FROM alert_notification_queue a JOIN webhooks w ON w.name = a.webhook
WHERE NOT EXISTS (SELECT FROM alert_deliveries d WHERE d.alert_id = a.id)
"""
DONE = "INSERT INTO alert_deliveries (alert_id) VALUES ($1) ON CONFLICT DO NOTHING"
ESCALATE = "INSERT INTO alert_escalations SELECT id FROM alert_notification_queue WHERE id = $1 ON CONFLICT DO NOTHING"
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What it raises where the database can't be asked now."""
UNREACHABLE = 599
WEBHOOK_TIMEOUT_S = 2
LEFT_ALONE_S = 10
"""After a webhook did not answer: it must not hold up the alerts of the others."""


@dataclass
class Webhook:
    """Its health, as this pod sees it."""

    delivered: int = 0
    failed: int = 0
    last_status: int | None = None
    last_success: float | None = None
    unreachable_until: float = 0.0

    def as_json(self):
        healthy = self.last_status is None or self.last_status < 300
        return {"healthy": healthy, "delivered": self.delivered, "failed": self.failed,
                "last_status": self.last_status, "last_success": self.last_success}  # fmt: skip


class Delivery:
    def __init__(self, database: asyncpg.Pool, http: aiohttp.ClientSession):
        self.database, self.http = database, http
        self.webhooks: dict[str, Webhook] = {}
        self.silent_at = time.monotonic() + 120

    async def hints(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.heard(body["next_within"])
        if not body["hints"]:
            return web.Response(status=await self.deliver_all())
        (hint,) = body["hints"]
        alert = await self.database.fetchrow(f"{TODO} AND a.id = $1", hint["key"]["id"])
        return web.Response(status=await self.deliver(alert) if alert else 204)

    async def deliver_all(self) -> int:
        """Every alert that no webhook has taken: after an installation, or when nobody told us anything for long."""
        statuses = [await self.deliver(alert) for alert in await self.database.fetch(f"{TODO} ORDER BY a.id")]
        return max(statuses, default=204)

    async def deliver(self, alert: asyncpg.Record) -> int:
        """What the webhook answers. It may get an alert twice, and knows it by its key."""
        webhook = self.webhooks.setdefault(alert["name"], Webhook())
        status = await self.post(alert, webhook)
        webhook.last_status = status
        if status < 300:
            webhook.delivered += 1
            webhook.last_success = time.time()
            await self.database.execute(DONE, alert["id"])
            return 204
        webhook.failed += 1
        LOG.warning("alert %s: the webhook %s answered %s", alert["id"], alert["name"], status)
        return 500 if status in (429, 502, 503, 504) else status  # these would say that this application is in trouble

    async def post(self, alert: asyncpg.Record, webhook: Webhook) -> int:
        if time.monotonic() < webhook.unreachable_until:
            return UNREACHABLE
        alert_key = f"alert-{alert['id']}"
        data = {"alert": alert["id"], "severity": alert["severity"], "message": alert["message"]}
        try:
            async with self.http.post(alert["url"], json=data, headers={"Idempotency-Key": alert_key}) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            webhook.unreachable_until = time.monotonic() + LEFT_ALONE_S
            return UNREACHABLE

    async def escalations(self, request: web.Request) -> web.Response:
        """An alert that nobody has taken for half an hour: now a person has to know."""
        (hint,) = (await request.json())["hints"] or [None]
        if hint is not None:
            await self.database.execute(ESCALATE, hint["key"]["id"])
            LOG.error("alert %s waits for too long", hint["key"]["id"])
        return web.Response(status=204)

    async def health(self, _request: web.Request) -> web.Response:
        return web.json_response({name: webhook.as_json() for name, webhook in self.webhooks.items()})

    def heard(self, next_within: float | None) -> None:
        self.silent_at = time.monotonic() + (2 * next_within if next_within else math.inf)

    async def look_by_itself(self) -> None:
        """The safety net: who hears nothing for twice `next_within` looks at everything."""
        while True:
            await asyncio.sleep(1)
            if time.monotonic() >= self.silent_at:
                with suppress(*AWAY):
                    await self.deliver_all()
                self.heard(60)


def end(net: asyncio.Task[None]) -> None:
    """Nothing goes on here without its safety net: it says why, and ends, and whoever started it starts it again."""
    if not net.cancelled():
        traceback.print_exception(net.exception())
        raise SystemExit(1)


@web.middleware
async def try_later(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Without a database nothing can be done here: 503 says so, and is no attempt of any hint."""
    try:
        return await handler(request)
    except AWAY as error:
        return web.Response(status=503, text=type(error).__name__)


async def main() -> web.Application:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    database = await asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=0, max_size=5, timeout=5, command_timeout=10
    )
    http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WEBHOOK_TIMEOUT_S))
    delivery = Delivery(database, http)
    net = asyncio.create_task(delivery.look_by_itself())
    net.add_done_callback(end)

    async def close(_: web.Application) -> None:
        net.cancel()
        await http.close()
        await database.close()

    application = web.Application(middlewares=[try_later])
    application.router.add_post("/hints", delivery.hints)
    application.router.add_post("/escalations", delivery.escalations)
    application.router.add_get("/webhooks", delivery.health)
    application.on_cleanup.append(close)
    return application


if __name__ == "__main__":
    web.run_app(main(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")), print=None, access_log=None)
