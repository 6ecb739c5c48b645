"""The queue beside its claims: rows of the dead, clocks that are set, the registry, dead letters, history, its size."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests import queueing
from tests.queueing import APPEND, CONSUMER, PUT, WINDOW_S, Queue, install, payload

NOT_THE_RELAY = pytest.raises(asyncpg.ObjectInUseError)


@pytest.fixture
def template(server):
    return queueing.template(server)


@pytest.fixture
async def queue(database):
    return await Queue.on(database)


async def walks(queue, most=100):
    """Over all rows, where a walk was begun; in so many steps."""
    for step in range(1, 1000):
        if await queue.owner.fetchval("SELECT notifychannel.mend_clock($1)", most) < most:
            return step
    raise AssertionError("it has no end")


async def due(queue, *keys):
    """Changed, and rested."""
    await queue.changes(*keys)
    await queue.passes(WINDOW_S)


async def test_rows_of_the_dead_are_due_at_once_as_if_nobody_had_taken_them(queue):
    """With what has changed since. Mutants: `count` without taken_count; due by the debounce; an attempt counted."""
    await due(queue, "[1]", "[2]")
    one = await queue.claimer()
    claimed = await one.claim()
    await queue.changes("[1]")
    assert await queue.reclaim() == 2
    rows = await queue.rows()
    assert {key: (row["state"], row["count"], row["attempts"]) for key, row in rows.items()} == {
        "[1]": ("pending", 2, 0),
        "[2]": ("pending", 1, 0),
    }
    assert max(row["due_in"] for row in rows.values()) <= 0.0
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        await one.settle(claimed)
    assert await queue.look() == []


async def test_one_that_has_moved_since_it_was_seen_keeps_its_rows(queue):
    """Mutant: reclaim without the beats."""
    await due(queue, "[1]")
    one = await queue.claimer()
    claimed = await one.claim()
    [seen] = await queue.look()
    await one.call("beat")
    gone = [seen["claimer"]], [seen["beats"]]
    assert await queue.owner.fetchval("SELECT notifychannel.reclaim($1, $2)", *gone) == 0
    assert await one.settle(claimed) == 1


async def test_every_call_of_a_claimer_is_a_beat(queue):
    """Mutants: settle, claim, beat, … without `beats`."""
    one = await queue.claimer()
    for call in (one.claim(), one.settle([]), one.turn([], 1), one.call("beat"), one.call("want_resync", "poll"),
                 one.call("consumer_look"), one.call("escalations", 1), one.call("escalated", [])):  # fmt: skip
        before = (await queue.look())[0]["beats"]
        await call
        assert (await queue.look())[0]["beats"] > before


async def test_the_relay_sees_who_lives_and_who_holds_something(queue):
    """Mutants: any advisory lock of that number; `holds` of all; alive by the process alone."""
    await due(queue, "[1]")
    one, other = await queue.claimer(), await queue.claimer()
    await one.claim()
    look = await queue.look()
    assert [(it["claimer"], it["is_alive"], it["holds"]) for it in look] == [
        (one.me, True, True),
        (other.me, True, False),
    ]
    assert [it["timeout"] for it in look] == [2.0, 2.0]
    await other.connection.fetchval("SELECT pg_advisory_unlock(1852008557, $1)", other.me)
    await queue.owner.fetchval("SELECT pg_advisory_lock(1852008557, $1)", other.me)
    assert [it["is_alive"] for it in await queue.look()] == [True, False]


async def test_only_the_relay_may_reclaim_and_set_the_clock(queue):
    """Mutant: either without the role's lock."""
    relay = await queue.database.connect()
    await relay.execute("SELECT pg_advisory_lock(1852008556, 1)")
    for call in ("reclaim('{}', '{}')", "set_clock(1)"):
        with NOT_THE_RELAY:
            await queue.owner.execute(f"SELECT notifychannel.{call}")
        await relay.execute(f"SELECT notifychannel.{call}")


