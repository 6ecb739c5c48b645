"""The relay and the queue: what it merges, however slowly; and what it does when sidecars die or freeze."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from importlib.resources import files

import asyncpg
import pytest

from notifychannel_sidecar.relay import attempts, claimers, milestone, upkeep
from notifychannel_sidecar.relay.claimers import Claimer
from notifychannel_sidecar.relay.position import Position
from notifychannel_sidecar.relay.relay import Pace, Wakefulness
from notifychannel_sidecar.relay.session import Session
from notifychannel_sidecar.relay.upkeep import Upkeep
from tests import queueing
from tests.queueing import APPEND, Queue, install, payload
from tests.relaying import ONLY_RUNG, StandingBy

PATIENCE_S = 30.0
TIMEOUT_S = 0.1


@pytest.fixture
def template(server):
    return queueing.template(server)


@pytest.fixture
async def queue(database):
    return await Queue.on(database, debounce=0.0, max_delay=0.0, timeout=TIMEOUT_S)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """What is to be done at the first attempt is, on a slow machine too."""
    monkeypatch.setattr(attempts, "WITHIN_S", 10.0)
    monkeypatch.setattr(attempts, "WITHIN_AT_MOST_S", 10.0)


@pytest.fixture
async def hasty(monkeypatch):
    """A relay that waits for a fraction of a second where the real one waits for seconds."""
    for name, seconds in (("POST_WITHIN_S", 0.1), ("MARGIN_S", 0.1), ("ENDING_S", 1.0), ("IDLE_S", 2.0)):
        monkeypatch.setattr(claimers, name, seconds)
    monkeypatch.setattr(upkeep, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(upkeep, "FIND_EVERY_S", 0.05)


async def session(queue):
    """The relay's, which has the role."""
    made = Session(await queue.database.connect())
    await made.settle_in("nch-relay/test")
    assert await made.take_role()
    return made


async def claims(claimer, *keys):
    """Wait until it has got all of these."""
    found = []
    async with asyncio.timeout(PATIENCE_S):
        while not set(keys) <= {row["key"] for row in found}:
            found += await claimer.claim()
            await asyncio.sleep(0.02)
    return found


async def test_what_a_relay_drains_can_be_claimed_and_many_rows_come_in_bounded_bites(queue):
    """Mutants: most_bytes of 10 MB; `last` without it (the rest is never drained)."""
    wide = 20
    for number in range(60):
        keys = [f'["{number}-{key}-{"x" * 300}"]' for key in range(wide)]
        await queue.owner.execute(APPEND, "orders", payload(*keys))
    relay, position, takings = await session(queue), Position(), []
    while True:
        drained = await relay.drain(position, awake=False)
        takings.append(drained.taken)
        if position.advance(drained) or not drained.more:
            break
    assert sum(takings) == 60
    assert max(takings) <= 20
    assert len(await queue.rows()) == 60 * wide


async def test_rows_of_one_late_transaction_come_in_bounded_bites_too(queue):
    """Mutant: `more` of the late ones by their number alone."""
    late = await queue.database.connect()
    await late.execute("BEGIN")
    for number in range(60):
        await late.execute(APPEND, "orders", payload(f'["{number}-{"x" * 1500}"]', f'["{number}-{"y" * 1500}"]'))
    await queue.owner.execute("SELECT pg_current_xact_id()")  # one that ends after it has begun: so it is late
    relay, position = await session(queue), Position()
    assert position.advance(await relay.drain(position, awake=False))
    await late.execute("COMMIT")
    takings = []
    while len(takings) < 60:
        drained = await relay.drain(position, awake=False)
        takings.append(drained.taken)
        if not drained.more:
            break
        position.advance(drained)
    assert sum(takings) == 60
    assert max(takings) <= 40
    assert len(await queue.rows()) == 120


