"""`GET /v1/stream` as aiohttp serves it: who may read, by which transport, and how a connection ends."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from aiohttp import web

from notifychannel_sidecar.stream import asking
from notifychannel_sidecar.stream.asking import Refusal
from notifychannel_sidecar.stream.reader import TooSlowError
from notifychannel_sidecar.stream.sse import ServerSentEvents
from notifychannel_sidecar.stream.websocket import WebSocket

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from notifychannel_sidecar.stream.reader import Reader
    from notifychannel_sidecar.stream.stream import Stream

PATH = "/v1/stream"
RETRY_AFTER_S = "1"
SEND_BUFFER_BYTES = 64 * 1024
"""The kernel's, for each reader: it counts as the pod's memory, and would be megabytes for one that does not read."""


def routes(stream: Stream) -> Sequence[web.AbstractRouteDef]:
    """For the local port."""

    async def read(request: web.Request) -> web.StreamResponse:
        asked = asking.parameters(request.query.items())
        if isinstance(asked, Refusal):
            return _refused(asked)
        wanted, last = asked
        refusal = asking.refusal(wanted, stream.shelves.configs) or _busy(stream)
        if refusal is not None:
            return _refused(refusal)
        with stream.reading(wanted, request.headers.get("Last-Event-ID", last)) as reader:
            return await _carry(request, reader)

    return [web.get(PATH, read, allow_head=False)]


async def _carry(request: web.Request, reader: Reader) -> web.StreamResponse:
    is_upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
    out = WebSocket() if is_upgrade else ServerSentEvents()
    transport = request.transport
    response = await out.open(request)
    if transport is not None:
        _bound(transport)
    try:
        await out.carry(reader)
        await out.close()
    except (TooSlowError, ConnectionError):  # gone, or as good as that: what waits in the buffers helps nobody
        if transport is not None:
            transport.abort()
    return response


def _busy(stream: Stream) -> Refusal | None:
    if stream.ending:
        return Refusal(status=503, sentence="is ending; come back in a second")
    if stream.full:
        return Refusal(status=503, sentence="has as many readers as it takes; let one proxy read for all")
    return None


def _refused(refusal: Refusal) -> web.Response:
    headers = {"Retry-After": RETRY_AFTER_S} if refusal.status == web.HTTPServiceUnavailable.status_code else None
    return web.json_response({"error": f"{PATH} {refusal.sentence}"}, status=refusal.status, headers=headers)


def _bound(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
