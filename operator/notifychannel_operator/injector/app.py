"""The injector, wired: certificate → TLS server → inject.decide, with probes and metrics on a port of their own.

    run() ── not ready (no certificate) ── ready ── stop() ──► not ready, answering for DRAIN_S ──► end

Refuses to touch signals and the environment: __main__ does. Calls nobody.
"""

from __future__ import annotations

import asyncio
import logging
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from notifychannel_operator import health
from notifychannel_operator.events import Event
from notifychannel_operator.injector import server
from notifychannel_operator.injector.certificate import ServedCertificate
from notifychannel_operator.injector.metrics import Metrics

if TYPE_CHECKING:
    from notifychannel_operator.injector.settings import Settings

log = logging.getLogger(__name__)

DRAIN_S = 5.0
"""Until the last API server has heard that this pod is no endpoint any more."""


def installed_version() -> str:
    """Of this package."""
    try:
        return version("notifychannel")
    except PackageNotFoundError:
        return "unknown"


class Injector:
    """One injector: `await run()` once; `stop` may be called at any time, by signals."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ending = asyncio.Event()
        self._metrics = Metrics(
            version=installed_version(),
            is_ready=lambda: self._unready() is None,
            certificate_expires_s=self._expires_s,
        )
        self._certificate = ServedCertificate(folder=settings.tls_dir, on_reload=self._metrics.on_reload)

    async def run(self) -> None:
        """Serve until `stop`, and for DRAIN_S after it. Raises OSError when a port is taken."""
        self._certificate.look()
        watching = asyncio.create_task(self._certificate.run())
        admit = server.handler(
            settings=self._settings.sidecar, metrics=self._metrics, is_ending=self._ending.is_set
        )  # fmt: skip
        host = self._settings.host
        probes = health.serve(
            host=host, port=self._settings.http_port, illness=lambda: None, unready=self._unready,
            metrics=self._metrics.text,
        )  # fmt: skip
        reviews = server.serve(admit, host=host, port=self._settings.port, context=self._certificate.context)
        try:
            async with reviews as port, probes:  # in this order: nobody is told "ready" before it answers
                log.info("serving /inject on port %d", port, extra=Event.SERVING.tag)
                await self._until_stopped(watching)
        finally:
            watching.cancel()

    def stop(self) -> None:
        """Be not ready from now on, and end a little later."""
        self._ending.set()

    async def _until_stopped(self, watching: asyncio.Task[None]) -> None:
        """Raises what ended the watch of the certificate, which only a bug can."""
        stopped = asyncio.create_task(self._ending.wait())
        await asyncio.wait({stopped, watching}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            stopped.cancel()
            await watching
        log.info("not ready any more; answering for another %.0f s", DRAIN_S, extra=Event.NOT_READY.tag)
        await asyncio.sleep(DRAIN_S)

    def _unready(self) -> str | None:
        return "ending" if self._ending.is_set() else self._certificate.problem()

    def _expires_s(self) -> float:
        found = self._certificate.expires_at
        return found.timestamp() if found else 0.0
