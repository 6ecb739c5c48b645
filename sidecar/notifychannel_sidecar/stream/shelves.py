"""The shelves of all streamed channels, and the one sequence that they share. Pure."""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.config import Way
from notifychannel_sidecar.stream import event_id
from notifychannel_sidecar.stream.shelf import KEYS, Shelf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.inbox.work import Work
    from notifychannel_sidecar.stream.place import Piece, Place
    from notifychannel_sidecar.stream.wanted import Wanted

EVENT_HINTS = 100
"""In one event, however large a POST may be: an event is all that is held of a reader who does not read, 25 kB."""


class Shelves:
    """Of one run of the sidecar."""

    def __init__(self, *, keys: int = KEYS) -> None:
        """`keys`: on one shelf, or as many as one work may have."""
        self.newest = 0
        """In the sequence."""
        self.configs: Mapping[str, ChannelConfig] = {}
        """All channels, also those that are not streamed."""
        self._keys = keys
        self._boot = token_hex(4)
        self._shelves: dict[str, Shelf] = {}
        self._most: dict[str, int] = {}

    def configure(self, channels: Sequence[ChannelConfig]) -> None:
        """The channels from now on; a new one starts with a resync for whoever reads it."""
        self.configs = {config.name: config for config in channels}
        streamed = {name: config for name, config in self.configs.items() if config.way is Way.STREAM}
        for name in self._shelves.keys() - streamed.keys():
            del self._shelves[name]
        for name, config in streamed.items():
            if name not in self._shelves:
                self.newest += 1
                self._shelves[name] = Shelf(seq=self.newest)
            self._shelves[name].keys = max(self._keys, config.max_hints)
        self._most = {name: min(config.max_hints, EVENT_HINTS) for name, config in streamed.items()}

    @property
    def names(self) -> frozenset[str]:
        """The channels that are streamed."""
        return frozenset(self._shelves)

    def put(self, work: Work[Any]) -> None:
        """Work of a channel that is streamed."""
        shelf = self._shelves[work.channel]
        for hint in work.hints:
            self.newest += 1
            shelf.put(hint, self.newest)
        if not work.hints:
            self.newest += 1
            shelf.clear(reason=work.reason, since_us=work.since_us, seq=self.newest)

    def next(self, place: Place) -> Piece | None:
        """What who stands there is told next; None: it was told everything."""
        return place.next(self._shelves, newest=self.newest, most=self._most)

    def serve(self, wanted: Wanted) -> bool:
        """Whether any channel is streamed, and all that are asked for by name are."""
        return bool(self._shelves) and wanted.channels <= self._shelves.keys()

    def event_id(self, seq: int) -> str:
        """As a reader is told it."""
        return event_id.written(self._boot, seq)

    def seen(self, last_event_id: str | None) -> int:
        """Up to where a reader that shows this id was told everything; 0: nothing."""
        return event_id.seen(last_event_id, boot=self._boot, newest=self.newest)
