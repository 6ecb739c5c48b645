"""What a sidecar's /status says, as values out of closed sets: nothing that stands in it gets further as it is. Pure.

Whoever may run a pod may answer there, so a text of theirs is recognised or left out, never passed on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from notifychannel_operator.passes.conditions import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CHANNELS = 1000
WHY = {
    reason.value: reason
    for reason in (
        Reason.NOT_CONFIGURED, Reason.NO_SECRET, Reason.UNREACHABLE, Reason.AUTHENTICATION_FAILED,
        Reason.WRONG_DATABASE, Reason.READ_ONLY_REPLICA, Reason.POOLER_SWALLOWS_LISTEN, Reason.HALF_OPEN,
        Reason.TOO_MANY_CONNECTIONS, Reason.QUEUE_FULL, Reason.OTHER_VERSION,
    )
}  # fmt: skip
"""The sidecar's own words for why it waits (its docs/sidecar.md)."""
ANSWERS = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"nothing had to be delivered yet",
        r"the application answers [1-9][0-9]{2}",
        r"connection refused on 127\.0\.0\.1:[0-9]{1,5}",
        r"the application on 127\.0\.0\.1:[0-9]{1,5} closes the connection before it has answered",
        r"no answer on 127\.0\.0\.1:[0-9]{1,5} within [0-9.e+-]{1,12} s",
        r"what listens on 127\.0\.0\.1:[0-9]{1,5} does not answer in HTTP",
        r"the application reads the stream",
        r"nobody reads the stream",
        r"the application claims",
        r"the sidecar can't open 127\.0\.0\.1:[0-9]{1,5}: (something else listens there|the system does not let it)",
        r"nobody has claimed for more than (a minute|5 minutes|15 minutes|an hour|a day)",
    )
)
"""Everything that `last_answer` can be."""
ODD_ANSWER = "it says something that no sidecar says"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """One pod's sidecar, as it says of itself."""

    is_listening: bool
    why: Reason | None = None
    """Why it waits, when it does."""
    deliveries: Mapping[str, tuple[bool, str]] = field(default_factory=dict)
    """Channel → whether the application takes its hints, and what it answered last."""


def parse(document: Any) -> Sidecar | None:
    """The sidecar in a JSON document; None when it is none."""
    if not isinstance(document, dict):
        return None
    state, reason, channels = document.get("state"), document.get("reason"), document.get("channels")
    if state not in {"CONNECTING", "LISTENING", "WAITING", "FINISHED"} or not isinstance(channels, dict):
        return None
    deliveries = {
        name: _delivery(each) for name, each in list(channels.items())[:MAX_CHANNELS] if isinstance(each, dict)
    }
    why = WHY.get(reason) if isinstance(reason, str) else None
    return Sidecar(is_listening=state == "LISTENING", why=why, deliveries=deliveries)


def _delivery(channel: Mapping[str, Any]) -> tuple[bool, str]:
    said = channel.get("last_answer")
    is_known = isinstance(said, str) and any(pattern.fullmatch(said) for pattern in ANSWERS)
    return channel.get("delivering") is True, str(said) if is_known else ODD_ANSWER
