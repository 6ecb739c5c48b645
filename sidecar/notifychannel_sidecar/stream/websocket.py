"""The stream by WebSocket (RFC 6455): a text message for each event. What the client sends is not read."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, web

if TYPE_CHECKING:
    from notifychannel_sidecar.stream.reader import Event, Reader

PING_S = 15.0
"""A peer that answers none within half of that is gone."""
MAX_MESSAGE_BYTES = 4_096
CLOSE_TIMEOUT_S = 1.0


class WebSocket:
    """An `Out`, after `open`."""

    def __init__(self) -> None:
        self._socket = web.WebSocketResponse(
            heartbeat=PING_S, max_msg_size=MAX_MESSAGE_BYTES, compress=False, timeout=CLOSE_TIMEOUT_S
        )

    async def open(self, request: web.Request) -> web.StreamResponse:
        """Shake hands; raises HTTPBadRequest where it is none of RFC 6455."""
        await self._socket.prepare(request)
        return self._socket

    async def event(self, event: Event) -> None:
        """A message."""
        await self._socket.send_str(written(event))

    async def heartbeat(self, event_id: str) -> None:
        """Pings are sent by themselves."""

    async def carry(self, reader: Reader) -> None:
        """Until the reader's end or the peer's; raises what `Reader.carry` does."""
        peer = asyncio.create_task(self._listen())
        carrying = asyncio.create_task(reader.carry(self))
        try:
            await asyncio.wait([peer, carrying], return_when=asyncio.FIRST_COMPLETED)
            if carrying.done():
                carrying.result()
        finally:
            for task in (peer, carrying):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    async def close(self) -> None:
        """The sidecar goes away."""
        await self._socket.close(code=WSCloseCode.GOING_AWAY)

    async def _listen(self) -> None:
        """Answers pings and notices the end; nothing that is said is kept."""
        async for _ in self._socket:
            pass


def written(event: Event) -> str:
    """`{"id": …, "event": …, "data": …}`."""
    return f'{{"id": {json.dumps(event.id)}, "event": "{event.kind}", "data": {event.data}}}'
