"""What arrives on one channel: reads each payload and merges it into the pending keys, or asks for a resync.

Its `put` is the hot path of the sidecar; everything unusual leaves it on the first line. Counts what it sees. Told the
time as a number (loop time, seconds).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from notifychannel_sidecar.hints import RELAYED_VERSION, VERSION, Reason, digits
from notifychannel_sidecar.inbox import payload as payloads
from notifychannel_sidecar.inbox import relayed
from notifychannel_sidecar.inbox.resync import Resync

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from notifychannel_sidecar.clock import Clock
    from notifychannel_sidecar.config import ChannelConfig
    from notifychannel_sidecar.inbox.budget import Budget
    from notifychannel_sidecar.inbox.fence import Fence
    from notifychannel_sidecar.inbox.pending import Pending
    from notifychannel_sidecar.inbox.relayed import Relayed
    from notifychannel_sidecar.inbox.resync import Resyncs

_PREFIX = 10
"""Version, hash of the rules and event: the same in nearly every payload, so one dict look-up judges all three."""


class Intake:
    """The receiving side of a box. `on_due(when)` hears of everything that may be due earlier than before, the fence of
    other rules.
    """

    def __init__(
        self,
        config: ChannelConfig,
        *,
        pending: Pending,
        resyncs: Resyncs,
        budget: Budget,
        clock: Clock,
        random: Random,
        fence: Fence,
        on_due: Callable[[float], None],
        on_full: Callable[[float], None],
    ) -> None:
        self.notifications = self.keys = self.added = self.malformed = self.suspended = 0
        self._pending = pending
        self._entries = pending.entries
        self._resyncs = resyncs
        self._budget = budget
        self._clock = clock
        self._random = random
        self._fence = fence
        self._on_due = on_due
        self._on_full = on_full
        self.configure(config)

    def configure(self, config: ChannelConfig) -> None:
        """Other settings."""
        self._config = config
        ordinary = config.format == "Keys" and not config.suspend
        self._letters = {f"{VERSION}{config.rules}{letter}": letter for letter in "IUDT"} if ordinary else {}
        self._relayed = {f"{RELAYED_VERSION}{config.rules}{letter}": letter for letter in "IUDT"} if ordinary else {}

    def put(self, payload: str, now: float) -> None:
        """Merge one notification: each line costs."""
        self.notifications += 1
        letter = self._letters.get(payload[:_PREFIX])
        if letter is None or payload[26:27] != "\n":
            self._put_other(payload, now)
            return
        at = payload[10:26]
        keys = payload[27:]
        entry = self._entries.get(keys)
        if entry is None:
            self._put_keys(keys.split("\n"), letter, at, now)
            return
        self.keys += 1  # what follows is Entry.touch without the call: one key that is pending already
        entry.count += 1
        entry.changed = now
        if letter not in entry.events:
            entry.events += letter
        if at > entry.last_at:
            entry.last_at = at
        elif at < entry.first_at:
            entry.first_at = at

    def _put_keys(self, keys: list[str], letter: str, at: str, now: float) -> None:
        self.keys += len(keys)
        for key in keys:
            entry = self._entries.get(key)
            if entry is None:
                self._add(key, letter, at, now)
            else:
                entry.touch(letter, at, now)

    def ask(self, resync: Resync) -> None:
        """Want a resync; ignored while suspended, for the switch back asks for one."""
        if not self._config.suspend:
            self._resyncs.ask(resync)
            self._on_due(-math.inf)

    def _put_other(self, payload: str, now: float) -> None:
        if self._config.suspend:
            self.suspended += 1
            return
        letter = self._relayed.get(payload[:_PREFIX])
        if letter is not None and (found := relayed.read(payload)) is not None:
            self._put_relayed(letter, found, now)
            return
        match payloads.read(self._config, payload):
            case payloads.ForeignKey(key=key):
                self._put_foreign(key, now)
            case payloads.Everything(reason=Reason.RULES, since_us=since_us):
                self.ask_rules(since_us, now)
            case payloads.Everything(reason=reason, since_us=since_us, malformed=malformed):
                self.malformed += malformed
                self.ask_settled(reason, since_us, now)

    def _put_relayed(self, letter: str, found: Relayed, now: float) -> None:
        self.keys += len(found.keys)
        for times, key in found.keys:
            entry = self._entries.get(key)
            if entry is None:
                self._add(key, letter, found.since, now)
                entry, times = self._entries.get(key), times - 1  # noqa: PLW2901 - the first of them made it
            if entry is not None and times:  # None: there were too many, and they have become a resync
                entry.touch_often(letter, times, since=found.since, till=found.till, now=now)

    def _put_foreign(self, key: str, now: float) -> None:
        self.keys += 1
        at = digits(self._clock.arrival_us(now))
        entry = self._entries.get(key)
        if entry is None:
            self._add(key, "N", at, now)
        else:
            entry.touch("N", at, now)

    def _add(self, key: str, letter: str, at: str, now: float) -> None:
        self.added += 1
        self._on_due(self._pending.add(key, letter, at, now))
        if self._budget.used > self._budget.limit:
            self._on_full(now)

    def ask_settled(self, reason: Reason, since_us: int | None, now: float) -> None:
        """Want a resync that is debounced like a key."""
        self.ask(Resync(reason=reason, since_us=since_us, first=now, changed=now))

    def ask_rules(self, since_us: int | None, now: float) -> None:
        """Want a resync because of other rules, and another when all have ended who may have written under the old."""
        self._ask_spread(since_us, now)
        self._fence.tell()

    def ask_rules_again(self, now: float) -> None:
        """Want that other one."""
        self._ask_spread(None, now)

    def _ask_spread(self, since_us: int | None, now: float) -> None:
        """Every pod hears of new rules at the same moment, so they spread. Drawn once, or the earliest draw won."""
        pending = self._resyncs.pending
        drawn = pending is not None and pending.reason is Reason.RULES
        due_at = math.inf if drawn else now + self._random.uniform(0, self._config.resync_spread)
        self.ask(Resync(reason=Reason.RULES, since_us=since_us, due_at=due_at))
