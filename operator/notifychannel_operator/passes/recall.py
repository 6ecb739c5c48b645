"""What passes have to know of each other before the first of them: from objects in the cluster, as others left them.

So that a restart changes no verdict. A channel that can't be read any more, or is being deleted, claims what it has in
force: the database in its status, and what the ConfigMaps tell its sidecars. Asks no database.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from notifychannel_operator import managed_by, manifest
from notifychannel_operator.kinds import CHANNELS, CONFIGMAPS
from notifychannel_operator.passes import groups, status
from notifychannel_operator.passes.databases import Claim
from notifychannel_operator.passes.standing import standing
from notifychannel_operator.passes.whereabouts import Ref
from notifychannel_operator.passes.wish import Wish
from notifychannel_operator.spec import Delivery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notifychannel_operator.passes.edges import Edges
    from notifychannel_sidecar.config import ChannelConfig

    Entries = Mapping[str, ChannelConfig]
    """Of one channel, by group."""


async def recall(edges: Edges) -> tuple[Ref, ...]:
    """Learn all channels and their databases. The channels to pass over. Raises KubeError."""
    bodies = [body for namespace in edges.namespaces or (None,) for body in await _channels(edges, namespace)]
    as_it_was = {}
    for body in bodies:
        if body["metadata"].get("deletionTimestamp") or not _claim(edges, body):
            as_it_was[body["metadata"]["uid"]] = body
    uids = {Ref.of(body): body["metadata"]["uid"] for body in bodies}
    entries: dict[str, dict[str, ChannelConfig]] = defaultdict(dict)
    for namespace in edges.namespaces or (None,):
        for found in await edges.kube.list(CONFIGMAPS, namespace=namespace, labels=managed_by.SELECTOR):
            _note_strays(edges, found)
            _note_speech(edges, found, uids)
            for uid in groups.owner_uids(found) & as_it_was.keys():
                entries[uid] |= _entry(found, as_it_was[uid]["metadata"])
    for uid, body in as_it_was.items():
        if entries[uid]:
            edges.memory.databases.hold(_in_force(body, entries[uid]))
    return tuple(Ref.of(body) for body in bodies)


async def _channels(edges: Edges, namespace: str | None) -> list[dict[str, Any]]:
    kind = {"apiVersion": CHANNELS.api_version, "kind": CHANNELS.kind}  # items of a list carry neither
    return [{**kind, **item} for item in await edges.kube.list(CHANNELS, namespace=namespace)]


def _claim(edges: Edges, body: dict[str, Any]) -> bool:
    """Whether it can be read."""
    metadata = body["metadata"]
    try:
        channel = manifest.from_object(body)
    except manifest.SpecError:
        edges.memory.unreadable.add(Ref.of(body))
        return False
    edges.memory.databases.put(
        channel,
        uid=metadata["uid"],
        created=metadata["creationTimestamp"],
        installation=edges.installation,
        database=status.database(body.get("status") or {}),
        standing=standing(body),
    )
    return True


def _note_strays(edges: Edges, config_map: dict[str, Any]) -> None:
    """A group that a channel stopped naming while nobody was there to take it out of the ConfigMap."""
    metadata = config_map["metadata"]
    group, uids = _group(config_map), groups.owner_uids(config_map)
    for ref, claim in edges.memory.databases.claims.items():
        if ref.namespace == metadata["namespace"] and claim.uid in uids and group not in claim.groups:
            edges.memory.strays.setdefault(ref, set()).add(group)


def _note_speech(edges: Edges, config_map: dict[str, Any], uids: Mapping[Ref, str]) -> None:
    """What triggers speak by as far as sidecars know; rather as those are told who deliver from the queue."""
    memory, owners, config = edges.memory, groups.owner_uids(config_map), groups.read(config_map)
    for it in config.channels if config else ():
        ref = Ref(config_map["metadata"]["namespace"], it.name)
        is_better = ref not in memory.recalled or it.delivery == Delivery.AT_LEAST_ONCE.value
        if uids.get(ref) in owners and is_better:
            memory.recalled[ref] = it


def _entry(config_map: dict[str, Any], channel: Mapping[str, Any]) -> Entries:
    """Nothing where somebody writes of the channel of another namespace: an owner's uid is no secret."""
    if config_map["metadata"]["namespace"] != channel["namespace"]:
        return {}
    config = groups.read(config_map)
    return {_group(config_map): it for it in (config.channels if config else ()) if it.name == channel["name"]}


def _in_force(body: dict[str, Any], entries: Entries) -> Claim:
    metadata, spoken = body["metadata"], next(iter(entries.values()))
    return Claim(
        ref=Ref.of(body),
        uid=metadata["uid"],
        created=metadata["creationTimestamp"],
        channel=None,
        secret=Wish.of(body).secret,
        groups=frozenset(entries),
        has_sources=spoken.sources,
        pg_channel=spoken.pg_channel,
        database=status.database(body.get("status") or {}),
        standing=standing(body),
    )


def _group(config_map: dict[str, Any]) -> str:
    return str(config_map["metadata"]["name"]).removeprefix(groups.name(""))
