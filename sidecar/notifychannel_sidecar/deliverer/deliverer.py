"""Takes what is due from its source and tells the application: one carrier a channel, all under one roof.

Knows no database. What it can't deliver goes back there; it loses nothing and drops nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.deliverer.carrier import NOTHING_YET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from notifychannel_sidecar.config import ChannelConfig, Way
    from notifychannel_sidecar.deliverer.carrier import Carrier
    from notifychannel_sidecar.deliverer.source import Source
    from notifychannel_sidecar.inbox.work import Work


class Deliverer:
    """Delivers for the channels that `configure` named last."""

    def __init__(
        self,
        *,
        source: Callable[[ChannelConfig], Source],
        carrier: Callable[[ChannelConfig, Source], Carrier],
    ) -> None:
        """`source`: where a channel's work comes from, asked at each `configure`; `carrier`: makes one for the
        channel's way.
        """
        self._source = source
        self._carrier = carrier
        self._carriers: dict[str, tuple[Way, Carrier]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    def configure(self, channels: Sequence[ChannelConfig]) -> None:
        """The channels from now on, after their sources were told; before or while `run` runs."""
        wanted = {config.name: config for config in channels}
        for name, (way, _) in list(self._carriers.items()):
            if name not in wanted or wanted[name].way is not way:
                self._end(name)
        for name, config in wanted.items():
            if (carrier := self._of(name)) is not None:
                carrier.configure(config, self._source(config))
            else:
                self._carriers[name] = config.way, self._carrier(config, self._source(config))
                self._start(name)

    async def run(self) -> None:
        """Deliver until cancelled, which also breaks off what is in flight."""
        async with asyncio.TaskGroup() as self._group:
            for name in self._carriers:
                self._start(name)
            await asyncio.Event().wait()

    def wake(self, name: str) -> None:
        """Something of this channel may be due: what a source calls as `on_due`."""
        if (carrier := self._of(name)) is not None:
            carrier.wake()

    async def finish(self, timeout: float) -> None:  # noqa: ASYNC109 - it is a budget: what is not done then stays undone
        """Everything pending is due at once, one attempt each; returns when done, or after `timeout` seconds."""
        carriers = [carrier for _, carrier in self._carriers.values()]
        for source in {id(carrier.source): carrier.source for carrier in carriers}.values():
            source.hurry(asyncio.get_running_loop().time())
        waiting = [asyncio.create_task(carrier.finish()) for carrier in carriers]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=timeout)
            for task in late:
                task.cancel()

    async def escalate(self, work: Work[Any], path: str) -> bool:
        """Tell of something that nobody has acknowledged for too long, at that path; whether that was acknowledged."""
        carrier = self._of(work.channel)
        return carrier is not None and await carrier.escalate(work, path)

    def delivering(self, name: str) -> tuple[bool, str]:
        """Whether what this channel handed over last was taken, and a sentence about that."""
        carrier = self._of(name)
        return (True, NOTHING_YET) if carrier is None else carrier.delivering

    def breaker_open(self, name: str) -> bool:
        """Whether the channel's application is in trouble."""
        carrier = self._of(name)
        return carrier is not None and carrier.breaker_open

    def _of(self, name: str) -> Carrier | None:
        _, carrier = self._carriers.get(name, (None, None))
        return carrier

    def _start(self, name: str) -> None:
        if self._group is not None and name not in self._tasks:
            self._tasks[name] = self._group.create_task(self._carriers[name][1].run())

    def _end(self, name: str) -> None:
        del self._carriers[name]
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()
