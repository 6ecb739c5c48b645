"""What `notifychannel.drain()` makes of rows: merged, packed, in order of transactions, and never one of them twice."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifychannel_operator import sqlfile
from tests.integration.hints.stage import counted
from tests.servers import quick

MAX_BYTES = 7999
ANY_SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
CHANNELS = ("one", "two")


class Outbox:
    """A database with an outbox, and who hears what is drained."""

    def __init__(self, database, owner, listener):
        self.database = database
        self.owner = owner
        self.listener = listener
        self.heard = {name: [] for name in CHANNELS}
        self.done = asyncio.Event()

    async def append(self, *rows, writer=None):
        sql = "INSERT INTO notifychannel.outbox (channel, payload) VALUES ($1, $2)"
        await (writer or self.owner).executemany(sql, rows)

    async def drain(self, *, low=0, late=(), most=1000):
        return await self.owner.fetchrow("SELECT * FROM notifychannel.drain($1, $2, $3)", low, list(late), most)

    async def told(self):
        """By channel what was NOTIFYed until now."""
        self.done.clear()
        await self.owner.execute("SELECT pg_notify('end', '')")
        await asyncio.wait_for(self.done.wait(), 30)
        told, self.heard = self.heard, {name: [] for name in CHANNELS}
        return told


async def build(database):
    owner, listener = await database.connect(), await database.connect()
    await owner.execute(sqlfile.read("010_schema.sql"))
    await owner.execute(sqlfile.read("020_outbox.sql"))
    made = Outbox(database, owner, listener)
    for name in CHANNELS:
        await listener.add_listener(name, lambda _c, _p, channel, payload: made.heard[channel].append(payload))
    await listener.add_listener("end", lambda *_: made.done.set())
    return made


@pytest.fixture
async def outbox(database):
    return await build(database)


def payload(*keys, rules="0a1b2c3d", event="I", at_us=1_700_000_000_000_000):
    return "\n".join([f"1{rules}{event}{at_us:016}", *(json.dumps(key, ensure_ascii=False) for key in keys)])


LONG = st.integers(0, 7960).map(lambda size: ["é" * (size // 2)])
KEYS = st.lists(st.one_of(st.integers(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
                min_size=1, max_size=3)  # fmt: skip


@st.composite
def payloads(draw):
    """As triggers make them: any header, keys that fit."""
    made = payload(
        rules=draw(st.sampled_from(("0a1b2c3d", "ffffffff"))),
        event=draw(st.sampled_from("IUDT")),
        at_us=draw(st.integers(0, 9_999_999_999_999_999)),
    )
    for key in draw(st.lists(st.one_of(KEYS, LONG, st.just([1])), max_size=12)):
        more = f"{made}\n{json.dumps(key, ensure_ascii=False)}"
        made = more if len(more.encode()) <= MAX_BYTES else made
    return draw(st.sampled_from(CHANNELS)), made


@given(rows=st.lists(payloads(), max_size=40), most=st.integers(1, 50))
@ANY_SETTINGS
async def test_of_any_payloads_keys_counts_and_times_come_out_packed(outbox, rows, most):
    """Mutants: `lines` not sent at the end; octet_length → length; min → max for `since`; the branch for a line that is
    too long for any payload left out.
    """
    await outbox.append(*rows)
    low, taken = 0, 0
    told = {name: [] for name in CHANNELS}
    while True:
        row = await outbox.drain(low=low, most=most)
        taken += row["taken"]
        for name, heard in (await outbox.told()).items():
            told[name] += heard
        if not row["more"]:
            break
        low = row["last"]
    assert taken == len(rows)
    assert await outbox.owner.fetchval("SELECT count(*) FROM notifychannel.outbox") == 0
    for name in CHANNELS:
        keys, times, everything = counted(told[name])
        wanted_keys, wanted_times, wanted_everything = counted([said for channel, said in rows if channel == name])
        assert (without_giants(keys), times) == (without_giants(wanted_keys), wanted_times)
        assert keys.keys() == wanted_keys.keys()
        assert everything == wanted_everything


def without_giants(keys):
    """A key that fits no payload of the relay's goes on as it was, the first and the last time."""
    return {key: count for key, count in keys.items() if len(key[1].encode()) < MAX_BYTES - 60}


