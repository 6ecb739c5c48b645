"""For any sequence of changes, answers, reloads and overflows: no key is lost, none is in flight twice.

The model knows of each key every change that nobody has acknowledged, and when it was.
Mutants that turn it red: no `self._schedule.add(newer)` in Pending.put_back; no loop over `drop()` in
Box._take_resync; `taken` not asked for in Box.take.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from notifychannel_sidecar.hints import Reason, timestamp
from notifychannel_sidecar.inbox.inbox import Inbox
from tests.notification import MIDNIGHT_US, channel, dice, payload

NAMES = ("orders", "carts")
EVERYTHING = -1
ORDERS = st.lists(st.integers(0, 7), min_size=1, max_size=4)
WAYS = {
    "plain": {},
    "at once": {"window": 0.0},
    "patient": {"window": 3.0, "max_delay": 5.0, "min_interval": 4.0},
    "filling": {"max_hints": 3, "max_wait": 2.0},
    "polled": {"poll_interval": 7.0},
    "suspended": {"suspend": True},
    "other rules": {"rules": "00000001"},
    "other key": {"rules": "00000002", "key": ("order_id", "tenant_id")},
}


@dataclass(frozen=True)
class Change:
    """Something that the application has not acknowledged yet."""

    number: int
    at_us: float
    """Database time; -inf: unknown."""


@dataclass
class Sent:
    work: object
    number: int
    orders: set[int] = field(default_factory=set)


class Calm(RuleBasedStateMachine):
    """Only changes, deliveries and answers, so that nothing covers for a key that is lost."""

    BUDGET = 100

    @initialize(ways=st.tuples(*[st.sampled_from(["plain", "at once", "patient", "filling"])] * len(NAMES)))
    def start(self, ways):
        self.now = 0.0
        self.number = 0
        self.inbox = Inbox(budget=self.BUDGET, on_due=lambda _: None, random=dice())
        self.ways = dict(zip(NAMES, ways, strict=True))
        self.unseen = {name: {} for name in NAMES}
        self.flying = {name: [] for name in NAMES}
        self.stale = []
        self.reconfigure()

    def reconfigure(self):
        self.inbox.configure([self.config(name) for name in NAMES if self.ways[name] is not None], self.now)

    def config(self, name):
        return channel(name=name, **WAYS[self.ways[name]])

    def reload_to(self, name, way):
        before = None if self.ways[name] is None else self.config(name)
        self.ways[name] = way
        self.reconfigure()
        after = self.config(name)
        if before is not None and (before.suspend or before.rules != after.rules):
            self.note(name, EVERYTHING, -math.inf)

    def note(self, name, order, first_us):
        if self.ways[name] is None:
            return
        self.number += 1
        self.unseen[name].setdefault(order, []).append(Change(number=self.number, at_us=first_us))

    @rule(name=st.sampled_from(NAMES), orders=ORDERS, event=st.sampled_from("IUDT"), seconds=st.integers(-50, 50))
    def change(self, name, orders, event, seconds):
        config = None if self.ways[name] is None else self.config(name)
        rules = "5f3a9c02" if config is None else config.rules
        self.inbox.put(name, payload(*orders, event=event, seconds=seconds, rules=rules), self.now)
        for order in orders:
            self.note(name, order, MIDNIGHT_US + seconds * 1_000_000)

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.3, 1.0, 5.0, 70.0]))
    def pass_time(self, seconds):
        self.now += seconds

    @rule(name=st.sampled_from(NAMES), wait=st.booleans())
    def take(self, name, wait):
        due = self.inbox.next_due(name, self.now)
        if wait and due is not None and due > self.now:
            self.now = due
            due = self.inbox.next_due(name, self.now)
        malformed = self.malformed(name)
        work = self.inbox.take(name, self.now)
        expected = due is not None and due <= self.now
        assert (work is not None) == expected or self.malformed(name) > malformed
        if work is None:
            return
        assert self.ways[name] not in (None, "suspended")
        sent = Sent(work=work, number=self.number)
        if work.resync is None:
            sent.orders = {json.loads(hint.entry.key)[1] for hint in work.hints}
            assert len(sent.orders) == len(work.hints) <= self.config(name).max_hints
            assert not any(other.work.resync is not None or other.orders & sent.orders for other in self.flying[name])
        else:
            assert not self.flying[name]
            first_us = min(
                (change.at_us for changes in self.unseen[name].values() for change in changes), default=math.inf
            )
            assert work.since_us is None or work.since_us <= first_us
        self.flying[name].append(sent)

    def malformed(self, name):
        return 0 if self.ways[name] is None else self.inbox.counts(name).malformed

    @precondition(lambda self: any(self.flying.values()))
    @rule(data=st.data(), kind=st.sampled_from(["acknowledge", "some again", "retry", "put back"]))
    def answer(self, data, kind):
        name = data.draw(st.sampled_from([name for name in NAMES if self.flying[name]]))
        sent = self.flying[name].pop(data.draw(st.integers(0, len(self.flying[name]) - 1)))
        match kind:
            case "acknowledge":
                self.acknowledge(name, sent, frozenset())
            case "some again":
                self.acknowledge(name, sent, frozenset(hint.id for hint in sent.work.hints[::2]))
            case "retry":
                self.inbox.retry(sent.work, self.now)
            case "put back":
                self.inbox.put_back(sent.work)

    def acknowledge(self, name, sent, again):
        self.inbox.acknowledge(sent.work, self.now, again)
        wanted = {json.loads(hint.entry.key)[1] for hint in sent.work.hints if hint.id in again}
        for order, changes in list(self.unseen[name].items()):
            if sent.work.resync is not None or order in sent.orders - wanted:
                left = [change for change in changes if change.number > sent.number]
                self.unseen[name].update({order: left})
                if not left:
                    del self.unseen[name][order]

    @invariant()
    def the_budget_holds(self):
        counts = [self.inbox.counts(name) for name in NAMES if self.ways[name] is not None]
        held = sum(count.pending_keys + count.remembered_keys for count in counts)
        assert held <= self.BUDGET
        assert held == self.inbox._budget.used

    def teardown(self):
        """In the end everything is acknowledged: then nothing may be left that the application has not seen."""
        if not hasattr(self, "ways"):
            return
        for name in NAMES:
            for sent in self.flying[name]:
                self.acknowledge(name, sent, frozenset())
            self.flying[name] = []
            if self.ways[name] in ("suspended", "polled"):
                self.reload_to(name, "plain")
            while (due := self.inbox.next_due(name, self.now)) is not None:
                self.now = max(self.now, due)
                self.take(name, wait=True)
                for sent in self.flying[name]:
                    self.acknowledge(name, sent, frozenset())
                self.flying[name] = []
            assert self.unseen[name] == {}


class Walk(Calm):
    """Resyncs, strangers, reloads, removals and a small budget too: much of it covers for what else would be lost."""

    BUDGET = 6

    @rule(name=st.sampled_from(NAMES), kind=st.sampled_from(["keyless", "foreign rules", "garbage", "garbage key"]))
    def odd(self, name, kind):
        text = {
            "keyless": payload(rules="5f3a9c02"),
            "foreign rules": payload(1, rules="ffffffff"),
            "garbage": "hello",
            "garbage key": payload(rules="5f3a9c02") + "\n[",
        }[kind]
        self.inbox.put(name, text, self.now)
        self.note(name, EVERYTHING, -math.inf if kind == "garbage" else MIDNIGHT_US)

    @rule(
        name=st.sampled_from(NAMES),
        reason=st.sampled_from(list(Reason)[1:]),
        delay=st.sampled_from([0.0, 3.0]),
        seconds=st.none() | st.integers(-50, 50),
    )
    def resync(self, name, reason, delay, seconds):
        first_us = -math.inf if seconds is None else MIDNIGHT_US + seconds * 1_000_000
        since = None if seconds is None else timestamp(int(first_us))
        self.inbox.resync(name, reason, self.now, since=since, delay=delay)
        self.note(name, EVERYTHING, first_us)

    @rule(name=st.sampled_from(NAMES), way=st.sampled_from(list(WAYS)))
    def reload(self, name, way):
        self.reload_to(name, way)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name):
        self.ways[name] = None
        self.reconfigure()
        self.unseen[name].clear()
        self.stale += self.flying[name]
        self.flying[name] = []

    @precondition(lambda self: self.stale)
    @rule(kind=st.sampled_from(["acknowledge", "retry", "put_back"]))
    def answer_for_a_removed_channel(self, kind):
        work = self.stale.pop().work
        if kind == "put_back":
            self.inbox.put_back(work)
        else:
            getattr(self.inbox, kind)(work, self.now)

    @rule()
    def hurry(self):
        self.inbox.hurry(self.now)


SETTINGS = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
Calm.TestCase.settings = Walk.TestCase.settings = SETTINGS
TestCalmWalk = Calm.TestCase
TestAnyWalk = Walk.TestCase
