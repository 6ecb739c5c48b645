"""One POST → two spans of a new trace. Never a key, a payload, an id of a hint, a token or the application's answer.

notifychannel hints   from the oldest change that the POST tells of, by the database's clock, to its end
└── POST              the request: its id is the parent's in `traceparent`
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from notifychannel_sidecar.deliverer import trace
from notifychannel_sidecar.deliverer.endpoint import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Tracer

    from notifychannel_sidecar.config import Config
    from notifychannel_sidecar.deliverer.answer import Reply
    from notifychannel_sidecar.inbox.work import Work

Attributes = dict[str, str | int]


class SpanTrace:
    """One POST's."""

    def __init__(self, *, whole: Span, post: Span) -> None:
        self._whole = whole
        self._post = post

    def traceparent(self) -> str:
        """Of the POST's span; not sampled where the sampler of OTEL_TRACES_SAMPLER has said so."""
        context = self._post.get_span_context()
        return trace.header(trace_id=context.trace_id, span_id=context.span_id, flags=context.trace_flags)

    def end(self, reply: Reply | None) -> None:
        """Ends both; anything but a 2xx is an error."""
        if reply is not None and reply.status is not None:
            self._post.set_attribute("http.response.status_code", reply.status)
        error = _error(reply)
        for span in (self._post, self._whole):
            if error is not None:
                span.set_attribute("error.type", error)
                span.set_status(Status(StatusCode.ERROR))
            span.end()


class SpanTracer:
    """Begins them; `config` tells whose POSTs they are, `database_us` the best guess at the database's time."""

    def __init__(self, *, tracer: Tracer, config: Callable[[], Config | None], database_us: Callable[[], int]) -> None:
        self._tracer = tracer
        self._config = config
        self._database_us = database_us

    def begin(self, work: Work[Any], *, port: int, path: str) -> SpanTrace:
        """Now."""
        now_ns = time.time_ns()
        about = _about(work, self._config())
        whole = self._tracer.start_span(
            "notifychannel hints",
            Context(),
            attributes=about,
            start_time=max(0, now_ns - _age_us(work, self._database_us()) * 1000),
        )
        post = self._tracer.start_span(
            "POST", set_span_in_context(whole, Context()), SpanKind.CLIENT, about | _request(port, path),
            start_time=now_ns,
        )  # fmt: skip
        return SpanTrace(whole=whole, post=post)


def _about(work: Work[Any], config: Config | None) -> Attributes:
    found: Attributes = {
        "notifychannel.channel": work.channel,
        "notifychannel.reason": work.reason.value,
        "notifychannel.hints": len(work.hints),
    }
    if config is not None:
        found |= {"notifychannel.namespace": config.namespace, "notifychannel.group": config.group}
    if work.hints:
        found["notifychannel.attempt"] = max(hint.attempt for hint in work.hints)
    return found


def _request(port: int, path: str) -> Attributes:
    """https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client"""
    return {
        "http.request.method": "POST",
        "server.address": HOST,
        "server.port": port,
        "url.full": f"http://{HOST}:{port}{path}",
    }


def _age_us(work: Work[Any], now_us: int) -> int:
    """Of the oldest change, by the database's clock, for ours may differ; 0 for a resync."""
    return max(0, now_us - min((hint.first_at_us for hint in work.hints), default=now_us))


def _error(reply: Reply | None) -> str | None:
    if reply is None:
        return "cancelled"
    if reply.fault is not None:
        return reply.fault.value
    return None if reply.status is not None and 200 <= reply.status <= 299 else str(reply.status)  # noqa: PLR2004 - HTTP's
