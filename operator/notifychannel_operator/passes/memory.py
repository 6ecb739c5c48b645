"""What passes remember of each other, in this process only: a restart forgets it and loses nothing but patience."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from notifychannel_operator.passes.databases import Databases
from notifychannel_operator.passes.patience import Patience
from notifychannel_operator.passes.settling import Settling

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Hashable
    from datetime import datetime

    from notifychannel_operator.passes.outbox import Outbox
    from notifychannel_operator.passes.status import Pods
    from notifychannel_operator.passes.waiting import Waiting
    from notifychannel_operator.passes.whereabouts import Identity, Ref
    from notifychannel_operator.spec import Channel
    from notifychannel_sidecar.config import ChannelConfig


TURN_S = 30.0
"""For the passes in front of one: then it comes back later, well before it would be taken for one that hangs."""


@dataclass(slots=True)
class Turns:
    """One lock per thing that only one pass at a time may change."""

    _locks: WeakValueDictionary[Hashable, asyncio.Lock] = field(default_factory=WeakValueDictionary, repr=False)

    def of(self, thing: Hashable) -> asyncio.Lock:
        """Its lock; forgotten when nobody holds or awaits it."""
        return self._locks.setdefault(thing, asyncio.Lock())

    @asynccontextmanager
    async def within(self, thing: Hashable, *, limit_s: float) -> AsyncIterator[bool]:
        """The block runs when the turn has come (True) or did not come in time (False).

        To be waited for without a connection: its time is for work, and others may need the place.
        """
        lock, is_ours = self.of(thing), True
        try:
            async with asyncio.timeout(limit_s):
                await lock.acquire()
        except TimeoutError:
            is_ours = False
        try:
            yield is_ours
        finally:
            if is_ours:
                lock.release()


@dataclass(slots=True)
class Memory:
    """Made once, handed to every pass."""

    databases: Databases = field(default_factory=Databases)
    patience: Patience = field(default_factory=Patience)
    settling: Settling = field(default_factory=Settling)
    turns: Turns = field(default_factory=Turns)
    in_force: dict[Ref, Channel] = field(default_factory=dict)
    """The spec that the channel's triggers were last seen to speak by."""
    recalled: dict[Ref, ChannelConfig] = field(default_factory=dict)
    """What sidecars of a channel were told when this process began, until its triggers have been seen."""
    unreadable: set[Ref] = field(default_factory=set)
    """Channels that exist and whose resource can't be used."""
    outboxes: dict[Identity, Outbox] = field(default_factory=dict)
    """As they were at the last look; of databases that nobody looks at any more too."""
    queues: dict[Ref, tuple[Waiting, ...]] = field(default_factory=dict)
    """What waited for a channel's consumers at its last pass."""
    pods: dict[Ref, Pods] = field(default_factory=dict)
    """Of a channel's groups, as they were last seen."""
    repairs: dict[Ref, int] = field(default_factory=dict)
    """How often drift of a channel's objects was mended since this process began."""
    moved: dict[Ref, Identity] = field(default_factory=dict)
    """The database that a channel was in before its Secret led to another one."""
    generations: dict[Ref, int] = field(default_factory=dict)
    """Of the spec that was passed over last: another one is tried at once, whatever the last was waiting for."""
    strays: dict[Ref, set[str]] = field(default_factory=dict)
    """Groups whose ConfigMap names the channel as an owner though it names them no more: its next pass tidies up."""
    owed: dict[Ref, set[Ref]] = field(default_factory=dict)
    """Channels whose verdict this one has changed, and whom no pass of it that came to its end has named."""
    cleanups: dict[Ref, tuple[int, datetime]] = field(default_factory=dict)
    """How often a deleted channel's cleanup has been tried, and when it is to be tried next."""
    unclaimed: dict[Ref, datetime] = field(default_factory=dict)
    """Since when nobody was seen to deliver what waits for a channel that is being deleted."""

    def owe(self, ref: Ref, changed: Collection[Ref]) -> None:
        """These are to be judged again, because of what this channel says or that it goes."""
        if changed:
            self.owed.setdefault(ref, set()).update(changed)

    def forget_end(self, ref: Ref) -> None:
        """The channel is gone, or another one of that name is there."""
        self.cleanups.pop(ref, None)
        self.unclaimed.pop(ref, None)

    def remember_queue(self, ref: Ref, found: tuple[Waiting, ...]) -> None:
        """Forgotten with the last consumer."""
        if found:
            self.queues[ref] = found
        else:
            self.queues.pop(ref, None)

    def known_outboxes(self) -> dict[Identity, Outbox]:
        """Those of databases that a channel is in."""
        claimed = {claim.database for claim in self.databases.claims.values()}
        return {identity: outbox for identity, outbox in self.outboxes.items() if identity in claimed}
