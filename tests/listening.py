"""A real Listener on a real server, with what it puts and says written down, and waits for what is awaited."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from notifychannel_sidecar.config import ChannelConfig, Config
from notifychannel_sidecar.listener.backoff import Backoff
from notifychannel_sidecar.listener.connection import Timings
from notifychannel_sidecar.listener.listener import Listener
from notifychannel_sidecar.listener.target import Target
from notifychannel_sidecar.state import Phase, State, Why

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifychannel_sidecar.hints import Reason
    from notifychannel_sidecar.inbox.inbox import Inbox

PATIENCE_S = 40.0
QUICK = Timings(
    connect_timeout_s=1.5, statement_timeout_s=1.5, round_trip_interval_s=0.2, round_trip_timeout_s=1.0,
    close_timeout_s=0.5,
)  # fmt: skip
"""The product's knobs turned down, so that a test needs no minute."""


def channel(name: str = "orders", **changes: Any) -> ChannelConfig:
    """A channel without sources that listens to the PostgreSQL channel of its own name."""
    made = ChannelConfig(name=name, pg_channel=name, sources=False, port=1, path="/", resync_spread=0.5)
    return replace(made, **changes)


def config(*channels: ChannelConfig, **changes: Any) -> Config:
    """A configuration with these channels, by default one."""
    return replace(
        Config(installation="i", namespace="shop", group="api", channels=channels or (channel(),)), **changes
    )


def target(dsn: str, *channels: ChannelConfig, fingerprint: str = "1", **changes: Any) -> Target:
    """A way to that database with these channels."""
    return Target(config=config(*channels, **changes), pod="api-7f9c", fingerprint=fingerprint, arguments={"dsn": dsn})


@dataclass(kw_only=True)
class Listening:
    """`async with Listening(target=...) as listening:` runs it; `until` waits for what it writes down."""

    target: Target | Why
    timings: Timings = QUICK
    backoff: Backoff = field(default_factory=lambda: Backoff(initial_s=0.05, maximum_s=0.3))
    puts: list[tuple[str, Any]] = field(default_factory=list)
    resyncs: list[dict[str, Any]] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    trips: list[Any] = field(default_factory=list)
    clock: tuple[float, int] | None = None
    servers: int = 0
    """How many different ones have answered in a row."""
    inbox: Inbox | None = None
    """What is heard goes there too, as in the product."""
    poison: str | None = None
    """A payload that the sink fails at."""
    listener: Listener = field(init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> Self:
        self.listener = Listener(
            sink=self, backoff=self.backoff, on_state=self._on_state, on_round_trip=self._on_trip,
            timings=self.timings,
        )  # fmt: skip
        self.listener.aim(self.target)
        self._task = asyncio.create_task(self.listener.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def put(self, name: str, payload: Any, now: float) -> None:
        if payload == self.poison:
            raise ValueError(payload)
        self.puts.append((name, payload))
        if self.inbox is not None:
            self.inbox.put(name, payload, now)
        self._changed.set()

    def resync(self, name: str, reason: Any, now: float, *, since: Any, delay: float) -> None:
        self.resyncs.append({"name": name, "reason": reason.value, "since": since, "delay": delay})
        if self.inbox is not None:
            self.inbox.resync(name, reason, now, since=since, delay=delay)
        self._changed.set()

    def set_clock(self, now: float, database_us: int) -> None:
        self.clock = (now, database_us)

    def round_trip_starts(self) -> bool:
        return self.inbox is not None and self.inbox.round_trip_starts()

    def round_trip(self, now: float, **transactions: Any) -> None:
        if self.inbox is not None:
            self.inbox.round_trip(now, **transactions)

    def another_server(self) -> None:
        self.servers += 1
        if self.inbox is not None:
            self.inbox.another_server()

    def asked(self, reason: Reason) -> int:
        """How many resyncs the inbox was asked for, and asked itself for, with this reason."""
        assert self.inbox is not None
        return self.inbox.counts("orders").resyncs.get(reason, 0)

    async def more_trips(self, number: int = 2) -> None:
        """Wait for that many whole round trips."""
        trips = len(self.trips)
        await self.until(lambda: len(self.trips) > trips + number)

    def _on_state(self, state: State) -> None:
        self.states.append(state)
        self._changed.set()

    def _on_trip(self, trip: Any) -> None:
        self.trips.append(trip)
        self._changed.set()

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until it holds; fails with what was seen when it never does, or when the listener ended."""
        assert self._task is not None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():
                    self._changed.clear()
                    changed = asyncio.create_task(self._changed.wait())
                    await asyncio.wait({changed, self._task}, return_when=asyncio.FIRST_COMPLETED)
                    changed.cancel()
                    if self._task.done():
                        await self._task
        except TimeoutError:
            raise AssertionError(f"not seen; states {self.seen}, resyncs {self.resyncs}") from None

    @property
    def seen(self) -> list[str]:
        """Phases and reasons, in order."""
        return [state.why.value if state.why else state.phase.value for state in self.states]

    @property
    def is_listening(self) -> bool:
        return bool(self.states) and self.states[-1].phase is Phase.LISTENING

    async def listens(self) -> None:
        """Wait until it is proven now."""
        await self.until(lambda: self.is_listening)

    async def says(self, why: str, *, after: int = 0) -> int:
        """Wait for a reason past that many states; how many states there were then."""
        await self.until(lambda: why in self.seen[after:])
        return self.seen.index(why, after) + 1

    async def listens_after(self, count: int) -> None:
        """Wait until it is proven again, past that many states."""
        await self.until(lambda: "LISTENING" in self.seen[count:])
