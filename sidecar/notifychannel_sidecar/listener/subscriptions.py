"""Which resync a channel needs when it is subscribed to: PostgreSQL keeps nothing for the absent.

Pure: remembers what this process has heard, answers what is due.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from notifychannel_sidecar.hints import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from notifychannel_sidecar.config import ChannelConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One resync to ask for."""

    name: str
    reason: Reason
    since_us: int | None
    """Database time at which the channel was last known to be whole."""
    delay_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Subscriptions:
    """Told of every subscription after its LISTEN has committed."""

    spread: Callable[[float, float], float]
    """Picks the delay after a reconnection between 0 and the channel's `resync_spread`."""
    _heard: dict[str, str] = field(default_factory=dict)
    """Channel → PostgreSQL channel."""

    def keep(self, channels: Sequence[ChannelConfig]) -> None:
        """Forget the others: a channel that goes away loses what is pending, so it starts anew when it comes back."""
        names = {channel.name for channel in channels}
        self._heard = {name: heard for name, heard in self._heard.items() if name in names}

    def connected(self, channels: Sequence[ChannelConfig], *, since_us: int | None) -> Iterator[Due]:
        """A new connection: one resync per channel; `since_us` is the last proof of the connection before."""
        for channel in channels:
            if self._heard.get(channel.name) == channel.pg_channel:
                delay_s = self.spread(0.0, channel.resync_spread)
                yield Due(name=channel.name, reason=Reason.RECONNECT, since_us=since_us, delay_s=delay_s)
        yield from self.changed(channels, since_us=since_us)

    def changed(self, channels: Sequence[ChannelConfig], *, since_us: int | None) -> Iterator[Due]:
        """The channels from now on: a resync at once for those that are new or listen to something else now."""
        heard, self._heard = self._heard, {channel.name: channel.pg_channel for channel in channels}
        for channel in channels:
            if channel.name not in heard:
                yield Due(name=channel.name, reason=Reason.START, since_us=None)
            elif heard[channel.name] != channel.pg_channel:
                yield Due(name=channel.name, reason=Reason.RULES, since_us=since_us)
