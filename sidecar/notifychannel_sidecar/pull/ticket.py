"""A claim that an application has: its token, the hint, until when it is the application's."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from notifychannel_sidecar.deliverer.answer import Answer, Fault, Outcome
from notifychannel_sidecar.deliverer.message import body

if TYPE_CHECKING:
    from notifychannel_sidecar.hints import Mode
    from notifychannel_sidecar.inbox.work import Work

TOKEN_BYTES = 16
TIMEOUT = "timeout"
DONE, RETRY, RELEASE = "claim", "retry", "release"
"""What the metric of deliveries calls an answer that is no POST's."""


@dataclass(slots=True, kw_only=True)
class Ticket:
    """Of one Work with one hint, or a resync."""

    work: Work[Any]
    taken_s: float
    """time.monotonic()."""
    until_s: float
    """The same clock; moved by `extend`."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES))
    """Nobody can guess it, so it is all that an acknowledgement has to show."""

    def body(self, mode: Mode) -> bytes:
        """Its JSON: the body of a POST, with two fields before."""
        whole = body(self.work, mode=mode, next_within=None)
        head = f'{{"claim": "{self.token}", "expires_in": {round(self.until_s - self.taken_s, 3):.12g}, '
        return head.encode() + whole[1:]

    def answer(self, word: str, clock_s: float) -> Answer:
        """For metrics, as that of a POST."""
        is_done, work = word == DONE, self.work
        return Answer(
            channel=work.channel, outcome=Outcome.ACKNOWLEDGED if is_done else Outcome.FAILED, status=None,
            fault=Fault.TIMEOUT if word == TIMEOUT else None, word=word, hints=len(work.hints),
            reason=None if work.hints else work.reason, seconds=clock_s - self.taken_s,
            first_at_us=tuple(hint.first_at_us for hint in work.hints if is_done),
            waited_s=tuple(hint.waited_s for hint in work.hints), breaker_open=False,
        )  # fmt: skip