async def test_a_server_that_is_too_slow_for_a_whole_batch_gets_smaller_ones_until_all_is_merged(queue):
    """Mutant: QueryCanceledError gives the role up, for the next one to do the same."""
    await queue.owner.execute("""
        CREATE FUNCTION public.slowly() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$;
        CREATE TRIGGER slowly BEFORE INSERT ON notifychannel.queue FOR EACH ROW EXECUTE FUNCTION public.slowly();
    """)
    for number in range(60):
        await queue.owner.execute(APPEND, "orders", payload(f"[{number}]"))
    connection = await queue.database.connect()
    relay, position = Session(connection), Position()
    assert await relay.take_role()
    await connection.execute("SET statement_timeout = '500ms'")
    async with asyncio.timeout(PATIENCE_S):
        while not position.advance(await relay.drain(position, awake=False)) or len(await queue.rows()) < 60:
            pass


@pytest.mark.usefixtures("hasty")
async def test_rows_of_a_sidecar_that_was_killed_go_to_another(queue):
    """Mutants: the relay never looks at claimers; `reclaim` only of those that were ended."""
    one, other = await queue.claimer(), await queue.claimer()
    async with StandingBy(database=queue.database):
        await queue.owner.execute(APPEND, "orders", payload("[1]", "[2]"))
        await claims(one, "[1]", "[2]")
        one.connection.terminate()
        rows = await claims(other, "[1]", "[2]")
    assert [row["count"] for row in rows] == [1, 1]


@pytest.mark.usefixtures("hasty")
async def test_a_sidecar_that_stands_still_loses_its_session_and_its_rows_and_one_that_beats_does_not(queue):
    """Mutants: `end` not done; by the pid alone, whoever has that by now; beats not looked at."""
    still, beating, other = await queue.claimer(), await queue.claimer(), await queue.claimer()
    async with StandingBy(database=queue.database):
        await queue.owner.execute(APPEND, "orders", payload("[1]"))
        await claims(still, "[1]")
        await queue.owner.execute(APPEND, "orders", payload("[2]"))
        held = await claims(beating, "[2]")

        async def beats():
            while True:
                await beating.call("beat")
                await asyncio.sleep(0.02)

        task = asyncio.create_task(beats())
        await claims(other, "[1]")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert await beating.settle(held) == 1
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
            await still.call("beat")


@pytest.mark.usefixtures("hasty")
async def test_a_sidecar_of_a_role_that_the_relay_may_not_end_loses_its_rows_a_little_later(queue):
    """Mutants: InsufficientPrivilegeError ends the relay; no ENDING_S."""
    listener, role = await queue.database.role("listener"), await queue.database.role("other")
    for name in (listener, role):
        await queue.owner.execute(f'GRANT USAGE ON SCHEMA notifychannel TO "{name}"')
        await queue.owner.execute(f'GRANT EXECUTE ON FUNCTION notifychannel.skipped() TO "{name}"')
    await install(queue.owner)
    still, other = await queue.claimer(user=role), await queue.claimer(user=listener)
    async with StandingBy(database=queue.database, dsn=queue.database.dsn(listener)):
        await queue.owner.execute(APPEND, "orders", payload("[1]"))
        await claims(still, "[1]")
        await claims(other, "[1]")
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        await still.call("beat")


async def test_a_queue_that_is_made_while_the_relay_works_is_found_and_may_go_again(database, monkeypatch):
    """Mutants: has_queue asked once; UndefinedFunctionError ends the relay."""
    monkeypatch.setattr(upkeep, "FIND_EVERY_S", 0.0)
    monkeypatch.setattr(upkeep, "LOOK_EVERY_S", 0.0)
    queue = await Queue.on(database)
    await queue.owner.execute("ALTER FUNCTION notifychannel.claimers_look() RENAME TO other")
    relay = Upkeep(await session(queue))
    one = await queue.claimer()
    one.connection.terminate()
    await relay.look()
    assert await queue.owner.fetchval("SELECT count(*) FROM notifychannel.claimer") == 1
    await queue.owner.execute("ALTER FUNCTION notifychannel.other() RENAME TO claimers_look")
    async with asyncio.timeout(PATIENCE_S):
        while await queue.owner.fetchval("SELECT count(*) FROM notifychannel.claimer"):
            await relay.look()
    await queue.owner.execute("ALTER FUNCTION notifychannel.claimers_look() RENAME TO other")
    await relay.look()
    await relay.look()


