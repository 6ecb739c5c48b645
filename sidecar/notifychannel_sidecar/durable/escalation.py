"""Tells the application of rows that nobody has acknowledged for too long, one POST each, once each.

The queue leaves a few at a time to one sidecar for as long as these POSTs may take; what is not told by then others may
tell. A row is told of again only where its POST got no 2xx, or the end came before the queue was told of it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from notifychannel_sidecar.durable.agenda import Agenda
    from notifychannel_sidecar.durable.claim import Claim
    from notifychannel_sidecar.inbox.work import Work


class Escalation:
    """Of all channels; one POST at a time for each. Goes on while the session is another: what was told was told."""

    def __init__(self, *, post: Callable[[Work[Any], str], Awaitable[bool]]) -> None:
        """`post`: tell of it at that path; whether it was acknowledged."""
        self._post = post
        self._tasks: dict[Agenda, asyncio.Task[None]] = {}

    def start(self, agenda: Agenda, claims: Sequence[Claim], *, ends_s: float, on_told: Callable[[], None]) -> None:
        """Begin to tell of these, of none after `ends_s` (time.monotonic()); `on_told`: `agenda.told` has one more."""
        if claims:
            self._tasks[agenda] = asyncio.create_task(self._tell(agenda, claims, ends_s, on_told))

    def is_busy(self, agenda: Agenda) -> bool:
        """Whether something of this channel is being told, or the queue does not know yet that it was."""
        task = self._tasks.get(agenda)
        return (task is not None and not task.done()) or bool(agenda.told)

    def stop(self) -> None:
        """The end has come."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks = {}

    async def _tell(self, agenda: Agenda, claims: Sequence[Claim], ends_s: float, on_told: Callable[[], None]) -> None:
        path = agenda.hold.config.escalation_path or ""
        refused = False
        for claim in claims:
            if time.monotonic() > ends_s:
                break
            work = agenda.hold.told_of(claim)
            if work is not None and not await self._post(work, path):
                refused = True
                continue
            agenda.tell(claim.key)
            on_told()
        if refused:
            agenda.not_told(time.monotonic())