@pytest.mark.parametrize("by_s", [7200.0, -7200.0])
async def test_a_clock_that_is_set_changes_nothing_for_what_waits(queue, by_s):
    """queue_time() is then so far from where it was; what came in between is put right too. Mutants: set_clock that
    adds; no mend_clock.
    """
    await queue.consumer(debounce=100.0, max_delay=1000.0)
    await queue.changes("[1]")
    await queue.passes(by_s)
    await queue.changes("[2]")
    await queue.owner.execute("SELECT notifychannel.set_clock($1)", by_s)
    await queue.owner.execute("SELECT notifychannel.mend_clock(100)")
    await queue.changes("[3]")
    waits = {key: row["due_in"] for key, row in (await queue.rows()).items()}
    assert 40.0 < waits["[1]"] <= 100.0
    assert 40.0 < waits["[3]"] <= 100.0
    assert waits["[2]"] <= 100.0


async def test_what_a_clock_ahead_has_written_waits_from_now_on_for_as_long_as_it_was_meant_to(queue):
    """Set back while nobody was the relay. Mutants: due at once; `since` left in the future."""
    await queue.consumer(debounce=100.0, max_delay=1000.0)
    await queue.passes(7200.0)
    await queue.changes("[1]")
    await queue.owner.execute("SELECT notifychannel.trim_queue(100)")
    await walks(queue)
    await queue.passes(-7200.0)
    assert (await queue.row())["due_in"] > 7000.0
    await queue.owner.execute("SELECT notifychannel.trim_queue(100)")
    await walks(queue)
    assert 40.0 < (await queue.row())["due_in"] <= 100.0
    one = await queue.claimer()
    await queue.passes(100.0)
    assert [row["waited"] < 1000.0 for row in await one.claim()] == [True]


async def test_a_change_under_a_clock_that_was_set_back_does_not_wait_for_what_the_old_one_showed(queue):
    """Nor what has changed during its delivery. Mutants: merge, resync or `done` that keeps its times."""
    await due(queue, "[1]")
    one = await queue.claimer()
    held = await one.claim()
    await queue.changes("[1]", "[2]")
    await queue.owner.execute("SELECT notifychannel.resync($1, 'start')", [queue.first])
    await queue.passes(-7200.0)
    await one.settle(held)
    await queue.changes("[2]")
    await queue.owner.execute("SELECT notifychannel.resync($1, 'bulk')", [queue.first])
    assert {key: row["due_in"] <= 60.0 for key, row in (await queue.rows()).items()} == {
        "": True,
        "[1]": True,
        "[2]": True,
    }


async def test_the_registry_tells_of_each_group_who_is_active_how_it_went_and_what_waits(queue):
    """Also of what claimers did that are gone. Mutants: `executions` of the living only; oldest without `ahead`."""
    await queue.consumer(group="mail")
    await due(queue, *(f"[{number}]" for number in range(6)))
    one, other = await queue.claimer(), await queue.claimer()
    await one.settle(await one.claim(3))
    await other.settle(await other.claim(1), "retry", error="503")
    await other.claim(1)
    await one.call("leave")
    sql = 'SELECT *, clock_timestamp() - oldest_at AS age FROM notifychannel.consumers WHERE "group" = $1'
    api, mail = await queue.owner.fetchrow(sql, "api"), await queue.owner.fetchrow(sql, "mail")
    assert (api["active"], api["executions"], api["failures"], api["last_error"]) == (1, 4, 1, "503")
    assert (api["pending"], api["claimed"], api["retrying"], api["dead"]) == (1, 1, 1, 0)
    assert api["last_execution"] is not None
    assert WINDOW_S <= api["age"].total_seconds() < 2 * WINDOW_S
    assert (mail["active"], mail["executions"], mail["last_execution"], mail["pending"]) == (0, 0, None, 6)


async def dead(queue, *keys):
    """Letters."""
    await due(queue, *keys)
    one = await queue.claimer()
    await queue.owner.execute("UPDATE notifychannel.consumer SET max_attempts = 1")
    await one.settle(await one.claim(), "retry", error="500")
    await queue.owner.execute("UPDATE notifychannel.consumer SET max_attempts = 3")
    return one


