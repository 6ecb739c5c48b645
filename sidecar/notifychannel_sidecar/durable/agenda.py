"""When the database is to be called for one channel, and what for. Pure: told the time, seconds of the monotonic clock.

    to enter ──► claimer ──► claims when something is due, settles at once, shows that it lives, leaves when it closes

Nobody has to be told that a row is due: who wrote it NOTIFYs, and after a claim the queue says when the next one is.
It is asked again every few seconds all the same, for rows that others have let go of.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from notifychannel_sidecar.config import Way
from notifychannel_sidecar.hints import Reason, stronger
from notifychannel_sidecar.inbox.work import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Self

    from notifychannel_sidecar.durable.claim import Claim
    from notifychannel_sidecar.durable.hold import Hold
    from notifychannel_sidecar.durable.settlement import Settlement

BEAT_S = 1.0
"""While it has claims: they go out only for so long after a call as `hold.FRESH_S`."""
LOOK_S = 5.0
"""Without claims."""
ENTER_AGAIN_S = 1.0
"""Where the queue does not know the consumer yet: the pass comes first, or the ConfigMap does."""
IN_VAIN_S, IN_VAIN_AT_MOST_S = 0.05, 1.0
"""Doubling while what is due is locked: each call writes."""
ASK_AGAIN_S = 10.0
"""Between two resyncs that strange payloads ask for: there is one for each statement."""
COUNT_S, COUNT_SHARE = 10.0, 100.0
"""What it counts shows it, too, what its claims have passed over."""
ESCALATE_S, NOT_NOW_AT_MOST_S = 3.0, 300.0
"""Until what the server would not count, name or mark is asked for again, doubling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What the whole group has in the queue, as it was last counted."""

    pending: int
    claimed: int
    retrying: int
    dead: int
    oldest_s: float | None
    """Since the arrival of the oldest that is not acknowledged."""

    @classmethod
    def of(cls, row: Iterable[Any]) -> Self:
        """From the row that notifychannel.consumer_look() answers."""
        pending, claimed, retrying, dead, oldest_s = row
        return cls(pending=pending, claimed=claimed, retrying=retrying, dead=dead, oldest_s=oldest_s)


class Agenda:
    """Of one hold."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        self.claimer: int | None = None
        """Its number in the queue; None: it has to enter first."""
        self.enter_at = self.claim_at = self.count_at = self.escalate_at = self.mark_at = -math.inf
        self.asked_s = -math.inf
        """When a call began, of those that have succeeded, that asked for rows."""
        self.waiting: Waiting | None = None
        self.has_left = False
        """Nothing is to be called about any more."""
        self.notifications = self.claimed = self.escalated = 0
        self.told: list[str] = []
        """Keys whose escalation was acknowledged, which the queue does not know yet."""
        self.resyncs: Counter[Reason] = Counter()
        self.outcomes: Counter[str] = Counter()
        self._asks: Reason | None = None
        self._asked_s = self._asking_s = -math.inf
        self._unanswered: Reason | None = None
        """A resync that the queue may not have heard of."""
        self._count_wait_s, self._in_vain_s = COUNT_S, IN_VAIN_S
        self._escalate_wait_s = self._tell_wait_s = self._mark_wait_s = ESCALATE_S

    def heard(self, payload: str, clock_s: float) -> bool:
        """A NOTIFY of the channel: its keys are in the queue already. Whether the next call is earlier now."""
        self.notifications += 1
        if not self.hold.knows(payload):
            return self.ask(Reason.RULES)
        due = clock_s + min(self.hold.config.window, self.hold.config.max_delay)
        if due >= self.claim_at:
            return False
        self.claim_at = due
        return True

    def ask(self, reason: Reason) -> bool:
        """Want a resync of the queue."""
        self._asks = reason if self._asks is None else stronger(self._asks, reason)
        return True

    def look(self, clock_s: float) -> None:
        """Somebody has just begun to wait: ask the queue, for it tells nobody of what others let go."""
        self.claim_at = min(self.claim_at, clock_s)

    def asking(self, clock_s: float) -> Reason | None:
        """The resync to ask for now; the same again until it was `asked`."""
        wanted = [self._unanswered, self.hold.asks]
        if self._asks is not None and clock_s >= self._asked_s + ASK_AGAIN_S:
            wanted.append(self._asks)
            self._asks, self._asked_s = None, clock_s
        self.hold.asks = None
        reasons = [reason for reason in wanted if reason is not None]
        self._unanswered = reduce(stronger, reasons) if reasons else None
        return self._unanswered

    def asked(self) -> None:
        """The queue has it."""
        self._unanswered = None

    def entered(self, claimer: int | None, clock_s: float) -> None:
        """The queue answered."""
        self.claimer = claimer
        self.enter_at = clock_s + ENTER_AGAIN_S
        self.claim_at = self.count_at = self.escalate_at = self.mark_at = clock_s

    def begin_claim(self, clock_s: float) -> int:
        """How many rows to claim now; what is heard from here on is a reason for another claim."""
        if clock_s < max(self.claim_at, self.hold.quiet_until) or not (room := self.hold.room()):
            return 0
        self.claim_at, self._asking_s = math.inf, clock_s
        return room

    def called(
        self, began_s: float, due_s: float | None, clock_s: float, *, in_vain: bool, timeout_s: float = 0.0
    ) -> None:
        """A call that began then has succeeded: others know that we live, and that a POST may take `timeout_s`. Another
        row is due in `due_s`, maybe one that somebody has locked, for which we came `in_vain`.
        """
        self.hold.proven_s = began_s
        self.hold.told_timeout_s = max(self.hold.told_timeout_s, timeout_s)
        wait_s = LOOK_S if due_s is None else min(due_s, LOOK_S)
        self.claim_at = min(self.claim_at, clock_s + max(wait_s, self._in_vain_s if in_vain else 0.0))
        is_locked = in_vain and wait_s < self._in_vain_s
        self._in_vain_s = min(IN_VAIN_AT_MOST_S, 2 * self._in_vain_s) if is_locked else IN_VAIN_S

    def exchanged(self, settlements: Sequence[Settlement], claims: Sequence[Claim], asked: int, clock_s: float) -> None:
        """The queue was told of these, and was asked for so many."""
        self.outcomes.update(it.outcome.value for it in settlements)
        self.hold.settlements.told()
        self.asked_s = self._asking_s if asked else self.asked_s
        self.hold.claimed(claims, asked, clock_s)
        self.claimed += len(claims)
        self.resyncs.update(claim.reason for claim in claims if not claim.key)

    def counted(self, waiting: Waiting | None, began_s: float, clock_s: float) -> None:
        """What the whole group has in the queue; where that takes long it is asked for seldom."""
        self.waiting = waiting
        self.count_at = clock_s + max(COUNT_S, COUNT_SHARE * (clock_s - began_s))
        self._count_wait_s = COUNT_S

    def not_counted(self, clock_s: float) -> None:
        """The server would not, now."""
        self.count_at = clock_s + self._count_wait_s
        self._count_wait_s = min(2 * self._count_wait_s, NOT_NOW_AT_MOST_S)

    def named(self) -> None:
        """The queue has said what to escalate."""
        self._escalate_wait_s = ESCALATE_S

    def not_named(self, clock_s: float) -> None:
        """The server would not, now."""
        self.escalate_at = clock_s + self._escalate_wait_s
        self._escalate_wait_s = min(2 * self._escalate_wait_s, NOT_NOW_AT_MOST_S)

    def tell(self, key: str) -> None:
        """The application has taken this escalation."""
        self.told.append(key)
        self._tell_wait_s = ESCALATE_S

    def not_told(self, clock_s: float) -> None:
        """It would not: another sidecar's may."""
        self.escalate_at = clock_s + self._tell_wait_s
        self._tell_wait_s = min(2 * self._tell_wait_s, NOT_NOW_AT_MOST_S)

    def marked(self, keys: int) -> None:
        """The queue knows of the first so many that they were told."""
        self.escalated += keys
        del self.told[:keys]
        self._mark_wait_s = ESCALATE_S

    def not_marked(self, clock_s: float) -> None:
        """The server would not, now."""
        self.mark_at = clock_s + self._mark_wait_s
        self._mark_wait_s = min(2 * self._mark_wait_s, NOT_NOW_AT_MOST_S)

    def spare(self, until_s: float) -> None:
        """Nothing that can wait is asked for before."""
        self.mark_at = max(self.mark_at, until_s)
        self.count_at = max(self.count_at, until_s)
        self.escalate_at = max(self.escalate_at, until_s)

    def close(self) -> None:
        """Give back what is not in flight, and leave when that is answered."""
        self.hold.close()
        self.has_left = self.claimer is None

    def lose(self) -> None:
        """The session is gone, or the queue knows us no more; what was told is still to be said."""
        self.claimer, self.enter_at = None, -math.inf
        self.hold.lose()
        self.has_left = self.hold.is_closing

    def counts(self) -> Counts:
        """As the inbox gives them: what merges in the database is not counted here."""
        return Counts(
            notifications=self.notifications, keys=self.claimed, merged=0, pending_keys=self.hold.claims,
            remembered_keys=0, resyncs=self.resyncs, overflows=0, malformed=0, suspended=0,
        )  # fmt: skip

    @property
    def may_leave(self) -> bool:
        """It closes, and everything is answered and told."""
        return self.hold.is_closing and not self.hold.claims

    @property
    def escalates(self) -> bool:
        """Whether somebody wants to be told of what nobody acknowledges."""
        config = self.hold.config
        return config.escalation_path is not None and config.way is Way.POST and not self.hold.is_closing

    @property
    def beat_at(self) -> float:
        """When the queue has to be shown that we live, or whether it still is there."""
        if self.hold.config.timeout > self.hold.told_timeout_s:
            return -math.inf
        return self.hold.proven_s + (BEAT_S if self.hold.claims else LOOK_S)

    @property
    def next_at(self) -> float:
        """When the database is to be called; -inf: now."""
        hold = self.hold
        if self.claimer is None:
            return math.inf if hold.is_closing else self.enter_at
        if self.may_leave:
            return -math.inf
        moments = [hold.settlements.due_at, self.beat_at, self.count_at]
        if hold.asks is not None or self._unanswered is not None:
            moments.append(-math.inf)
        if self.told:
            moments.append(self.mark_at)
        if self._asks is not None:
            moments.append(self._asked_s + ASK_AGAIN_S)
        if hold.room():
            moments.append(max(self.claim_at, hold.quiet_until))
        if self.escalates:
            moments.append(max(self.escalate_at, hold.quiet_until))
        return min(moments)
