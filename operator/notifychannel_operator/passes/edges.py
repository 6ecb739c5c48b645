"""What a pass needs of the world, and what it answers: the seams of `reconcile`, filled in by `app.py` and by tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from notifychannel_operator.names import Owner
from notifychannel_operator.passes.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    import asyncpg

    from notifychannel_operator import inject
    from notifychannel_operator.kube import Kube
    from notifychannel_operator.passes.sidecar import Sidecar
    from notifychannel_operator.passes.whereabouts import Ref
    from notifychannel_sidecar.credentials import Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Made once per process; `memory` is what passes remember of each other."""

    kube: Kube
    """Or what has its methods: get, metadata, list, apply, patch, delete, event."""
    connect: Callable[[Credentials], AbstractAsyncContextManager[asyncpg.Connection[asyncpg.Record]]]
    """`connect.connected`."""
    probe: Callable[[str, int], Awaitable[Sidecar | None]]
    """`probe.Probe(...).read`: /status of a pod (address, port); None where it can't be read. Never raises."""
    injection: inject.Settings
    """Of the injector: by them pods are outdated, or would be injected by now."""
    installation: str
    namespace: str
    """The release's, for the commands in messages."""
    fullname: str
    """The release's."""
    now: Callable[[], datetime]
    """UTC."""
    namespaces: tuple[str, ...] = ()
    """Watched ones; empty: all."""
    memory: Memory = field(default_factory=Memory)

    def owner(self, ref: Ref) -> Owner:
        """Whose what that channel has in a database is."""
        return Owner(installation=self.installation, namespace=ref.namespace, name=ref.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the work queue should know of a pass that came to its end."""

    next_in_s: float | None = None
    """Sooner than the interval: behind a lock, or while pods that run do not listen or deliver yet."""
    is_gone: bool = False
    """There is no such channel any more: nothing to come back for."""
    wake: frozenset[Ref] = frozenset()
    """Other channels that are to be judged again at once: what stood in their way has changed."""
