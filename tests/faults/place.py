"""Where faults happen: a PostgreSQL of its own, pods with real sidecars and applications, and all that can be broken.

Sidecars reach the database over one wire, applications and users over another: what is done to the first leaves the
second alone. It outlives its faults, one after another.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

from notifychannel_cli.embedded import Server
from tests.checker import shop
from tests.checker.ledger import Ledger
from tests.checker.site import SETTINGS, Site, add_pods
from tests.faults.clock import Clock, settable_clock
from tests.faults.disk import small_disk
from tests.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from notifychannel_operator.spec import Channel
    from tests.checker.reader import Versions
    from tests.checker.shop import Combination
    from tests.pgbouncer import PgBouncer

VERSION = 18
SEED = 5
MAX_ATTEMPTS = 100_000
"""Nobody becomes a dead letter: a fault is no reason to give up."""
TIMEOUT_S = 2.0
"""Of one POST."""
WAL = {"min_wal_size": "'32MB'", "max_wal_size": "'64MB'"}
"""For a small disk."""


@dataclass(kw_only=True)
class Place(Site):
    """A site whose parts can be reached, to be broken."""

    stack: AsyncExitStack
    wire: Wire
    """Of the sidecars."""
    service: Wire
    """Of applications and users."""
    clock: Clock | None
    disk: Path | None
    """On which the server's folder is."""
    standby: Server | None = None
    pooler: PgBouncer | None = field(default=None, repr=False)

    def dsn_of_application(self) -> str:
        return self.dsn(shop.APPLICATION).replace(f":{self.server.port}/", f":{self.service.port}/")

    def dsn_of_sidecars(self) -> str:
        return self.dsn(shop.LISTENER).replace(f":{self.server.port}/", f":{self.wire.port}/")

    def lead_to(self, server: Server) -> None:
        """That one is the database from now on."""
        self.server = server
        self.wire.lead_to(server.port)
        self.service.lead_to(server.port)

    async def unacknowledged(self, rows: Versions, *, patience_s: float) -> set[int]:
        """Wait until every reader has seen these rows in these versions, or later ones; those that one has not."""
        late: set[int] = set()
        try:
            async with asyncio.timeout(patience_s):
                for pod in self.pods:
                    late = set(rows)
                    async with pod.changed:
                        await pod.changed.wait_for(lambda pod=pod, late=late: _done(late, rows, pod.reader.seen))
        except TimeoutError:
            return late
        return set()


@asynccontextmanager
async def place(combination: Combination) -> AsyncIterator[Place]:
    """All of it, listening, and everybody knows the table; ended with the block."""
    async with AsyncExitStack() as stack:
        disk, clock = stack.enter_context(small_disk()), stack.enter_context(settable_clock())
        server = stack.enter_context(Server(version=VERSION, settings=SETTINGS | WAL, within=disk))
        made = Place(
            server=server, combination=combination, channel=_channel(combination), ledger=Ledger(),
            random=Random(SEED), stack=stack, disk=disk, clock=clock,  # noqa: S311
            wire=await stack.enter_async_context(Wire(target=server.port)),
            service=await stack.enter_async_context(Wire(target=server.port)),
        )  # fmt: skip
        await shop.open_shop(server, made.channel)
        await add_pods(made, stack)
        yield made


def _channel(combination: Combination) -> Channel:
    made = shop.channel(combination, max_attempts=MAX_ATTEMPTS, escalated_after_s=None)
    (consumer,) = made.consumers
    endpoint = replace(consumer.endpoint, timeout=TIMEOUT_S)
    return replace(made, consumers=(replace(consumer, endpoint=endpoint),))


def _done(late: set[int], rows: Versions, seen: Versions) -> bool:
    late.difference_update([key for key in late if seen.get(key, -1) >= rows[key]])
    return not late
