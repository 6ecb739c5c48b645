"""A wire that tests can cut, freeze, thaw and delay: a TCP proxy on 127.0.0.1 in the test's own loop.

A frozen wire is what a dead switch or a lost route looks like: connections stay open, new ones are accepted by
the kernel, nothing is forwarded and nobody gets an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from typing import Self

CHUNK_BYTES = 65536
RESET = struct.pack("ii", 1, 0)


@dataclass(kw_only=True)
class Wire:
    """`async with Wire(target=port) as wire:` forwards `wire.port` to `target`, both on 127.0.0.1."""

    target: int
    port: int = 0
    delay_s: float = 0.0
    """One way, for each chunk."""
    connections: int = 0
    """Accepted since the start."""
    _open: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _frozen: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _trap: bytes | None = None
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, repr=False)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set, repr=False)

    async def __aenter__(self) -> Self:
        self._open.set()
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def accept(self) -> None:
        """Take connections (again), on the same port."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Refuse new connections; the living ones go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """Reset every connection on both sides."""
        for writer in list(self._writers):
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    def lead_to(self, target: int) -> None:
        """Another port, for those who connect from now on; who is connected is cut off."""
        self.target = target
        self.cut()

    def freeze(self) -> None:
        """Forward nothing more, keep every connection, accept new ones."""
        self._open.clear()
        self._frozen.set()

    def freeze_at(self, sent: bytes) -> None:
        """Freeze when the client sends these bytes, before they reach the server."""
        self._trap = sent

    async def frozen(self) -> None:
        """Wait until `freeze_at` has caught its bytes."""
        await self._frozen.wait()

    def thaw(self) -> None:
        """Forward again, also what was sent meanwhile."""
        self._trap = None
        self._frozen.clear()
        self._open.set()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._open.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(far_writer)
            try:
                await self._both_ways(reader, writer, far_reader, far_writer)
            finally:
                far_writer.transport.abort()
                self._writers.discard(far_writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _both_ways(
        self,
        near_reader: asyncio.StreamReader,
        near_writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        pumps = [
            asyncio.create_task(self._pump(near_reader, far_writer, from_client=True)),
            asyncio.create_task(self._pump(far_reader, near_writer, from_client=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_client: bool) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if from_client and self._trap is not None and self._trap in chunk:
                self.freeze()
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self._open.wait()
            writer.write(chunk)
            await writer.drain()
