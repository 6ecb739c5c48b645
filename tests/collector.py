"""A collector of OpenTelemetry, for tests: takes OTLP over HTTP as protobuf, on a free port of 127.0.0.1.

Keeps every span and every byte. Can be away (no listener) or hang (no answer until `release`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Span:
    """One, as a person reads it."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    error: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]


@dataclass(kw_only=True)
class Collector:
    """`async with Collector() as collector:`."""

    hangs: bool = False
    port: int = 0
    spans: list[Span] = field(default_factory=list)
    raw: bytes = b""
    asked: int = 0
    """Requests, answered or not."""
    _runner: web.ServerRunner | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release()
        await self.refuse()

    @property
    def environment(self) -> dict[str, str]:
        """What a sidecar is told of it; it exports ten times a second."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    async def listen(self) -> None:
        """Accept connections, after a `refuse` on the same port again."""
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def refuse(self) -> None:
        """Close all connections and the port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def release(self) -> None:
        """Answer, also those that wait."""
        self.hangs = False
        self._released.set()

    async def until(self, condition: Callable[[], Any]) -> None:
        """Return when it holds, looked at after each request."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(condition)

    def named(self, name: str, **attributes: Any) -> list[Span]:
        """The spans of that name with these attributes (`reason` for `notifychannel.reason`)."""
        wanted = {f"notifychannel.{key}": value for key, value in attributes.items()}
        return [span for span in self.spans if span.name == name and wanted.items() <= span.attributes.items()]

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        raw = await request.read()
        async with self._changed:
            self.asked += 1
            self._changed.notify_all()
        if self.hangs:
            await self._released.wait()
        assert (request.path, request.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
        async with self._changed:
            self.raw += raw
            self.spans += spans(raw)
            self._changed.notify_all()
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )


def spans(raw: bytes) -> list[Span]:
    """Of the body of one request."""
    request = ExportTraceServiceRequest.FromString(raw)
    return [
        Span(
            name=span.name, kind=span.kind, trace_id=span.trace_id.hex(), span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(), start_ns=span.start_time_unix_nano, end_ns=span.end_time_unix_nano,
            error=span.status.code == span.status.STATUS_CODE_ERROR, attributes=_values(span.attributes),
            resource=_values(group.resource.attributes),
        )
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]  # fmt: skip


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
