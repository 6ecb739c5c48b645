"""POST /inject over TLS: one review in, one answer out. Refuses what is too large, too slow or no review; never a 5xx.

Whoever reaches the port may send something: what he can take of memory and time is bounded here.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from notifychannel_operator import port as ports
from notifychannel_operator.injector import review as reviews
from notifychannel_operator.injector.review import NoReviewError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    from notifychannel_operator import inject
    from notifychannel_operator.injector.metrics import Metrics

MAX_BODY_BYTES = 4 * 1024 * 1024
"""The API server takes objects of up to 3 MiB; the review of a creation wraps one."""
READ_S = 3.0
"""As long as the API server waits for the answer (`timeoutSeconds` of the webhook)."""
LARGE_BYTES, LARGE_AT_ONCE = 128 * 1024, 8
"""Larger reviews than nearly all are read by turns, so that many of them at once don't fill the memory."""
KEEP_ALIVE_S = 120.0
"""Longer than the 90 s after which Go closes an idle connection: the client closes, so no review meets a closed one."""
SHUTDOWN_S = 2.0


def handler(
    *, settings: inject.Settings, metrics: Metrics, is_ending: Callable[[], bool]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """What answers /inject. While it is ending each answer closes its connection, so that none is cut later."""
    turns = asyncio.Semaphore(LARGE_AT_ONCE)

    async def admit(request: web.Request) -> web.Response:
        started = time.perf_counter()
        if request.content_type != "application/json":
            return refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the content type has to be application/json")
        try:
            review = reviews.parse(await _body(request, turns))
        except TimeoutError:
            return refuse(HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {READ_S:.0f} s")
        except web.HTTPRequestEntityTooLarge:
            return refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {MAX_BODY_BYTES} bytes")
        except NoReviewError as error:
            return refuse(HTTPStatus.BAD_REQUEST, str(error))
        answer = reviews.answer(review, settings=settings)
        response = web.json_response(answer.body)
        if is_ending():
            response.force_close()
        metrics.on_admission(answer.reason, time.perf_counter() - started)
        return response

    def refuse(status: HTTPStatus, sentence: str) -> web.Response:
        metrics.on_refused(status.value)
        return web.json_response({"error": sentence}, status=status)

    return admit


async def _body(request: web.Request, turns: asyncio.Semaphore) -> bytes:
    """Raises TimeoutError, and HTTPRequestEntityTooLarge."""
    announced = request.content_length
    if announced is not None and announced > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(max_size=MAX_BODY_BYTES, actual_size=announced)
    async with asyncio.timeout(READ_S):
        if announced is not None and announced <= LARGE_BYTES:
            return await request.read()
        async with turns:
            return await request.read()


@asynccontextmanager
async def serve(
    admit: Callable[[web.Request], Awaitable[web.Response]], *, host: str | None, port: int, context: ssl.SSLContext
) -> AsyncIterator[int]:
    """Serve until the block is left; gives the port. Without a `host`: on every address, IPv4 and IPv6.

    Raises OSError when the port is taken.
    """
    application = web.Application(client_max_size=MAX_BODY_BYTES)
    application.router.add_post("/inject", admit)
    runner = web.AppRunner(
        application, access_log=None, keepalive_timeout=KEEP_ALIVE_S, shutdown_timeout=SHUTDOWN_S
    )  # fmt: skip
    await runner.setup()
    try:
        await ports.site(runner, host=host, port=port, context=context).start()
        taken: int = runner.addresses[0][1]
        yield taken
    finally:
        await runner.cleanup()
