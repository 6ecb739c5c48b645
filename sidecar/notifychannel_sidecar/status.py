"""What /status says: pure, from values to JSON. No keys, no DSN, no text from outside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.config import Way

if TYPE_CHECKING:
    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.durable.agenda import Agenda
    from notifychannel_sidecar.inbox.work import Counts
    from notifychannel_sidecar.listener.roundtrip import RoundTrip
    from notifychannel_sidecar.relay.candidate import Candidate
    from notifychannel_sidecar.reload import Files
    from notifychannel_sidecar.state import State


def overview(
    *,
    pod: str,
    version: str,
    state: State,
    trip: RoundTrip | None,
    now_s: float,
    files: Files,
    relay: dict[str, Any] | None,
    channels: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """The document; `now_s` is time.monotonic()."""
    return {
        "group": files.config.group if files.config else None,
        "pod": pod,
        "version": version,
        "state": state.phase.value,
        "reason": state.why.value if state.why else None,
        "since": datetime.fromtimestamp(state.since_s, UTC).isoformat(timespec="milliseconds"),
        "retry_in_s": None if state.retry_in_s is None else round(state.retry_in_s, 3),
        "remedy": state.remedy,
        "mode": state.mode.value,
        "last_round_trip": None if trip is None else _trip(trip, now_s),
        "config": {"hash": files.config_hash, "error": files.config_error},
        "secret": {"error": files.secret_error},
        "relay": relay,
        "channels": channels,
    }


def relay(candidate: Candidate) -> dict[str, Any] | None:
    """The part about the outbox; None where no channel captures by it, or it was not seen yet."""
    look = candidate.stand_by.last
    if look is None:
        return None
    wakefulness = candidate.wakefulness
    return {
        "role": "relay" if wakefulness else "stand-by",
        "wakefulness": wakefulness.value if wakefulness else None,
        "relayed_by": look.holder,
        "outbox_bytes": look.size_bytes,
    }


def delivering(config: ChannelConfig, said: tuple[bool, str], *, shut: str | None) -> tuple[bool, str]:
    """What its carrier says, or why nobody can come to the local port for it (`shut`)."""
    return said if shut is None or config.way is Way.POST else (False, shut)


def channel(
    config: ChannelConfig,
    counts: Counts,
    *,
    delivering: tuple[bool, str],
    breaker_open: bool,
    agenda: Agenda | None = None,
    claims: State | None = None,
    readers: int = 0,
) -> dict[str, Any]:
    """One channel's part of it; `agenda` and `claims` where it is delivered AtLeastOnce, `readers` of a stream."""
    return {
        "way": config.way.value,
        "suspended": config.suspend,
        "pending": counts.pending_keys,
        "delivering": delivering[0],
        "last_answer": delivering[1],
        "breaker": "open" if breaker_open else "closed",
        "notifications": counts.notifications,
        "resyncs": {reason.value: count for reason, count in counts.resyncs.items() if count},
        "malformed": counts.malformed,
        "readers": readers if config.way is Way.STREAM else None,
        "queue": None if agenda is None else _queue(agenda, claims),
    }


def _queue(agenda: Agenda, claims: State | None) -> dict[str, Any]:
    """What is claimed here, and what waits for the whole group as it was last counted."""
    waiting = agenda.waiting
    return {
        "claiming": agenda.claimer is not None,
        "reason": claims.why.value if claims and claims.why else None,
        "remedy": claims.remedy if claims else None,
        "claimed_here": agenda.hold.claims,
        "pending": waiting.pending if waiting else None,
        "claimed": waiting.claimed if waiting else None,
        "retrying": waiting.retrying if waiting else None,
        "dead": waiting.dead if waiting else None,
        "oldest_s": None if waiting is None or waiting.oldest_s is None else round(waiting.oldest_s, 3),
    }


def _trip(trip: RoundTrip, now_s: float) -> dict[str, Any]:
    return {
        "age_s": round(now_s - trip.answered_s, 3),
        "took_s": round(trip.trip_s, 6),
        "queue_usage": trip.queue_usage,
        "sees_skipped": trip.skipped is not None,
    }
