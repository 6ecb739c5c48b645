"""The sidecar, wired: files → listener → inbox ← deliverer, with status and metrics beside them.

    run() ── listening, delivering ── finish() ──► delivering what is pending, bounded ──► idle ── stop() ──► end

A channel that is delivered AtLeastOnce has the claimer's `durable` in the inbox's place.

The parts never build each other; this does. Refuses to touch signals and the environment: __main__ does.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar import health, status
from notifychannel_sidecar.clock import Clock
from notifychannel_sidecar.deliverer import endpoint
from notifychannel_sidecar.deliverer.courier import Surroundings
from notifychannel_sidecar.deliverer.deliverer import Deliverer
from notifychannel_sidecar.durable.claimer import Claimer
from notifychannel_sidecar.durable.durable import Durable
from notifychannel_sidecar.durable.escalation import Escalation
from notifychannel_sidecar.durable_metrics import DurableMetrics
from notifychannel_sidecar.events import Event
from notifychannel_sidecar.inbox.inbox import Inbox
from notifychannel_sidecar.inbox_metrics import InboxMetrics
from notifychannel_sidecar.listener.backoff import Backoff
from notifychannel_sidecar.listener.listener import Listener
from notifychannel_sidecar.metrics import Metrics
from notifychannel_sidecar.relay.candidate import Candidate
from notifychannel_sidecar.reload import Files
from notifychannel_sidecar.sorting import Sorting
from notifychannel_sidecar.spans import spans
from notifychannel_sidecar.state import Phase, State
from notifychannel_sidecar.stream_metrics import StreamMetrics
from notifychannel_sidecar.ways import Ways

if TYPE_CHECKING:
    import aiohttp

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.deliverer.trace import Tracer
    from notifychannel_sidecar.inbox.work import Work
    from notifychannel_sidecar.listener.look import Look
    from notifychannel_sidecar.listener.roundtrip import RoundTrip
    from notifychannel_sidecar.settings import Settings

log = logging.getLogger(__name__)

FINISH_TIMEOUT_S = 5.0
"""For the deliveries of `finish`; a pod has 30 s by default, shared with the application's own end."""

LEAVE_TIMEOUT_S = 2.0
"""Then, for telling the queue of them."""


def installed_version() -> str:
    """Of this package."""
    try:
        return version("notifychannel")
    except PackageNotFoundError:
        return "unknown"