async def test_dead_letters_are_sent_again_by_id_by_key_or_all_and_a_dry_run_only_counts(queue):
    """Mutants: dry_run not asked; the id's version only; another's key."""
    second = await queue.consumer(group="mail")
    one = await dead(queue, "[1]", "[2]", "[3]")
    await queue.changes("[4]")
    redrive = "SELECT notifychannel.redrive($1, $2, $3, $4)"
    assert await queue.owner.fetchval(redrive, queue.first, None, None, True) == 3
    assert await queue.owner.fetchval(redrive, second, None, None, True) == 0
    assert await one.claim() == []
    assert await queue.owner.fetchval(redrive, queue.first, None, "[1]", False) == 1
    [first] = await one.claim()
    assert (first["key"], first["attempt"]) == ("[1]", 2)
    name = await queue.owner.fetchval(
        "SELECT notifychannel.hint_id(c, q.key, q.version) FROM notifychannel.queue AS q "
        "JOIN notifychannel.consumer AS c ON c.id = q.consumer WHERE q.key = '[2]' AND c.id = $1", queue.first,
    )  # fmt: skip
    assert await queue.owner.fetchval(redrive, queue.first, name, None, True) == 1
    assert await queue.owner.fetchval(redrive, queue.first, name, "[3]", True) == 0
    assert await queue.owner.fetchval(redrive, queue.first, None, None, False) == 2
    assert sorted(row["key"] for row in await one.claim()) == ["[2]", "[3]"]
    await one.settle([first], "retry")
    assert (await queue.row())["state"] == "retrying", "with all its attempts before it"


async def test_what_is_not_acknowledged_in_time_is_escalated_once_dead_or_not_by_one_claimer(queue):
    """Mutants: escalated again after each failure; dead ones left out; without its time; at the first delivery."""
    await queue.consumer(escalate_after=600.0)
    one = await dead(queue, "[1]")
    other = await queue.claimer()
    await due(queue, "[2]")
    held = await one.claim()
    assert await one.connection.fetch("SELECT * FROM notifychannel.escalations($1, 9)", one.me) == []
    await queue.passes(600.0)
    await queue.changes("[3]")
    told = await one.connection.fetch("SELECT * FROM notifychannel.escalations($1, 9)", one.me)
    assert [(row["key"], row["is_dead"], row["error"], row["count"]) for row in told] == [
        ("[1]", True, "500", 1),
        ("[2]", False, None, 1),
    ]
    assert told[1]["id"] == held[0]["id"]
    for claimer in (one, other):
        assert await claimer.call("escalations", 9) is None, "one has them to itself, for as long as its POSTs may take"
    assert await one.call("escalated", ["[1]", "[2]", "[3]"]) == 2
    await one.settle(held, "retry")
    await queue.passes(400.0)
    await queue.changes("[1]")
    assert await one.call("escalations", 9) is None
    await queue.passes(200.0)
    next_ones = await other.connection.fetch("SELECT key FROM notifychannel.escalations($1, 9)", other.me)
    assert [row["key"] for row in next_ones] == ["[3]"]


async def test_what_one_could_not_escalate_is_anybodys_later_each_time_twice_as_long(queue):
    """Nobody else has it before all POSTs of the first are over. Mutants: a lock for the session; without doubling; by
    the consumer's timeout alone.
    """
    await queue.consumer(escalate_after=600.0, timeout=2.0)
    await due(queue, "[1]")
    await queue.passes(600.0)
    one, other = await queue.claimer(), await queue.claimer()
    await one.call("beat", None, 30.0)
    assert await one.call("escalations", 5) is not None
    for wait_s in (160.0, 40.0, 80.0):
        await queue.passes(wait_s - 5.0)
        assert await other.call("escalations", 5) is None
        await queue.passes(10.0)
        assert await other.call("escalations", 5) is not None


