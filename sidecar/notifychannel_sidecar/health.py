"""The status port: /livez for the kubelet, /status for people and the operator, /metrics for Prometheus.

Answers only while the loop turns, which is all that liveness means: a database or an application that is down must
not restart anything. Says no keys, no DSN, no text from outside.
"""

from __future__ import annotations

import errno
import json
import logging
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from notifychannel_sidecar.events import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

log = logging.getLogger(__name__)

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
KEEP_ALIVE_S = 75.0
"""Longer than the minute between two scrapes. Who connects and asks nothing, or never ends asking, is sent away."""


@asynccontextmanager
async def serve(
    *, host: str | None, port: int, status: Callable[[], dict[str, Any]], metrics: Callable[[], bytes]
) -> AsyncIterator[int]:
    """Serve until the block is left; gives the port. Without a `host`: on every address, IPv4 and IPv6.

    Raises OSError when the port is taken.
    """

    async def livez(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def show(_request: web.Request) -> web.Response:
        return web.Response(text=json.dumps(status(), indent=2) + "\n", content_type="application/json")

    async def measure(_request: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": METRICS_TYPE})

    application = web.Application()
    application.add_routes([web.get("/livez", livez), web.get("/status", show), web.get("/metrics", measure)])
    runner = web.AppRunner(application, access_log=None, keepalive_timeout=KEEP_ALIVE_S, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.SockSite(runner, _everywhere(port)) if host is None else web.TCPSite(runner, host, port)
        await site.start()
        taken: int = runner.addresses[0][1]
        log.info("serving /livez, /status and /metrics on port %d", taken, extra=Event.SERVING.tag)
        yield taken
    finally:
        await runner.cleanup()


def _everywhere(port: int) -> socket.socket:
    """One socket for both families, so that 0 is one free port; for IPv4 alone where the node has switched IPv6 off."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                raise
    return socket.create_server(("", port))
