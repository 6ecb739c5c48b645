"""Somebody has locked rows of the queue for long: what is for it waits in the outbox, bounded, and all else goes on."""

from __future__ import annotations

import asyncio

import pytest

from notifychannel_sidecar.relay.relay import Pace, Wakefulness
from tests import queueing
from tests.queueing import APPEND, Queue, payload
from tests.relaying import StandingBy

PATIENCE_S = 30.0
UNLOGGED = "INSERT INTO notifychannel.outbox (channel, payload) VALUES ($1, $2)"
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


async def test_the_relay_says_so_once_tries_seldom_and_goes_on_with_all_else_until_the_queue_takes_it(queue, caplog):
    """Mutants: every drain tries the queue; `blocked` never said by drain; not looked at in the doze."""
    await queue.owner.execute("""
        CREATE SEQUENCE public.tries;
        CREATE FUNCTION public.counted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
            BEGIN PERFORM nextval('public.tries'); RETURN NEW; END $$;
    """)
    person = await holder(queue, "[1]")
    await queue.owner.execute(
        "CREATE TRIGGER tries BEFORE INSERT ON notifychannel.queue FOR EACH ROW EXECUTE FUNCTION public.counted()"
    )
    heard, ears = asyncio.Queue(), await queue.database.connect()
    await ears.add_listener("others", lambda *it: heard.put_nowait(it[3]))
    await queue.owner.execute(APPEND, "orders", payload("[1]"))
    async with StandingBy(database=queue.database, pace=Pace(asleep_s=0.05)) as relay:
        for number in range(100):
            await queue.owner.execute(UNLOGGED, "others", payload(f"[{number}]"))
            async with asyncio.timeout(PATIENCE_S):
                while f"[{number}]" not in await heard.get():
                    pass
        blocked = sum(it.blocked for it in relay.drains)
        tries = await queue.owner.fetchval("SELECT last_value FROM public.tries")
        assert tries < blocked / 2
        assert await queue.owner.fetchval(LOGGED) == 1
        assert sum("locked rows" in it.message for it in caplog.records) == 1
        await person.execute("ROLLBACK")
        await until(relay, lambda: merged(queue, 2))
        await relay.becomes(Wakefulness.ASLEEP)
        assert relay.roles == 1
    assert sum("takes rows again" in it.message for it in caplog.records) == 1


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
