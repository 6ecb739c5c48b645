"""The operator's port: /livez and /readyz for the kubelet, /metrics for Prometheus.

Alive means: the loop turns, the watch hears, no pass hangs. A cluster or a database that can't be reached is not the
operator's illness: no restart heals it. Ready means: it has spoken to the cluster, as leader or as stand-by.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from notifychannel_operator import port as ports
from notifychannel_operator.events import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

log = logging.getLogger(__name__)

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
KEEP_ALIVE_S = 75.0
"""Longer than the minute between two scrapes. Who connects and asks nothing, or never ends asking, is sent away."""


@asynccontextmanager
async def serve(
    *,
    host: str | None,
    port: int,
    illness: Callable[[], str | None],
    unready: Callable[[], str | None],
    metrics: Callable[[], bytes],
) -> AsyncIterator[int]:
    """Serve until the block is left; gives the port. `illness` and `unready` say what is wrong, or None.

    Without a `host`: on every address, IPv4 and IPv6.

    Raises OSError when the port is taken.
    """

    async def livez(_request: web.Request) -> web.Response:
        return _verdict(illness())

    async def readyz(_request: web.Request) -> web.Response:
        return _verdict(unready())

    async def measure(_request: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": METRICS_TYPE})

    application = web.Application()
    application.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", measure)])
    runner = web.AppRunner(application, access_log=None, keepalive_timeout=KEEP_ALIVE_S, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await ports.site(runner, host=host, port=port).start()
        taken: int = runner.addresses[0][1]
        log.info("serving /livez, /readyz and /metrics on port %d", taken, extra=Event.SERVING.tag)
        yield taken
    finally:
        await runner.cleanup()


def _verdict(problem: str | None) -> web.Response:
    if problem is None:
        return web.Response(text="ok\n")
    return web.Response(text=problem + "\n", status=HTTPStatus.SERVICE_UNAVAILABLE)
