"""The trace that a POST belongs to, as its header says it. Knows nobody who would keep spans of it.

https://www.w3.org/TR/trace-context/#traceparent-header
"""

from __future__ import annotations

from secrets import randbits
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from notifychannel_sidecar.deliverer.answer import Reply
    from notifychannel_sidecar.inbox.work import Work

SAMPLED = 0x01


class Trace(Protocol):
    """One POST's."""

    def traceparent(self) -> str:
        """The header's value."""

    def end(self, reply: Reply | None) -> None:
        """The POST is over; None: broken off, and what became of it is unknown."""


class Tracer(Protocol):
    """Begins a new trace for each POST. No call may block or raise."""

    def begin(self, work: Work[Any], *, port: int, path: str) -> Trace:
        """The POST starts now."""


class Untraced:
    """Keeps nothing: ids for the application's own spans, always sampled, for what it keeps is its own choice."""

    def begin(self, work: Work[Any], *, port: int, path: str) -> Self:  # noqa: ARG002 - a Tracer's
        """Itself."""
        return self

    def traceparent(self) -> str:
        """Other ids at each call."""
        return header(trace_id=randbits(128) or 1, span_id=randbits(64) or 1, flags=SAMPLED)

    def end(self, reply: Reply | None) -> None:
        """Nothing."""


def header(*, trace_id: int, span_id: int, flags: int) -> str:
    """`traceparent`, version 00; both ids above 0."""
    return f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"
