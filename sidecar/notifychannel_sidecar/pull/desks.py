"""All desks of a sidecar: finds the one of a channel, and the one that a claim is of; says why there is none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from notifychannel_sidecar.config import Way
from notifychannel_sidecar.durable.settlement import Outcome
from notifychannel_sidecar.pull.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.deliverer.answer import Answer
    from notifychannel_sidecar.deliverer.source import Source
    from notifychannel_sidecar.durable.durable import Durable
    from notifychannel_sidecar.pull.request import Acknowledging

NOT_YET = "the sidecar waits for its configuration; ask again"
CROWDED = "too many claims of this channel wait here already; ask again, for more hints at once, from fewer places"
FINISHING = "the sidecar is ending: it hands out nothing more, and takes acknowledgements"
OTHER_WAYS = {
    Way.POST: "is POSTed to the application's endpoint; to claim it, leave out `endpoint` with `delivery: AtLeastOnce`",
    Way.STREAM: "is streamed: read it at GET /v1/stream; to claim it, write `delivery: AtLeastOnce`",
}


class RefusedError(Exception):
    """`status` of HTTP, and a sentence about what to do."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Desks:
    """A door of the package: makes desks, and speaks for all of them."""

    def __init__(
        self,
        *,
        durable: Durable,
        channels: Callable[[], Sequence[ChannelConfig] | None],
        on_answer: Callable[[Answer], None],
    ) -> None:
        """`channels`: those of the configuration; None: there is none yet."""
        self._durable = durable
        self._channels = channels
        self._on_answer = on_answer
        self._desks: dict[str, Desk] = {}
        self._closed: list[Desk] = []
        """Of channels that are claimed no more, while somebody may still answer."""

    def make(self, config: ChannelConfig, source: Source) -> Desk:
        """The desk of a channel from now on."""
        self._closed = [desk for desk in self._closed if desk.minds]
        if (before := self._desks.get(config.name)) is not None:
            self._closed.append(before)
        desk = Desk(config, source=source, durable=self._durable, on_answer=self._on_answer)
        self._desks[config.name] = desk
        return desk

    def of(self, channel: str) -> Desk:
        """Where it is claimed; raises RefusedError."""
        if (channels := self._channels()) is None:
            raise RefusedError(503, NOT_YET)
        way = next((config.way for config in channels if config.name == channel), None)
        if way is None:
            names = ", ".join(config.name for config in channels if config.way is Way.CLAIM)
            raise RefusedError(404, f"there is no such channel; to be claimed: {names or 'none'}")
        if way is not Way.CLAIM:
            raise RefusedError(409, f"channel {channel} {OTHER_WAYS[way]}")
        desk = self._desks.get(channel)
        if desk is None:
            raise RefusedError(503, NOT_YET)
        if desk.is_closing:
            raise RefusedError(503, FINISHING)
        if desk.is_full:
            raise RefusedError(503, CROWDED)
        return desk

    async def finish(self) -> None:
        """Return when all that is out was answered, or nobody has in time."""
        for desk in self._desks.values():
            await desk.finish()

    async def acknowledge(self, said: Acknowledging) -> dict[str, int | list[str]]:
        """What became of them, when the queue has heard of it."""
        done = self._settle(said.done, Outcome.DONE)
        retry = self._settle(said.retry, Outcome.RETRY, said.error)
        released = self._settle(said.release, Outcome.BACK)
        extended = {token: self._extend(token) for token in said.extend}
        settled = {token: told for token, told in {**done, **retry, **released}.items() if told is not None}
        if settled:
            await asyncio.wait(settled.values())
        heard = {token for token, told in settled.items() if told.result()}
        heard |= {token for token, did in extended.items() if did}
        return {
            "done": len(heard & done.keys()),
            "retry": len(heard & retry.keys()),
            "released": len(heard & released.keys()),
            "extended": len(heard & extended.keys()),
            "gone": [token for token in (*done, *retry, *released, *extended) if token not in heard],
        }

    def _settle(
        self, tokens: Iterable[str], outcome: Outcome, error: str | None = None
    ) -> dict[str, asyncio.Future[bool] | None]:
        return {
            token: None if (desk := self._with(token)) is None else desk.settle(token, outcome, error)
            for token in tokens
        }

    def _extend(self, token: str) -> bool:
        desk = self._with(token)
        return desk is not None and desk.extend(token)

    def _with(self, token: str) -> Desk | None:
        return next((desk for desk in (*self._desks.values(), *self._closed) if desk.has(token)), None)
