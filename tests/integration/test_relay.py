"""The relay on a real database: what it hears, when it sleeps, and who follows it when it dies or stands still."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from notifychannel_sidecar.relay.relay import Pace, Wakefulness
from notifychannel_sidecar.state import Why
from tests.relaying import ONLY_RUNG, Outbox, StandingBy
from tests.wire import Wire

ASLEEP, AWAKE, DOZING = Wakefulness.ASLEEP, Wakefulness.AWAKE, Wakefulness.DOZING
HOLDER = "SELECT holder FROM notifychannel.relay_look()"


@pytest.fixture(scope="session")
def server(newest):
    """What is drained, and by what statements, is tested on each version (test_outbox*.py, test_queue_relay.py)."""
    return newest


@pytest.fixture
async def outbox(database):
    return await Outbox.on(database)


async def test_a_sleeping_relay_is_woken_by_the_writer_alone(outbox, database):
    """Mutants: `run` never listens to the doorbell; `ring` before the insert."""
    async with StandingBy(database=database, pace=ONLY_RUNG) as one:
        for key in range(5):
            await one.becomes(ASLEEP)
            await outbox.append(key)
            await outbox.hears(key)
        assert outbox.rings == 5


async def test_what_waited_before_there_was_a_relay_is_heard(outbox, database):
    """Mutant: `run` sleeps first."""
    await outbox.append(1)
    async with StandingBy(database=database, pace=ONLY_RUNG):
        await outbox.hears(1)
    assert await outbox.waiting() == 0


async def test_nobody_rings_while_the_relay_is_awake(outbox, database):
    """Mutant: drain.sql never raises the flag."""
    kept_awake = replace(ONLY_RUNG, empty_drains=10_000_000)
    async with StandingBy(database=database, pace=kept_awake) as one:
        await one.becomes(AWAKE)
        await one.drains_again()
        await outbox.append(1)
        await outbox.hears(1)
        assert outbox.rings == 0


async def test_who_did_not_ring_because_the_relay_was_awake_is_heard_when_it_commits_at_last(outbox, database):
    """Mutants: no dozing (`_doze` returns at once); the fence taken before the flag is down; a fence of 0."""
    late, unrelated = await database.connect(), await database.connect()
    async with StandingBy(database=database, pace=ONLY_RUNG) as one:
        await one.becomes(ASLEEP)
        await unrelated.execute("BEGIN; SELECT pg_current_xact_id()")
        await outbox.append(0)
        await one.becomes(AWAKE)
        await late.execute("BEGIN")
        await outbox.append(1, late)
        assert outbox.rings <= 1
        await one.becomes(DOZING)
        await outbox.append(2)  # rings, so the relay is awake and dozes anew
        await outbox.hears(0, 2)
        await one.becomes(DOZING)
        assert "[1]" not in outbox.heard
        await late.execute("COMMIT")
        await outbox.hears(1)
        assert one.candidate.wakefulness is DOZING
        await unrelated.execute("ROLLBACK")
        await one.becomes(ASLEEP)


async def test_a_writer_that_aborts_or_goes_back_to_a_savepoint_gives_no_hint(outbox, database):
    writer = await database.connect()
    async with StandingBy(database=database) as one:
        await one.becomes(ASLEEP)
        await writer.execute("BEGIN")
        await outbox.append(1, writer)
        await writer.execute("ROLLBACK; BEGIN; SAVEPOINT s")
        await outbox.append(2, writer)
        await writer.execute("ROLLBACK TO s")
        await outbox.append(3, writer)
        await writer.execute("COMMIT")
        await outbox.hears(3)
        await one.becomes(ASLEEP)
    assert set(outbox.heard) == {"[3]"}
    assert await outbox.waiting() == 0


async def test_of_many_candidates_one_has_the_role(outbox, database):
    """Mutant: take_role.sql takes a shared lock."""
    async with (
        StandingBy(database=database, pod="a") as a,
        StandingBy(database=database, pod="b") as b,
        StandingBy(database=database, pod="c") as c,
    ):
        for key in range(20):
            await outbox.append(key)
        await outbox.hears(*range(20))
        holders = [it for it in (a, b, c) if it.candidate.wakefulness]
        assert len(holders) == 1
        assert sum(it.roles for it in (a, b, c)) == 1
        assert sorted(outbox.heard) == sorted(f"[{key}]" for key in range(20))


async def test_a_killed_session_is_followed_by_another_and_nothing_is_lost(outbox, database):
    """Mutant: a candidate that is told TAKE does nothing."""
    async with StandingBy(database=database, pod="a"), StandingBy(database=database, pod="b"):
        for key in range(200):
            await outbox.append(key)
            if key % 50 == 25:
                await outbox.admin.execute(f"SELECT pg_terminate_backend(holder) FROM ({HOLDER}) AS it")
        await outbox.hears(*range(200))
        assert await outbox.waiting() == 0


@pytest.mark.parametrize("state", [ASLEEP, AWAKE, DOZING])
async def test_a_relay_whose_wire_freezes_is_replaced(outbox, database, state):
    """It keeps its locks: awake, so that nobody rings, or asleep, deaf to every ring. Mutants: StandBy never says
    REPLACE; `replace` ends nobody.
    """
    open_one = await database.connect()
    pace = {
        ASLEEP: ONLY_RUNG, AWAKE: Pace(empty_drains=10_000_000), DOZING: replace(ONLY_RUNG, dozing_s=0.05)
    }[state]  # fmt: skip
    async with Wire(target=database.server.port) as wire:
        through = database.dsn().replace(f":{database.server.port}/", f":{wire.port}/")
        async with StandingBy(database=database, pod="frozen", dsn=through, pace=pace) as one:
            await one.becomes(ASLEEP if state is DOZING else state)
            if state is DOZING:
                await open_one.execute("BEGIN; SELECT pg_current_xact_id()")
                await outbox.append(0)
                await one.becomes(DOZING)
            frozen = await outbox.admin.fetchval(HOLDER)
            wire.freeze()
            await outbox.append(1)
            async with StandingBy(database=database, pod="next"):
                await outbox.hears(1)
                assert await outbox.admin.fetchval(HOLDER) != frozen


async def test_a_relay_with_a_long_transaction_before_it_is_left_alone(outbox, database):
    """Mutant: dozing without drains, so without beats."""
    long = await database.connect()
    pace = Pace(patient_after_s=0.1, patient_s=0.05)
    async with StandingBy(database=database, pod="a", pace=pace) as one, StandingBy(database=database, pod="b") as two:
        await outbox.append(0)
        await outbox.hears(0)
        relay = one if one.candidate.wakefulness else two
        await long.execute("BEGIN")
        await outbox.append(1, long)
        await outbox.append(2)
        await outbox.hears(2)
        await relay.becomes(DOZING)
        for _ in range(20):  # two seconds of looks
            await relay.drains_again()
        assert (one.roles, two.roles) in {(1, 0), (0, 1)}
        await long.execute("COMMIT")
        await outbox.hears(1)


async def test_a_relay_with_a_backlog_is_left_alone(outbox, database):
    """Mutant: `drain` moves the beat only when nothing is left."""
    await outbox.admin.execute(
        "INSERT INTO notifychannel.outbox (channel, payload) SELECT 'orders', '1ababababI0000000000000001' || E'\\n['"
        " || i || ']' FROM generate_series(1, 100000) AS i"
    )
    async with StandingBy(database=database, pod="a") as one, StandingBy(database=database, pod="b") as two:
        await outbox.hears(*range(1, 100_001))
        assert one.roles + two.roles == 1


async def test_a_relay_that_finishes_hands_the_role_over(outbox, database):
    async with StandingBy(database=database, pod="b") as two:
        await two.becomes(ASLEEP)
        async with StandingBy(database=database, pod="a") as one:
            await two.__aexit__()
            await one.becomes(ASLEEP)
            await outbox.append(1)
            await outbox.hears(1)
        two._tasks = []


async def test_a_candidate_whose_outbox_is_gone_gives_the_role_up_and_another_may_try(outbox, database):
    """Mutant: `_work` swallows what the session raises."""
    async with StandingBy(database=database, pod="a") as one:
        await one.becomes(ASLEEP)
        await outbox.admin.execute("ALTER FUNCTION notifychannel.drain(xid8, xid8[], integer) RENAME TO away")
        await one.becomes(None)
        await outbox.admin.execute("ALTER FUNCTION notifychannel.away(xid8, xid8[], integer) RENAME TO drain")
        await outbox.append(1)
        await outbox.hears(1)


async def test_a_role_is_given_up_when_no_configuration_is_left(outbox, database):
    """And whoever ends the sidecar at that moment is heard. Mutants: `_moves` never returns; `_work` suppresses what
    cancels it while it waits for its tasks.
    """
    async with StandingBy(database=database, pod="a") as one, asyncio.timeout(20):
        await one.becomes(ASLEEP)

        one.candidate.aim(Why.NOT_CONFIGURED)
        await one.becomes(None)


async def test_nobody_drains_beside_the_relay(outbox, database):
    """Two that delete side by side would each believe of the other's rows that they are gone.

    Mutant: drain() without its look at the role.
    """
    async with StandingBy(database=database, pace=ONLY_RUNG) as one:
        await one.becomes(ASLEEP)
        for call in ("drain('0', '{}', 10)", "collapse(0, '0', 10)"):
            with pytest.raises(asyncpg.ObjectInUseError, match="another session is the relay"):
                await outbox.admin.fetch(f"SELECT * FROM notifychannel.{call}")


async def test_a_backlog_past_the_cap_becomes_one_resync_for_each_channel(outbox, database):
    """Mutant: `_shed` never called."""
    await outbox.admin.execute(
        "INSERT INTO notifychannel.outbox (channel, payload) SELECT 'orders', '1ababababI0000000000000001' || E'\\n['"
        " || i || ']' FROM generate_series(1, 30000) AS i"
    )
    payloads = []
    ears = await database.connect()
    await ears.add_listener("orders", lambda *heard: payloads.append(heard[3]))
    async with StandingBy(database=database, pace=Pace(behind_s=0.0, cap_bytes=100_000)) as one:
        await one.becomes(ASLEEP)
    assert await outbox.waiting() == 0
    await outbox.append(7)
    async with StandingBy(database=database, pace=Pace(behind_s=0.0, cap_bytes=100_000)):
        await outbox.hears(7)
    assert "1ababababT0000000000000001" in payloads
    assert len(outbox.heard) < 30_000
