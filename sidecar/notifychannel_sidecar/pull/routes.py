"""`POST /v1/claim` and `POST /v1/ack` in HTTP: bodies in, bodies out. Decides nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from notifychannel_sidecar.pull import request as requests
from notifychannel_sidecar.pull.desks import RefusedError
from notifychannel_sidecar.pull.request import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from notifychannel_sidecar.hints import Mode
    from notifychannel_sidecar.pull.desks import Desks

RETRY_AFTER_S = 1
"""After 503: a configuration comes, or another sidecar."""


def routes(desks: Desks, *, mode: Callable[[], Mode]) -> list[web.RouteDef]:
    """For the local port; `mode`: as POSTs say it."""

    async def claim(request: web.Request) -> web.StreamResponse:
        wanted = requests.claiming(await request.read())
        desk = desks.of(wanted.channel)
        given = await desk.claim(wanted.most, wanted.wait_s)
        try:
            claims = b", ".join([ticket.body(mode()) for ticket in given])
            response = web.Response(body=b'{"claims": [' + claims + b"]}", content_type="application/json")
            await response.prepare(request)
            await response.write_eof()
        except BaseException:  # who has asked is gone
            desk.give_back(given)
            raise
        return response

    async def ack(request: web.Request) -> web.StreamResponse:
        said = requests.acknowledging(await request.read())
        return web.json_response(await desks.acknowledge(said))

    return [web.post("/v1/claim", _refusing(claim)), web.post("/v1/ack", _refusing(ack))]


def _refusing(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except BadRequestError as error:
            return _refusal(400, str(error))
        except RefusedError as error:
            return _refusal(error.status, str(error))

    return answer


def _refusal(status: int, sentence: str) -> web.Response:
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == web.HTTPServiceUnavailable.status_code else {}
    return web.Response(
        body=json.dumps({"error": sentence}).encode(), status=status, content_type="application/json", headers=headers
    )
