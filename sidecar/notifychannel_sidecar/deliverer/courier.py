"""One channel's deliveries: waits until something is due and may go, POSTs it, gives it back by the answer.

Up to `max_in_flight` POSTs at once, so a key at which the application hangs does not hold the others; the source sees
to it that no key is in two of them. Knows no merging, no due times and no HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.deliverer.alarm import Alarm
from notifychannel_sidecar.deliverer.answer import (
    Answer,
    Fault,
    Outcome,
    Reply,
    judge,
    retry_after_s,
    retry_ids,
    sentence,
    word,
)
from notifychannel_sidecar.deliverer.carrier import NOTHING_YET
from notifychannel_sidecar.deliverer.endpoint import Endpoint
from notifychannel_sidecar.deliverer.message import body, next_within
from notifychannel_sidecar.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.deliverer.breaker import Breaker
    from notifychannel_sidecar.deliverer.source import Source
    from notifychannel_sidecar.deliverer.trace import Tracer
    from notifychannel_sidecar.hints import Mode
    from notifychannel_sidecar.inbox.work import Work

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all couriers share."""

    http: aiohttp.ClientSession
    token: Callable[[], str | None]
    mode: Callable[[], Mode]
    on_answer: Callable[[Answer], None]
    tracer: Tracer
    max_in_flight: int = 4
    """POSTs of one channel at once."""