async def test_one_drain_packs_equal_keys_of_many_rows_into_one_line(outbox):
    """Mutant: GROUP BY without k.key's aggregation, one line per row."""
    await outbox.append(*(("one", payload([1], ["é"], at_us=at)) for at in range(50)))
    row = await outbox.drain()
    assert (row["taken"], row["hints"], row["payloads"], row["more"], row["held"]) == (50, 2, 1, False, False)
    [said] = (await outbox.told())["one"]
    assert said[:42] == "20a1b2c3dI" + f"{0:016}{49:016}"
    assert sorted(said.split("\n")[1:]) == ['50["é"]', "50[1]"]


@pytest.mark.parametrize("letter", ["x", "é"])
async def test_payloads_are_filled_to_the_last_byte_and_no_further(outbox, letter):
    """Mutants: a limit of 8000 or 7900 bytes; octet_length → length."""
    lengths = [*range(1, 190), *(7999 - 43 - len('1[""]') - more for more in range(3))]
    keys = [[letter * (length // len(letter.encode()))] for length in lengths]
    await outbox.append(*(("one", payload(key, [number])) for number, key in enumerate(keys)))
    row = await outbox.drain()
    told = (await outbox.told())["one"]
    assert row["payloads"] == len(told)
    assert max(len(said.encode()) for said in told) in ({7999} if letter == "x" else {7998, 7999})
    for said, more in pairwise(told):
        assert len(said.encode()) + 1 + len(more.split("\n")[1].encode()) > MAX_BYTES


async def test_who_was_running_is_found_when_he_commits_by_his_id_and_nobody_walks_the_rest(outbox):
    """A late committer: below `low` for ever, so only in `late`. Mutant: `late` not asked for."""
    late = await outbox.database.connect()
    await late.execute("BEGIN")
    await outbox.append(("one", payload([1])), writer=late)
    await outbox.append(("one", payload([2])))
    first = await outbox.drain()
    assert first["taken"] == 1
    (running,) = first["round"][2]
    await late.execute("COMMIT")
    assert (await outbox.drain(low=first["round"][1]))["taken"] == 0
    second = await outbox.drain(low=first["round"][1], late=first["round"][2])
    assert (second["taken"], running) == (1, running)
    assert [line for said in (await outbox.told())["one"] for line in said.split("\n")[1:]] == ["1[2]", "1[1]"]


async def test_rows_come_in_order_of_transactions_and_a_transaction_larger_than_a_call_goes_on(outbox):
    """Mutant: `xid > low`: what a call has begun of a transaction would be left."""
    async with outbox.owner.transaction():
        await outbox.append(*(("one", payload([1, number])) for number in range(25)))
    await outbox.append(("one", payload([2])))
    low, taken = 0, []
    while True:
        row = await outbox.drain(low=low, most=10)
        taken.append(row["taken"])
        if not row["more"]:
            break
        assert row["last"] >= low
        low = row["last"]
    assert taken == [10, 10, 6]
    said = [line for it in (await outbox.told())["one"] for line in it.split("\n")[1:]]
    assert said[-1] == "1[2]" or "1[2]" in said[20:]


async def test_both_tables_are_drained_and_neither_overtakes_the_other(outbox):
    """Mutant: `last` of one table only: rows of the other between the two would be below `low`."""
    for number in range(6):
        table = "outbox" if number % 2 else "outbox_logged"
        sql = f"INSERT INTO notifychannel.{table} (channel, payload) VALUES ('one', $1)"
        await outbox.owner.execute(sql, payload([number]))
    await outbox.append(*(("one", payload([number])) for number in range(6, 12)))
    low, taken = 0, 0
    while (row := await outbox.drain(low=low, most=3))["more"]:
        low, taken = row["last"], taken + row["taken"]
    assert taken + row["taken"] == 12


async def test_resyncs_of_one_kind_are_one_since_the_first_of_them(outbox):
    """Mutant: max → the application would look at less than it has to."""
    await outbox.append(*(("one", payload(event="T", at_us=at)) for at in (7, 5, 9)))
    await outbox.drain()
    assert (await outbox.told())["one"] == [f"10a1b2c3dT{5:016}"]


async def test_an_aborted_drain_loses_nothing(outbox):
    await outbox.append(("one", payload([1])))
    await outbox.owner.execute("BEGIN; SELECT notifychannel.drain('0', '{}', 10); ROLLBACK")
    assert (await outbox.told())["one"] == []
    assert (await outbox.drain())["taken"] == 1


async def test_beats_move_with_each_call_and_rounds_with_each_that_left_nothing(outbox):
    """Mutant: relay_rounds moved whatever is left."""
    await outbox.append(*(("one", payload([number])) for number in range(3)))
    looks = []
    for _ in range(3):
        await outbox.drain(most=2)
        look = await outbox.owner.fetchrow("SELECT * FROM notifychannel.relay_look()")
        looks.append((look["beats"], look["rounds"]))
    assert looks == [(1, 0), (2, 1), (3, 2)]


async def test_the_holder_is_who_has_the_role_in_this_database_and_nobody_else(outbox, database):
    """Mutants: relay_look without `database`, `mode`, `objid` or `objsubid`."""
    look = "SELECT holder FROM notifychannel.relay_look()"
    other = await database.connect()
    await other.execute("SELECT pg_advisory_lock_shared(1852008556, 1), pg_advisory_lock(1852008556, 2)")
    await other.execute(f"SELECT pg_advisory_lock({(1852008556 << 32) + 1})")
    elsewhere = await asyncpg.connect(database.server.dsn())
    try:
        await elsewhere.execute("SELECT pg_advisory_lock(1852008556, 1)")
        assert await outbox.owner.fetchval(look) is None
    finally:
        await elsewhere.close()
    await other.execute("SELECT pg_advisory_unlock_all(); SELECT pg_advisory_lock(1852008556, 1)")
    assert await outbox.owner.fetchval(look) == other.get_server_pid()


async def test_something_waits_only_while_it_is_there_for_everybody(outbox):
    """Mutant: relay_waiting without one of the tables."""
    waits = "SELECT notifychannel.relay_waiting()"
    assert not await outbox.owner.fetchval(waits)
    for table in ("outbox", "outbox_logged"):
        await outbox.owner.execute(f"INSERT INTO notifychannel.{table} (channel, payload) VALUES ('one', '')")
        assert await outbox.owner.fetchval(waits)
        await outbox.drain()
        assert not await outbox.owner.fetchval(waits)


async def test_a_drain_after_many_reads_few_pages_though_vacuum_has_not_been_there(outbox):
    """EXPLAIN counts them. Somebody holds a snapshot, so every dead row stays.

    Mutants: `low` not asked for; a sequential scan.
    """
    holder = await outbox.database.connect()
    await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
    async with outbox.owner.transaction():
        await outbox.append(*(("one", payload([number, "x" * 200])) for number in range(20_000)))
    row = await outbox.drain(most=50_000)
    await outbox.append(("one", payload([1])))
    async with outbox.owner.transaction():
        explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM notifychannel.drain('{}', '{{}}', 5000)"
        [plan] = json.loads(await outbox.owner.fetchval(explain.format(row["round"][1])))
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 400
    await holder.execute("ROLLBACK")


@pytest.fixture(scope="module")
def small_queue():
    """Only PostgreSQL 18 has a queue that is small enough to fill here."""
    with quick(18, {"max_notify_queue_pages": "64"}) as running:
        yield running


async def test_above_half_a_queue_rows_wait_and_a_collapse_is_told_by_the_counter(small_queue):
    """Mutants: `held` that is false; `skips` that is false in collapse."""
    owner, sleeper = await asyncpg.connect(small_queue.dsn()), await asyncpg.connect(small_queue.dsn())
    try:
        await owner.execute(sqlfile.read("010_schema.sql") + sqlfile.read("020_outbox.sql"))
        await sleeper.execute("LISTEN other")
        await sleeper.execute("BEGIN; SELECT 1")
        while await owner.fetchval("SELECT pg_notification_queue_usage()") < 0.51:
            await owner.execute("SELECT pg_notify('other', $1)", "x" * 7000)
        await owner.execute("INSERT INTO notifychannel.outbox (channel, payload) VALUES ('one', $1)", payload([1]))
        row = await owner.fetchrow("SELECT * FROM notifychannel.drain('0', '{}', 10)")
        assert (row["held"], row["taken"], row["more"]) == (True, 0, False)
        assert await owner.fetchval("SELECT count(*) FROM notifychannel.outbox") == 1
        before = await owner.fetchval("SELECT pg_notification_queue_usage()")
        row = await owner.fetchrow("SELECT * FROM notifychannel.collapse(0, '0', 10)")
        assert (row["taken"], row["payloads"]) == (1, 0)
        assert await owner.fetchval("SELECT notifychannel.skipped()") == 1
        assert await owner.fetchval("SELECT pg_notification_queue_usage()") == before
    finally:
        await owner.close()
        await sleeper.close()
