"""Leading while holding the Lease, and not a moment longer.

    waiting ── acquire ──► leading ── release ──► waiting (the next replica takes over at once)
                              └─ not renewed for 10 s, or another holder seen ──► LeaseLostError: the process ends
                                 (and if it doesn't, frozen or hung, the kernel ends it 3 s later, 2 s before
                                  anybody else may take the lease)

The election is the client library's; this adds hard limits, the fence for writers, and a clean end.
Source: kubernetes.io/docs/concepts/architecture/leases, client-go's tools/leaderelection.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any, NoReturn, Self

from kubernetes.aio.client import ApiClient
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection

from notifychannel_operator.events import Event
from notifychannel_operator.leadership.lock import Lock

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

    from notifychannel_operator.leadership.deadline import Deadline

log = logging.getLogger(__name__)

DURATION_S = 15
"""How long others wait for a holder who is silent; client-go's default, as are the next two."""
RENEW_DEADLINE_S = 10
"""A holder who could not renew for so long gives up."""
RETRY_S = 2
"""Between renewals, and between looks of those who wait."""
LAST_S = 13
"""After the last renewal was sent the process is over, whatever it is doing."""


class LeaseLostError(Exception):
    """Another replica leads now, or will: end without another write."""


class Lease:
    """One candidate: `async with Lease(…) as lease:`; `acquire`, then `keep` beside the work, then `release`."""

    def __init__(
        self, configuration: Configuration, *, name: str, namespace: str, pod: str, deadline: Deadline
    ) -> None:
        # Not the pod's name alone: a restarted container must not take its dead predecessor's lease for its own
        # while that one is perhaps not quite dead.
        self.identity = f"{pod}_{uuid.uuid4().hex[:8]}"
        self._deadline = deadline
        self._client: Any = ApiClient(configuration)  # its own connections: a busy pool must not delay a renewal
        self._limit: asyncio.Timeout | None = None
        self._is_leading = False
        self.has_spoken = False
        """Whether the cluster has answered about the lease: then this replica is ready, leading or not."""
        self._stolen_by: str | None = None
        self._lock = Lock(
            name=name, namespace=namespace, identity=self.identity, client=self._client,
            on_written=self._on_written, on_holder=self._on_holder,
        )  # fmt: skip
        self._election = LeaderElection(
            Config(
                lock=self._lock, lease_duration=DURATION_S, renew_deadline=RENEW_DEADLINE_S, retry_period=RETRY_S,
                onstarted_leading=_nothing, onstopped_leading=_nothing,
            )
        )  # fmt: skip

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def acquire(self) -> None:
        """Wait until this process leads."""
        log.info("waiting for the lease as %s", self.identity, extra=Event.WAITING_FOR_LEASE.tag)
        await self._election.acquire()
        self._is_leading = True
        log.info("leading as %s", self.identity, extra=Event.LEADING.tag)

    async def keep(self) -> NoReturn:
        """Renew until that fails; raises LeaseLostError, and from then on nothing may be written."""
        try:
            async with asyncio.timeout(RENEW_DEADLINE_S) as self._limit:
                await self._election.renew_loop()
        except TimeoutError:
            pass
        self._deadline.forbid()
        why = f"{self._stolen_by} holds it" if self._stolen_by else f"not renewed for {RENEW_DEADLINE_S} s"
        raise LeaseLostError(f"the lease is lost: {why}")

    async def release(self) -> None:
        """Give the lease back if it is still ours; call it when nothing writes any more."""
        if self._is_leading and self._deadline.is_open():
            self._is_leading = False
            await self._lock.release()
            self._deadline.close()

    def _on_written(self, sent_s: float) -> None:
        self.has_spoken = True
        self._deadline.extend(sent_s + LAST_S)
        if self._limit is not None:
            self._limit.reschedule(sent_s + RENEW_DEADLINE_S)

    def _on_holder(self, holder: str | None) -> None:
        self.has_spoken = True
        if self._is_leading and self._limit is not None and holder != self.identity:
            self._stolen_by = holder or "nobody"
            self._deadline.forbid()
            self._limit.reschedule(0)


async def _nothing() -> None:
    """What the library calls around leading; we wait for its two halves ourselves."""
