"""What one channel holds of the queue: claims that may go out, claims that are out, and what became of them.

    claimed ──► ready ──take──► in flight ──answer──► to be settled ──► (the queue)
                  └── given back ──────────────────────────┘

Nothing goes out unless the database has lately said that the claims are still ours: a sidecar that was frozen, or whose
wire is, must not deliver what others have long been given. For POSTs rows are claimed ahead, by batches; for an
application that claims only what it waits for, one hint a Work. Pure: told the time, seconds of the monotonic clock.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from notifychannel_sidecar.config import Way
from notifychannel_sidecar.durable.settlement import Outcome
from notifychannel_sidecar.durable.settlements import Settlements
from notifychannel_sidecar.hints import RELAYED_VERSION, VERSION, Reason
from notifychannel_sidecar.inbox.keys import MalformedKeyError
from notifychannel_sidecar.inbox.work import Hint, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.durable.claim import Claim

FRESH_S = 5.0
"""A POST starts only so soon after the begin of the last call that succeeded; the relay counts on it."""
READY_BATCHES, READY_MOST = 2, 8
"""Batches that are claimed ahead: at first, and where the application empties them faster than we claim."""
READY_LEAST, READY_AT_MOST = 16, 2000
"""Hints, however small or large the batches; but always one batch."""
_RULES = 9
"""Version and hash of the rules: what a payload begins with."""
ASKED = "asked"
"""The error of a hint that the application answered 2xx for and wants again."""


class _Flight(NamedTuple):
    """A claim that is out, and for how long it may be worked on from then."""

    claim: Claim
    timeout_s: float


class Hold:
    """One claimer's. What comes back from before `lose` is not ours any more and is dropped."""

    def __init__(self, config: ChannelConfig, *, epochs: Iterator[int]) -> None:
        """`epochs`: numbers that no other hold has."""
        self.config = config
        self.epoch = next(epochs)
        """Of which session what we hold is."""
        self.quiet_until = -math.inf
        """The endpoint is in trouble: nothing is claimed before."""
        self.is_closing = False
        """Claims nothing more and gives back what is not in flight."""
        self._is_paused = False
        """The same until `lose`: the session is about to be another."""
        self.proven_s = -math.inf
        """Begin of the last call of this claimer's that succeeded."""
        self.told_timeout_s = -math.inf
        """For so long others leave a POST of this claimer's alone; they know it from its first call on."""
        self._epochs = epochs
        self._ready: deque[Claim] = deque()
        self._ready_since = math.inf
        self._in_flight: dict[str, _Flight] = {}
        self.settlements = Settlements()
        self._wanted = 0
        """Hints that an application waits for, where it claims them."""
        self._ahead = READY_BATCHES
        self.asks: Reason | None = None
        """A resync that the queue has to be asked for before it is told of any settlement."""

    def configure(self, config: ChannelConfig) -> None:
        """Other settings, from the next POST on."""
        is_another_way = config.way is not self.config.way
        self.config = config
        if is_another_way:
            self.quiet_until, self._ahead, self._wanted = -math.inf, READY_BATCHES, 0
        if config.suspend or is_another_way:
            self._give_back_all()

    def knows(self, payload: str) -> bool:
        """Whether whoever wrote this also put it into the queue: only those who know these rules do."""
        return payload[:_RULES] in {f"{VERSION}{self.config.rules}", f"{RELAYED_VERSION}{self.config.rules}"}

    # ---- towards the application

    def next_due(self, clock_s: float) -> float | None:
        """When `take` has something; None: after an answer, or after a further call of the database."""
        if not self._ready or not self._may_start(clock_s):
            return None
        if self._is_claimed_from:  # each by itself, a resync too: workers of other pods are at their keys all the same
            return -math.inf
        if "" in self._in_flight:
            return None
        head = self._ready[0]
        if not head.key:
            return None if self._in_flight else -math.inf
        if head.alone or len(self._ready) >= self.config.max_hints:
            return -math.inf
        return self._ready_since + self.config.max_wait

    def take(self, clock_s: float) -> Work[Claim] | None:
        """One POST's worth."""
        while (due := self.next_due(clock_s)) is not None and due <= clock_s:
            claims = self._next_claims()
            self._ready_since = clock_s if self._ready else math.inf
            if not claims[0].key:
                return self._out(claims[0].reason, claims, ())
            if hints := tuple([hint for claim in claims if (hint := self._hint(claim)) is not None]):
                return self._out(Reason.CHANGE, [hint.entry for hint in hints], hints)
        return None

    def acknowledge(self, work: Work[Claim], retry_ids: AbstractSet[str]) -> None:
        """2xx, but for these ids."""
        self.quiet_until = -math.inf
        for claim in self._landed(work):
            if claim.id in retry_ids:
                self._settle(Outcome.RETRY, ASKED, claim)
            else:
                self._settle(Outcome.DONE, None, claim)

    def retry(self, work: Work[Claim], error: str) -> None:
        """The application would not; others of the group may do better with what waits here."""
        self.quiet_until = -math.inf
        outcome = Outcome.ALONE if len(work.hints) > 1 else Outcome.RETRY
        self._settle(outcome, error, *self._landed(work))
        self._ahead = READY_BATCHES
        while len(self._ready) > self.config.max_hints:
            self._settle(Outcome.BACK, None, self._ready.pop())

    def put_back(self, work: Work[Claim], *, until: float, error: str) -> None:
        """Nobody answers here before `until`: all goes back at once, for others of the group may be well."""
        self.quiet_until = until
        self._settle(Outcome.BACK, error, *self._landed(work))
        self._give_back_all()
        self._ahead = 1

    def broke_off(self, work: Work[Claim], clock_s: float) -> None:
        """The POST was cancelled, and the application may work on it for as long as it may take to answer."""
        for flight in self._flights(work):
            self.settlements.keep([flight.claim], clock_s + flight.timeout_s)

    # ---- towards an application that claims

    def want(self, hints: int) -> bool:
        """It waits for so many; what is ready beyond that goes back at once. Whether the database has to hear of it."""
        is_more, self._wanted = hints > self._wanted, hints
        if not self._is_claimed_from:
            return False
        is_too_much = len(self._ready) > hints
        while len(self._ready) > hints:
            self._settle(Outcome.BACK, None, self._ready.pop())
        return is_more or is_too_much

    def ours_until(self, clock_s: float) -> float:
        """Until when others leave alone what goes out, or is extended, now."""
        return min(clock_s, self.proven_s + FRESH_S) + min(self.config.timeout, self.told_timeout_s)

    def answer(self, work: Work[Claim], outcome: Outcome, error: str | None, on_told: Callable[[bool], None]) -> bool:
        """What became of one; False: it is not ours any more, and nobody will be told."""
        is_ours = work.generation == self.epoch
        claims = self._landed(work) or (self.settlements.take_up(_keys(work)) if is_ours else [])
        self.settlements.add(outcome, error, claims, on_told)
        return bool(claims)

    def keep(self, work: Work[Claim], until_s: float) -> None:
        """Nobody minds it any more, and it may be worked on until then: it can be answered still, or goes back."""
        self.settlements.keep(self._landed(work), until_s)

    # ---- towards the database

    def lose(self) -> None:
        """The session is gone, and so are the claims: somebody else's soon, who must not meet us."""
        self.epoch = next(self._epochs)
        self._is_paused = False
        self.proven_s = self.told_timeout_s = -math.inf
        self._ready.clear()
        self._in_flight = {}
        self.settlements.lose()

    def room(self) -> int:
        """How many rows to claim now, however many are due; few at a time are not worth a call."""
        if self.rests:
            return 0
        if self._is_claimed_from:
            return min(max(0, self._wanted - len(self._ready)), READY_AT_MOST)
        most = max(self.config.max_hints, READY_AT_MOST)
        ahead = min(max(self._ahead * self.config.max_hints, READY_LEAST), most)
        room = ahead - len(self._ready)
        return room if room * 2 >= ahead else 0

    def claimed(self, claims: Sequence[Claim], asked: int, clock_s: float) -> None:
        """That many were asked for. Where the channel came to rest meanwhile, or nobody waits, they go back."""
        if self.rests:
            self._settle(Outcome.BACK, None, *claims)
            return
        if self._is_claimed_from:
            self._ready.extend(claims)
            self.want(self._wanted)
            return
        if not self._ready and len(claims) == asked:
            self._ahead = min(2 * self._ahead, READY_MOST)
        if claims and not self._ready:
            self._ready_since = clock_s
        self._ready.extend(claims)

    def close(self) -> None:
        """Nothing more: what is in flight is delivered, everything else goes back."""
        self.is_closing = True
        self._give_back_all()

    def pause(self) -> None:
        """The same, for as long as this session lasts."""
        self._is_paused = True
        self._give_back_all()

    @property
    def claims(self) -> int:
        """Rows that are ours as far as we know."""
        return len(self._ready) + len(self._in_flight) + len(self.settlements)

    def told_of(self, claim: Claim) -> Work[Claim] | None:
        """A row as it is told of without being claimed; None where it is no key of the channel."""
        reason = Reason.CHANGE if claim.key else claim.reason
        try:
            hints = (claim.hint(self.config),) if claim.key else ()
        except MalformedKeyError:
            return None
        return Work(channel=self.config.name, hints=hints, reason=reason, generation=self.epoch)

    def _out(self, reason: Reason, claims: Sequence[Claim], hints: tuple[Hint[Claim], ...]) -> Work[Claim]:
        self._in_flight.update((claim.key, _Flight(claim, self.config.timeout)) for claim in claims)
        return Work(channel=self.config.name, hints=hints, reason=reason, generation=self.epoch)

    @property
    def rests(self) -> bool:
        """Nothing is claimed."""
        return self.is_closing or self._is_paused or self.config.suspend

    @property
    def _is_claimed_from(self) -> bool:
        return self.config.way is Way.CLAIM

    def _may_start(self, clock_s: float) -> bool:
        is_known = self.config.timeout <= self.told_timeout_s
        return clock_s < self.proven_s + FRESH_S and is_known and not self.config.suspend

    def _next_claims(self) -> list[Claim]:
        claims = [self._ready.popleft()]
        if claims[0].alone or not claims[0].key or self._is_claimed_from:
            return claims
        while len(claims) < self.config.max_hints and self._ready and self._ready[0].key and not self._ready[0].alone:
            claims.append(self._ready.popleft())
        return claims

    def _hint(self, claim: Claim) -> Hint[Claim] | None:
        try:
            return claim.hint(self.config)
        except MalformedKeyError:  # printed under other rules: nobody can say which key it is now
            self.asks = Reason.RULES
            self._settle(Outcome.DONE, None, claim)
            return None

    def _landed(self, work: Work[Claim]) -> list[Claim]:
        """The claims of a POST that is over, none if they are not ours any more."""
        return [flight.claim for flight in self._flights(work)]

    def _flights(self, work: Work[Claim]) -> list[_Flight]:
        if work.generation != self.epoch:
            return []
        return [flight for key in _keys(work) if (flight := self._in_flight.pop(key, None)) is not None]

    def _give_back_all(self) -> None:
        self._settle(Outcome.BACK, None, *self._ready)
        self._ready.clear()

    def _settle(self, outcome: Outcome, error: str | None, *claims: Claim) -> None:
        self.settlements.add(outcome, error, claims)


def _keys(work: Work[Claim]) -> list[str]:
    return [hint.entry.key for hint in work.hints] or [""]
