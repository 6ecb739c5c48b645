"""The stream as server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from notifychannel_sidecar.stream.reader import Event, Reader

RETRY_MS = 1_000
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep events back until it has enough of them
}
_LINE_END = re.compile(r"\r\n|\r|\n")


class ServerSentEvents:
    """An `Out`, after `open`."""

    def __init__(self) -> None:
        self._response = web.StreamResponse(headers=HEADERS)

    async def open(self, request: web.Request) -> web.StreamResponse:
        """Send the head."""
        await self._response.prepare(request)
        await self._response.write(f"retry: {RETRY_MS}\n\n".encode())
        return self._response

    async def carry(self, reader: Reader) -> None:
        """Until its end."""
        await reader.carry(self)

    async def event(self, event: Event) -> None:
        """A hint has no name: `onmessage` of an EventSource gets it."""
        await self._response.write(written(event).encode())

    async def heartbeat(self, event_id: str) -> None:
        """An id without data is no event, and remembered all the same."""
        await self._response.write(f": heartbeat\nid: {event_id}\n\n".encode())

    async def close(self) -> None:
        """The end is one, and not a cut."""
        await self._response.write_eof()


def written(event: Event) -> str:
    """Its lines; what a line break in the data would begin is no field of its own."""
    head = "" if event.kind == "hint" else f"event: {event.kind}\n"
    head += "" if event.id is None else f"id: {event.id}\n"
    return head + "".join(f"data: {line}\n" for line in _LINE_END.split(event.data)) + "\n"
