"""One who reads the stream: waits until something is to be told, and hands it to whatever brings it there.

A write that does not get through within 30 s ends it, for who comes back is told everything that it missed. Knows no
HTTP.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from notifychannel_sidecar.deliverer.message import body, next_within
from notifychannel_sidecar.inbox.work import Work

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from notifychannel_sidecar.hints import Mode
    from notifychannel_sidecar.stream.place import Piece, Place
    from notifychannel_sidecar.stream.shelves import Shelves

HEARTBEAT_S = 15.0
"""Of silence: well within the minute after which proxies give a connection up."""
WRITE_TIMEOUT_S = 30.0
"""For one event to get through."""


class TooSlowError(Exception):
    """The reader does not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What is sent."""

    kind: str
    """`hint` or `mode`."""
    id: str | None
    data: str
    """JSON."""


class Out(Protocol):
    """Brings events to one reader. Raises ConnectionError when it is gone."""

    async def event(self, event: Event) -> None:
        """Return when there is room for the next one."""

    async def heartbeat(self, event_id: str) -> None:
        """Nothing has happened; everything up to this id was told."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What all readers have counted."""

    events: Counter[str] = field(default_factory=Counter)
    """By channel."""
    overflows: Counter[str] = field(default_factory=Counter)
    slow_readers: int = 0


class Reader:
    """`carry` once; the others may be called at any time."""

    def __init__(self, place: Place, *, shelves: Shelves, mode: Callable[[], Mode], tally: Tally) -> None:
        self.place = place
        self.idle = asyncio.Event()
        """It has been told everything."""
        self._shelves = shelves
        self._mode = mode
        self._told_mode: Mode | None = None
        self._tally = tally
        self._ending = False
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be something to tell."""
        self.idle.clear()
        self._woken.set()

    def end(self) -> None:
        """Tell what there is, then no more."""
        self._ending = True
        self.wake()

    def offer(self, work: Work[Any], before: int, newest: int) -> None:
        """The sequence went on from `before` to `newest` with this work."""
        wanted = self.place.wanted
        if wanted.has_channel(work.channel) and (
            not work.hints or any(wanted.has_key(hint.key) for hint in work.hints)
        ):
            self.wake()
        else:
            self.place.skip(before, newest)

    async def carry(self, out: Out) -> None:
        """Until `end`, or until what was asked for is streamed no more. Raises TooSlowError and ConnectionError."""
        while True:
            self._woken.clear()
            if (event := self._next()) is not None:
                await self._send(out.event(event))
            elif self._ending or not self._shelves.serve(self.place.wanted):
                return
            else:
                self.idle.set()
                await self._wait(out)

    async def _wait(self, out: Out) -> None:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await self._woken.wait()
        except TimeoutError:
            await self._send(out.heartbeat(self._shelves.event_id(self.place.base)))

    async def _send(self, sending: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await sending
        except TimeoutError:
            self._tally.slow_readers += 1
            raise TooSlowError from None

    def _next(self) -> Event | None:
        mode = self._mode()
        if mode is not self._told_mode:
            self._told_mode = mode
            return Event(kind="mode", id=None, data=json.dumps({"mode": mode.value}))
        piece = self._shelves.next(self.place)
        return None if piece is None else self._event(piece)

    def _event(self, piece: Piece) -> Event:
        name = piece.channel
        self._tally.events[name] += 1
        self._tally.overflows[name] += piece.missed
        work = Work(channel=name, hints=piece.hints, reason=piece.reason, since_us=piece.since_us, generation=0)
        data = body(work, mode=self._mode(), next_within=next_within(self._shelves.configs[name]))
        return Event(kind="hint", id=self._shelves.event_id(piece.up_to), data=data.decode())
