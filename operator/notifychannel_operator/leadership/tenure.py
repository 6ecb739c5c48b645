"""One replica's time with the Lease: waiting for it, the leader's work beside its renewal, and giving it back.

Back it is given when nothing of ours writes any more; whoever was stopped before waits for passes under way first.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from notifychannel_operator.leadership.lease import Lease

DRAIN_S = 5.0
"""For passes under way when the process is asked to end; a pod has 30 s."""
END_S = 10.0
"""For everything else of the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """`elected`, then `lead`, each once."""

    lease: Lease
    stop: asyncio.Event
    """The process is asked to end."""
    drain: Callable[[float], Awaitable[None]]
    """Waits for the work under way, so many seconds at most; raises TimeoutError."""

    async def elected(self) -> bool:
        """Whether this replica leads now; false when it was stopped before. Raises LeaseLostError."""
        acquiring = asyncio.create_task(self.lease.acquire())
        await self._first_of(acquiring)
        await _cancelled(acquiring)
        if acquiring.cancelled():
            return False
        acquiring.result()
        return True

    async def lead(self, work: Awaitable[None]) -> None:
        """The lease is renewed until nothing of ours can write any more, and only then given back.

        Raises LeaseLostError, and what `work` raises.
        """
        keeping = asyncio.create_task(self.lease.keep(), name="lease")
        working = asyncio.ensure_future(work)
        await self._first_of(keeping, working)
        if self.stop.is_set() and not keeping.done():
            with suppress(TimeoutError):
                await self.drain(DRAIN_S)
        await _cancelled(working)
        await _cancelled(keeping)
        if working.done():
            await self.lease.release()
        for task in (keeping, working):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _first_of(self, *tasks: asyncio.Future[Any]) -> None:
        stopping = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()


async def _cancelled(task: asyncio.Future[Any]) -> None:
    """It has ended, or does not want to: then the deadline ends the process."""
    task.cancel()
    await asyncio.wait({task}, timeout=END_S)