class SetClock(Session):
    """A server whose clock somebody sets."""

    by_s = 0.0

    async def look_at_claimers(self):
        server_s, found = await super().look_at_claimers()
        return server_s + self.by_s, found


@pytest.mark.parametrize("by_s", [3600.0, -3600.0])
async def test_the_relay_notices_a_clock_that_is_set_and_the_queue_goes_on_by_the_old_one(queue, by_s, monkeypatch):
    """Mutants: set_clock not called; mend_clock not called after it."""
    monkeypatch.setattr(upkeep, "LOOK_EVERY_S", 0.0)
    await queue.consumer(debounce=100.0, max_delay=1000.0, timeout=TIMEOUT_S)
    await queue.changes("[1]")
    made = SetClock(await queue.database.connect())
    await made.take_role()
    relay = Upkeep(made)
    await relay.look()
    made.by_s = by_s
    await queue.passes(by_s)
    await queue.owner.execute(APPEND, "orders", payload("[2]"))
    await made.drain(Position(), awake=False)
    await relay.look()
    waits = {key: row["due_in"] for key, row in (await queue.rows()).items()}
    assert 40.0 < waits["[1]"] <= 100.0
    assert waits["[2]"] <= 100.0


async def test_a_new_relay_puts_right_what_a_clock_ahead_has_written(queue):
    """And looks at no row where another was at work just now. Mutants: `_mends` begins with False; trim_queue that
    walks each time, or never.
    """
    await queue.consumer(debounce=100.0, max_delay=1000.0, timeout=TIMEOUT_S)
    await queue.passes(7200.0)
    await queue.changes("[1]")
    relay = await session(queue)
    await Upkeep(relay).look()
    await queue.owner.execute("UPDATE notifychannel.queue SET arrived_at = arrived_at + interval '10 s'")
    await Upkeep(relay).look()
    assert (await queue.row())["arrived_at"] > (await queue.row())["set_at"], "nothing has called for a walk"
    await queue.passes(-7200.0)
    await Upkeep(relay).look()
    assert (await queue.row())["due_in"] <= 100.0


