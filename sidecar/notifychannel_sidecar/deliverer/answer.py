"""What an application's answer means: the table of DESIGN.md as one pure function, and the value that reports it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notifychannel_sidecar.hints import Reason

MAX_BODY_BYTES = 256 * 1024
"""Of an answer, no more is read: room for the ids of the largest batch (10,000 of 17 bytes in JSON)."""
_BEFORE_AN_OBJECT = b"\xef\xbb\xbf \t\r\n"
TROUBLE_STATUSES = frozenset({429, 502, 503, 504})
RETRY_AFTER_WITHOUT_POLLS_S = 30.0


class Fault(Enum):
    """Why there is no answer."""

    REFUSED = "refused"
    RESET = "reset"
    """Closed before the answer was whole, or cut."""
    TIMEOUT = "timeout"
    NOT_HTTP = "not-http"


class Outcome(Enum):
    """What becomes of the hints."""

    ACKNOWLEDGED = "acknowledged"
    PARTLY = "partly"
    """2xx, but the application wants some of them again."""
    ONE_BY_ONE = "one-by-one"
    """A batch was not accepted: each of its hints is sent by itself; no attempt."""
    FAILED = "failed"
    """A single hint or a resync was not accepted: backoff; an attempt."""
    TROUBLE = "trouble"
    """The endpoint could not answer: back unchanged, and the breaker is open; no attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back from one POST: a status, or a fault. Never logged: `body` is the application's."""

    status: int | None = None
    fault: Fault | None = None
    retry_after: str | None = None
    body: bytes = b""
    """Longer than MAX_BODY_BYTES where it was cut there."""

    @property
    def is_cut_object(self) -> bool:
        """What was read may be the start of a `{"retry": [...]}`: nobody knows which hints it names."""
        return len(self.body) > MAX_BODY_BYTES and self.body.lstrip(_BEFORE_AN_OBJECT).startswith(b"{")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One POST and what became of it, for metrics, status and logs: no keys, no text of the application."""

    channel: str
    outcome: Outcome
    status: int | None
    fault: Fault | None
    hints: int
    reason: Reason | None
    """Of a resync; None for hints."""
    seconds: float
    """From the start of the POST to the answer."""
    first_at_us: tuple[int, ...]
    """Of each acknowledged hint: database time of its first change, for the histogram of change→2xx."""
    waited_s: tuple[float, ...]
    """Of each hint sent: how long the inbox held it."""
    breaker_open: bool
    word: str | None = None
    """How it was handed over, where nobody was POSTed to."""


def judge(reply: Reply, *, hints: int, retried: int) -> Outcome:
    """The table. `hints` sent (0: a resync), `retried` of them named in the answer."""
    if reply.fault in (Fault.REFUSED, Fault.RESET) or reply.status in TROUBLE_STATUSES:
        return Outcome.TROUBLE
    if reply.status is not None and 200 <= reply.status <= 299:  # noqa: PLR2004 - the numbers of HTTP
        if hints > 1 and reply.is_cut_object:
            return Outcome.ONE_BY_ONE
        return Outcome.PARTLY if retried else Outcome.ACKNOWLEDGED
    return Outcome.ONE_BY_ONE if hints > 1 else Outcome.FAILED


def retry_ids(body: bytes) -> frozenset[str]:
    """The ids in `{"retry": [...]}`; none when the body is anything else, for most applications answer something."""
    if b'"retry"' not in body:
        return frozenset()
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return frozenset()
    wanted = document.get("retry") if isinstance(document, dict) else None
    return frozenset(item for item in wanted if isinstance(item, str)) if isinstance(wanted, list) else frozenset()


def retry_after_s(value: str | None, *, unix_time: float, poll_interval: float) -> float | None:
    """Seconds that `Retry-After` asks for (RFC 9110, 10.2.3: seconds or a date), up to the poll interval.

    None when there is none or it can't be read.
    """
    if value is None:
        return None
    try:
        wanted_s = float(value) if value.strip().isdecimal() else parsedate_to_datetime(value).timestamp() - unix_time
    except (ValueError, OverflowError):
        return None
    longest_s = poll_interval or RETRY_AFTER_WITHOUT_POLLS_S
    return min(max(wanted_s, 0.0), longest_s) if math.isfinite(wanted_s) else longest_s


def word(reply: Reply) -> str:
    """What a record says about it: the status, or the fault."""
    return str(reply.status) if reply.fault is None else reply.fault.value


def sentence(reply: Reply, *, address: str, timeout_s: float) -> str:
    """What `/status` says about it: for people."""
    match reply.fault:
        case None:
            return f"the application answers {reply.status}"
        case Fault.REFUSED:
            return f"connection refused on {address}"
        case Fault.RESET:
            return f"the application on {address} closes the connection before it has answered"
        case Fault.TIMEOUT:
            return f"no answer on {address} within {timeout_s:g} s"
        case Fault.NOT_HTTP:
            return f"what listens on {address} does not answer in HTTP"
