"""What the sidecars of one group are to be told, from claims and from what they are told now. Pure.

    accepted, its triggers speak as the spec says      everything as the spec says
    accepted, its triggers still speak as before       endpoint, debounce … as the spec says; what to LISTEN to as now,
                                                       a new group as the others, and no queue while it has other rules
    not accepted, or not readable                      as now; it enters no ConfigMap anew
    gone, or the group is not named any more           left out

So a sidecar never leaves a PostgreSQL channel before the triggers do, and nobody goes deaf by a mistake in a resource.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from notifychannel_operator import configmap
from notifychannel_operator.passes.whereabouts import Identity, Ref
from notifychannel_operator.spec import Delivery
from notifychannel_sidecar.config import ChannelConfig, Config

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from notifychannel_operator.passes.databases import Claim, Databases
    from notifychannel_operator.spec import Channel

MAX_CHANNELS = 1000
"""The sidecar takes no more."""


def config(
    databases: Databases,
    present: Config | None,
    *,
    installation: str,
    namespace: str,
    group: str,
    in_force: Mapping[Ref, Channel],
    recalled: Mapping[Ref, ChannelConfig],
    unreadable: Collection[Ref],
) -> Config:
    """The configuration of a group; the same for the same arguments.

    `present` is what the ConfigMap holds, `in_force` the spec that each channel's triggers are known to speak by,
    `recalled` what a group of a channel was told where that is not known, `unreadable` the channels that exist and
    can't be read.
    """
    database = databases.database_of(namespace, group) or _database(present)
    now = {it.name: it for it in present.channels} if present else {}
    claims = databases.of_group(namespace, group)
    moved = present is not None and _database(present) not in (None, database)
    entries = [
        *_claimed(claims, databases, now, in_force, recalled, group=group, installation=installation, moved=moved),
        *(it for name, it in now.items() if Ref(namespace, name) in set(unreadable) - {claim.ref for claim in claims}),
    ]
    return Config(
        installation=installation,
        namespace=namespace,
        group=group,
        system_identifier=database.system_identifier if database else None,
        dbname=database.dbname if database else None,
        channels=tuple(sorted(entries, key=lambda it: it.name)),
    )


def _claimed(
    claims: Collection[Claim],
    databases: Databases,
    now: Mapping[str, ChannelConfig],
    in_force: Mapping[Ref, Channel],
    recalled: Mapping[Ref, ChannelConfig],
    *,
    group: str,
    installation: str,
    moved: bool,
) -> Iterator[ChannelConfig]:
    for claim in claims:
        kept = now.get(claim.ref.name)
        if claim.channel is None or databases.conflict(claim.ref) is not None:
            if kept is not None and not moved:
                yield kept
            continue
        known, told = in_force.get(claim.ref), kept or recalled.get(claim.ref)
        spoken = _speech(known, installation) if known else told
        queued = bool(known.durable) if known else told is None or told.delivery == Delivery.AT_LEAST_ONCE.value
        yield _told(_entry(claim.channel, group, installation), spoken, queued=queued)


def _told(wanted: ChannelConfig, spoken: ChannelConfig | None, *, queued: bool) -> ChannelConfig:
    """The wanted entry, but LISTENing and reading as the triggers speak, where that is known to be otherwise; `queued`:
    what they append comes into the queue under the rules that they speak by.
    """
    if spoken is None:
        return wanted
    return replace(
        wanted,
        pg_channel=spoken.pg_channel,
        format=spoken.format,
        key=spoken.key,
        rules=spoken.rules,
        sources=spoken.sources,
        delivery=wanted.delivery if queued else Delivery.BEST_EFFORT.value,
    )


def _speech(channel: Channel, installation: str) -> ChannelConfig:
    """What the triggers of that spec say is the same for all its groups."""
    return _entry(channel, channel.consumers[0].group, installation)


def _entry(channel: Channel, group: str, installation: str) -> ChannelConfig:
    made = configmap.config_for(
        [channel],
        installation=installation,
        namespace=channel.namespace,
        group=group,
        system_identifier=None,
        dbname=None,
    )
    return made.channels[0]


def _database(present: Config | None) -> Identity | None:
    if present is None or present.system_identifier is None or present.dbname is None:
        return None
    return Identity(present.system_identifier, present.dbname)
