"""The local port: 127.0.0.1 only, guarded, every answer that is no stream JSON.

Answers errors as `{"error": "<sentence>"}`. Knows neither channels nor hints: routes are handed in.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from notifychannel_sidecar.events import Event
from notifychannel_sidecar.local.guard import refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from aiohttp.typedefs import Handler

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
KEEP_ALIVE_S = 75.0
MAX_BODY_BYTES = 1024 * 1024


@asynccontextmanager
async def serve(
    *, port: int, token: Callable[[], str | None], routes: Iterable[web.AbstractRouteDef]
) -> AsyncIterator[int]:
    """Serve until the block is left; gives the port, for 0 takes a free one. Raises OSError when it is taken.

    A handler is cancelled when who has asked is gone.
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = refusal(request.headers, token=token())
        if refused is not None:
            status, sentence = refused
            return web.json_response({"error": f"{request.path} {sentence}"}, status=status)
        try:
            return await handler(request)
        except web.HTTPException as error:  # no such path, no such method, a body that is too large
            if error.status < web.HTTPBadRequest.status_code:
                raise
            headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
            return web.json_response(
                {"error": f"{request.method} {request.path}: {error.reason}"}, status=error.status, headers=headers
            )

    application = web.Application(middlewares=[guarded], client_max_size=MAX_BODY_BYTES)
    application.add_routes(routes)
    runner = web.AppRunner(
        application, access_log=None, keepalive_timeout=KEEP_ALIVE_S, shutdown_timeout=1.0, handler_cancellation=True
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        taken: int = runner.addresses[0][1]
        log.info("serving streams and claims at %s:%d", HOST, taken, extra=Event.SERVING.tag)
        yield taken
    finally:
        await runner.cleanup()
