"""One channel's way to the stream: waits until something is due, puts it there, and is done with it.

Never waits for a reader: what one has missed it is told when it comes back. A `Carrier`.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.deliverer.alarm import Alarm
from notifychannel_sidecar.deliverer.answer import Answer, Outcome
from notifychannel_sidecar.deliverer.carrier import NOTHING_YET
from notifychannel_sidecar.stream.shelves import EVENT_HINTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.deliverer.source import Source
    from notifychannel_sidecar.inbox.work import Work
    from notifychannel_sidecar.stream.stream import Stream

NOBODY = "nobody reads the stream"
READS = "the application reads the stream"


class Streamer:
    """Puts one channel's hints on the stream while `run` runs."""

    def __init__(
        self, config: ChannelConfig, *, source: Source, stream: Stream, on_answer: Callable[[Answer], None]
    ) -> None:
        self._config = config
        self._source = source
        self._stream = stream
        self._on_answer = on_answer
        self._alarm = Alarm()
        self._idle = asyncio.Event()

    @property
    def source(self) -> Source:
        """Where the next work is to come from."""
        return self._source

    @property
    def delivering(self) -> tuple[bool, str]:
        """Whether somebody reads, or nobody had to."""
        counts = self._stream.counts(self._config.name)
        if counts.unread:
            return False, NOBODY
        return True, READS if counts.readers else NOTHING_YET

    @property
    def breaker_open(self) -> bool:
        """Nobody is left alone here."""
        return False

    def configure(self, config: ChannelConfig, source: Source) -> None:
        """Other settings, at once: nothing is ever in flight."""
        self._config = config
        self._source = source
        self.wake()

    def wake(self) -> None:
        """Something may be due earlier than expected."""
        self._alarm.wake()

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._alarm.clear()
            now = loop.time()
            due = self._source.next_due(self._config.name, now)
            if due is None or due > now:
                self._idle.set()
                await self._alarm.wait_until(math.inf if due is None else due)
            elif (work := self._source.take(self._config.name, now)) is not None:
                self._put(work, now)
                for _ in range(0, len(work.hints) + 1, EVENT_HINTS):
                    await asyncio.sleep(0)  # readers go on between two works, so a burst does not leave them behind

    async def finish(self) -> None:
        """Return when nothing is due and all who read have been told. Needs `run`."""
        self._idle.clear()
        self.wake()
        await self._idle.wait()
        await self._stream.drained()

    async def escalate(self, work: Work[Any], path: str) -> bool:  # noqa: ARG002 - a Carrier's
        """Nothing here is AtLeastOnce."""
        return False

    def _put(self, work: Work[Any], now: float) -> None:
        self._stream.put(work)
        self._source.acknowledge(work, now)
        if not self._stream.counts(work.channel).unread:
            self._on_answer(_answer(work))


def _answer(work: Work[Any]) -> Answer:
    return Answer(
        channel=work.channel, outcome=Outcome.ACKNOWLEDGED, status=None, fault=None, word="stream",
        hints=len(work.hints), reason=None if work.hints else work.reason, seconds=0.0,
        first_at_us=tuple(hint.first_at_us for hint in work.hints),
        waited_s=tuple(hint.waited_s for hint in work.hints), breaker_open=False,
    )  # fmt: skip
