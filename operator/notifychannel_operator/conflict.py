"""What is wrong between channels that are each good: pure, and as far as it can be told without their databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from notifychannel_operator.spec import Channel


def conflicts(channels: Sequence[Channel]) -> Iterator[tuple[int, str]]:
    """The index of each channel that can't stand beside an earlier one, and why.

    Two channels of one Secret are in one database; of different Secrets only the databases can tell.
    """
    for number, channel in enumerate(channels):
        for earlier in channels[:number]:
            if message := _conflict(earlier, channel):
                yield number, message
                break


def _conflict(earlier: Channel, channel: Channel) -> str | None:
    if earlier.namespace != channel.namespace:
        return None
    if earlier.name == channel.name:
        return "stands here a second time; remove one of them, or write another name or namespace"
    shared = channel.pg_channel is not None and channel.pg_channel == earlier.pg_channel
    if shared and channel.sources and earlier.sources and channel.secret == earlier.secret:
        return f"has sources on the PostgreSQL channel of {earlier.name}; leave out spec.channel, or write another"
    return None
