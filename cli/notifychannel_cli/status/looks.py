"""Two looks at a cluster, one after the other: rates are between them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from notifychannel_cli.status import line
from notifychannel_cli.status.look import look

if TYPE_CHECKING:
    from notifychannel_cli.cluster import Cluster
    from notifychannel_cli.status.line import Group


class Looks:
    """The last two."""

    def __init__(self, there: Cluster, names: frozenset[str], *, all_namespaces: bool) -> None:
        self.now: list[Group] = []
        self.refusal: str | None = None
        self._there = there
        self._names = names
        self._namespace = None if all_namespaces else there.namespace
        self._before: dict[tuple[str, str, str], Group] = {}
        self._at_s = self._seconds = 0.0

    async def again(self) -> None:
        """Look. Raises KubeError."""
        self._before = {(it.namespace, it.channel, it.group): it for it in self.now}
        self.now, self.refusal = await look(self._there.kube, namespace=self._namespace, names=self._names)
        at_s = time.monotonic()
        self._seconds, self._at_s = at_s - self._at_s, at_s

    @property
    def age_s(self) -> float:
        """Since the last one was answered."""
        return time.monotonic() - self._at_s

    def lines(self, width: int | None = None) -> list[str]:
        """The table; `width`: names are cut at their beginning where it would be wider."""
        rows = [line.cells(was, it, self._seconds) for was, it in self._pairs()]
        return [*(line.table(rows, width) if rows else ()), *self._absence()]

    @property
    def is_well(self) -> bool:
        """All that were asked for are there and well, and there is one."""
        return bool(self.now) and not self._absent() and all(group.is_well for group in self.now)

    def _absence(self) -> list[str]:
        absent = self._absent()
        if self.now and not absent:
            return []
        of = f"of the names {', '.join(absent)} " if absent else ""
        if self._namespace is None:
            return [f"no NotifyChannel {of}in this cluster"]
        return [f"no NotifyChannel {of}in the namespace {self._namespace}; look in all by -A"]

    def _absent(self) -> list[str]:
        return sorted(self._names - {group.channel for group in self.now})

    def as_json(self) -> list[dict[str, object]]:
        """For programs."""
        return [line.as_json(was, it, self._seconds) for was, it in self._pairs()]

    def _pairs(self) -> list[tuple[Group | None, Group]]:
        return [(self._before.get((it.namespace, it.channel, it.group)), it) for it in self.now]
