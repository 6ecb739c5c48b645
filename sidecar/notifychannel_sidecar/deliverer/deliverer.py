"""Takes what is due from its source and tells the application: one courier a channel, all under one roof.

Knows no database. What it can't deliver goes back there; it loses nothing and drops nothing.
"""

from __future__ import annotations

import asyncio
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.deliverer.breaker import Breaker
from notifychannel_sidecar.deliverer.courier import NOTHING_YET, Courier, Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    import aiohttp

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.deliverer.answer import Answer
    from notifychannel_sidecar.deliverer.source import Source
    from notifychannel_sidecar.deliverer.trace import Tracer
    from notifychannel_sidecar.hints import Mode
    from notifychannel_sidecar.inbox.work import Work


class Deliverer:
    """Delivers for the channels that `configure` named last."""

    def __init__(
        self,
        *,
        source: Callable[[ChannelConfig], Source],
        http: aiohttp.ClientSession,
        token: Callable[[], str | None],
        mode: Callable[[], Mode],
        on_answer: Callable[[Answer], None],
        tracer: Tracer,
        max_in_flight: int = 4,
        random: Random | None = None,
    ) -> None:
        """`source`: where a channel's work comes from, asked at each `configure`; `http`: from
        `endpoint.open_session()`; `token`: asked at each POST; `max_in_flight`: POSTs per channel.
        """
        self._source = source
        self._random = random or SystemRandom()
        self._surroundings = Surroundings(
            http=http, token=token, mode=mode, on_answer=on_answer, tracer=tracer, max_in_flight=max_in_flight
        )
        self._couriers: dict[str, Courier] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    def configure(self, channels: Sequence[ChannelConfig]) -> None:
        """The channels from now on, after their sources were told; before or while `run` runs."""
        wanted = {config.name: config for config in channels}
        for name in self._couriers.keys() - wanted.keys():
            del self._couriers[name]
            if (task := self._tasks.pop(name, None)) is not None:
                task.cancel()
        for name, config in wanted.items():
            if (courier := self._couriers.get(name)) is not None:
                courier.configure(config, self._source(config))
            else:
                self._couriers[name] = Courier(
                    config, source=self._source(config), surroundings=self._surroundings,
                    breaker=Breaker(random=self._random),
                )  # fmt: skip
                self._start(name)

    async def run(self) -> None:
        """Deliver until cancelled, which also breaks off what is in flight."""
        async with asyncio.TaskGroup() as self._group:
            for name in self._couriers:
                self._start(name)
            await asyncio.Event().wait()

    def wake(self, name: str) -> None:
        """Something of this channel may be due: what a source calls as `on_due`."""
        if (courier := self._couriers.get(name)) is not None:
            courier.wake()

    async def finish(self, timeout: float) -> None:  # noqa: ASYNC109 - it is a budget: what is not done then stays undone
        """Everything pending is due at once, one attempt each; returns when done, or after `timeout` seconds."""
        for source in {id(courier.source): courier.source for courier in self._couriers.values()}.values():
            source.hurry(asyncio.get_running_loop().time())
        waiting = [asyncio.create_task(courier.finish()) for courier in self._couriers.values()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=timeout)
            for task in late:
                task.cancel()

    async def escalate(self, work: Work[Any], path: str) -> bool:
        """Tell of something that nobody has acknowledged for too long, at that path; whether that was acknowledged."""
        courier = self._couriers.get(work.channel)
        return courier is not None and await courier.escalate(work, path)

    def delivering(self, name: str) -> tuple[bool, str]:
        """Whether the last POST of this channel was acknowledged, and a sentence about its answer."""
        courier = self._couriers.get(name)
        return (True, NOTHING_YET) if courier is None else courier.delivering

    def breaker_open(self, name: str) -> bool:
        """Whether the channel's endpoint is in trouble."""
        courier = self._couriers.get(name)
        return courier is not None and courier.breaker_open

    def _start(self, name: str) -> None:
        if self._group is not None and name not in self._tasks:
            self._tasks[name] = self._group.create_task(self._couriers[name].run())
