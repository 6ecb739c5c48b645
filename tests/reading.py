"""An application that reads the stream: a real connection, its events one by one, and a freeze that needs no signal."""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_S = 40.0
PATH = "/v1/stream"


@dataclass(frozen=True, kw_only=True)
class Read:
    """One event as an EventSource would hand it out."""

    kind: str
    data: Any
    last_id: str
    """The id that a reconnection would show."""

    @property
    def keys(self) -> list[dict[str, Any]]:
        """Of its hints."""
        return [hint["key"] for hint in self.data["hints"]]

    @property
    def is_resync(self) -> bool:
        return self.kind == "message" and not self.data["hints"]


@dataclass(kw_only=True)
class Reading:
    """A connection to the stream by server-sent events. Nothing is read but by `next`: who asks for none is frozen."""

    reader: asyncio.StreamReader = field(repr=False)
    writer: asyncio.StreamWriter = field(repr=False)
    status: int
    headers: dict[str, str]
    last_id: str = ""
    heartbeats: int = 0
    retry_ms: int | None = None
    _kind: str = ""
    _data: list[str] = field(default_factory=list)
    _rest: bytes = b""

    async def next(self) -> Read | None:
        """The next event, of whatever kind; None at a clean end."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                line = await self._line()
                if line is None:
                    return None
                if (event := self._take(line)) is not None:
                    return event

    async def message(self) -> Read:
        """The next event that is no `mode`."""
        while (event := await self.next()) is not None:
            if event.kind == "message":
                return event
        raise AssertionError("the stream ended")

    async def until_key(self, key: dict[str, Any]) -> list[Read]:
        """Events up to the one with that key."""
        found = [await self.message()]
        while key not in found[-1].keys:
            found.append(await self.message())
        return found

    async def until_cut(self) -> set[int]:
        """What its hints named as `order_id` until the connection broke."""
        found: set[int] = set()
        with contextlib.suppress(ConnectionResetError, asyncio.IncompleteReadError):
            while (event := await self.next()) is not None:
                if event.kind == "message":
                    found |= {key["order_id"] for key in event.keys}
        return found

    async def rest(self) -> list[Read]:
        """All events up to the clean end."""
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found

    async def heartbeat(self) -> None:
        """Past the next one; nothing else may come before."""
        before = self.heartbeats
        async with asyncio.timeout(PATIENCE_S):
            while self.heartbeats == before:
                assert self._take(await self._line() or "") is None
            self._take(await self._line() or "")

    async def body(self) -> dict[str, Any]:
        """Of an answer that is no stream."""
        async with asyncio.timeout(PATIENCE_S):
            return dict(json.loads(await self.reader.readexactly(int(self.headers["content-length"]))))

    def close(self) -> None:
        """As a process does that is killed."""
        self.writer.transport.abort()

    def _take(self, line: str) -> Read | None:
        """https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation"""
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            data, kind = "\n".join(self._data), self._kind or "message"
            has_data, self._data, self._kind = bool(self._data), [], ""
            return Read(kind=kind, data=json.loads(data), last_id=self.last_id) if has_data else None
        if name == "":
            self.heartbeats += value == "heartbeat"
        elif name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value
        elif name == "id":
            self.last_id = value
        elif name == "retry":
            self.retry_ms = int(value)
        return None

    async def _line(self) -> str | None:
        """Of the body, which comes in chunks (RFC 9112, 7.1); None after the last one."""
        while b"\n" not in self._rest:
            size = int((await self.reader.readuntil(b"\r\n")).strip(), 16)
            chunk = await self.reader.readexactly(size + 2)
            if size == 0:
                return None
            self._rest += chunk[:-2]
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()


@asynccontextmanager
async def reading(
    port: int, query: str = "", *, last_id: str | None = None, receive_bytes: int | None = None, **headers: str
) -> AsyncIterator[Reading]:
    """Connect and ask; `receive_bytes`: the most that waits unread on this side (about)."""
    made = await opened(port, query, last_id=last_id, receive_bytes=receive_bytes, **headers)
    try:
        yield made
    finally:
        made.close()


async def opened(
    port: int, query: str = "", *, path: str = PATH, last_id: str | None = None, receive_bytes: int | None = None,
    **headers: str,
) -> Reading:  # fmt: skip
    """As `reading`, and closed by whoever has it. `path`: of another stream than the sidecar's."""
    limit = 2**16 if receive_bytes is None else receive_bytes
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
    sent = {"Host": f"127.0.0.1:{port}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if last_id is not None:
        sent["Last-Event-ID"] = last_id
    lines = [f"GET {path}{query} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(PATIENCE_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    told = dict(line.split(": ", 1) for line in head[1:] if line)
    return Reading(
        reader=reader, writer=writer, status=int(head[0].split(" ")[1]),
        headers={name.lower(): value for name, value in told.items()},
    )  # fmt: skip
