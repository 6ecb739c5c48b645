"""Whether spans are kept of POSTs: only where a collector is named, and the extra `otel` is installed.

Where something stands in the way that is one line of the log, and the sidecar delivers as it does without.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from notifychannel_sidecar.deliverer.trace import Tracer, Untraced
from notifychannel_sidecar.events import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from notifychannel_sidecar.config import Config
    from notifychannel_sidecar.spans.export import Export

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 1.0
"""For the last spans, at the end of the program: what a collector has not taken by then is lost."""


@asynccontextmanager
async def opened(
    *, wanted: bool, pod: str, version: str, config: Callable[[], Config | None], database_us: Callable[[], int]
) -> AsyncIterator[Tracer]:
    """The tracer for the POSTs in this block; at its end, up to CLOSE_TIMEOUT_S for the spans that wait."""
    export = _open(pod=pod, version=version) if wanted else None
    if export is None:
        yield Untraced()
        return
    try:
        yield export.tracer(config=config, database_us=database_us)
    finally:
        await export.close(CLOSE_TIMEOUT_S)


def _open(*, pod: str, version: str) -> Export | None:
    try:
        from notifychannel_sidecar.spans.export import Export  # noqa: PLC0415 - an extra, and half a second of imports

        return Export(pod=pod, version=version)
    except ImportError:
        log.warning(
            "no spans: a collector is named (OTEL_EXPORTER_OTLP_ENDPOINT), but OpenTelemetry is not installed; build "
            "the image by `make images OTEL=1`, or install notifychannel[sidecar,otel]; deliveries go on",
            extra=Event.SPANS_UNAVAILABLE.tag,
        )
    except Exception as error:  # noqa: BLE001 - the SDK raises whatever a variable makes it
        log.warning(
            "no spans: OpenTelemetry can't be set up (%s); look at this container's OTEL_ variables; deliveries go on",
            type(error).__name__,
            extra=Event.SPANS_UNAVAILABLE.tag,
        )
    return None