@pytest.mark.parametrize("by_s", [7200.0, -7200.0])
async def test_a_clock_that_is_set_escalates_nothing_sooner_and_nothing_much_later(queue, by_s):
    """What waits since before, and what came before the relay saw it. Mutants: set_clock that begins no walk;
    escalate_at left as it was.
    """
    await queue.consumer(escalate_after=600.0)
    await queue.changes("[1]")
    await queue.passes(by_s)
    await queue.changes("[2]")
    await queue.owner.execute("SELECT notifychannel.set_clock($1)", by_s)
    await walks(queue)
    one = await queue.claimer()
    await queue.passes(500.0)
    if by_s > 0:  # else [2] waits as if it had come two hours ago, which nobody can know better
        assert await one.call("escalations", 9) is None
    await queue.passes(110.0)
    told = await one.connection.fetch("SELECT key FROM notifychannel.escalations($1, 9)", one.me)
    assert {"[1]"} <= {row["key"] for row in told} <= {"[1]", "[2]"}


async def test_the_relay_counts_on_the_longest_post_that_a_claimer_may_have_begun(queue):
    """However short the resource wants them now. Mutants: claimers_look by the consumer alone; beat that lowers it."""
    one = await queue.claimer()
    await one.call("beat", None, 60.0)
    await queue.consumer(timeout=1.0)
    await one.call("beat", None, 1.0)
    assert [it["timeout"] for it in await queue.look()] == [60.0]
    await queue.claimer()
    assert sorted(it["timeout"] for it in await queue.look()) == [1.0, 60.0]


async def test_what_was_acknowledged_may_be_escalated_anew(queue):
    """Mutant: escalated_at kept by `done`."""
    await queue.consumer(escalate_after=600.0)
    await due(queue, "[1]")
    await queue.passes(600.0)
    one = await queue.claimer()
    await one.call("escalations", 9)
    await one.call("escalated", ["[1]"])
    held = await one.claim()
    await queue.changes("[1]")
    await one.settle(held)
    assert await one.call("escalations", 9) is None
    await queue.passes(600.0)
    assert await one.call("escalations", 9) is not None


async def test_another_time_for_escalation_holds_for_what_waits_already(queue):
    """Mutant: put_consumer that begins no walk."""
    await due(queue, "[1]")
    one = await queue.claimer()
    for after_s, is_told in ((6000.0, False), (1.0, True), (None, False), (1.0, True)):
        await queue.consumer(escalate_after=after_s)
        await walks(queue)
        await queue.passes(40.0)
        assert (await one.call("escalations", 9) is not None) is is_told


async def test_a_history_is_kept_where_it_is_wanted_and_tells_each_step_of_a_key(queue):
    """Mutants: a step not noted; noted for channels without; of all keys."""
    await queue.changes("[0]")
    await queue.owner.execute("SELECT notifychannel.put_audit('dev', 'shop', 'orders', 'orders', 3600, '{id}')")
    await due(queue, "[1]", "[2]")
    one = await queue.claimer()
    for outcome, error in (("alone", "400"), ("back", "refused"), ("retry", "500"), ("retry", "500"), ("retry", "504")):
        await one.settle(await one.claim(), outcome, error=error)
        await queue.passes()
    await queue.owner.execute("SELECT notifychannel.redrive($1, NULL, '[1]', false)", queue.first)
    await one.claim()
    await queue.reclaim()
    last = await queue.claimer()
    await last.settle(await last.claim())
    of = await queue.owner.fetchval("SELECT id FROM notifychannel.audited")
    told = await queue.owner.fetch("SELECT * FROM notifychannel.history($1, '[1]', 100)", of)
    assert [(row["step"], row["error"]) for row in reversed(told)] == [
        ("captured", None), ("alone", "400"), ("back", "refused"), ("refused", "500"), ("refused", "500"),
        ("dead", "504"), ("redriven", None), ("reclaimed", None), ("delivered", None),
    ]  # fmt: skip
    assert {row["key"] for row in told} == {"[1]"}
    assert [row["group"] for row in told] == ["api"] * 8 + [None]
    everything = await queue.owner.fetch("SELECT * FROM notifychannel.history($1, NULL, 100)", of)
    assert {row["key"] for row in everything} == {"[0]", "[1]", "[2]"}


