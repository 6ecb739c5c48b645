"""Changes on their way into the queue: merged per consumer and key, in the drain's own transaction, lost by nothing."""

from __future__ import annotations

import asyncpg
import pytest

from notifychannel_sidecar.relay.position import Drained, Position
from tests import queueing
from tests.queueing import APPEND, AT_US, Queue, install, payload

UNLOGGED = "INSERT INTO notifychannel.outbox (channel, payload) VALUES ($1, $2)"
LOGGED = "SELECT count(*) FROM notifychannel.outbox_logged"
ROUNDS = "SELECT rounds FROM notifychannel.relay_look()"


@pytest.fixture
def template(server):
    return queueing.template(server)


@pytest.fixture
async def queue(database):
    return await Queue.on(database)


async def test_changes_of_one_key_are_one_row_with_events_count_and_both_ends(queue):
    """Mutants: least ↔ greatest; `count` of 1; the events of the newer only."""
    await queue.changes("[1]", "[2]", event="U", at_us=AT_US + 5)
    await queue.changes("[1]", event="I", at_us=AT_US + 1)
    await queue.changes("[1]", event="U", at_us=AT_US + 9)
    rows = await queue.rows()
    assert list(rows) == ["[1]", "[2]"]
    one = rows["[1]"]
    assert (sorted(one["events"]), one["count"]) == (["I", "U"], 3)
    assert (one["first_us"], one["last_us"], one["state"]) == (AT_US + 1, AT_US + 9, "pending")


async def test_rows_of_one_drain_merge_before_they_reach_the_queue(queue):
    """Mutant: GROUP BY the event too, which is a second row for the same ON CONFLICT."""
    for number, event in enumerate("IUUD"):
        await queue.owner.execute(APPEND, "orders", payload("[1]", event=event, at_us=AT_US + number))
    assert (await queue.drain())["taken"] == 4
    row = await queue.row()
    assert (sorted(row["events"]), row["count"], row["last_us"]) == (["D", "I", "U"], 4, AT_US + 3)


async def test_a_key_is_due_when_it_has_rested_and_at_the_latest_after_the_longest_delay(queue):
    """Mutants: due at the first change + window; without `least`."""
    await queue.changes("[1]")
    assert 30.0 < (await queue.row())["due_in"] <= 60.0
    for _ in range(12):
        await queue.passes(50.0)
        await queue.changes("[1]")
        assert (await queue.row())["due_in"] <= 60.0
    assert (await queue.row())["due_in"] <= 0.0


async def test_each_consumer_of_the_postgresql_channel_gets_it_and_nobody_else(queue):
    """Mutant: JOIN consumer ON true."""
    second = await queue.consumer(group="mail")
    other = await queue.consumer(group="api", channel="billing", pg_channel="billing")
    await queue.changes("[1]")
    await queue.changes("[1]", channel="nobody")
    assert [list(await queue.rows(who)) for who in (queue.first, second, other)] == [["[1]"], ["[1]"], []]


async def test_a_payload_of_other_rules_or_without_keys_is_a_resync_and_says_why(queue):
    """Mutants: keys of other rules merged; 'rules' ↔ 'bulk'; the later reason wins."""
    await queue.changes(event="T")
    assert (await queue.row(""))["reason"] == "bulk"
    await queue.changes("[1]", rules="0a0a0a0a")
    await queue.changes(event="T")
    assert list(await queue.rows()) == [""]
    assert (await queue.row(""))["reason"] == "rules"


async def test_a_key_that_no_index_can_hold_is_a_resync_and_the_longest_that_can_is_a_key(queue):
    """Mutant: no limit (the drain fails for ever: index row size)."""
    fits, does_not = (
        '["' + "".join(chr(0x4E00 + number % 5000) for number in range(size)) + '"]' for size in (660, 700)
    )
    await queue.changes(fits, does_not)
    assert list(await queue.rows()) == ["", fits]


@pytest.mark.parametrize("wrong", ["", "x", "1abababab", "2" + "9" * 60, "1ababababIxxxxxxxxxxxxxxxx\n[1]", "\n\n"])
async def test_whatever_else_lies_in_the_outbox_is_a_resync_and_stops_nobody(queue, wrong):
    """Mutant: `is_ours` that is always true."""
    await queue.owner.execute(APPEND, "orders", wrong)
    await queue.changes("[1]")
    assert list(await queue.rows()) == ["", "[1]"]


