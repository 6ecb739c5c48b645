"""Ours: the sidecar, window 0, in three ways."""

from __future__ import annotations

import importlib.metadata
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from notifychannel_cli.bench.rig import LISTENER, Rig
from notifychannel_cli.sidecar_process import SidecarProcess
from notifychannel_operator.spec import Capture, Channel, Delivery
from tests.rivals.rival import TABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(slots=True, kw_only=True)
class Ours:
    """One pod's sidecar: listener, and relay and claimer where there are any."""

    name: str
    capture: Capture
    delivery: Delivery = Delivery.BEST_EFFORT
    version: str = field(default_factory=lambda: importlib.metadata.version("notifychannel"))
    obstacle: str | None = None
    _channel: Channel | None = None

    async def prepare(self, rig: Rig) -> None:
        """The table with our triggers."""
        self._channel = await rig.hinted(TABLE, capture=self.capture, delivery=self.delivery)

    @asynccontextmanager
    async def running(self, rig: Rig, port: int) -> AsyncIterator[int]:
        """From the moment on that it is started, as all the others."""
        if self._channel is None:
            raise RuntimeError("prepare() comes first")
        config = rig.config(self._channel, port=port)
        async with SidecarProcess(config=config, uri=rig.dsn(LISTENER)) as sidecar:
            yield sidecar.pid


OURS = (
    Ours(name="NotifyChannel, Notify", capture=Capture.NOTIFY),
    Ours(name="NotifyChannel, Outbox", capture=Capture.OUTBOX),
    Ours(name="NotifyChannel, AtLeastOnce", capture=Capture.OUTBOX, delivery=Delivery.AT_LEAST_ONCE),
)