async def test_a_history_goes_in_batches_when_its_time_is_over_and_with_its_channel(queue):
    """Mutants: no LIMIT; retention of another channel; rows of a channel that is gone stay."""
    for name in ("orders", "billing"):
        put = "SELECT notifychannel.put_audit('dev', 'shop', $1, $1, $2, '{id}')"
        await queue.owner.execute(put, name, 60.0 if name == "orders" else 1e6)
        for number in range(5):
            await queue.owner.execute(APPEND, name, payload(f"[{number}]"))
    await queue.drain()
    count = "SELECT count(*) FROM notifychannel.audit"
    assert await queue.owner.fetchval(count) == 10
    await queue.owner.execute("UPDATE notifychannel.audit SET at = at - interval '1 hour'")
    trim = "SELECT notifychannel.trim_queue(3)"
    assert [await queue.owner.fetchval(trim) for _ in range(3)] == [3, 2, 0]
    assert await queue.owner.fetchval(count) == 5
    assert await queue.owner.fetchval("SELECT notifychannel.drop_audit('dev', 'shop', 'billing')")
    await queue.passes(WINDOW_S)
    assert [await queue.owner.fetchval(trim) for _ in range(3)] == [3, 2, 0]
    assert await queue.owner.fetchval(count) == 0


async def test_a_clock_that_is_set_makes_no_history_older(queue):
    """Neither what was written before it was set forward, nor what is written after it was set back. Mutants: retention
    by the server's clock; by queue_time() alone.
    """
    await queue.owner.execute("SELECT notifychannel.put_audit('dev', 'shop', 'orders', 'orders', 3600, '{id}')")
    trim, count = "SELECT notifychannel.trim_queue(10)", "SELECT count(*) FROM notifychannel.audit"
    await queue.changes("[1]")
    await queue.owner.execute("UPDATE notifychannel.audit SET at = at - interval '7200 s'")
    await queue.passes(-7200.0)
    await queue.owner.execute(trim)
    assert await queue.owner.fetchval(count) == 1, "set forward"
    await queue.passes(3601.0)
    await queue.owner.execute(trim)
    assert await queue.owner.fetchval(count) == 0
    await queue.passes(14400.0)
    await queue.changes("[2]")
    await queue.owner.execute(trim)
    assert await queue.owner.fetchval(count) == 1, "set back"


async def test_a_consumer_for_whom_something_waits_stays_unless_forced(queue):
    """Its rows go by and by. Mutants: without the count; trim_queue without them; of every consumer."""
    await due(queue, "[1]", "[2]")
    drop = "SELECT notifychannel.drop_consumer($1, $2)"
    assert await queue.owner.fetchval(drop, queue.first, False) == 2
    assert len(await queue.rows()) == 2
    one = await queue.claimer()
    await one.claim()
    second = await queue.consumer(group="mail")
    await due(queue, "[3]")
    assert await queue.owner.fetchval(drop, queue.first, True) == 3
    assert await queue.owner.fetchval("SELECT count(*) FROM notifychannel.claimer") == 0
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        await one.call("beat")
    assert [await queue.owner.fetchval("SELECT notifychannel.trim_queue(2)") for _ in range(3)] == [2, 1, 0]
    assert await queue.rows() == {}
    assert list(await queue.rows(second)) == ["[3]"]
    await queue.changes("[1]")
    assert await queue.rows() == {}


async def test_making_it_again_changes_nothing_and_keeps_what_waits(queue):
    """An upgrade. Mutants: a routine of another shape not dropped; the sequence begun anew."""
    await queue.changes("[1]")
    before = await queue.row()
    await queue.owner.execute("DROP FUNCTION notifychannel.beat(integer, text, double precision)")
    await queue.owner.execute(
        "CREATE FUNCTION notifychannel.beat(integer) RETURNS text LANGUAGE sql AS $$ SELECT 'older' $$"
    )
    await install(queue.owner)
    row = await queue.row()
    assert (row["version"], row["state"]) == (before["version"], before["state"])
    assert await (await queue.claimer()).call("beat") is not None


