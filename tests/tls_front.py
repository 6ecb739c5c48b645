"""TLS in front of a PostgreSQL built without it: answers SSLRequest, does the handshake, forwards what is inside.

The server sees a plain connection, so everything but channel binding is as with `ssl = on`.
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl

SSL_REQUEST = struct.pack("!ii", 8, 80877103)


@dataclass(kw_only=True)
class TlsFront:
    """`async with TlsFront(target=port, context=...) as front:` listens on 127.0.0.1:`front.port`."""

    target: int
    context: ssl.SSLContext
    port: int = 0
    peers: list[str] = field(default_factory=list)
    """Common name of each client's certificate, empty where it showed none."""
    plain: int = 0
    """Connections that did not ask for TLS; they are refused."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        writer.close()
        self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(8) != SSL_REQUEST:
            self.plain += 1
            return
        writer.write(b"S")
        await writer.start_tls(self.context)
        names = dict(pair[0] for pair in (writer.get_extra_info("peercert") or {}).get("subject", ()))
        self.peers.append(names.get("commonName", ""))
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            await asyncio.gather(_forward(reader, inner_writer), _forward(inner_reader, writer))
        finally:
            inner_writer.close()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    writer.close()