class Courier:
    """Carries for one channel while `run` runs. A `Carrier`."""

    def __init__(self, config: ChannelConfig, *, source: Source, surroundings: Surroundings, breaker: Breaker) -> None:
        self._delivering = (True, NOTHING_YET)
        self._config = config
        self._source = self._next_source = source
        self._around = surroundings
        self._breaker = breaker
        self._in_flight = 0
        self._turn = asyncio.Lock()
        self._alarm = Alarm()
        self._idle = asyncio.Event()

    @property
    def source(self) -> Source:
        """Where the next work is to come from."""
        return self._next_source

    @property
    def delivering(self) -> tuple[bool, str]:
        """Whether the last POST was acknowledged, and a sentence about its answer."""
        return self._delivering

    @property
    def breaker_open(self) -> bool:
        """The endpoint is in trouble."""
        return self._breaker.open

    def configure(self, config: ChannelConfig, source: Source) -> None:
        """Other settings, from the next POST on; from another source only when all is answered that came from this."""
        self._config = config
        self._next_source = source
        self.wake()

    def wake(self) -> None:
        """Something may be due earlier than expected."""
        self._alarm.wake()

    async def run(self) -> None:
        """Until cancelled, which also breaks off what is in flight."""
        async with asyncio.TaskGroup() as walks:
            for _ in range(self._around.max_in_flight):
                walks.create_task(self._walk())

    async def _walk(self) -> None:
        """One POST after the other; only one walk at a time waits for what is due, so it starts without a detour."""
        while True:
            async with self._turn:
                work = await self._next_work()
                self._in_flight += 1
                trial = self._breaker.start()
            await self._deliver(work, trial=trial)

    async def _next_work(self) -> Work[Any]:
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            start_at = self._start_at(now)
            if start_at > now:
                await self._alarm.wait_until(start_at)
            elif (work := self._source.take(self._config.name, now)) is not None:
                return work

    async def finish(self) -> None:
        """Return when nothing is due and nothing in flight, or the endpoint is in trouble. Needs `run`."""
        self._breaker.hurry(asyncio.get_running_loop().time())
        self._idle.clear()
        self.wake()
        await self._idle.wait()

    def _start_at(self, now: float) -> float:
        """When the next POST may start; infinite when something has to happen first. Clears what woke us."""
        self._alarm.clear()
        if not self._in_flight:
            self._source = self._next_source
        may_start_at = self._breaker.may_start_at()
        if self._in_flight and (self._breaker.open or self._source is not self._next_source):
            return math.inf
        due = self._source.next_due(self._config.name, now)
        start_at = math.inf if due is None else max(due, may_start_at)
        if start_at > now and not self._in_flight:
            self._idle.set()
        return start_at

    async def _deliver(self, work: Work[Any], *, trial: bool) -> None:
        loop = asyncio.get_running_loop()
        endpoint = self._endpoint(self._config.path)
        started = loop.time()
        try:
            reply = await self._post(work, endpoint, idempotency_key=self._idempotency_key(work))
        except asyncio.CancelledError:
            self._source.broke_off(work)
            raise
        ended = loop.time()
        self._in_flight -= 1
        wanted = retry_ids(reply.body) & {hint.id for hint in work.hints}
        outcome = judge(reply, hints=len(work.hints), retried=len(wanted))
        self._mind_breaker(reply, outcome, ended, trial=trial)
        self._settle(work, reply, outcome, wanted, ended)
        self._note(reply, outcome, endpoint)
        self._around.on_answer(
            _answer(work, reply, outcome, wanted, seconds=ended - started, breaker_open=self._breaker.open)
        )
        self.wake()

    async def escalate(self, work: Work[Any], path: str) -> bool:
        """Tell of something that nobody has acknowledged for too long; whether that was acknowledged.

        Without the hint's key: an application that remembers it must not take the hint for done.
        """
        reply = await self._post(work, self._endpoint(path), idempotency_key=None)
        return judge(reply, hints=len(work.hints), retried=0) is Outcome.ACKNOWLEDGED

    def _endpoint(self, path: str) -> Endpoint:
        config = self._config
        return Endpoint(http=self._around.http, port=config.port, path=path, timeout_s=config.timeout)

    def _idempotency_key(self, work: Work[Any]) -> str | None:
        return work.hints[0].id if self._config.delivery == "AtLeastOnce" and len(work.hints) == 1 else None

    async def _post(self, work: Work[Any], endpoint: Endpoint, *, idempotency_key: str | None) -> Reply:
        message = body(work, mode=self._around.mode(), next_within=next_within(self._config))
        trace = self._around.tracer.begin(work, port=endpoint.port, path=endpoint.path)
        reply = None
        try:
            reply = await endpoint.post(
                message, token=self._around.token(), idempotency_key=idempotency_key,
                traceparent=trace.traceparent() if self._config.traceparent else None,
            )  # fmt: skip
        finally:
            trace.end(reply)
        return reply

    def _settle(self, work: Work[Any], reply: Reply, outcome: Outcome, wanted: frozenset[str], now: float) -> None:
        match outcome:
            case Outcome.ACKNOWLEDGED | Outcome.PARTLY:
                self._source.acknowledge(work, now, wanted)
            case Outcome.ONE_BY_ONE | Outcome.FAILED:
                self._source.retry(work, now, error=word(reply))
            case Outcome.TROUBLE:
                self._source.put_back(work, until=self._breaker.may_start_at(), error=word(reply))

    def _mind_breaker(self, reply: Reply, outcome: Outcome, now: float, *, trial: bool) -> None:
        if outcome is Outcome.TROUBLE:
            asked_s = retry_after_s(reply.retry_after, unix_time=time.time(), poll_interval=self._config.poll_interval)
            self._breaker.trouble(now, trial=trial, retry_after_s=asked_s)
        elif reply.fault is Fault.TIMEOUT:
            self._breaker.unanswered(now, trial=trial)
        else:
            self._breaker.answered()

    def _note(self, reply: Reply, outcome: Outcome, endpoint: Endpoint) -> None:
        good = outcome in (Outcome.ACKNOWLEDGED, Outcome.PARTLY)
        said = sentence(reply, address=endpoint.address, timeout_s=endpoint.timeout_s)
        if (good, said) != self._delivering and not (good and self._delivering[0]):
            level = logging.INFO if good else logging.WARNING
            log.log(
                level,
                "channel %s: %s",
                self._config.name,
                said,
                extra=(Event.DELIVERING if good else Event.NOT_DELIVERING).tag,
            )
        self._delivering = (good, said)


def _answer(
    work: Work[Any], reply: Reply, outcome: Outcome, wanted: frozenset[str], *, seconds: float, breaker_open: bool
) -> Answer:
    delivered = outcome in (Outcome.ACKNOWLEDGED, Outcome.PARTLY)
    return Answer(
        channel=work.channel,
        outcome=outcome,
        status=reply.status,
        fault=reply.fault,
        hints=len(work.hints),
        reason=None if work.hints else work.reason,
        seconds=seconds,
        first_at_us=tuple(hint.first_at_us for hint in work.hints if delivered and hint.id not in wanted),
        waited_s=tuple(hint.waited_s for hint in work.hints),
        breaker_open=breaker_open,
    )
