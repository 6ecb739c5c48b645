"""The application beside the sidecar, for tests: a real HTTP server on a free port of 127.0.0.1.

Records every POST and answers as it was told: a status, nothing for a while, a cut connection, or no listener at all.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 1000.0
"""How long a test waits for what must come; on a real clock pytest gives up earlier."""


@dataclass(frozen=True, kw_only=True)
class Say:
    """Answer with this."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Hang:
    """Answer 200 only after `release()`."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Answer 200 after that many seconds, whether or not anybody still waits for it."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Close:
    """Close the connection without an answer; `reset`: by RST; `within_body`: after the head and half a body."""

    reset: bool = False
    within_body: bool = False


Behaviour = Say | Hang | Work | Close


@dataclass(frozen=True, kw_only=True)
class Post:
    """One POST as it arrived."""

    body: dict[str, Any]
    raw: bytes
    headers: dict[str, str]
    path: str
    at: float
    """Loop time, seconds."""

    @property
    def keys(self) -> list[dict[str, Any]]:
        return [hint["key"] for hint in self.body["hints"]]

    @property
    def hint(self) -> dict[str, Any]:
        """The only hint of this POST."""
        (hint,) = self.body["hints"]
        return hint


class Application:
    """`async with Application() as app`: listens until the end of the block."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.port = 0
        self.behaviour: Behaviour = Say()
        """For every POST that `then` says nothing about."""
        self.judge: Callable[[dict[str, Any]], Behaviour] | None = None
        """Decides by the body, before everything else."""
        self.working: list[str] = []
        """Keys (JSON) being worked on right now; a resync is "*"."""
        self.overlaps: list[str] = []
        """Keys that came a second time while they were being worked on; anything beside a resync."""
        self.most_at_once = 0
        self._script: deque[Behaviour] = deque()
        self._seen = 0
        self._changed = asyncio.Condition()
        self._released = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release()
        await self.refuse()

    async def listen(self) -> None:
        """Accept connections, after a `refuse` on the same port again."""
        self._runner = web.ServerRunner(web.Server(self._handle, keepalive_timeout=3600), shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def refuse(self) -> None:
        """Close all connections and the port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def close_idle_connections(self) -> None:
        """What every server does to kept-alive connections one day, at the worst moment."""
        assert self._runner is not None
        for handler in list(self._runner.server.connections):
            handler.transport.close()

    def then(self, *behaviours: Behaviour) -> None:
        """Behave so for the next POSTs, one each; after that as `behaviour` says."""
        self._script.extend(behaviours)

    def release(self) -> None:
        """Let all who hang have their 200."""
        self._released.set()
        self._released = asyncio.Event()

    async def next_post(self) -> Post:
        """The next POST that no `next_post` has returned yet."""
        await self.until(lambda posts: len(posts) > self._seen)
        self._seen += 1
        return self.posts[self._seen - 1]

    async def until(self, predicate: Callable[[list[Post]], bool]) -> None:
        """Return when it holds; TimeoutError after PATIENCE_S of the loop's time."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: predicate(self.posts))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.content.read()  # not request.read(), which answers 413 to more than 1 MiB
        body = json.loads(raw)
        names = [json.dumps(hint["key"]) for hint in body["hints"]] or ["*"]
        self.overlaps += [name for name in names if name in self.working or (self.working and name == "*")]
        self.overlaps += ["*"] if "*" in self.working else []
        self.working += names
        self.most_at_once = max(self.most_at_once, len(self.working))
        at = asyncio.get_running_loop().time()
        async with self._changed:
            self.posts.append(Post(body=body, raw=raw, headers=dict(request.headers), path=request.path_qs, at=at))
            self._changed.notify_all()
        try:
            return await self._behave(request, self._behaviour(body))
        finally:
            for name in names:
                self.working.remove(name)

    def _behaviour(self, body: dict[str, Any]) -> Behaviour:
        if self.judge is not None:
            return self.judge(body)
        return self._script.popleft() if self._script else self.behaviour

    async def _behave(self, request: web.BaseRequest, behaviour: Behaviour) -> web.StreamResponse:
        match behaviour:
            case Say(status=status, body=body, headers=headers):
                return web.Response(status=status, body=body, headers=headers)
            case Hang():
                await self._released.wait()
                return web.Response()
            case Work(seconds=seconds):
                await asyncio.sleep(seconds)
                return web.Response()
            case Close(reset=reset, within_body=within_body):
                return await _cut(request, reset=reset, within_body=within_body)


async def _cut(request: web.BaseRequest, *, reset: bool, within_body: bool) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    assert request.transport is not None
    if within_body:
        await response.prepare(request)
        await response.write(b"x" * 50)
    if reset:
        linger = struct.pack("ii", 1, 0)
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        request.transport.abort()
    else:
        request.transport.close()
    return response
