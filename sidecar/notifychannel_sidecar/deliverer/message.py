"""The body of a POST, `docs/http-contract.md`. Keys go in as the JSON text that they came as, never through a float."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.hints import timestamp

if TYPE_CHECKING:
    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.hints import Mode
    from notifychannel_sidecar.inbox.work import Hint, Work

LATEST_POLL = 1.1
"""A poll comes after 0.9 to 1.1 times its interval."""


def body(work: Work[Any], *, mode: Mode, next_within: int | None) -> bytes:
    """One POST's JSON."""
    since = "null" if work.since_us is None else f'"{timestamp(work.since_us)}"'
    hints = ", ".join([_hint(hint) for hint in work.hints])
    return (
        f'{{"channel": {json.dumps(work.channel)}, "reason": "{work.reason.value}", "mode": "{mode.value}",'
        f' "next_within": {json.dumps(next_within)}, "since": {since}, "hints": [{hints}]}}'
    ).encode()


def next_within(config: ChannelConfig) -> int | None:
    """Seconds in which the application hears something at the latest; None where nothing polls."""
    if config.poll_interval <= 0 or config.delivery != "BestEffort":
        return None
    return math.ceil(round(LATEST_POLL * config.poll_interval, 6))


def _hint(hint: Hint[Any]) -> str:
    events = '", "'.join(hint.events)
    return (
        f'{{"id": "{hint.id}", "key": {hint.key}, "events": ["{events}"], "count": {hint.count},'
        f' "first_at": "{timestamp(hint.first_at_us)}", "last_at": "{timestamp(hint.last_at_us)}",'
        f' "attempt": {hint.attempt}}}'
    )
