"""Keeps one proven LISTEN connection for all channels of the group, and puts what it hears into the inbox.

Three loops: `run` tries again, `_listen` holds one session, `_pause` waits once for the next round trip. The state
machine is drawn in state.py. Every (re)subscription puts one resync per channel, after its LISTEN has committed:
PostgreSQL keeps nothing for the absent. Refuses to wait for the application: a notification goes from asyncpg's
callback straight to `put`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from notifychannel_sidecar.events import Event
from notifychannel_sidecar.hints import Reason, earlier, timestamp
from notifychannel_sidecar.listener import failures
from notifychannel_sidecar.listener.connection import Timings, connection
from notifychannel_sidecar.listener.failures import Refused
from notifychannel_sidecar.listener.look import Drains
from notifychannel_sidecar.listener.roundtrip import RoundTrip, Samples, Skips
from notifychannel_sidecar.listener.session import Session
from notifychannel_sidecar.listener.subscriptions import Due, Subscriptions
from notifychannel_sidecar.listener.target import Target
from notifychannel_sidecar.state import Phase, State, Why

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifychannel_sidecar.listener.backoff import Backoff
    from notifychannel_sidecar.listener.look import Look
    from notifychannel_sidecar.listener.session import Identity
    from notifychannel_sidecar.listener.sink import Sink

log = logging.getLogger(__name__)


class _Moved(Exception):  # noqa: N818 - a change of course
    """The target is another server, user or database: this session is over, without blame."""


@dataclass(slots=True, kw_only=True)
class Listener:
    """The database side of the sidecar; give it a target with `aim` and run it once."""

    sink: Sink
    backoff: Backoff
    on_state: Callable[[State], None]
    on_round_trip: Callable[[RoundTrip], None] = lambda _: None
    on_relay: Callable[[Look], None] = lambda _: None
    """How the relay was seen from outside; only where there is an outbox."""
    timings: Timings = field(default_factory=Timings)
    subscriptions: Subscriptions = field(default_factory=lambda: Subscriptions(spread=random.uniform))
    _target: Target | Why = Why.NOT_CONFIGURED
    _names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _identity: Identity | None = None
    _whole_us: int | None = None
    _drains: Drains = field(default_factory=Drains)
    _drained_us: int | None = None
    """As `_whole_us`, of channels that capture by outbox: what waits there has not been heard."""
    _skips: Skips = field(default_factory=Skips)
    _fresh: frozenset[str] = frozenset()
    """Channels with sources that were subscribed to since the last round trip."""
    _samples: Samples = field(default_factory=Samples)
    _proven_s: float | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _aimed: int = 0
    """How often. A target that changed and changed back is equal, but the inbox has dropped what went away."""
    _followed: int = 0
    _state: State | None = None

    def aim(self, target: Target | Why) -> None:
        """What to listen to from now on, or why there is nothing: a living session follows, a waiting one wakes."""
        if target != self._target:
            self._target = target
            self._aimed += 1
            self._news.set()
            if isinstance(target, Target):
                self.subscriptions.keep(target.config.channels)

    async def run(self) -> NoReturn:
        """Listen for ever; raises only what is a bug."""
        while True:
            target = await self._given()
            try:
                await self._listen(target)
            except _Moved:
                log.info("the connection's settings changed; connecting anew", extra=Event.CONNECTING_ANEW.tag)
            except Exception as error:
                why = failures.why(error)
                if why is None:
                    raise
                await self._wait(why, error)

    async def _given(self) -> Target:
        while isinstance(self._target, Why):
            self._news.clear()
            self._say(Phase.WAITING, why=self._target)
            log.warning("%s: waiting until the file changes", self._target.value, extra=Event.WAITING_FOR_FILE.tag)
            await self._news.wait()
        self._followed = self._aimed
        return self._target

    async def _wait(self, why: Why, error: Exception) -> None:
        if self._proven_s is not None:
            self.backoff.lived(time.monotonic() - self._proven_s)
        delay_s = self.backoff.next_s()
        self._say(Phase.WAITING, why=why, retry_in_s=delay_s)
        detail = "" if isinstance(error, Refused) else f" ({failures.label(error)})"
        log.warning(
            "not listening, %s%s; trying again in %.1f s", why.value, detail, delay_s, extra=Event.NOT_LISTENING.tag
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                while self._followed == self._aimed:
                    self._news.clear()
                    await self._news.wait()

    async def _listen(self, target: Target) -> None:
        self._news.clear()
        self._proven_s = None
        self._say(Phase.CONNECTING)
        async with connection(target.arguments, self.timings) as opened:
            session = Session(opened, target.arguments, self.timings)
            session.on_loss(self._news.set)
            self._recognise(await session.identify(), target)
            await self._subscribe(session, target)
            while True:
                target = await self._until_next_look(session, target)
                await self._look(session, target)

    def _recognise(self, identity: Identity, target: Target) -> None:
        """Refuse the wrong database; of another one than before, nothing that was heard still says a thing."""
        if not target.means(system_identifier=identity.system_identifier, dbname=identity.dbname):
            raise Refused(Why.WRONG_DATABASE)
        if identity != self._identity:
            self._identity, self._whole_us, self._drained_us = identity, None, None
            self._skips, self._samples, self._drains = Skips(), Samples(), Drains()
            self.sink.another_server()

    async def _subscribe(self, session: Session, target: Target) -> None:
        self._names = target.names
        await session.listen(target.channels, self._on_notification)
        self._fresh = frozenset(channel.name for channel in target.config.channels if channel.sources)
        self.sink.round_trip_starts()
        trip = await session.prove()
        await session.name(target.session_name)
        self._proven_s = time.monotonic()
        missed_since_us = self._whole_us
        self._learn(trip)
        for due in self.subscriptions.connected(target.config.channels, since_us=missed_since_us):
            self._resync(due)
        self._say(Phase.LISTENING)
        log.info("listening to %d channels; the next round trip is in %.0f s", len(target.config.channels),
                 self.timings.round_trip_interval_s, extra=Event.LISTENING.tag)  # fmt: skip

    async def _pause(self, timeout_s: float) -> None:
        """Wait once: until it is time, the target changed or the connection is gone."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        self._news.clear()

    async def _until_next_look(self, session: Session, target: Target) -> Target:
        """Until the next round trip, or another target: where there is an outbox, we look at its relay more often."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self.timings.round_trip_interval_s
        while (left_s := ends - loop.time()) > 0 and not session.lost:
            look = await session.look_at_relay() if target.may_relay else None
            if look is not None:
                self._drains.look(look)
                self.on_relay(look)
            await self._pause(left_s if look is None else min(left_s, self.timings.relay_interval_s))
            if self._followed != self._aimed:
                return await self._follow(session, target)
        return target

    async def _look(self, session: Session, target: Target) -> None:
        thoroughly = self.sink.round_trip_starts() or bool(self._fresh)
        try:
            trip = await session.round_trip(thoroughly=thoroughly)
        except TimeoutError:
            raise Refused(Why.HALF_OPEN) from None
        skipped = self._learn(trip)
        for channel in target.config.channels:
            if skipped and channel.sources:
                self._resync(Due(name=channel.name, reason=Reason.SKIPPED, since_us=self._skips.since_us))

    async def _follow(self, session: Session, old: Target) -> Target:
        """Take a changed target over into the living session, or leave it; nothing is missed in between."""
        new, self._followed = self._target, self._aimed
        if isinstance(new, Why) or new.server != old.server:
            raise _Moved
        self._names = {**old.names, **new.names}
        await session.listen(new.channels, self._on_notification)
        self._names = new.names
        await session.unlisten(old.channels - new.channels)
        dues = tuple(self.subscriptions.changed(new.config.channels, since_us=self._whole_us))
        for due in dues:
            self._resync(due)
        subscribed = {due.name for due in dues}
        self._fresh |= {it.name for it in new.config.channels if it.sources and it.name in subscribed}
        return new

    def _on_notification(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        now = asyncio.get_running_loop().time()
        for name in self._names.get(channel, ()):
            try:
                self.sink.put(name, payload, now)  # type: ignore[arg-type]
            except Exception as error:  # noqa: BLE001 - anyone may NOTIFY anything: it must not end or deafen us
                kind = type(error).__name__  # and no traceback, which could quote the payload
                log.warning(
                    "channel %s: a notification could not be taken (%s); asking for a resync",
                    name,
                    kind,
                    extra=Event.NOTIFICATION_UNREADABLE.tag,
                )
                self._resync(Due(name=name, reason=Reason.BULK, since_us=self._whole_us))

    @property
    def _by_outbox(self) -> frozenset[str]:
        target = self._target
        return target.by_outbox if isinstance(target, Target) else frozenset()

    def _resync(self, due: Due) -> None:
        since_us = due.since_us
        if due.name in self._by_outbox:
            since_us = earlier(since_us, self._drained_us)
        since = None if since_us is None else timestamp(since_us)
        now = asyncio.get_running_loop().time()
        self.sink.resync(due.name, due.reason, now, since=since, delay=due.delay_s)

    def _learn(self, trip: RoundTrip) -> bool:
        """Take in a round trip; whether something was skipped that nobody has been asked to look at since."""
        due = self._skips.look(trip, whole_us=self._whole_us)
        self._whole_us, self._drained_us = trip.at_us, self._drains.whole_us
        best = self._samples.best(trip)
        self.sink.set_clock(best.answered_s, best.at_us)
        late, self._fresh = self._fresh if trip.is_late else frozenset(), frozenset()
        now = asyncio.get_running_loop().time()
        self.sink.round_trip(now, transaction=trip.transaction, oldest_running=trip.oldest_running, late=late)
        self.on_round_trip(trip)
        return due

    def _say(self, phase: Phase, *, why: Why | None = None, retry_in_s: float | None = None) -> None:
        self._state = State(phase=phase, since_s=time.time(), why=why, retry_in_s=retry_in_s)
        self.on_state(self._state)
