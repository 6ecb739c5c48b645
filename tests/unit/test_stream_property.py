"""Whatever happens, a reader that has drained was told of every key after its last change, by a hint or a resync.

Changes, resyncs, channels that come and go, readers that lag, filter, and come back with any id that they ever had.
Mutants that turn it red: no `floor` in Shelf.put; `exact_from=0` in Shelf.clear; `Place.skip` without its question;
`_settle` that takes `newest` while something waits; a new Shelf at place 0; a resync that wakes nobody in Reader.offer.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from notifychannel_sidecar.hints import Mode, Reason
from notifychannel_sidecar.inbox.work import Hint, Work
from notifychannel_sidecar.stream.shelves import Shelves
from notifychannel_sidecar.stream.stream import Stream
from notifychannel_sidecar.stream.wanted import Wanted
from tests.notification import channel

NAMES = ("orders", "carts")
ORDERS = st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True)
QUERIES = (
    [], [("channel", "orders")], [("channel", "orders"), ("channel", "carts")], [("key.order_id", "3")],
    [("key.order_id", "1"), ("key.order_id", "2"), ("channel", "carts")],
    [("key.order_id", "1"), ("key.tenant_id", "8")],
)  # fmt: skip


def key(order):
    return json.dumps({"tenant_id": 7, "order_id": order})


def hint(order, *, number=1, count=1):
    return Hint(
        id=f"k{number}", key=key(order), events=("update",), count=count, first_at_us=number, last_at_us=number,
        attempt=1, waited_s=0.0, entry=None,
    )  # fmt: skip


def hints(*orders, name="orders", number=1):
    return Work(
        channel=name, hints=tuple(hint(order, number=number) for order in orders), reason=Reason.CHANGE, generation=0
    )


def resync(name="orders", reason=Reason.RECONNECT, since_us=None):
    return Work(channel=name, reason=reason, since_us=since_us, generation=0)


@dataclass
class Client:
    """What it knows, after each event that it got in its life."""

    wanted: Wanted
    reader: object
    stack: ExitStack
    told: dict = field(default_factory=dict)
    """(channel, order) → when; (channel, None): every key."""
    since: dict = field(default_factory=dict)
    got: list = field(default_factory=list)
    """(id, what it knew with it)."""
    base: int = 0


class Streaming(RuleBasedStateMachine):
    KEYS = 3

    @initialize()
    def start(self):
        self.number = 0
        self.changed = {}
        self.first_us = {}
        self.stream = Stream(mode=lambda: Mode.LISTENING, shelves=Shelves(keys=self.KEYS))
        self.names = {"orders"}
        self.clients = []
        self.configure()

    def configure(self):
        self.stream.configure([channel(name=name, port=0, path="", max_hints=2) for name in sorted(self.names)])

    def now(self):
        self.number += 1
        return self.number

    @rule(name=st.sampled_from(NAMES), orders=ORDERS)
    def change(self, name, orders):
        number = self.now()
        if name in self.names:
            self.changed |= {(name, order): number for order in orders}
        self.stream.put(hints(*orders, name=name, number=number))

    @rule(name=st.sampled_from(NAMES), reason=st.sampled_from([Reason.RECONNECT, Reason.POLL]), known=st.booleans())
    def everything(self, name, reason, known):
        """`known`: it asks for what changed from now on; what was put before, a reader must have been told."""
        number = self.now()
        if name in self.names and not known:
            self.changed |= {(name, order): number for order in range(6)}
        self.stream.put(resync(name, reason, since_us=number if known else None))

    @rule(name=st.sampled_from(NAMES), dice=st.integers(0, 2))
    def come_or_go(self, name, dice):
        self.now()
        if dice and name in self.names:  # they mostly stay
            return
        self.names ^= {name}
        if name in self.names:
            self.changed |= {(name, order): self.number for order in range(6)}
        self.configure()

    @rule(query=st.sampled_from(QUERIES))
    def connect(self, query):
        if len(self.clients) < 4:
            self.clients.append(self.client(Wanted.of(query), None))

    def client(self, wanted, last_id):
        stack = ExitStack()
        reader = stack.enter_context(self.stream.reading(wanted, last_id))
        return Client(wanted=wanted, reader=reader, stack=stack)

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 3), most=st.integers(1, 4))
    def read(self, which, most):
        client = self.clients[which % len(self.clients)]
        for _ in range(most):
            if not self.step(client):
                break

    def step(self, client):
        piece = self.stream.shelves.next(client.reader.place)
        if piece is None:
            return False
        assert client.wanted.has_channel(piece.channel)
        assert len(piece.hints) <= 2
        assert client.base <= piece.up_to <= self.stream.shelves.newest
        client.base = piece.up_to
        if piece.hints:
            for each in piece.hints:
                assert client.wanted.has_key(each.key)
                client.told[piece.channel, json.loads(each.key)["order_id"]] = self.now()
                assert each.first_at_us <= each.last_at_us
        elif piece.since_us is None:
            client.told[piece.channel, None] = self.now()
        else:
            missed = [it for it in range(6) if self.owes(client, piece.channel, it, before=piece.since_us)]
            assert not missed, "a resync with `since` for one who has missed what is older"
            client.told[piece.channel, None] = self.now()
        client.got.append((self.stream.shelves.event_id(piece.up_to), dict(client.told)))
        return True

    def owes(self, client, name, order, *, before):
        changed = self.changed.get((name, order), 0)
        told = max(client.told.get((name, order), 0), client.told.get((name, None), 0))
        return client.wanted.has_key(key(order)) and changed < before and told < changed

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 3), back=st.integers(0, 5), foreign=st.sampled_from(["x", "00000000-3", "{}-999"]))
    def come_back(self, which, back, foreign):
        """With an id that it got some events ago; with one that is nobody's it knows nothing."""
        which %= len(self.clients)
        old = self.clients[which]
        old.stack.close()
        if back < len(old.got):
            last_id, told = old.got[-1 - back]
        else:
            last_id, told = foreign.format(self.stream.shelves.event_id(0).partition("-")[0]), {}
        self.clients[which] = made = self.client(old.wanted, last_id)
        made.told = dict(told)
        made.got = old.got[: len(old.got) - back] if told else []

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 3))
    def leave(self, which):
        self.clients.pop(which % len(self.clients)).stack.close()

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 3))
    def drain(self, which):
        self.drained(self.clients[which % len(self.clients)])

    def drained(self, client):
        while self.step(client):
            pass
        for (name, order), changed in self.changed.items():
            if name in self.names and client.wanted.has_channel(name) and client.wanted.has_key(key(order)):
                told = max(client.told.get((name, order), 0), client.told.get((name, None), 0))
                assert told > changed, f"{name} {order} changed at {changed} and was told at {told}"

    @invariant()
    def bounded(self):
        if hasattr(self, "stream"):
            assert all(len(shelf) <= self.KEYS for shelf in self.stream.shelves._shelves.values())

    def teardown(self):
        for client in getattr(self, "clients", []):
            self.drained(client)
            client.stack.close()


def test_a_reader_that_has_read_everything_was_told_of_every_key_after_its_last_change():
    run_state_machine_as_test(Streaming, settings=settings(max_examples=200, stateful_step_count=50, deadline=None))