@pytest.mark.parametrize(
    "damage",
    [
        "ADD COLUMN mine int NOT NULL DEFAULT 0",
        "DROP COLUMN escalations, ADD COLUMN mine int, ADD COLUMN escalations int DEFAULT 0",
    ],
    ids=["not null", "in another order"],
)
async def test_a_table_that_somebody_has_altered_is_left_to_him(queue, damage):
    """Mutants: no look at the columns; at none behind ours."""
    await queue.owner.execute(f"ALTER TABLE notifychannel.queue {damage}")
    with pytest.raises(asyncpg.RaiseError, match=r"notifychannel\.queue was altered by hand"):
        await install(queue.owner)


async def test_over_many_cycles_the_tables_do_not_grow(queue):
    """Deleted rows leave no bloat: what a vacuum gives back is used again. Mutant: `done` that keeps the row."""
    await queue.consumer(debounce=0.0, max_delay=0.0)
    one = await queue.claimer()
    size = """
    SELECT sum(pg_total_relation_size(name::regclass))::bigint
    FROM unnest('{notifychannel.queue, notifychannel.claimer, notifychannel.consumer}'::text[]) AS name
    """
    sizes = []
    for cycle in range(24):
        for start in range(0, 500, 100):
            keys = [f"[{cycle}, {number}]" for number in range(start, start + 100)]
            await queue.owner.execute(APPEND, "orders", payload(*keys))
        await queue.drain()
        claimed = await one.claim(500)
        assert len(claimed) == 500
        await one.settle(claimed)
        await queue.owner.execute("VACUUM (TRUNCATE false) notifychannel.queue, notifychannel.claimer")
        sizes.append(await queue.owner.fetchval(size))
    assert sizes[-1] < 2.5 * sizes[3]


async def many(queue, rows, **columns):
    """So many that wait, in the state in which a drain leaves them, but for these columns."""
    await queue.changes("[0]")
    given = {"key": "'[' || n || ']'", "version": "q.version + n"} | columns
    names = [row["attname"] for row in await queue.owner.fetch(
        "SELECT attname FROM pg_attribute "
        "WHERE attrelid = 'notifychannel.queue'::regclass AND attnum > 0 AND NOT attisdropped"
    )]  # fmt: skip
    await queue.owner.execute(
        f"INSERT INTO notifychannel.queue ({', '.join(names)}) SELECT {', '.join(given.get(it, it) for it in names)} "
        f"FROM notifychannel.queue AS q, generate_series(1, {rows}) AS n WHERE q.key = '[0]' AND q.consumer = $1",
        queue.first,
    )


async def touched(queue, statement, *arguments):
    """Rows of the queue's table that this statement reads or writes."""
    sql = """
    SELECT coalesce(pg_stat_get_xact_tuples_fetched(oid), 0) + coalesce(pg_stat_get_xact_tuples_returned(oid), 0)
        + coalesce(pg_stat_get_xact_tuples_updated(oid), 0) + coalesce(pg_stat_get_xact_tuples_deleted(oid), 0)
    FROM (SELECT 'notifychannel.queue'::regclass::oid) AS it
    """
    async with queue.owner.transaction():
        before = await queue.owner.fetchval(sql)
        await queue.owner.execute(statement, *arguments)
        return await queue.owner.fetchval(sql) - before


async def test_a_step_of_a_walk_touches_no_more_of_a_long_queue_than_it_was_told(queue):
    """And all of them together put all right. Mutants: without OFFSET; without the upper bound; `walks_key` kept."""
    await queue.consumer(escalate_after=600.0)
    await many(queue, 2000, set_at="set_at + interval '1 hour'", due_at="due_at + interval '1 hour'")
    await queue.owner.execute("SELECT notifychannel.set_clock(0)")
    assert await touched(queue, "SELECT notifychannel.mend_clock(100)") <= 500
    assert await walks(queue) == 20
    late = "set_at > notifychannel.queue_time() OR due_at - set_at <> '1 min' OR escalate_at - since <> '10 min'"
    wrong = f"SELECT count(*) FROM notifychannel.queue WHERE {late}"
    assert await queue.owner.fetchval(wrong) == 0
    assert await touched(queue, "SELECT notifychannel.mend_clock(100)") == 0


