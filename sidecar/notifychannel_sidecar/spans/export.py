"""Spans to the collector, by OpenTelemetry's SDK in a thread of its own: bounded, and nobody waits for it but `close`.

The OTEL_ variables (address, headers, certificates, sampler, limits, service name) are read by the SDK itself, as its
specification demands: the one exception from "nothing outside `__main__` reads the environment".
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from notifychannel_sidecar.events import Event
from notifychannel_sidecar.spans.tracer import SpanTracer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from notifychannel_sidecar.config import Config

log = logging.getLogger(__name__)


class Export:
    """Runs from its making to `close`. Raises whatever the SDK does where a variable can't be used."""

    def __init__(self, *, pod: str, version: str) -> None:
        _quieten()
        ours = Resource.create(
            {"service.name": "notifychannel-sidecar", "service.version": version, "service.instance.id": pod}
        )
        self._provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_Telling(OTLPSpanExporter())))

    def tracer(self, *, config: Callable[[], Config | None], database_us: Callable[[], int]) -> SpanTracer:
        """Whose spans are exported; for the arguments see there."""
        tracer = self._provider.get_tracer("notifychannel_sidecar")
        return SpanTracer(tracer=tracer, config=config, database_us=database_us)

    async def close(self, timeout_s: float) -> None:
        """Export what waits, in up to so many seconds; a collector that hangs keeps only a daemon thread."""
        loop, flushed = asyncio.get_running_loop(), asyncio.Event()
        threading.Thread(target=self._end, args=(loop, flushed), name="last spans", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await flushed.wait()

    def _end(self, loop: asyncio.AbstractEventLoop, flushed: asyncio.Event) -> None:
        self._provider.force_flush()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waited so long
            loop.call_soon_threadsafe(flushed.set)
        self._provider.shutdown()


class _Telling(SpanExporter):
    """The exporter, and a line of the log whenever the collector begins or ceases to take spans."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._good: bool | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - no certificate, no such host: the text may hold what a variable holds
            result = SpanExportResult.FAILURE
        self._tell(good=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def _tell(self, *, good: bool) -> None:
        if good is self._good:
            return
        self._good = good
        if good:
            log.info("the collector takes spans", extra=Event.SPANS_EXPORTED.tag)
        else:
            log.warning(
                "the collector does not take spans: they are dropped, and it is tried again with the next ones; "
                "deliveries go on",
                extra=Event.SPANS_NOT_EXPORTED.tag,
            )


def _quieten() -> None:
    """The SDK and its HTTP client would log each failed try, with texts from outside and addresses: `_Telling` says
    what has to be said.
    """
    for name in ("opentelemetry", "urllib3"):
        library = logging.getLogger(name)
        library.addHandler(logging.NullHandler())
        library.propagate = False
