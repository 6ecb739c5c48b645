"""An inbox, a deliverer and an application, wired as the sidecar does it: what a test of deliveries starts from."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.deliverer.breaker import Breaker
from notifychannel_sidecar.deliverer.courier import Courier, Surroundings
from notifychannel_sidecar.deliverer.deliverer import Deliverer
from notifychannel_sidecar.deliverer.endpoint import open_session
from notifychannel_sidecar.deliverer.trace import Untraced
from notifychannel_sidecar.hints import Mode, Reason
from notifychannel_sidecar.inbox.inbox import Inbox
from tests.application import PATIENCE_S, Application
from tests.notification import channel, dice, payload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.deliverer.answer import Answer


@dataclass(kw_only=True)
class Carrying:
    """The running parts, and what the deliverer reported."""

    app: Application
    inbox: Inbox
    deliverer: Deliverer
    channels: dict[str, ChannelConfig]
    answers: list[Answer] = field(default_factory=list)
    token: str | None = None
    mode: Mode = Mode.LISTENING
    _answered: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def put(self, *orders: int, name: str = "orders", **how: Any) -> None:
        self.inbox.put(name, payload(*orders, **how), self.now)

    def resync(self, reason: Reason = Reason.START, *, since: str | None = None, name: str = "orders") -> None:
        self.inbox.resync(name, reason, self.now, since=since)

    def configure(self, *channels: ChannelConfig) -> None:
        """As a reload does, at the application's port."""
        self.channels = {config.name: replace(config, port=self.app.port) for config in channels}
        self.inbox.configure(list(self.channels.values()), self.now)
        self.deliverer.configure(list(self.channels.values()))

    def on_answer(self, answer: Answer) -> None:
        self.answers.append(answer)
        self._notifier = asyncio.ensure_future(self._notify())

    async def until_answers(self, predicate: Callable[[list[Answer]], bool]) -> None:
        """Return when the deliverer has reported such answers."""
        async with asyncio.timeout(PATIENCE_S), self._answered:
            await self._answered.wait_for(lambda: predicate(self.answers))

    async def _notify(self) -> None:
        async with self._answered:
            self._answered.notify_all()


@asynccontextmanager
async def carrying(*channels: ChannelConfig, max_in_flight: int = 4, budget: int = 100_000) -> AsyncIterator[Carrying]:
    """Deliveries to a fresh application until the end of the block; polls are off unless a channel wants them."""
    async with Application() as app, open_session() as http:
        inbox = Inbox(
            budget=budget,
            on_due=lambda name: deliverer.wake(name),  # noqa: PLW0108 - it comes later
            random=dice(),
        )
        surroundings = Surroundings(
            http=http,
            token=lambda: parts.token,
            mode=lambda: parts.mode,
            on_answer=lambda answer: parts.on_answer(answer),  # noqa: PLW0108 - it comes later
            tracer=Untraced(),
            max_in_flight=max_in_flight,
        )
        deliverer = Deliverer(
            source=lambda _: inbox,
            carrier=lambda config, source: Courier(
                config, source=source, surroundings=surroundings, breaker=Breaker(random=dice())
            ),
        )
        parts = Carrying(app=app, inbox=inbox, deliverer=deliverer, channels={})
        parts.configure(*(channels or [channel(window=0.0)]))
        running = asyncio.create_task(deliverer.run())
        try:
            yield parts
        finally:
            running.cancel()
            await asyncio.wait([running])
        if not running.cancelled():
            running.result()
