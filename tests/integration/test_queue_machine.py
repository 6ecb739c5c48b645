"""The claim protocol as a state machine: sessions of sidecars that claim, POST, settle, freeze and die; a relay that
looks; a clock that is set. Real PostgreSQL, and the product's own judges (`Claimers`, `ServerClock`), in our own time.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from notifychannel_sidecar.relay.claimers import POST_WITHIN_S, Claimer, Claimers
from notifychannel_sidecar.relay.server_clock import ServerClock
from tests.queueing import APPEND, CONSUMER, LONG_S, PUT, install, payload

TIMEOUT_S = CONSUMER["timeout"]
QUICK = {"max_delay": 1.0, "initial_delay": 1.0, "max_attempts": 2}
KEYS = ("[1]", "[2]", "")
TELLERS = range(2)
CLEAN = """
TRUNCATE notifychannel.queue, notifychannel.claimer, notifychannel.consumer, notifychannel.outbox_logged;
UPDATE notifychannel.queue_clock SET ahead = '0';
ALTER SEQUENCE notifychannel.upkept RESTART
"""


@dataclass
class Sidecar:
    """What one process believes and does."""

    session: asyncpg.Connection
    me: int
    called_s: float
    is_frozen: bool = False
    held: dict[str, asyncpg.Record] = field(default_factory=dict)
    """Claimed, and neither being POSTed nor settled."""


@dataclass
class Post:
    """The application is at work on a key until it has answered, or its time is over."""

    sidecar: Sidecar
    row: asyncpg.Record
    ends_s: float


class Protocol(RuleBasedStateMachine):
    """`counts` is the truth: how many changes of each key nobody has acknowledged."""

    def __init__(self, dsn: str, loop: asyncio.AbstractEventLoop, relay: asyncpg.Connection) -> None:
        super().__init__()
        self.dsn, self.loop, self.relay = dsn, loop, relay
        self.now_s, self.set_by_s = 0.0, 0.0
        self.sidecars: dict[int, Sidecar] = {}
        self.posts: list[Post] = []
        self.counts = dict.fromkeys(KEYS, 0)
        self.versions = dict.fromkeys(KEYS, 0)
        self.dead: set[str] = set()
        self.another_becomes_the_relay()

    # ---- what happens

    @initialize(min_interval=st.sampled_from([0.0, 0.0, 3.0]), debounce=st.sampled_from([0.0, 0.0, 0.2]))
    def a_consumer(self, min_interval, debounce):
        self.run(self.relay.execute(CLEAN))
        wanted = CONSUMER | QUICK | {"min_interval": min_interval, "debounce": debounce}
        self.run(self.relay.fetchrow(PUT, *wanted.values()))
        self.counts[""] = 1
        self.the_relay_looks()
        for number in (0, 1):
            self.a_sidecar_starts(number)

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True), logged=st.integers(1, 2))
    def rows_change(self, keys, logged):
        named = [key for key in keys if key]
        for _ in range(logged):
            if named:
                self.run(self.relay.execute(APPEND, "orders", payload(*named)))
            if "" in keys:
                self.run(self.relay.execute(APPEND, "orders", payload()))
        self.run(self.relay.fetch("SELECT * FROM notifychannel.drain('0', '{}', 1000)"))
        for key in keys:
            self.counts[key] += logged
            self.dead.discard(key)

    @rule(number=st.sampled_from(TELLERS))
    def a_sidecar_starts(self, number):
        if number not in self.sidecars:
            self.sidecars[number] = self.run(self._enter())

    @rule(number=st.sampled_from(TELLERS), most=st.integers(1, 4), posts=st.sampled_from(["all", "all", "later"]))
    def it_claims(self, number, most, posts):
        rows = self._call(number, "SELECT * FROM notifychannel.claim($1, $2)", most)
        for row in rows:
            self._takes(self.sidecars[number], row)
        if posts == "all":
            for row in rows:
                self.it_posts(number, row["key"], TIMEOUT_S)

    @rule(number=st.sampled_from(TELLERS), commits=st.booleans())
    def two_claim_at_once(self, number, commits):
        """The first one's transaction is open while the second one looks."""
        other = 1 - number
        if not (self._works(number) and self._works(other)):
            return
        self.run(self.sidecars[number].session.execute("BEGIN"))
        first = self._call(number, "SELECT * FROM notifychannel.claim($1, $2)", 2)
        second = self._call(other, "SELECT * FROM notifychannel.claim($1, $2)", 4)
        if number in self.sidecars:
            self.run(self.sidecars[number].session.execute("COMMIT" if commits else "ROLLBACK"))
        for sidecar, rows in ((number, first if commits else []), (other, second)):
            for row in rows:
                self._takes(self.sidecars[sidecar], row)

    @rule(number=st.sampled_from(TELLERS), key=st.sampled_from(KEYS), lasts=st.floats(0.1, TIMEOUT_S))
    def it_posts(self, number, key, lasts):
        if self._works(number) and self.now_s - self.sidecars[number].called_s < POST_WITHIN_S:
            row = self.sidecars[number].held.pop(key, None)
            if row is not None:
                assert key not in self._at_work(), "two deliveries of one key at once"
                self.posts.append(Post(self.sidecars[number], row, self.now_s + lasts))

    @rule(number=st.sampled_from(TELLERS), outcome=st.sampled_from(["done", "done", "retry", "back", "alone"]))
    def its_posts_are_answered(self, number, outcome):
        if not self._works(number):
            return
        sidecar = self.sidecars[number]
        mine = [post for post in self.posts if post.sidecar is sidecar]
        self.posts = [post for post in self.posts if post.sidecar is not sidecar]
        settled = self._call(
            number, "SELECT * FROM notifychannel.settle($1, $2, $3, $4, $5, $6)",
            [post.row["key"] for post in mine], [post.row["version"] for post in mine], [outcome] * len(mine),
            [None] * len(mine), [1.0] * len(mine),
        )  # fmt: skip
        if not settled:
            return
        assert settled[0]["settle"] == len(mine), "who is a claimer has lost nothing"
        for post in mine:
            if outcome == "done":
                self.counts[post.row["key"]] -= post.row["count"]
        died = self.run(self.relay.fetch("SELECT key FROM notifychannel.queue WHERE state = 'dead'"))
        self.dead |= {row["key"] for row in died}

    def it_beats(self, number):
        self._call(number, "SELECT notifychannel.beat($1)")

    def it_leaves(self, number):
        """Only when no POST of its is under way."""
        if self._works(number) and all(post.sidecar is not self.sidecars[number] for post in self.posts):
            self._call(number, "SELECT notifychannel.leave($1)")
            self._ends(number)

    @rule(number=st.sampled_from(TELLERS), is_frozen=st.booleans())
    def it_is_frozen_or_goes_on(self, number, is_frozen):
        if number in self.sidecars:
            self.sidecars[number].is_frozen = is_frozen

    @rule(number=st.sampled_from(TELLERS))
    def it_is_killed(self, number):
        """What it has POSTed goes on in the application."""
        self._ends(number)

    @rule(seconds=st.sampled_from([0.3, 1.0, 3.0, 9.0, 40.0]))
    def time_passes(self, seconds):
        self.now_s += seconds
        self.run(self._shift(seconds))

    @rule(number=st.sampled_from(TELLERS), what=st.sampled_from(["beats", "leaves", "redriven", "another relay"]))
    def what_is_rarer(self, number, what):
        match what:
            case "beats":
                self.it_beats(number)
            case "leaves":
                self.it_leaves(number)
            case "redriven":
                self.dead_letters_are_redriven()
            case _:
                self.another_becomes_the_relay()

    @rule(seconds=st.sampled_from([-7200.0, -5.0, 5.0, 7200.0]))
    def the_servers_clock_is_set(self, seconds):
        """Which is nothing but queue_time() being so far from where it was. The relay looks each second: set and set
        back between two of its looks is not seen.
        """
        self.the_relay_looks()
        self.set_by_s += seconds
        self.run(self._shift(seconds))

    def another_becomes_the_relay(self):
        """It knows nothing of what was before."""
        self.claimers, self.clock, self.mends = Claimers(), ServerClock(), True

    @rule()
    def the_relay_looks(self):
        found = [Claimer.of(row) for row in self.run(self.relay.fetch("SELECT * FROM notifychannel.claimers_look()"))]
        jumped_s = self.clock.jumped_s(self.now_s + self.set_by_s, began_s=self.now_s, ended_s=self.now_s)
        if jumped_s:
            self.run(self.relay.execute("SELECT notifychannel.set_clock($1)", jumped_s))
        if self.mends:
            self.run(self.relay.execute("SELECT notifychannel.trim_queue(1000)"))
        if jumped_s or self.mends:
            self.run(self.relay.execute("SELECT notifychannel.mend_clock(1000)"))
        self.mends = False
        verdict = self.claimers.look(found, began_s=self.now_s, ended_s=self.now_s)
        for it in verdict.end:
            for number in [number for number, sidecar in self.sidecars.items() if sidecar.me == it.id]:
                assert self.sidecars[number].is_frozen or self.now_s - self.sidecars[number].called_s >= POST_WITHIN_S
                self._ends(number)
        gone = [it.id for it in verdict.reclaim], [it.beats for it in verdict.reclaim]
        self.run(self.relay.execute("SELECT notifychannel.reclaim($1, $2)", *gone))

    def dead_letters_are_redriven(self):
        self.run(self.relay.execute("SELECT notifychannel.redrive(id, NULL, NULL, false) FROM notifychannel.consumer"))
        self.dead.clear()

    # ---- what always holds

    @invariant()
    def no_change_is_lost_and_none_invented(self):
        rows = self.run(self.relay.fetch(
            "SELECT key, state, count + CASE state WHEN 'claimed' THEN taken_count ELSE 0 END AS waits "
            "FROM notifychannel.queue WHERE state <> 'resting'"
        ))  # fmt: skip
        assert {row["key"]: row["waits"] for row in rows} == {key: count for key, count in self.counts.items() if count}

    def teardown(self):
        """And all of it comes out, once everybody has died and the relay has looked."""
        for number in list(self.sidecars):
            self._ends(number)
        self.the_relay_looks()
        self.time_passes(LONG_S)
        self.posts.clear()
        self.the_relay_looks()
        self.dead_letters_are_redriven()
        self.time_passes(LONG_S)
        self.a_sidecar_starts(0)
        self._call(0, "SELECT notifychannel.consumer_look($1)")
        rows = self._call(0, "SELECT * FROM notifychannel.claim($1, $2)", 100)
        assert {row["key"]: row["count"] for row in rows} == {key: count for key, count in self.counts.items() if count}
        self._ends(0)

    # ---- how

    def run(self, awaitable):
        return self.loop.run_until_complete(awaitable)

    async def _enter(self):
        session = await asyncpg.connect(self.dsn)
        me = await session.fetchval("SELECT notifychannel.enter('dev', 'shop', 'orders', 'api', 'pod')")
        return Sidecar(session, me, self.now_s)

    async def _shift(self, seconds):
        sql = "UPDATE notifychannel.queue_clock SET ahead = ahead + make_interval(secs => $1)"
        await self.relay.execute(sql, float(seconds))

    def _works(self, number):
        return number in self.sidecars and not self.sidecars[number].is_frozen

    def _at_work(self):
        """On these keys."""
        return {post.row["key"] for post in self.posts if post.ends_s > self.now_s}

    def _call(self, number, sql, *arguments):
        """Nothing where it is frozen, or no claimer any more: then it drops all that it held."""
        if not self._works(number):
            return []
        sidecar, began_s = self.sidecars[number], self.now_s
        try:
            rows = self.run(sidecar.session.fetch(sql, sidecar.me, *arguments))
        except asyncpg.ObjectNotInPrerequisiteStateError:
            self._ends(number)
            return []
        sidecar.called_s = began_s
        return rows

    def _takes(self, sidecar, row):
        key = row["key"]
        assert all(key not in other.held for other in self.sidecars.values()), "one key with two claimers"
        assert key not in self._at_work(), "claimed while the application is at work on it"
        assert row["version"] >= self.versions[key], "an older change after a newer one"
        self.versions[key] = row["version"]
        sidecar.held[key] = row

    def _ends(self, number):
        sidecar = self.sidecars.pop(number, None)
        if sidecar is not None:
            with contextlib.suppress(asyncpg.PostgresError):
                pid = sidecar.session.get_server_pid()
                sidecar.session.terminate()
                self.run(self._gone(pid))

    async def _gone(self, pid):
        """Its session, on the server."""
        sql = "SELECT count(*) FROM pg_locks WHERE pid = $1 AND locktype = 'advisory'"
        async with asyncio.timeout(30):
            while await self.relay.fetchval(sql, pid):  # noqa: ASYNC110 - PostgreSQL tells nobody
                await asyncio.sleep(0.002)


@pytest.mark.timeout(600)
def test_whoever_dies_or_freezes_no_key_is_lost_and_none_is_delivered_twice_at_once(server):
    """Mutants: `claim` without its look at the state; `reclaim` of a living claimer (patience_s of 0); taken_count
    forgotten by give_back; mend_clock that leaves due_at.
    """
    loop = asyncio.new_event_loop()
    name = "queue_machine"
    admin = loop.run_until_complete(asyncpg.connect(server.dsn()))
    loop.run_until_complete(admin.execute(f"CREATE DATABASE {name}"))
    relay = loop.run_until_complete(asyncpg.connect(server.dsn(name)))
    try:
        loop.run_until_complete(install(relay))
        run_state_machine_as_test(
            lambda: Protocol(server.dsn(name), loop, relay),
            settings=settings(
                max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
    finally:
        loop.run_until_complete(relay.close())
        loop.run_until_complete(admin.execute(f"DROP DATABASE {name} WITH (FORCE)"))
        loop.run_until_complete(admin.close())
        loop.close()