async def test_what_was_rolled_back_is_not_there_and_who_commits_late_is(queue):
    """Savepoints too. Mutant: `late_logged` not merged."""
    writer = await queue.database.connect()
    await writer.execute("BEGIN")
    await writer.execute(APPEND, "orders", payload("[1]"))
    await writer.execute("SAVEPOINT s")
    await writer.execute(APPEND, "orders", payload("[2]"))
    await writer.execute("ROLLBACK TO s")
    aborted = await queue.database.connect()
    await aborted.execute("BEGIN")
    await aborted.execute(APPEND, "orders", payload("[3]"))
    await aborted.execute("ROLLBACK")
    first = await queue.drain()
    assert await queue.rows() == {}
    xmin, xmax, running = first["round"]
    assert xmin in running
    await writer.execute("COMMIT")
    await queue.owner.fetchrow("SELECT * FROM notifychannel.drain($1, $2, 1000)", xmax, list(running))
    assert list(await queue.rows()) == ["[1]"]


async def test_a_drain_that_fails_leaves_both_tables_as_they_were(queue):
    """Mutant: merge in a transaction of its own."""
    await queue.changes("[1]")
    await queue.owner.execute("ALTER TABLE notifychannel.queue ADD CONSTRAINT few CHECK (key <> '[2]')")
    with pytest.raises(asyncpg.CheckViolationError):
        await queue.changes("[1]", "[2]")
    await queue.owner.execute("ALTER TABLE notifychannel.queue DROP CONSTRAINT few")
    assert (await queue.drain())["taken"] == 1
    assert {key: row["count"] for key, row in (await queue.rows()).items()} == {"[1]": 2, "[2]": 1}


async def test_somebody_who_holds_a_row_of_the_queue_holds_nothing_but_what_goes_there(queue):
    """The rest is NOTIFYed, and the next drains find it, though he came in the middle of a round. Mutants: merge
    without lock_timeout; `round` of the drain's snapshot; `advance` that keeps the round's begin.
    """
    await queue.changes("[1]")
    for number in range(3):
        await queue.owner.execute(UNLOGGED, "orders", payload(f"[{number}]"))
        await queue.owner.execute(APPEND, "orders", payload("[1]"))
    before = await queue.owner.fetchval(ROUNDS)
    position, holder, batches = Position(), await queue.database.connect(), []
    while not batches or batches[-1]["more"]:
        sql = "SELECT * FROM notifychannel.drain($1, $2, 1)"
        batches.append(await queue.owner.fetchrow(sql, position.low, list(position.late)))
        position.advance(Drained.of(batches[-1]))
        if len(batches) == 1:
            await holder.execute("BEGIN; SELECT FROM notifychannel.queue FOR UPDATE")
    assert sum(row["taken"] - row["merged"] for row in batches) == 3
    assert (await queue.owner.fetchval(LOGGED), await queue.owner.fetchval(ROUNDS)) == (2, before)
    await holder.execute("ROLLBACK")
    assert await drained(queue, position) == 2
    assert (await queue.row())["count"] == 4


async def test_a_session_that_fails_while_it_renews_versions_keeps_nobody_else_from_them(queue):
    """Somebody has the sequence locked; its own next drain does, and others do, as if nothing had been. Mutant: a
    session's lock, given back behind `setval`.
    """
    await queue.owner.execute("SELECT setval('notifychannel.versions', 1)")
    altering, other = await queue.database.connect(), await queue.database.connect()
    await altering.execute("BEGIN; ALTER SEQUENCE notifychannel.versions CACHE 100")
    await queue.changes("[1]")
    assert await queue.owner.fetchval(LOGGED) == 1
    await altering.execute("ROLLBACK")
    await other.execute("SET lock_timeout = '1s'")
    assert await other.fetchval("SELECT notifychannel.resync(ARRAY[$1::integer], 'start')", queue.first) == 1
    await queue.drain()
    versions = [row["version"] for row in (await queue.rows()).values()]
    assert len(set(versions)) == 2
    assert min(versions) > AT_US


async def test_an_outbox_that_overflows_is_one_resync_for_each_consumer_and_the_unlogged_one_none(queue):
    """Mutants: collapse without resync; for rows of the unlogged outbox too."""
    await queue.consumer(group="api", channel="billing", pg_channel="billing")
    await queue.owner.execute(APPEND, "orders", payload("[1]"))
    await queue.owner.execute(APPEND, "orders", payload("[2]"))
    await queue.owner.execute(UNLOGGED, "billing", payload("[1]"))
    await queue.owner.execute("SELECT notifychannel.collapse(0, '0', 1000)")
    rows = await queue.owner.fetch("SELECT consumer, key, reason FROM notifychannel.queue")
    assert [tuple(row) for row in rows] == [(queue.first, "", "overflow")]


