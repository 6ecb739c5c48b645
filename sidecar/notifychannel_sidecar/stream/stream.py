"""What readers read, and who is reading: the part's door.

    Streamer ── put ──► Shelves ◄── next ── Reader ──► a connection

Nobody waits for a reader: to put only wakes them. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.stream.place import Place
from notifychannel_sidecar.stream.reader import Reader, Tally
from notifychannel_sidecar.stream.shelves import Shelves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.hints import Mode
    from notifychannel_sidecar.inbox.work import Work
    from notifychannel_sidecar.stream.wanted import Wanted

READERS = 1_024
"""At once: each is a connection, and the sidecar has little memory."""
END_TIMEOUT_S = 1.0
"""For the last bytes to those who read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingCounts:
    """One channel's numbers."""

    readers: int
    """Now."""
    unread: bool
    """Something was put while nobody read, and nobody has come since."""
    events: int
    overflows: int


class Stream:
    """Of one run of the sidecar."""

    def __init__(self, *, mode: Callable[[], Mode], shelves: Shelves | None = None) -> None:
        """`mode`: asked at each event, and after `mode_changed`."""
        self.shelves = shelves or Shelves()
        self.tally = Tally()
        self.ending = False
        self._mode = mode
        self._readers: set[Reader] = set()
        self._unread: set[str] = set()
        self._left = asyncio.Event()

    def configure(self, channels: Sequence[ChannelConfig]) -> None:
        """The channels from now on, streamed or not. Who reads one that is streamed no more comes to its end."""
        self.shelves.configure(channels)
        self._unread &= self.shelves.names
        self.mode_changed()

    def put(self, work: Work[Any]) -> None:
        """To be told to all who want it. Returns at once."""
        if work.channel not in self.shelves.names:
            return
        before = self.shelves.newest
        self.shelves.put(work)
        for reader in self._readers:
            reader.offer(work, before, self.shelves.newest)
        if not self.readers(work.channel):
            self._unread.add(work.channel)

    def mode_changed(self) -> None:
        """Every reader looks what there is to tell."""
        for reader in self._readers:
            reader.wake()

    async def drained(self) -> None:
        """Return when everybody has been told everything, or is gone."""
        for reader in tuple(self._readers):
            await reader.idle.wait()

    async def end(self) -> None:
        """No more readers from now on. Those that are there are told what there is, and are gone within a second."""
        self.ending = True
        for reader in self._readers:
            reader.end()
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                while self._readers:
                    self._left.clear()
                    await self._left.wait()
        except TimeoutError:  # a reader that does not read: its connection ends with the port
            pass

    @property
    def full(self) -> bool:
        """There is no room for another reader."""
        return len(self._readers) >= READERS

    @contextmanager
    def reading(self, wanted: Wanted, last_event_id: str | None) -> Iterator[Reader]:
        """A reader until the end of the block."""
        place = Place(wanted, seen=self.shelves.seen(last_event_id))
        reader = Reader(place, shelves=self.shelves, mode=self._mode, tally=self.tally)
        self._readers.add(reader)
        self._unread = {name for name in self._unread if not wanted.has_channel(name)}
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            reader.idle.set()
            self._left.set()

    def readers(self, name: str) -> int:
        """How many read this channel now."""
        return sum(reader.place.wanted.has_channel(name) for reader in self._readers)

    def counts(self, name: str) -> ReadingCounts:
        """One channel's numbers."""
        return ReadingCounts(
            readers=self.readers(name), unread=name in self._unread, events=self.tally.events[name],
            overflows=self.tally.overflows[name],
        )  # fmt: skip
