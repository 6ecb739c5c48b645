"""Who keeps a channel, the inbox or what is durable: by its delivery, and by whether the queue knows it yet.

The listener's sink. A channel that becomes durable stays in the inbox until the queue has let us in, and is looked at
once more then; one that is durable no more starts with a resync, for what the queue still holds is the queue's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from notifychannel_sidecar.hints import Reason

if TYPE_CHECKING:
    from collections.abc import Collection

    from notifychannel_sidecar.config import ChannelConfig, Config
    from notifychannel_sidecar.durable.durable import Durable
    from notifychannel_sidecar.inbox.inbox import Inbox
    from notifychannel_sidecar.inbox.work import Counts


class Sorting:
    """Tells both of every configuration, and hands each notification to the one that keeps its channel."""

    def __init__(self, *, inbox: Inbox, durable: Durable) -> None:
        self._inbox = inbox
        self._durable = durable
        self._config: Config | None = None
        self._kept: dict[str, Inbox | Durable] = {}

    def configure(self, config: Config) -> None:
        """The channels from now on; also called when the queue has let one of them in."""
        self._config = config
        before = self._kept
        durable = [channel for channel in config.channels if channel.delivery == "AtLeastOnce"]
        self._durable.configure(durable)
        self._kept = {channel.name: self._keeper(channel) for channel in config.channels}
        now = asyncio.get_running_loop().time()
        self._inbox.configure([it for it in config.channels if self._kept[it.name] is self._inbox], now)
        for name, keeper in self._kept.items():
            if keeper is self._inbox and before.get(name) is self._durable:
                self._inbox.resync(name, Reason.START, now, since=None)
            elif keeper is self._durable and before.get(name) is self._inbox:
                self._durable.ask(name, Reason.RULES)

    def of(self, name: str) -> Inbox | Durable:
        """Who keeps it."""
        return self._kept.get(name, self._inbox)

    def is_moving(self, name: str) -> bool:
        """Whether a channel that is to be durable is in the inbox still."""
        return self._config is not None and self.of(name) is self._inbox and self._durable.has_entered(name)

    def counts(self, name: str) -> Counts:
        """One channel's numbers. KeyError for an unknown name."""
        return self.of(name).counts(name)

    # ---- what the listener calls

    def put(self, name: str, payload: str, now: float) -> None:
        """The hot path."""
        keeper = self._kept.get(name)
        if keeper is not None:
            keeper.put(name, payload, now)

    def resync(self, name: str, reason: Reason, now: float, *, since: str | None, delay: float = 0.0) -> None:
        """The listener may have missed something of the channel."""
        if self.of(name) is self._durable:
            self._durable.resync(name, reason)
        else:
            self._inbox.resync(name, reason, now, since=since, delay=delay)

    def set_clock(self, now: float, database_us: int) -> None:
        """The database's clock."""
        self._inbox.set_clock(now, database_us)

    def round_trip_starts(self) -> bool:
        """The inbox waits for transactions to end; in the queue the pass does."""
        return self._inbox.round_trip_starts()

    def round_trip(self, now: float, *, transaction: int, oldest_running: int, late: Collection[str] = ()) -> None:
        """Which have ended."""
        self._inbox.round_trip(now, transaction=transaction, oldest_running=oldest_running, late=late)

    def another_server(self) -> None:
        """Transaction ids of before mean nothing now."""
        self._inbox.another_server()

    def _keeper(self, channel: ChannelConfig) -> Inbox | Durable:
        if channel.delivery != "AtLeastOnce":
            return self._inbox
        waits = self._kept.get(channel.name) is self._inbox and not self._durable.has_entered(channel.name)
        return self._inbox if waits else self._durable