async def waits(queue, sessions):
    """So many of them for a lock."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return await queue.owner.fetchval(sql) >= sessions


async def test_a_walk_that_is_wanted_during_a_step_of_another_is_taken(queue):
    """From the beginning, for that step goes by what was said before. Mutant: mend_clock without FOR UPDATE."""
    await queue.consumer(escalate_after=600.0)
    await many(queue, 20, set_at="set_at + interval '1 hour'", due_at="due_at + interval '1 hour'")
    await queue.owner.execute("SELECT notifychannel.set_clock(0)")
    holder, relay, installer = [await queue.database.connect() for _ in range(3)]
    await holder.execute("BEGIN; SELECT FROM notifychannel.queue FOR UPDATE")
    step = asyncio.create_task(relay.fetchval("SELECT notifychannel.mend_clock(10)"))
    async with asyncio.timeout(30):
        while not await waits(queue, 1):  # noqa: ASYNC110 - the server can only be asked
            await asyncio.sleep(0.02)
        wanted = asyncio.create_task(installer.fetchrow(PUT, *(CONSUMER | {"escalate_after": 60.0}).values()))
        while not wanted.done() and not await waits(queue, 2):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await holder.execute("ROLLBACK")
        assert (await step, (await wanted)["did"]) == (10, "changed")
    await walks(queue)
    wrong = "SELECT count(*) FROM notifychannel.queue WHERE escalate_at - since <> '1 min'"
    assert await queue.owner.fetchval(wrong) == 0


async def test_a_consumer_of_a_long_queue_goes_at_once_and_its_rows_in_bites(queue):
    """Mutants: drop_consumer that deletes them; trim_queue without LIMIT."""
    await many(queue, 2000)
    assert await touched(queue, "SELECT notifychannel.drop_consumer($1, true)", queue.first) <= 2002
    assert len(await queue.rows()) == 2001
    assert await touched(queue, "SELECT notifychannel.trim_queue(100)") <= 500
    assert len(await queue.rows()) == 1901


async def test_of_a_queue_of_any_length_so_many_are_counted_and_no_one_elses(queue):
    """Mutants: waiting() without a LIMIT; of all consumers; with rows that rest."""
    await many(queue, 100_000)
    second = await queue.consumer(group="mail")
    await queue.changes("[1]")
    one = await queue.claimer()
    look = await one.connection.fetchrow("SELECT * FROM notifychannel.consumer_look($1)", one.me)
    assert (look["pending"], look["claimed"], look["dead"]) == (100_000, 0, 0)
    registry = 'SELECT pending FROM notifychannel.consumers WHERE "group" = $1'
    assert [await queue.owner.fetchval(registry, name) for name in ("api", "mail")] == [100_000, 1]
    assert await touched(queue, "SELECT notifychannel.waiting($1)", second) <= 10
    await queue.owner.execute("UPDATE notifychannel.queue SET state = 'resting' WHERE consumer = $1", queue.first)
    await queue.owner.execute("ANALYZE notifychannel.queue")
    assert await touched(queue, "SELECT notifychannel.waiting($1)", queue.first) <= 10


async def test_who_takes_over_does_not_begin_upkeep_anew(queue):
    """Mutant: trim_queue that does not look when it came to its end."""
    await queue.consumer(min_interval=500.0)
    await due(queue, "[1]")
    one = await queue.claimer()
    await one.settle(await one.claim())
    trim = "SELECT notifychannel.trim_queue(100)"
    await queue.owner.execute(trim)
    await queue.owner.execute("UPDATE notifychannel.queue SET due_at = due_at - interval '600 s'")
    await queue.owner.execute(trim)
    assert list(await queue.rows()) == ["[1]"]
    await queue.passes(WINDOW_S)
    await queue.owner.execute(trim)
    assert await queue.rows() == {}
