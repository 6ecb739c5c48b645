"""Is the watch still heard? An own ConfigMap is touched each minute, and its event has to come through kopf's watch.

A watch behind a load balancer can go deaf without any error (kopf #585, #957, #1120, #1276). A touch that fails is
not counted: then the cluster is away, and no restart brings it back.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from notifychannel_operator import managed_by
from notifychannel_operator.events import Event
from notifychannel_operator.kinds import CONFIGMAPS
from notifychannel_operator.kube_error import KubeError

if TYPE_CHECKING:
    from notifychannel_operator.kube import Kube

log = logging.getLogger(__name__)

TOUCH_S = 60.0
LATE_S = 180.0
"""Later than that the watch is called deaf."""
KEY = "touched"


class Canary:
    """`await run()` while leading; `heard` is told of every event of the ConfigMap."""

    def __init__(self, *, kube: Kube, namespace: str, name: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name
        self._owed: dict[str, float] = {}
        """What was written and not heard yet, and when: oldest first."""

    async def run(self) -> None:
        """Touch, wait, for ever."""
        while True:
            await self._touch()
            await asyncio.sleep(TOUCH_S)

    def heard(self, body: dict[str, Any]) -> None:
        """An event has come; it pays for all that was written before it, because a watch may merge."""
        value = (body.get("data") or {}).get(KEY)
        if value in self._owed:
            for earlier in list(self._owed):
                del self._owed[earlier]
                if earlier == value:
                    return

    def late_s(self) -> float:
        """How long an event is owed to us; 0 when all came."""
        return asyncio.get_running_loop().time() - next(iter(self._owed.values())) if self._owed else 0.0

    def illness(self) -> str | None:
        """For /livez."""
        late_s = self.late_s()
        return f"the watch is deaf: an event is owed for {late_s:.0f} s" if late_s > LATE_S else None

    async def _touch(self) -> None:
        value = datetime.now(UTC).isoformat()
        # Owed from before the call: the event may overtake the answer.
        self._owed[value] = asyncio.get_running_loop().time()
        try:
            await self._kube.apply(CONFIGMAPS, self._body(value))
        except KubeError as error:
            self._owed.pop(value, None)
            log.warning(
                "the canary %s can't be touched: %s; trying again in %.0f s",
                self._name,
                error,
                TOUCH_S,
                extra=Event.CANARY_FAILED.tag,
            )

    def _body(self, value: str) -> dict[str, Any]:
        return {
            "metadata": {
                "name": self._name, "namespace": self._namespace, "labels": managed_by.labels(),
            },
            "data": {KEY: value},
        }  # fmt: skip
