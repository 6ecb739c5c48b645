"""What became of a claim, as the queue is told it. Values."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifychannel_sidecar.durable.claim import Claim


class Outcome(Enum):
    """What notifychannel.turn() is told of a row."""

    DONE = "done"
    RETRY = "retry"
    BACK = "back"
    ALONE = "alone"


class Settlement(NamedTuple):
    """What became of one claim."""

    claim: Claim
    outcome: Outcome
    error: str | None
    on_told: Callable[[bool], None] | None = None
    """Called once: whether the queue has heard of it, or it is lost with the session."""
