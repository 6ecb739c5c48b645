"""Somebody has locked rows of the queue for long: what is for it waits in the outbox, bounded, and all else goes on."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from notifychannel_operator.passes import outbox
from notifychannel_sidecar.relay import blockade, session
from notifychannel_sidecar.relay.relay import Pace, Wakefulness
from tests import queueing
from tests.queueing import APPEND, Queue, payload
from tests.relaying import StandingBy

PATIENCE_S = 30.0
UNLOGGED = "INSERT INTO notifychannel.outbox (channel, payload) VALUES ($1, $2)"
ROUNDS = "SELECT rounds FROM notifychannel.relay_look()"
AGAIN_S = 5.0
TRIES = """
    CREATE SEQUENCE public.tries;
    CREATE FUNCTION public.counted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN PERFORM nextval('public.tries'); RETURN NEW; END $$;
    CREATE TRIGGER tries BEFORE INSERT ON notifychannel.queue FOR EACH ROW EXECUTE FUNCTION public.counted();
"""
"""Counted also where the transaction is undone."""
LOGGED = "SELECT count(*) FROM notifychannel.outbox_logged"


@pytest.fixture
def template(server):
    return queueing.template(server)


@pytest.fixture
async def queue(database):
    return await Queue.on(database, debounce=0.0, max_delay=0.0)


async def holder(queue, *keys):
    """A session that has locked the rows of these keys, which are made for it."""
    await queue.changes(*keys)
    made = await queue.database.connect()
    await made.execute("BEGIN; SELECT FROM notifychannel.queue FOR UPDATE")
    return made


async def until(relay, predicate):
    async with asyncio.timeout(PATIENCE_S):
        while not await predicate():
            await relay.drains_again()


async def test_the_relay_says_so_once_tries_seldom_and_goes_on_with_all_else_until_the_queue_takes_it(
    queue, caplog, monkeypatch
):
    """Also in rounds of several batches, of which only the first sees what is left.

    Mutants: every drain tries the queue; `blocked` never said by drain; `is_blocked` of the last batch alone.
    """
    monkeypatch.setattr(blockade, "AGAIN_S", AGAIN_S)
    monkeypatch.setattr(blockade, "AGAIN_AT_MOST_S", AGAIN_S)
    monkeypatch.setattr(blockade, "SAID_AFTER_S", 0.0)
    monkeypatch.setattr(session, "BATCH_ROWS", 3)
    person = await holder(queue, "[1]")
    await queue.owner.execute(TRIES)
    heard, ears = asyncio.Queue(), await queue.database.connect()
    await ears.add_listener("others", lambda *it: heard.put_nowait(it[3]))
    await queue.owner.execute(APPEND, "orders", payload("[1]"))
    rounds, began_s = await queue.owner.fetchval(ROUNDS), time.monotonic()
    async with StandingBy(database=queue.database, pace=Pace(asleep_s=0.05)) as relay:
        for number in range(50):
            async with queue.owner.transaction():
                for key in range(7):
                    await queue.owner.execute(UNLOGGED, "others", payload(f"[{number}, {key}]"))
            async with asyncio.timeout(PATIENCE_S):
                while f"[{number}, 6]" not in await heard.get():
                    pass
        tries = await queue.owner.fetchval("SELECT last_value FROM public.tries")
        assert tries <= 2 + (time.monotonic() - began_s) / AGAIN_S
        assert (await queue.owner.fetchval(LOGGED), await queue.owner.fetchval(ROUNDS)) == (1, rounds)
        assert said(caplog) == ["queue-blocked"]
        await person.execute("ROLLBACK")
        await until(relay, lambda: merged(queue, 2))
        await relay.becomes(Wakefulness.ASLEEP)
        assert relay.roles == 1
    assert said(caplog) == ["queue-blocked", "queue-open"]


def said(caplog):
    """Events of the queue, and what else was warned of."""
    return [it.event for it in caplog.records if it.levelno >= logging.WARNING]


async def merged(queue, count):
    return (await queue.row("[1]"))["count"] == count


async def test_what_waits_for_long_is_bounded_by_the_cap_though_the_queue_is_blocked(queue):
    """It is one resync then, which the locked row does not keep from being told.

    Mutant: a backlog is one that has more to drain.
    """
    person = await holder(queue, "[1]")
    rows = [("orders", payload(f'["{number}-{"x" * 300}"]')) for number in range(2000)]
    await queue.owner.executemany(APPEND, [("orders", payload("[1]")), *rows])
    async with StandingBy(database=queue.database, pace=Pace(asleep_s=0.05, behind_s=0.5, cap_bytes=100_000)) as relay:
        await until(relay, lambda: is_empty(queue))
        await person.execute("ROLLBACK")
    assert (await queue.row(""))["reason"] == "overflow"


async def is_empty(queue):
    return await queue.owner.fetchval(LOGGED) == 0


async def test_where_the_resync_itself_is_locked_what_is_for_the_queue_stays_and_the_rest_is_shed(queue):
    """At once, and the relay stays the relay. Mutants: collapse without lock_timeout; without its EXCEPTION."""
    await queue.owner.execute("SELECT notifychannel.resync(ARRAY[$1::integer], 'bulk')", queue.first)
    person = await holder(queue, "[1]")
    await queue.owner.execute(APPEND, "orders", payload("[2]"))
    await queue.owner.execute(UNLOGGED, "billing", payload("[3]"))
    shed = await queue.owner.fetchrow("SELECT * FROM notifychannel.collapse(0, '0', 1000)", timeout=PATIENCE_S)
    assert (shed["taken"], shed["payloads"], shed["more"]) == (1, 1, False)
    assert await queue.owner.fetchval(LOGGED) == 1
    await person.execute("ROLLBACK")
    assert (await queue.owner.fetchrow("SELECT * FROM notifychannel.collapse(0, '0', 1000)"))["taken"] == 1
    assert (await queue.row(""))["reason"] == "overflow"


async def test_only_a_table_that_is_too_full_is_shed_and_dead_rows_do_not_fill_it(queue):
    """Mutants: both where one is; the size of the file alone; a sample that counts for all of a small table."""
    wide = "x" * 1000
    await queue.owner.execute(
        "INSERT INTO notifychannel.outbox_logged (channel, payload) SELECT 'orders', $1 || i || $2"
        " FROM generate_series(1, 12000) AS i",
        payload(""), wide,
    )  # fmt: skip
    await queue.owner.execute(UNLOGGED, "others", payload("[1]"))
    for cap, taken in ((20_000_000, 0), (8_000_000, 12_000)):
        shed = await queue.owner.fetchrow("SELECT * FROM notifychannel.collapse($1, '0', 50000)", cap)
        assert (shed["taken"], shed["more"]) == (taken, False)
    assert await queue.owner.fetchval("SELECT count(*) FROM notifychannel.outbox") == 1
    await queue.owner.execute(APPEND, "orders", payload("[2]"))
    assert (await queue.owner.fetchrow("SELECT * FROM notifychannel.collapse(1000000, '0', 50000)"))["taken"] == 0
    assert (await queue.owner.fetchrow("SELECT * FROM notifychannel.collapse(0, '0', 50000)"))["taken"] == 2


async def test_a_server_that_is_too_slow_to_shed_so_many_rows_is_asked_for_fewer(queue):
    """Mutant: QueryCanceledError gives the role up, for the next one to do the same."""
    connection = await queue.database.connect()
    relay = session.Session(connection)
    assert await relay.take_role()
    await queue.owner.execute("""
        CREATE OR REPLACE FUNCTION notifychannel.collapse(
            cap bigint, low xid8, most integer, OUT taken integer, OUT payloads integer, OUT last xid8, OUT more boolean
        ) LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
            IF most > 1000 THEN PERFORM pg_sleep(60); END IF;
            taken := most; more := false;
        END $$
    """)
    await connection.execute("SET statement_timeout = '200ms'")
    assert [await relay.shed(1, 0) for _ in range(4)] == [0, 0, 781, 0]


async def test_a_pass_sheds_what_a_blocked_queue_does_not_take_and_does_not_hurry(queue):
    """Where no relay lives. Mutants: `blocked` not looked at; behind, so that the next pass comes at once."""
    person = await holder(queue, "[1]")
    rows = [("orders", payload(f'["{number}-{"x" * 300}"]')) for number in range(1000)]
    await queue.owner.executemany(APPEND, [("orders", payload("[1]")), *rows])
    assert not await outbox._trim(queue.owner, "postgres", cap_bytes=100_000_000)
    assert await queue.owner.fetchval(LOGGED) == 1001
    assert not await outbox._trim(queue.owner, "postgres", cap_bytes=100_000)
    assert await queue.owner.fetchval(LOGGED) == 0
    await person.execute("ROLLBACK")
    assert (await queue.row(""))["reason"] == "overflow"
