"""A group of a channel as one line of the screen. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from notifychannel_cli import shown
from notifychannel_cli.status import rates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from notifychannel_cli.status.sample import Sample

HEAD = ("channel", "group", "ready", "listening", "hints/s", "p50", "p99", "backlog", "dead")
NAMES, SHORTEST = 2, 12
"""The first columns, which may be cut to so many characters."""
SECONDS, MILLISECONDS = 1.0, 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What was seen of it, at one moment."""

    namespace: str
    channel: str
    group: str
    ready: str
    """`True`, or the reason why not."""
    pods: int
    """That carry the label and have not ended."""
    samples: Mapping[str, Sample] = field(default_factory=dict)
    """By pod, of those that answered."""
    unasked: int = 0
    """Pods that were not asked: there are so many."""

    @property
    def is_well(self) -> bool:
        """Nothing here is to be looked into."""
        return self.ready == "True" and not self.dead

    @property
    def listening(self) -> int:
        """Pods that say that they are."""
        return sum(it.listening for it in self.samples.values())

    @property
    def backlog(self) -> int:
        """Keys that wait: in the sidecars, and in the durable queue, which each of them counts whole."""
        queued = max((it.waiting for it in self.samples.values()), default=0.0)
        return round(sum(it.pending for it in self.samples.values() if not it.queue) + queued)

    @property
    def dead(self) -> int:
        """Dead letters."""
        return round(max((it.queue.get("dead", 0.0) for it in self.samples.values()), default=0.0))


def of_channel(body: Mapping[str, Any]) -> tuple[str, Sequence[str]]:
    """Ready (`True` or why not), and its groups."""
    conditions = (body.get("status") or {}).get("conditions") or []
    ready = next((it for it in conditions if it["type"] == "Ready"), None)
    said = "Unknown" if ready is None else "True" if ready["status"] == "True" else ready["reason"]
    return said, [it["group"] for it in body["spec"]["consumers"]]


def cells(before: Group | None, now: Group, seconds: float) -> tuple[object, ...]:
    """For `shown.columns`; what nobody answered for is a dash."""
    name = f"{now.namespace}/{now.channel}"
    listening = f"{now.listening}/{now.pods - now.unasked}" + (f" of {now.pods}" if now.unasked else "")
    if not now.samples:
        return (name, now.group, now.ready, f"-/{now.pods}" if now.pods else "0/0", *(None,) * 5)
    found = rates.between(before.samples if before else {}, now.samples, seconds)
    times = (_time(found.p50_s), _time(found.p99_s))
    return (name, now.group, now.ready, listening, f"{found.per_s:,.1f}", *times, now.backlog, now.dead)


def table(rows: Sequence[Sequence[object]], width: int | None) -> list[str]:
    """Lines, not wider than that if names can be cut at their beginning: what tells them apart is at the end."""
    made = list(shown.columns(HEAD, rows))
    for column in range(NAMES):
        longest = max(len(str(row[column])) for row in rows)
        most = max(SHORTEST, longest - (max(map(len, made)) - width)) if width else longest
        rows = [(*row[:column], _tail(str(row[column]), most), *row[column + 1 :]) for row in rows]
        made = list(shown.columns(HEAD, rows))
    return made


def _tail(text: str, most: int) -> str:
    return text if len(text) <= most else f"…{text[1 - most :]}"


def as_json(before: Group | None, now: Group, seconds: float) -> dict[str, object]:
    """For programs; seconds."""
    found = rates.between(before.samples if before else {}, now.samples, seconds)
    return {
        **{name: getattr(now, name) for name in ("namespace", "channel", "group", "ready", "pods", "unasked")},
        "answered": len(now.samples),
        **{name: getattr(now, name) for name in ("listening", "backlog", "dead")},
        "hints_per_second": found.per_s,
        "p50_seconds": found.p50_s,
        "p99_seconds": found.p99_s,
    }


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return f"{seconds:.1f} s" if seconds >= SECONDS else f"{seconds / MILLISECONDS:.0f} ms"
