"""Keeps the ConfigMap of a group: reads it, computes it from all channels that name the group, writes what differs.

One at a time per group, from what every channel last said, so that two passes lose nothing of each other. A ConfigMap
that somebody else made is left alone and reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notifychannel_operator import managed_by
from notifychannel_operator.kinds import CHANNELS, CONFIGMAPS
from notifychannel_operator.kube_error import Forbidden, NotFound
from notifychannel_operator.passes import grouping
from notifychannel_sidecar import config as configs
from notifychannel_sidecar.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from notifychannel_operator.passes.databases import Claim
    from notifychannel_operator.passes.edges import Edges
    from notifychannel_sidecar.config import Config

KEY = "config.json"


def name(group: str) -> str:
    """Of the group's ConfigMap."""
    return f"notifychannel-{group}"


async def write(edges: Edges, namespace: str, group: str) -> str | None:
    """Make the ConfigMap what it should be; a sentence where that is not to be had. Raises KubeError."""
    async with edges.memory.turns.of(("group", namespace, group)):
        try:
            return await _write(edges, namespace, group)
        except Forbidden as error:
            return f"the ConfigMap {name(group)} can't be written: {error}"


async def _write(edges: Edges, namespace: str, group: str) -> str | None:
    present = await _get(edges, namespace, group)
    if present is not None and not managed_by.is_ours(present):
        return (
            f"there is a ConfigMap {name(group)} that NotifyChannel has not made, so it is left alone; if nobody needs "
            f"it: kubectl -n {namespace} delete configmap {name(group)}"
        )
    memory = edges.memory
    wanted = grouping.config(
        memory.databases,
        read(present),
        installation=edges.installation,
        namespace=namespace,
        group=group,
        in_force=memory.in_force,
        recalled=memory.recalled,
        unreadable=memory.unreadable,
    )
    if len(wanted.channels) > grouping.MAX_CHANNELS:
        return f"the group {group} has more than {grouping.MAX_CHANNELS} channels: write another group into some"
    if not wanted.channels:
        if present is not None:
            await edges.kube.delete(CONFIGMAPS, name(group), namespace=namespace)
        return None
    entered = {it.name for it in wanted.channels}
    owners = [it for it in memory.databases.of_group(namespace, group) if it.ref.name in entered]
    body = _body(wanted, present, owners, unreadable={it.name for it in memory.unreadable if it.namespace == namespace})
    if not _is_same(present, body):
        await edges.kube.apply(CONFIGMAPS, body)
    return None


async def _get(edges: Edges, namespace: str, group: str) -> dict[str, Any] | None:
    try:
        return await edges.kube.get(CONFIGMAPS, name(group), namespace=namespace)
    except NotFound:
        return None


def owner_uids(config_map: dict[str, Any]) -> frozenset[str]:
    """Of the channels that it names as its owners."""
    return frozenset(it["uid"] for it in _owners(config_map))


def _owners(config_map: dict[str, Any]) -> list[dict[str, Any]]:
    found = config_map["metadata"].get("ownerReferences") or []
    return [it for it in found if it.get("kind") == CHANNELS.kind]


def read(present: dict[str, Any] | None) -> Config | None:
    """What a ConfigMap tells the sidecars; None where it can't be used."""
    try:
        return configs.parse(((present or {}).get("data") or {}).get(KEY, ""))
    except ConfigError:
        return None


def _body(
    wanted: Config, present: dict[str, Any] | None, claims: Iterable[Claim], *, unreadable: set[str]
) -> dict[str, Any]:
    kept = [_owner(it["name"], it["uid"]) for it in _owners(present or {"metadata": {}}) if it["name"] in unreadable]
    owners = {it["uid"]: it for it in (*kept, *(_owner(claim.ref.name, claim.uid) for claim in claims))}
    return {
        "metadata": {
            "name": name(wanted.group),
            "namespace": wanted.namespace,
            "labels": managed_by.labels(),
            "ownerReferences": sorted(owners.values(), key=lambda it: it["uid"]),
        },
        "data": {KEY: configs.dump(wanted)},
    }


def _owner(channel: str, uid: str) -> dict[str, Any]:
    return {"apiVersion": CHANNELS.api_version, "kind": CHANNELS.kind, "name": channel, "uid": uid}


def _is_same(present: dict[str, Any] | None, body: dict[str, Any]) -> bool:
    return (
        present is not None
        and (present.get("data") or {}).get(KEY) == body["data"][KEY]
        and owner_uids(present) == owner_uids(body)
    )