async def test_the_relay_takes_away_history_past_its_time_a_bite_at_a_time(queue, monkeypatch):
    """Mutants: trim_queue never called; called again only a minute after a full bite."""
    monkeypatch.setattr(upkeep, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(attempts, "BATCH_ROWS", 2)
    await queue.owner.execute("SELECT notifychannel.put_audit('dev', 'shop', 'orders', 'orders', 0.0, '{id}')")
    await queue.changes(*(f"[{number}]" for number in range(5)))
    relay = Upkeep(await session(queue))
    left = []
    for _ in range(3):
        await relay.look()
        left.append(await queue.owner.fetchval("SELECT count(*) FROM notifychannel.audit"))
    assert left == [3, 1, 0]


async def test_a_frozen_relay_that_claims_too_is_replaced_though_the_outbox_is_empty(queue):
    """Its own claims wait for it. Mutant: relay_waiting without the claims."""
    waiting = "SELECT notifychannel.relay_waiting()"
    await queue.changes("[1]")
    assert await queue.owner.fetchval(waiting) is False
    await (await queue.claimer()).claim()
    assert await queue.owner.fetchval(waiting) is True


@pytest.mark.usefixtures("hasty")
async def test_a_relay_that_sleeps_looks_after_claimers_and_drains_no_oftener_for_it(queue):
    """Mutant: `_sleeps_in_vain` drains after each look; looks only when it drains."""
    one = await queue.claimer()
    async with StandingBy(database=queue.database, pace=ONLY_RUNG) as relay:
        await relay.becomes(Wakefulness.ASLEEP)
        before = len(relay.drains)
        one.connection.terminate()
        async with asyncio.timeout(PATIENCE_S):
            while await queue.look():  # noqa: ASYNC110 - PostgreSQL tells nobody
                await asyncio.sleep(0.02)
        assert len(relay.drains) == before


UPKEEP = {
    "claimers_look": "division_by_zero", "mend_clock": "query_canceled", "rules_settled": "deadlock_detected",
    "trim_queue": "lock_not_available",
}  # fmt: skip
LEFT = {
    "claimers_look": "SELECT count(*) FROM notifychannel.claimer",
    "mend_clock": "SELECT count(*) FROM notifychannel.queue WHERE set_at > notifychannel.queue_time() + '1 min'",
    "rules_settled": "SELECT count(*) FROM notifychannel.fence",
    "trim_queue": "SELECT count(*) FROM notifychannel.audit",
}
"""What is 0 when it has done its work."""
ONE = Claimer(id=1, pid=1, is_alive=True, holds=True, beats=0, timeout_s=TIMEOUT_S)
STATEMENTS = {
    "look": ("claimers_look", lambda relay: relay.look_at_claimers()),
    "end": ("claimers_look", lambda relay: relay.end_claimer(ONE)),
    "reclaim": ("reclaim", lambda relay: relay.reclaim(ONE)),
    "set clock": ("set_clock", lambda relay: relay.set_clock(1.0)),
    "mend clock": ("mend_clock", lambda relay: relay.mend_clock(1)),
    "trim": ("trim_queue", lambda relay: relay.trim_queue(1)),
    "rules": ("rules_settled", lambda relay: relay.settle_rules()),
    "find": (None, lambda relay: relay.has_queue()),
}


async def breaks(queue, name, error="query_canceled"):
    """A function that fails from now on, as soon as it is called."""
    whole = await queue.owner.fetchval(
        "SELECT pg_get_functiondef(oid) FROM pg_proc "
        "WHERE proname = $1 AND pronamespace = 'notifychannel'::regnamespace",
        name,
    )
    broken = whole.replace("\nBEGIN\n", f"\nBEGIN\nRAISE {error};\n", 1).replace("SELECT m.id,", "SELECT 1 / 0,", 1)
    assert broken != whole
    await queue.owner.execute(broken)


async def something_for_every_task(queue):
    await queue.owner.execute("SELECT notifychannel.set_clock(0)")
    await queue.consumer(debounce=100.0, max_delay=1000.0, timeout=TIMEOUT_S)
    await queue.owner.execute("SELECT notifychannel.put_audit('dev', 'shop', 'orders', 'orders', 0.0, '{id}')")
    await queue.changes("[1]")
    await queue.owner.execute("UPDATE notifychannel.queue SET set_at = set_at + interval '1 hour'")
    await queue.owner.execute("INSERT INTO notifychannel.fence VALUES ('orders', pg_current_xact_id())")
    (await queue.claimer()).connection.terminate()


@pytest.mark.parametrize("broken", UPKEEP)
async def test_what_the_server_would_not_do_for_the_queue_keeps_nothing_else_from_being_done(
    queue, broken, monkeypatch
):
    """Mutants: `_try` that raises; one that leaves the look."""
    monkeypatch.setattr(upkeep, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(upkeep, "TRIM_EVERY_S", 0.0)
    await something_for_every_task(queue)
    await breaks(queue, broken, UPKEEP[broken])
    relay = Upkeep(await session(queue))
    async with asyncio.timeout(PATIENCE_S):
        for task in LEFT.keys() - {broken}:
            while await queue.owner.fetchval(LEFT[task]):
                await relay.look()
    assert await queue.owner.fetchval(LEFT[broken]) > 0


@pytest.mark.usefixtures("hasty")
async def test_a_relay_goes_on_draining_where_nothing_can_be_done_for_the_queue(queue, caplog):
    """Mutant: `_try` that raises: each candidate in turn has the role for one drain."""
    for name, error in UPKEEP.items():
        await breaks(queue, name, error)
    async with StandingBy(database=queue.database, pace=Pace(asleep_s=0.05)) as relay:
        async with asyncio.timeout(PATIENCE_S):
            while "to trim the queue" not in caplog.text:
                await relay.drains_again()
        await queue.owner.execute(APPEND, "orders", payload("[1]"))
        async with asyncio.timeout(PATIENCE_S):
            while not await queue.rows():
                await relay.drains_again()
        assert relay.roles == 1


async def test_a_session_that_is_lost_in_the_middle_of_upkeep_ends_the_relay(queue):
    """Mutant: `lost` not looked at."""
    relay = await session(queue)
    await queue.owner.execute("""
        CREATE OR REPLACE FUNCTION notifychannel.trim_queue(most integer) RETURNS integer LANGUAGE plpgsql
        SECURITY DEFINER AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN 0; END $$
    """)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await Upkeep(relay).look()
    assert relay.lost


class Clock:
    """time.monotonic() as the test has it."""

    now_s = 0.0

    def monotonic(self):
        return self.now_s


class CantTrim(Session):
    """A server that is too slow for it."""

    tries = 0
    is_quick = False

    async def trim_queue(self, most):
        self.tries += 1
        if self.is_quick:
            return most
        raise asyncpg.QueryCanceledError


async def test_a_task_that_fails_is_tried_again_from_a_second_to_a_minute_later_and_logged_once(
    queue, monkeypatch, caplog
):
    """Mutants: no `again_s`; `said` not looked at; no `lived` after a success."""
    clock, made = Clock(), CantTrim(await queue.database.connect())
    monkeypatch.setattr(upkeep, "time", clock)
    monkeypatch.setattr(attempts, "time", clock)
    assert await made.take_role()
    relay, tried = Upkeep(made), []

    async def look_until(end_s):
        while clock.now_s < end_s:
            before = made.tries
            await relay.look()
            tried.extend([clock.now_s] * (made.tries - before))
            clock.now_s += 1.0

    with caplog.at_level(logging.WARNING):
        await look_until(200.0)
        assert tried == [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 123.0, 183.0]
        made.is_quick = True
        await look_until(244.0)
        assert tried[9:] == [243.0]
        made.is_quick = False
        await look_until(248.0)
        assert tried[10:] == [244.0, 245.0, 247.0]
    assert [it.getMessage() for it in caplog.records] == [
        "the relay failed to trim the queue (QueryCanceledError 57014); trying again in 1.0 s"
    ]


async def test_a_claimer_that_can_not_be_reclaimed_keeps_no_other_from_it(queue, monkeypatch):
    """Somebody has locked its row. And it is tried again for as long as it is there. Mutants: tries by the task alone;
    tries of who is gone kept, or of all forgotten.
    """
    monkeypatch.setattr(upkeep, "LOOK_EVERY_S", 0.0)
    first, other = await queue.claimer(), await queue.claimer()
    relay = Upkeep(await session(queue))
    holder = await queue.database.connect()
    await holder.execute("BEGIN")
    await holder.execute("SELECT FROM notifychannel.claimer WHERE id = $1 FOR UPDATE", first.me)
    for one in (first, other):
        one.connection.terminate()

    async def left(*claimers):
        async with asyncio.timeout(PATIENCE_S):
            while [it["claimer"] for it in await queue.look()] != [it.me for it in claimers]:
                await relay.look()

    await left(first)
    tries = relay._attempts._tries[attempts.Task.RECLAIM, first.me]
    assert tries.backoff.attempts > 0
    third = await queue.claimer()
    third.connection.terminate()
    await left(first)
    assert relay._attempts._tries[attempts.Task.RECLAIM, first.me] is tries
    await holder.execute("ROLLBACK")
    await left()
    await relay.look()
    assert [it for _, it in relay._attempts._tries if it is not None] == []


class SetClockLate(SetClock):
    """It can't tell the queue at first."""

    tries = 0

    async def set_clock(self, jumped_s):
        self.tries += 1
        if self.tries == 1:
            raise asyncpg.LockNotAvailableError
        await super().set_clock(jumped_s)


async def test_a_jump_that_the_queue_could_not_be_told_of_is_told_later(queue, monkeypatch):
    """Mutant: `_jumped_s` forgotten before set_clock has succeeded."""
    monkeypatch.setattr(upkeep, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(attempts, "AGAIN_S", 0.0)
    made = SetClockLate(await queue.database.connect())
    await made.take_role()
    relay = Upkeep(made)
    await relay.look()
    made.by_s = 3600.0
    await relay.look()
    await relay.look()
    ahead = await queue.owner.fetchval("SELECT extract(epoch FROM ahead)::float8 FROM notifychannel.queue_clock")
    assert -3605.0 < ahead < -3595.0


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_a_beat_goes_before_each_statement_for_the_queue(queue, statement):
    """By a role that may listen and no more; a beat that came after would not be there, for what it is for has failed.
    Mutant: one of the files without the beat.
    """
    listener = await queue.database.role("listener")
    await queue.owner.execute(f'GRANT USAGE ON SCHEMA notifychannel TO "{listener}"')
    await queue.owner.execute(f'GRANT EXECUTE ON FUNCTION notifychannel.skipped() TO "{listener}"')
    await install(queue.owner)
    made = Session(await queue.database.connect(listener))
    assert await made.take_role()
    name, call = STATEMENTS[statement]
    before = await queue.owner.fetchrow("SELECT beats, rounds FROM notifychannel.relay_look()")
    if name is None:
        assert await call(made)
    else:
        await breaks(queue, name)
        with pytest.raises((asyncpg.QueryCanceledError, asyncpg.DivisionByZeroError)):
            await call(made)
    after = await queue.owner.fetchrow("SELECT beats, rounds FROM notifychannel.relay_look()")
    assert (after["beats"] - before["beats"], after["rounds"] - before["rounds"]) == (1, 0)


async def test_a_relay_reads_what_others_commit_whatever_the_database_says(queue):
    """Mutant: settle_in.sql without the isolation: 40001 for what everybody else may do."""
    name = await queue.owner.fetchval("SELECT current_database()")
    await queue.owner.execute(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'repeatable read'")
    connection = await queue.database.connect()
    assert await connection.fetchval("SHOW transaction_isolation") == "repeatable read"
    await Session(connection).settle_in("nch-relay/test")
    assert await connection.fetchval("SHOW transaction_isolation") == "read committed"


SLOW = """
CREATE OR REPLACE FUNCTION notifychannel.trim_queue(most integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER AS $$ BEGIN PERFORM pg_sleep(60); RETURN 0; END $$
"""


async def test_what_takes_long_or_waits_for_a_lock_is_left_after_a_fraction_of_a_second(queue, monkeypatch):
    """And later drains may take as long as they could before. Mutants: `at` without `bounded`; SET for the session."""
    monkeypatch.setattr(attempts, "WITHIN_S", 0.25)
    made = await session(queue)
    await queue.owner.execute(SLOW)
    holder = await queue.database.connect()
    await holder.execute("BEGIN; SELECT FROM notifychannel.queue_clock FOR UPDATE")
    await queue.owner.execute("UPDATE notifychannel.consumer SET low = 'infinity'")
    tries = attempts.Attempts(made)
    async with asyncio.timeout(PATIENCE_S):
        assert await tries.at(attempts.Task.TRIM, lambda: made.trim_queue(1)) is None
        assert await tries.at(attempts.Task.SET_CLOCK, lambda: made.set_clock(1.0)) is None
    assert tries.rows(attempts.Task.TRIM) < attempts.BATCH_ROWS
    assert tries.rows(attempts.Task.SET_CLOCK) == attempts.BATCH_ROWS, "that was no matter of rows"
    limits = "SELECT current_setting('statement_timeout') || current_setting('lock_timeout')"
    assert await made._connection.fetchval(limits) == "5s0"


class Bounds(Session):
    """It notes what each task may take, and is too slow for all."""

    def __init__(self, connection):
        super().__init__(connection)
        self.asked = []

    def bounded(self, seconds):
        self.asked.append(seconds)
        return super().bounded(seconds)

    async def too_slow(self):
        raise asyncpg.QueryCanceledError


@pytest.mark.parametrize("task", attempts.Task)
async def test_what_was_too_slow_may_take_longer_but_for_the_sweep(queue, monkeypatch, task):
    """While somebody keeps the dead rows it is too slow each time, and drains wait for it. Mutant: 1 s for it too."""
    monkeypatch.setattr(attempts, "WITHIN_S", 0.25)
    monkeypatch.setattr(attempts, "WITHIN_AT_MOST_S", 1.0)
    monkeypatch.setattr(attempts, "AGAIN_S", 0.0)
    made = Bounds(await queue.database.connect())
    tries = attempts.Attempts(made)
    for _ in range(2):
        await tries.at(task, made.too_slow)
    assert made.asked == [0.25, 0.25 if task is attempts.Task.SWEEP else 1.0]
    assert tries.rows(task) == attempts.BATCH_ROWS // 64


async def drains(relay, position):
    """Until a round of its own was complete; what its last drain did."""
    while not position.advance(drained := await relay.drain(position, awake=False)):
        pass
    return drained


async def walked(connection, statement):
    """Entries of the outbox's indexes that it passes."""
    sql = """
    SELECT sum(coalesce(pg_stat_get_xact_tuples_returned(it), 0))::int
    FROM unnest('{notifychannel.outbox_xid, notifychannel.outbox_logged_xid}'::regclass[]) AS it
    """
    async with connection.transaction():
        before = await connection.fetchval(sql)
        await connection.execute(statement)
        return await connection.fetchval(sql) - before


async def test_a_new_relay_begins_behind_what_is_drained_though_nobody_may_vacuum_it(queue):
    """So does the look whether anything waits, and a pass. Mutants: `begin` from 0; relay_waiting that looks at all."""
    old = await queue.database.connect()
    await old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
    await queue.owner.execute(
        "INSERT INTO notifychannel.outbox_logged (channel, payload) SELECT 'other', $1 FROM generate_series(1, 3000)",
        payload("[1]"),
    )
    relay, position = await session(queue), Position()
    await drains(relay, position)
    last = await drains(relay, position)
    mark = milestone.Milestone(relay, on_sweep=lambda *_: None)
    await mark.look(position, last)
    assert (await mark.begin()).low == position.proven
    assert await walked(relay._connection, "SELECT notifychannel.relay_waiting()") <= 10
    drain = (files("notifychannel_operator") / "sql" / "outbox" / "drain.sql").read_text()
    assert await walked(relay._connection, drain.replace("$1", "'0'").replace("$2", "10")) <= 10
    assert await walked(relay._connection, "SELECT notifychannel.drain('0', '{}', 10)") >= 3000, (
        "where all others begin"
    )


class Notes(Session):
    """It counts how often a position is noted."""

    notes = 0

    async def drained(self, below):
        self.notes += below is not None
        return await super().drained(below)


async def test_a_relay_with_nothing_to_do_notes_nothing_and_one_with_dead_rows_behind_it_does(queue, monkeypatch):
    """A note takes a transaction id, so that there is always one more to note. Mutants: a note for each; none where
    what was taken is not below `proven` yet; none but for what was taken; no FAR.
    """
    monkeypatch.setattr(milestone, "NOTE_EVERY_S", 0.0)
    relay = Notes(await queue.database.connect())
    assert await relay.take_role()
    mark = milestone.Milestone(relay, on_sweep=lambda *_: None)
    position = await mark.begin()

    async def looks(times=1):
        before = relay.notes
        for _ in range(times):
            await queue.owner.execute("SELECT pg_current_xact_id()")
            await mark.look(position, await drains(relay, position))
        return relay.notes - before

    assert await looks(10) <= 3, "of others before it nothing is known"
    assert await looks(10) == 0
    writer = await queue.database.connect()
    await writer.execute("BEGIN; SELECT pg_current_xact_id()")
    await queue.owner.execute(APPEND, "orders", payload("[1]"))
    taken_from = int(await queue.owner.fetchval("SELECT pg_current_xact_id()::text"))
    assert await looks(10) <= 1, "as far as that transaction"
    await writer.execute("ROLLBACK")
    assert 1 <= await looks(10) <= 3
    assert await queue.owner.fetchval("SELECT last_value FROM notifychannel.relay_position") >= taken_from
    assert await looks(10) == 0
    monkeypatch.setattr(milestone, "FAR", 20)
    assert 1 <= await looks(50) <= 5


async def test_who_was_running_when_a_round_was_noted_is_found_by_the_next_relay(queue):
    """Mutant: `proven` of the round's xmax, and relay_drained() without `ended`."""
    late = await queue.database.connect()
    await late.execute("BEGIN")
    await late.execute(APPEND, "orders", payload("[1]"))
    await queue.changes("[2]")
    relay, position = await session(queue), Position()
    last = await drains(relay, position)
    mark = milestone.Milestone(relay, on_sweep=lambda *_: None)
    await mark.look(position, last)
    await late.execute("COMMIT")
    await drains(relay, await mark.begin())
    assert list(await queue.rows()) == ["[1]", "[2]"]


async def test_a_position_of_the_future_is_none_and_what_lies_before_one_is_found_all_the_same(queue):
    """As after a restore, or where a cluster's transactions were set back. Mutants: relay_drained that believes it; no
    sweep.
    """
    ahead = "SELECT setval('notifychannel.relay_position', 1000000000000)"
    await queue.owner.execute(ahead)
    assert await queue.owner.fetchval("SELECT notifychannel.relay_drained()") == 0
    await queue.owner.execute(APPEND, "orders", payload("[1]"))
    relay = await session(queue)
    assert await relay.drained(10**12) <= await queue.owner.fetchval("SELECT pg_current_xact_id()")
    swept = []
    mark = milestone.Milestone(relay, on_sweep=lambda drained, _: swept.append(drained.taken))
    position = await mark.begin()
    assert position.low > 0
    last = await drains(relay, position)
    assert await queue.rows() == {}
    await mark.look(position, last)
    assert (list(await queue.rows()), swept) == (["[1]"], [1])


async def test_only_the_relay_says_how_far_it_came_and_not_before_its_drain_is_committed(queue):
    """Mutants: relay_drained without the lock; drain() that notes it by itself."""
    relay = await session(queue)
    with pytest.raises(asyncpg.ObjectInUseError):
        await queue.owner.fetchval("SELECT notifychannel.relay_drained('5')")
    await queue.owner.execute(APPEND, "orders", payload("[1]"))
    transaction = relay._connection.transaction()
    await transaction.start()
    await drains(relay, Position())
    await transaction.rollback()
    await drains(relay, await milestone.Milestone(relay, on_sweep=lambda *_: None).begin())
    assert list(await queue.rows()) == ["[1]"]