async def drained(queue, position):
    """How many rows a relay takes that has come so far; and it remembers how far it came."""
    sql = "SELECT * FROM notifychannel.drain($1, $2, 1000)"
    row = await queue.owner.fetchrow(sql, position.low, list(position.late))
    assert not row["more"]
    position.advance(Drained.of(row))
    return row["taken"]


async def test_what_is_for_a_queue_that_can_take_nothing_just_now_stays_until_it_can(queue):
    """An upgrade that is between two files. The rest goes on, and what was late is taken too.

    Mutants: drain as where there is no queue; `round` of its snapshot; the round counted.
    """
    position, late = Position(), await queue.database.connect()
    await late.execute("BEGIN")
    await late.execute(APPEND, "orders", payload("[1]"))
    assert await drained(queue, position) == 0
    await queue.owner.execute("DROP FUNCTION notifychannel.merge(text[], text[], text[])")
    await queue.owner.execute(APPEND, "orders", payload("[2]"))
    await queue.owner.execute(UNLOGGED, "orders", payload("[3]"))
    before = await queue.owner.fetchval(ROUNDS)
    assert await drained(queue, position) == 1
    await late.execute("COMMIT")
    await queue.owner.execute(UNLOGGED, "orders", payload("[4]"))
    assert await drained(queue, position) == 1
    assert await drained(queue, position) == 0
    assert (await queue.owner.fetchval(LOGGED), await queue.owner.fetchval(ROUNDS)) == (2, before)
    await install(queue.owner)
    assert await drained(queue, position) == 2
    assert list(await queue.rows()) == ["[1]", "[2]"]
    assert await queue.owner.fetchval(ROUNDS) > before


async def test_an_outbox_that_overflows_keeps_what_a_queue_without_resyncs_can_not_be_told(queue):
    """Mutants: collapse as where there is no queue; the cap for both tables; the round counted."""
    await queue.owner.execute("DROP FUNCTION notifychannel.resync(integer[], text)")
    await queue.owner.execute(APPEND, "orders", payload(f'["{"x" * 1500}"]'))
    await queue.owner.execute(UNLOGGED, "orders", payload("[2]"))
    before = await queue.owner.fetchval(ROUNDS)
    for cap, taken in ((1000, 0), (0, 1), (0, 0)):
        row = await queue.owner.fetchrow("SELECT * FROM notifychannel.collapse($1, '0', 1000)", cap)
        assert (row["taken"], row["more"]) == (taken, False)
    assert (await queue.owner.fetchval(LOGGED), await queue.owner.fetchval(ROUNDS)) == (1, before)
    await install(queue.owner)
    await queue.owner.execute("SELECT notifychannel.collapse(0, '0', 1000)")
    assert (await queue.row(""))["reason"] == "overflow"


async def test_rows_of_the_unlogged_outbox_are_notified_and_not_merged(queue):
    """Mutant: the whole batch merged."""
    await queue.owner.execute(UNLOGGED, "orders", payload("[1]"))
    await queue.owner.execute(APPEND, "orders", payload("[2]"))
    assert (await queue.drain())["hints"] == 2
    assert list(await queue.rows()) == ["[2]"]


async def test_a_new_consumer_and_one_whose_rules_change_or_that_hears_again_is_told_everything(queue):
    """Mutants: put_consumer without either resync; a write each time."""
    made = await queue.owner.fetchrow("SELECT count(*) FROM notifychannel.queue")
    assert made[0] == 0
    await queue.consumer()
    assert await queue.rows() == {}
    for changed, why in (({"rules": "0a0a0a0a"}, "rules"), ({"suspended": True}, None), ({}, "rules")):
        await queue.owner.execute("DELETE FROM notifychannel.queue")
        await queue.consumer(**({"rules": "0a0a0a0a"} | changed))
        assert [row["reason"] for row in (await queue.rows()).values()] == ([why] if why else [])
    second = await queue.owner.fetchrow("SELECT version FROM notifychannel.queue")
    await queue.consumer(rules="0a0a0a0a")
    assert await queue.owner.fetchrow("SELECT version FROM notifychannel.queue") == second


async def test_a_resync_has_one_of_the_reasons_that_applications_know(queue):
    """Mutant: any text."""
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await queue.owner.execute("SELECT notifychannel.resync($1, 'whatever')", [queue.first])
    await queue.owner.execute("SELECT notifychannel.resync($1, 'skipped')", [queue.first])
    assert (await queue.row(""))["reason"] == "skipped"
