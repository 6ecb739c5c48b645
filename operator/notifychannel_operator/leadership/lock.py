"""The Lease as the client library's election wants it, with what that leaves out: time limits, and giving back.

`LeaseLock` of kubernetes 37.0.2 creates with `pretty=True`, which its own validation refuses; lets everything but
ApiException through to the election, which ends of it; waits for an answer for five minutes; and writes this machine's
local time as if it were UTC.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from kubernetes.aio.client import ApiException, V1Lease, V1LeaseSpec, V1ObjectMeta
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from notifychannel_operator.events import Event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kubernetes.aio.client import ApiClient
    from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord

log = logging.getLogger(__name__)

CALL_TIMEOUT_S = 3.0
"""Of one call: three tries fit into the renew deadline."""
RELEASED_S = 1
"""leaseDurationSeconds of a lease that was given back, as client-go writes it."""


class Lock(LeaseLock):
    """Never raises; says by callbacks when the lease was written, and whose it is."""

    def __init__(
        self,
        *,
        name: str,
        namespace: str,
        identity: str,
        client: ApiClient,
        on_written: Callable[[float], None],
        on_holder: Callable[[str | None], None],
    ) -> None:
        super().__init__(name, namespace, identity, client)
        self._on_written = on_written
        self._on_holder = on_holder
        self._said: dict[str, str] = {}

    async def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        """As the base class; no answer is an ApiException without a status."""
        (found, record), _ = await self._limited(super().get(name, namespace), "read")
        if found:
            self._on_holder(record.holder_identity)
        return found, record

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        """As the base class, without `pretty`."""
        body = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        return await self._written(self._ask(self.api_instance.create_namespaced_lease(namespace, body)))

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        """As the base class: the resourceVersion that `get` saw makes a race's loser lose."""
        return await self._written(super().update(name, namespace, updated_record))

    def update_lease(
        self, leader_election_record: LeaderElectionRecord, current_spec: V1LeaseSpec | None = None
    ) -> V1LeaseSpec:
        """As the base class, with times that say UTC and mean it: `kubectl` and `helm test` read them."""
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond or 1)  # six digits, or the API's MicroTime can't be read
        is_mine = current_spec is not None and current_spec.holder_identity == leader_election_record.holder_identity
        acquired = current_spec.acquire_time if current_spec is not None and is_mine else None
        spec: V1LeaseSpec = super().update_lease(leader_election_record, current_spec)
        spec.renew_time, spec.acquire_time = now, acquired or now
        return spec

    async def release(self) -> None:
        """Give it back if it is ours, so that the next one need not wait for its end."""
        found, record = await self.get(self.name, self.namespace)
        if not found or record.holder_identity != self.identity or self.lease_reference is None:
            return
        self.lease_reference.spec = V1LeaseSpec(holder_identity="", lease_duration_seconds=RELEASED_S)
        replace = self.api_instance.replace_namespaced_lease(self.name, self.namespace, self.lease_reference)
        (given_back, _), _ = await self._limited(self._ask(replace), "given back")
        log.info(
            "the lease %s %s",
            self.name,
            "was given back" if given_back else "could not be given back",
            extra=Event.LEASE_ENDED.tag,
        )

    async def _written(self, call: Awaitable[Any]) -> bool:
        (written, _), sent_s = await self._limited(call, "written")
        if written:
            self._on_written(sent_s)
        return bool(written)

    async def _ask(self, call: Awaitable[Any]) -> tuple[bool, Any]:
        try:
            return True, await call
        except ApiException as error:
            return False, error

    async def _limited(self, call: Awaitable[Any], what: str) -> tuple[tuple[bool, Any], float]:
        """What came of it, and when it was sent: the lease counts from there, not from the answer."""
        sent_s = time.monotonic()
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                answer = await call
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            answer = False, ApiException(status=0, reason=type(error).__name__)
        if isinstance(answer, bool):
            answer = answer, None
        self._say("" if answer[0] else str(getattr(answer[1], "reason", "refused")), what)
        return answer, sent_s

    def _say(self, reason: str, what: str) -> None:
        """Once for each change, not every two seconds; that there is no lease yet is no news."""
        if reason and reason != self._said.get(what) and (what, reason) != ("read", "Not Found"):
            log.warning(
                "the lease %s/%s can't be %s: %s; trying again",
                self.namespace,
                self.name,
                what,
                reason,
                extra=Event.LEASE_FAILED.tag,
            )
        self._said[what] = reason
