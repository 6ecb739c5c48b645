"""Channels → the sidecar's configuration for one group of pods: what the ConfigMap `notifychannel-<group>` holds.

Pure: the same channels in any order give the same value. Refuses to look at any database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator import names
from notifychannel_operator.names import Owner
from notifychannel_sidecar.config import ChannelConfig, Config

if TYPE_CHECKING:
    from collections.abc import Iterable

    from notifychannel_operator.spec import Channel, Consumer


def config_for(
    channels: Iterable[Channel],
    *,
    installation: str,
    namespace: str,
    group: str,
    system_identifier: str | None,
    dbname: str | None,
) -> Config:
    """The configuration of a group: its channels of that namespace, by name; none where nobody names the group."""
    found = [
        _channel(channel, consumer, installation=installation)
        for channel in channels
        for consumer in channel.consumers
        if channel.namespace == namespace and consumer.group == group
    ]
    return Config(
        installation=installation,
        namespace=namespace,
        group=group,
        system_identifier=system_identifier,
        dbname=dbname,
        channels=tuple(sorted(found, key=lambda channel: channel.name)),
    )


def pg_channel(channel: Channel, *, installation: str) -> str:
    """What the channel LISTENs to: the PostgreSQL channel it names, or the derived one."""
    owner = Owner(installation=installation, namespace=channel.namespace, name=channel.name)
    return channel.pg_channel or names.pg_channel(owner)


def _channel(channel: Channel, consumer: Consumer, *, installation: str) -> ChannelConfig:
    return ChannelConfig(
        name=channel.name,
        pg_channel=pg_channel(channel, installation=installation),
        format=channel.payload.format.value,
        key=channel.key_names,
        rules=names.rules(channel) if channel.sources else "",
        sources=bool(channel.sources),
        capture=channel.capture.value,
        suspend=channel.suspend,
        port=consumer.endpoint.port if consumer.endpoint else 0,
        path=consumer.endpoint.path if consumer.endpoint else "",
        timeout=consumer.timeout,
        traceparent=consumer.endpoint is not None and consumer.endpoint.traceparent,
        window=consumer.debounce.window,
        max_delay=consumer.debounce.max_delay,
        min_interval=consumer.debounce.min_interval,
        max_hints=consumer.batch.max_hints,
        max_wait=consumer.batch.max_wait,
        poll_interval=consumer.poll_interval,
        resync_spread=consumer.resync_spread,
        delivery=consumer.delivery.value,
        escalation_path=consumer.escalation.path if consumer.escalation else None,
    )