class Sidecar:
    """One sidecar: `await run()` once; `finish` and `stop` may be called at any time, by signals."""

    def __init__(self, settings: Settings) -> None:
        self.port: int | None = None
        """Of the status server, once it serves."""
        self._settings = settings
        self._version = installed_version()
        self._state = State(phase=Phase.CONNECTING, since_s=time.time())
        self._trip: RoundTrip | None = None
        self._finish = asyncio.Event()
        self._stop = asyncio.Event()
        self._clock = clock = Clock()
        self._metrics = Metrics(clock=clock, version=self._version)
        self._inbox = Inbox(budget=settings.max_keys, on_due=self._on_due, clock=clock)
        self._durable = Durable(on_due=self._on_due, on_entered=self._on_entered)
        self._sorting = Sorting(inbox=self._inbox, durable=self._durable)
        self._claimer = Claimer(
            durable=self._durable, backoff=Backoff(), escalation=Escalation(post=self._escalate),
            on_state=self._on_claims,
        )  # fmt: skip
        self._claims: State | None = None
        self._listener = Listener(
            sink=self._sorting, backoff=Backoff(), on_state=self._on_state, on_round_trip=self._on_round_trip,
            on_relay=self._on_relay,
        )  # fmt: skip
        self._candidate = Candidate(backoff=Backoff(), on_drain=self._metrics.on_drain, on_role=self._metrics.on_role)
        self._files = Files(
            config_path=settings.config, secret_path=settings.secret, on_change=self._on_change,
            on_reload=lambda good: self._metrics.on_reload(good=good),
        )  # fmt: skip
        self._ways = Ways(
            local_port=settings.local_port, token=lambda: self._files.token, mode=lambda: self._state.mode,
            channels=lambda: None if self._files.config is None else self._files.config.channels,
            durable=self._durable, on_answer=self._metrics.on_answer,
        )  # fmt: skip
        self._deliverer: Deliverer | None = None

    def finish(self) -> None:
        """Stop listening, deliver what is pending, then stay idle until `stop`."""
        self._finish.set()

    def stop(self) -> None:
        """Finish if that was not asked for yet, then end."""
        self._finish.set()
        self._stop.set()

    async def run(self) -> None:
        """Until `stop`; raises what is a bug, and OSError when the status port is taken."""
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(endpoint.open_session())
            tracer = await stack.enter_async_context(
                spans.opened(
                    wanted=self._settings.spans, pod=self._settings.pod, version=self._version,
                    config=lambda: self._files.config,
                    database_us=lambda: self._clock.arrival_us(asyncio.get_running_loop().time()),
                )
            )  # fmt: skip
            self._deliverer = deliverer = self._make_deliverer(http, tracer)
            self._metrics.add(
                InboxMetrics(names=self._names, counts=self._sorting.counts, breaker_open=deliverer.breaker_open)
            )
            self._metrics.add(DurableMetrics(agendas=self._durable.named))
            self._metrics.add(StreamMetrics(stream=self._ways.stream))
            self.port = await stack.enter_async_context(
                health.serve(
                    host=self._settings.status_host, port=self._settings.status_port, status=self.status,
                    metrics=self._metrics.text,
                )
            )  # fmt: skip
            async with asyncio.TaskGroup() as group:
                hearing = [group.create_task(it.run()) for it in (self._files, self._listener, self._candidate)]
                claiming = group.create_task(self._claimer.run())
                delivering = group.create_task(deliverer.run())
                door = group.create_task(self._ways.door.run())
                await self._finish.wait()
                await self._finishing(hearing, deliverer, claiming)
                delivering.cancel()
                door.cancel()
            await self._stop.wait()

    def status(self) -> dict[str, Any]:
        """What /status says."""
        deliverer = self._deliverer
        return status.overview(
            pod=self._settings.pod, version=self._version, state=self._state, trip=self._trip,
            now_s=time.monotonic(), files=self._files, relay=status.relay(self._candidate),
            channels={
                config.name: status.channel(
                    config, self._sorting.counts(config.name),
                    delivering=self._ways.delivering(config, deliverer.delivering(config.name)),
                    breaker_open=deliverer.breaker_open(config.name), agenda=self._durable.agenda(config.name),
                    claims=self._claims, readers=self._ways.stream.readers(config.name),
                )
                for config in self._channels()
                if deliverer is not None
            },
        )  # fmt: skip

    def _make_deliverer(self, http: aiohttp.ClientSession, tracer: Tracer) -> Deliverer:
        surroundings = Surroundings(
            http=http, token=lambda: self._files.token, mode=lambda: self._state.mode,
            on_answer=self._metrics.on_answer, tracer=tracer,
        )  # fmt: skip

        return Deliverer(source=lambda config: self._sorting.of(config.name), carrier=self._ways.carriers(surroundings))

    async def _finishing(
        self, hearing: list[asyncio.Task[Any]], deliverer: Deliverer, claiming: asyncio.Task[None]
    ) -> None:
        log.info(
            "finishing: no more listening; delivering what is pending, for up to %.0f s",
            FINISH_TIMEOUT_S,
            extra=Event.FINISHING.tag,
        )
        for task in hearing:
            task.cancel()
        await asyncio.wait(hearing)
        self._on_state(State(phase=Phase.FINISHED, since_s=time.time()))
        self._durable.hurry(asyncio.get_running_loop().time())
        await deliverer.finish(FINISH_TIMEOUT_S)
        await self._ways.stream.end()
        await self._until_answered()
        await asyncio.wait([claiming], timeout=LEAVE_TIMEOUT_S)
        claiming.cancel()
        left = sum(self._sorting.counts(name).pending_keys for name in self._names())
        log.info(
            "finished; %d keys are left to the application's next start; waiting for the end",
            left,
            extra=Event.FINISHED.tag,
        )

    async def _until_answered(self) -> None:
        """Workers may be at their claims for as long as the pod lives: its other containers end before this one."""
        waiting = [asyncio.create_task(it) for it in (self._ways.desks.finish(), self._stop.wait())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    def _channels(self) -> tuple[ChannelConfig, ...]:
        return self._files.config.channels if self._files.config else ()

    def _names(self) -> list[str]:
        return [config.name for config in self._channels()]

    def _on_change(self) -> None:
        """The inbox first: a channel is known there before it is heard."""
        if self._files.config is not None:
            self._sorting.configure(self._files.config)
        self._ways.configure(self._channels())
        if self._deliverer is not None:
            self._deliverer.configure(self._channels())
        target = self._files.target(self._settings.pod)
        self._candidate.aim(target)
        self._claimer.aim(target)
        self._listener.aim(target)

    def _on_due(self, name: str) -> None:
        if self._deliverer is not None:
            self._deliverer.wake(name)

    def _on_entered(self, name: str) -> None:
        """The queue knows a channel that the inbox has kept until now."""
        if self._sorting.is_moving(name) and self._files.config is not None:
            self._sorting.configure(self._files.config)
            if self._deliverer is not None:
                self._deliverer.configure(self._channels())

    def _on_claims(self, state: State) -> None:
        self._claims = state
        self._metrics.on_claims(state)

    async def _escalate(self, work: Work[Any], path: str) -> bool:
        return self._deliverer is not None and await self._deliverer.escalate(work, path)

    def _on_state(self, state: State) -> None:
        self._state = state
        self._metrics.on_state(state)
        self._ways.stream.mode_changed()

    def _on_relay(self, look: Look) -> None:
        self._candidate.look(look)
        self._metrics.on_relay(look)

    def _on_round_trip(self, trip: RoundTrip) -> None:
        self._trip = trip
        self._metrics.on_round_trip(trip)
