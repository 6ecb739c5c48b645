"""An inbox, a deliverer and the stream at a real port, wired as the sidecar does it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.deliverer.deliverer import Deliverer
from notifychannel_sidecar.hints import Mode, Reason
from notifychannel_sidecar.inbox.inbox import Inbox
from notifychannel_sidecar.local.server import serve
from notifychannel_sidecar.stream.routes import routes
from notifychannel_sidecar.stream.stream import Stream
from notifychannel_sidecar.stream.streamer import Streamer
from tests.notification import channel, dice, payload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.deliverer.answer import Answer


def streamed(**settings: Any) -> ChannelConfig:
    """`orders` without an endpoint, at once."""
    return channel(**{"port": 0, "path": "", "window": 0.0, **settings})


@dataclass(kw_only=True)
class Streaming:
    """The running parts."""

    inbox: Inbox
    stream: Stream
    deliverer: Deliverer
    port: int = 0
    token: str | None = None
    answers: list[Answer] = field(default_factory=list)
    _mode: Mode = Mode.LISTENING

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def put(self, *orders: int, name: str = "orders", **how: Any) -> None:
        self.inbox.put(name, payload(*orders, **how), self.now)

    def resync(self, reason: Reason = Reason.RECONNECT, *, since: str | None = None, name: str = "orders") -> None:
        self.inbox.resync(name, reason, self.now, since=since)

    def configure(self, *channels: ChannelConfig) -> None:
        """As a reload does."""
        self.inbox.configure(channels, self.now)
        self.stream.configure(channels)
        self.deliverer.configure(channels)

    def say(self, mode: Mode) -> None:
        """What the listener has come to."""
        self._mode = mode
        self.stream.mode_changed()

    def mode(self) -> Mode:
        return self._mode


@asynccontextmanager
async def streaming(*channels: ChannelConfig, port: int = 0) -> AsyncIterator[Streaming]:
    """Served until the end of the block; polls are off unless a channel wants them."""
    inbox = Inbox(budget=100_000, on_due=lambda name: deliverer.wake(name), random=dice())  # noqa: PLW0108 - it comes later
    stream = Stream(mode=lambda: parts.mode())  # noqa: PLW0108 - it comes later
    deliverer = Deliverer(
        source=lambda _: inbox,
        carrier=lambda config, source: Streamer(
            config,
            source=source,
            stream=stream,
            on_answer=lambda answer: parts.answers.append(answer),  # noqa: PLW0108
        ),
    )
    parts = Streaming(inbox=inbox, stream=stream, deliverer=deliverer)
    parts.configure(*(channels or [streamed()]))
    running = asyncio.create_task(deliverer.run())
    try:
        async with serve(port=port, token=lambda: parts.token, routes=routes(stream)) as parts.port:
            yield parts
    finally:
        running.cancel()
        await asyncio.wait([running])
