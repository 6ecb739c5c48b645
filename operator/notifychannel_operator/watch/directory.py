"""What the watch has told of channels: which there are, whose pods concern them, whether they are Ready. Pure.

A hint and no data: passes read everything anew. It only decides who is looked at sooner than by the minute, and it is
as large as the number of channels, whatever happens to their pods.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from notifychannel_operator.work.schedule import NO_LANE, Key, Lane

GROUP_LABEL = "notifychannel.io/inject"
"""Of pods; its value is the group."""


class _Known(NamedTuple):
    fingerprint: int
    lane: Lane
    groups: frozenset[str]
    ready: str


@dataclass(slots=True)
class Directory:
    """Told of every event; asked by handlers and metrics."""

    _known: dict[Key, _Known] = field(default_factory=dict)
    _of_group: dict[tuple[str, str], set[Key]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._known)

    def see(self, body: dict[str, Any]) -> bool:
        """Remember it; whether anything but its status has changed, which only our own passes write."""
        key = key_of(body)
        before = self._known.get(key)
        now = _Known(_fingerprint(body), lane_of(body), _groups(body), _ready(body))
        if before is not None:
            self._leave(key, before)
        self._known[key] = now
        for group in now.groups:
            self._of_group.setdefault((key.namespace, group), set()).add(key)
        return before is None or before.fingerprint != now.fingerprint

    def forget(self, key: Key) -> None:
        """It is gone."""
        if (known := self._known.pop(key, None)) is not None:
            self._leave(key, known)

    def concerned(self, pod: dict[str, Any]) -> frozenset[Key]:
        """The channels of that pod's group, in its namespace."""
        metadata = pod.get("metadata") or {}
        group = (metadata.get("labels") or {}).get(GROUP_LABEL, "")
        return frozenset(self._of_group.get((metadata.get("namespace", ""), group), ()))

    def by_ready(self) -> Counter[str]:
        """How many are True, False, Unknown."""
        return Counter(known.ready for known in self._known.values())

    def _leave(self, key: Key, known: _Known) -> None:
        for group in known.groups:
            place = (key.namespace, group)
            members = self._of_group[place]
            members.discard(key)
            if not members:
                del self._of_group[place]


def key_of(body: dict[str, Any]) -> Key:
    """Namespace and name."""
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])


def lane_of(body: dict[str, Any]) -> Lane:
    """The Secret that stands for the channel's database."""
    name = _inside(body, "spec", "database", "secretRef", "name")
    return (body["metadata"]["namespace"], name) if isinstance(name, str) else NO_LANE


def _groups(body: dict[str, Any]) -> frozenset[str]:
    consumers = _inside(body, "spec", "consumers")
    groups = [each.get("group") for each in consumers if isinstance(each, dict)] if isinstance(consumers, list) else []
    return frozenset(group for group in groups if isinstance(group, str))


def _ready(body: dict[str, Any]) -> str:
    conditions = _inside(body, "status", "conditions")
    for each in conditions if isinstance(conditions, list) else ():
        if each.get("type") == "Ready" and each.get("status") in ("True", "False"):
            return str(each["status"])
    return "Unknown"


def _fingerprint(body: dict[str, Any]) -> int:
    metadata = body["metadata"]
    told = [
        metadata.get(name) for name in ("uid", "generation", "deletionTimestamp", "finalizers", "annotations", "labels")
    ]
    return hash(json.dumps(told, sort_keys=True))


def _inside(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
