"""Claims: who gets which row, what becomes of it by the answer, and what nobody can do with it."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests import queueing
from tests.queueing import LONG_S, RULES, WINDOW_S, Queue, payload

NOT_A_CLAIMER = pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError)
CALLS = ("claim(me, 9)", "beat(me)", "settle(me, '{}', '{}', '{}', '{}', '{}')", "leave(me)", "want_resync(me, 'poll')",
         "escalations(me, 9)", "escalated(me, '{}')", "consumer_look(me)")  # fmt: skip
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
PASSED_OVER = "SELECT count(*) FROM notifychannel.passed_over"
MERGE = """
SELECT notifychannel.merge(array_agg('orders'::text), array_agg($1 || key)) FROM unnest($2::text[]) AS key
"""


@pytest.fixture
def template(server):
    return queueing.template(server)


@pytest.fixture
async def queue(database):
    return await Queue.on(database)


async def due(queue, *keys, channel="orders", **header):
    """Changed, and rested."""
    await queue.changes(*keys, channel=channel, **header)
    await queue.passes(WINDOW_S)


def keys(rows):
    return [row["key"] for row in rows]


async def waiting(queue, sessions):
    """Until so many wait for a lock."""
    async with asyncio.timeout(30):
        while await queue.owner.fetchval(WAITING) < sessions:  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.02)


async def test_what_is_due_is_taken_longest_due_first_and_no_more_than_asked_for(queue):
    """Mutants: ORDER BY key; no `due_at <= at`; no LIMIT."""
    await due(queue, "[3]")
    await due(queue, "[1]")
    await due(queue, "[2]")
    await queue.changes("[4]")
    one = await queue.claimer()
    assert keys(await one.claim(2)) == ["[3]", "[1]"]
    assert keys(await one.claim(2)) == ["[2]"]
    assert await one.claim(2) == []


async def test_a_hint_says_what_has_changed_how_often_and_for_how_long_it_has_waited(queue):
    """Mutants: `taken_count` of 1; attempt of 0; `waited` since the last change."""
    await due(queue, "[1]", event="I", at_us=5)
    await due(queue, "[1]", event="U", at_us=7)
    [row] = await (await queue.claimer()).claim()
    assert (sorted(row["events"]), row["count"], row["first_us"], row["last_us"]) == (["I", "U"], 2, 5, 7)
    assert (row["attempt"], row["alone"], row["reason"]) == (1, False, None)
    assert 2 * WINDOW_S <= row["waited"] < 3 * WINDOW_S


async def test_a_key_is_with_one_claimer_at_a_time_and_nobody_waits_for_another(queue):
    """Mutants: without SKIP LOCKED; without the state."""
    await due(queue, "[1]", "[2]")
    one, other = await queue.claimer(), await queue.claimer()
    async with one.connection.transaction():
        first = await one.claim(1)
        second = await asyncio.wait_for(other.claim(), 30)
    assert sorted(keys(first) + keys(second)) == ["[1]", "[2]"]
    assert await one.claim() == await other.claim() == []


async def test_what_is_acknowledged_is_gone_and_the_table_empty(queue):
    """Mutant: done that leaves the row pending."""
    await due(queue, "[1]", "[2]")
    one = await queue.claimer()
    assert await one.settle(await one.claim()) == 2
    assert await queue.rows() == {}


async def test_a_change_during_the_delivery_makes_it_due_again_with_nothing_but_itself(queue):
    """Mutants: `done` that deletes all the same; that keeps the count of before."""
    await due(queue, "[1]", event="I")
    one = await queue.claimer()
    claimed = await one.claim()
    await due(queue, "[1]", event="D", at_us=9)
    assert await one.claim() == [], "at most one in flight"
    assert await one.settle(claimed) == 1
    [again] = await one.claim()
    assert (again["events"], again["count"], again["first_us"], again["attempt"]) == ("D", 1, 9, 1)
    assert again["id"] != claimed[0]["id"]


async def test_what_is_refused_waits_longer_each_time_then_is_dead_and_a_change_revives_it(queue):
    """Mutants: no doubling; max_attempts + 1; `failures` kept when a dead one changes."""
    await due(queue, "[1]")
    one = await queue.claimer()
    for attempt, longest_s in ((1, 40.0), (2, 80.0)):
        claimed = await one.claim()
        assert [row["attempt"] for row in claimed] == [attempt]
        await one.settle(claimed, "retry", error="500")
        row = await queue.row()
        assert row["state"] == "retrying"
        assert longest_s / 4 < row["due_in"] <= longest_s
        await queue.passes(longest_s)
    await one.settle(await one.claim(), "retry", error="500")
    row = await queue.row()
    assert (row["state"], row["last_error"], row["count"]) == ("dead", "500", 1)
    assert row["died_at"] is not None
    await queue.passes()
    assert await one.claim() == []
    await due(queue, "[1]")
    [again] = await one.claim()
    assert (again["count"], again["attempt"]) == (2, 1)
    await one.settle([again], "retry")
    assert (await queue.row())["state"] == "retrying"


@pytest.mark.parametrize(("attempts", "longest_s", "then"), [(1, 40.0, "dead"), (3, 160.0, "retrying")])
async def test_a_change_during_the_last_attempt_has_all_attempts_before_it(queue, attempts, longest_s, then):
    """Mutants: dead all the same; no backoff; `failures` kept; noted as dead."""
    await queue.consumer(max_attempts=attempts)
    await queue.owner.execute("SELECT notifychannel.put_audit('dev', 'shop', 'orders', 'orders', 3600, '{id}')")
    await due(queue, "[1]")
    await queue.owner.execute("UPDATE notifychannel.queue SET failures = $1", attempts - 1)
    one = await queue.claimer()
    claimed = await one.claim()
    await queue.changes("[1]")
    await one.settle(claimed, "retry", error="500")
    row = await queue.row()
    assert (row["state"], row["failures"], row["count"], row["died_at"]) == ("retrying", 0, 2, None)
    assert longest_s / 4 < row["due_in"] <= longest_s
    await queue.passes(longest_s)
    [again] = await one.claim()
    assert (again["count"], again["attempt"]) == (2, 1)
    await one.settle([again], "retry", error="500")
    assert (await queue.row())["state"] == then
    told = await queue.owner.fetch("SELECT step FROM notifychannel.audit WHERE step <> 'captured' ORDER BY at")
    assert [row["step"] for row in told] == ["refused", "dead" if then == "dead" else "refused"]


@pytest.mark.parametrize(("failures", "longest_s"), [(5, 1280.0), (900, 5000.0)])
async def test_a_backoff_doubles_up_to_what_the_resource_says(queue, failures, longest_s):
    """Mutants: without doubling; without `least`."""
    await queue.consumer(max_attempts=1000, longest_delay=5000.0)
    await due(queue, "[1]")
    await queue.owner.execute("UPDATE notifychannel.queue SET failures = $1", failures)
    one = await queue.claimer()
    await one.settle(await one.claim(), "retry")
    assert longest_s / 3 < (await queue.row())["due_in"] <= longest_s


async def test_a_change_does_not_hurry_what_is_refused_and_is_a_new_version_of_it(queue):
    """Mutant: `retrying` due by the change."""
    await due(queue, "[1]")
    one = await queue.claimer()
    claimed = await one.claim()
    await one.settle(claimed, "retry")
    before = (await queue.row())["due_at"]
    await queue.changes("[1]")
    assert (await queue.row())["due_at"] == before
    await queue.passes()
    [again] = await one.claim()
    assert (again["count"], again["attempt"]) == (2, 1)
    assert again["version"] > claimed[0]["version"]


async def test_an_id_is_the_same_over_retries_restarts_and_take_over_and_another_for_each_change(queue):
    """Mutant: the id of the claim's time, or of the claimer."""
    await due(queue, "[1]", "[2]")
    one = await queue.claimer()
    claimed = await one.claim()
    ids = {row["key"]: row["id"] for row in claimed}
    await one.settle(claimed[:1], "retry")
    assert await queue.reclaim() == 1
    await queue.passes()
    other = await queue.claimer()
    again = await other.claim()
    assert {row["key"]: row["id"] for row in again} == ids
    assert len(set(ids.values())) == 2
    await other.settle(again)
    await due(queue, "[1]")
    [changed] = await other.claim()
    assert changed["id"] not in ids.values()


async def test_an_endpoint_in_trouble_counts_no_attempt_and_what_it_has_waits_as_long_as_said(queue):
    """Mutants: attempts + 1; `wait` not used; the error of before overwritten by nothing."""
    await due(queue, "[1]")
    one = await queue.claimer()
    await one.settle(await one.claim(), "back", error="refused", wait=500.0)
    row = await queue.row()
    assert (row["state"], row["failures"], row["count"], row["last_error"]) == ("pending", 0, 1, "refused")
    assert 400.0 < row["due_in"] <= 500.0
    await queue.changes("[1]")
    assert (await queue.row())["due_in"] > 400.0, "a change does not hurry it"
    await queue.passes(500.0)
    await one.settle(await one.claim(), "back")
    assert (await queue.row())["last_error"] == "refused"


async def test_what_was_refused_with_others_goes_alone_at_once_until_it_is_acknowledged(queue):
    """Mutants: an attempt; `alone` forgotten at the claim."""
    await due(queue, "[1]", "[2]")
    one = await queue.claimer()
    await one.settle(await one.claim(), "alone", error="400")
    again = await one.claim()
    assert [(row["attempt"], row["alone"]) for row in again] == [(1, True)] * 2
    await one.settle(again, "retry")
    await queue.passes()
    last = await one.claim()
    assert [row["alone"] for row in last] == [True] * 2
    await one.settle(last)
    await due(queue, "[1]")
    assert [row["alone"] for row in await one.claim()] == [False]


async def test_a_key_rests_between_two_deliveries_and_then_is_forgotten(queue):
    """Mutants: min_interval not looked at; resting rows never deleted."""
    await queue.consumer(min_interval=500.0)
    await due(queue, "[1]")
    one = await queue.claimer()
    await one.settle(await one.claim())
    assert (await queue.row())["state"] == "resting"
    await queue.changes("[1]")
    assert 400.0 < (await queue.row())["due_in"] <= 500.0
    await queue.passes(501.0)
    claimed = await one.claim()
    await queue.changes("[1]")
    await one.settle(claimed)
    assert 400.0 < (await queue.row())["due_in"] <= 500.0, "changed during its delivery"
    await queue.passes(501.0)
    await one.settle(await one.claim())
    await queue.owner.execute("SELECT notifychannel.trim_queue(10)")
    assert list(await queue.rows()) == ["[1]"]
    await queue.passes(501.0)
    await queue.owner.execute("SELECT notifychannel.trim_queue(10)")
    assert await queue.rows() == {}


async def test_nothing_of_a_suspended_channel_is_claimed_and_all_of_it_stays(queue):
    """Mutant: claim without `suspended`."""
    await due(queue, "[1]")
    one = await queue.claimer()
    await queue.consumer(suspended=True)
    assert await one.claim() == []
    assert await one.call("beat") is None
    await queue.consumer()
    assert keys(await one.claim()) == ["[1]", ""]


async def test_who_was_configured_by_other_rules_claims_nothing_and_settles_what_it_has(queue):
    """It would name the key's values by them. Mutants: claim, or beat, without the rules."""
    await due(queue, "[1]", "[2]")
    one = await queue.claimer()
    held = await one.connection.fetch("SELECT * FROM notifychannel.claim($1, 1, $2)", one.me, RULES)
    assert await one.connection.fetch("SELECT * FROM notifychannel.claim($1, 9, '0a0a0a0a')", one.me) == []
    assert await one.call("beat", "0a0a0a0a") is None
    assert await one.call("beat", RULES) == 0.0
    assert await one.settle(held) == 1


async def test_one_channels_failures_never_delay_another(queue):
    """A claim is one consumer's, whatever waits or is refused for others. Mutant: `d.consumer` not asked for."""
    await queue.consumer(group="api", channel="billing", pg_channel="billing")
    await due(queue, *(f"[{number}]" for number in range(200)))
    broken, works = await queue.claimer(), await queue.claimer(channel="billing")
    held = await broken.claim(100)
    await broken.settle(held[:50], "retry", error="500")
    await due(queue, "[1]", channel="billing")
    assert keys(await works.claim(10)) == ["[1]"]


async def test_nobody_has_what_another_session_group_or_role_has_claimed(queue):
    """Mutants: settle without the claimer; is_claimer without the role, without the process."""
    await queue.consumer(group="mail")
    await due(queue, "[1]")
    one, same, mail = await queue.claimer(), await queue.claimer(), await queue.claimer("mail")
    claimed = await one.claim()
    for other in (same, mail):
        assert await other.settle(claimed) == 0
    role = await queue.database.role("other")
    await queue.owner.execute(f'GRANT USAGE ON SCHEMA notifychannel TO "{role}"')
    await queue.owner.execute(f'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA notifychannel TO "{role}"')
    thief = await queue.database.connect(role)
    await one.connection.execute(f'SET SESSION AUTHORIZATION "{role}"')
    for connection in (thief, same.connection, one.connection):
        for call in CALLS:
            with NOT_A_CLAIMER:
                await connection.execute(f"SELECT notifychannel.{call.replace('(me', f'({one.me}')}")
    await one.connection.execute("RESET SESSION AUTHORIZATION")
    assert await one.settle(claimed) == 1


async def test_a_role_that_was_granted_nothing_can_call_nothing_and_read_nothing(queue):
    """Mutant: a REVOKE … FROM PUBLIC left out."""
    role = await queue.database.role("nobody")
    await queue.owner.execute(f'GRANT USAGE ON SCHEMA notifychannel TO "{role}"')
    await queue.owner.execute("GRANT ALL ON FUNCTION notifychannel.skipped() TO PUBLIC")
    allowed = await queue.owner.fetch(
        "SELECT p.proname FROM pg_proc AS p WHERE p.pronamespace = 'notifychannel'::regnamespace "
        "AND has_function_privilege($1, p.oid, 'EXECUTE')", role,
    )  # fmt: skip
    assert [row[0] for row in allowed] == ["skipped"]
    readable = await queue.owner.fetch(
        "SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'notifychannel'::regnamespace "
        "AND c.relkind IN ('r', 'v') AND has_table_privilege($1, c.oid, 'SELECT, INSERT, UPDATE, DELETE')", role,
    )  # fmt: skip
    assert readable == []


async def test_a_settlement_of_another_version_changes_nothing(queue):
    """The answer to a POST of before. Mutant: settle without taken_version."""
    await due(queue, "[1]")
    one = await queue.claimer()
    old = await one.claim()
    await one.settle(old, "back")
    await due(queue, "[1]")
    await one.claim()
    assert await one.settle(old) == 0
    assert (await queue.row())["state"] == "claimed"


async def test_a_turn_settles_claims_and_says_when_the_next_is_due(queue):
    """Mutants: claim before settle; no last row."""
    one = await queue.claimer()
    assert await one.turn([], 10) == ([], None)
    await due(queue, "[1]", "[2]")
    [first], wait_s = await one.turn([], 1)
    assert wait_s == 0.0
    rows, wait_s = await one.turn([(first, "alone")], 10)
    assert sorted(keys(rows)) == ["[1]", "[2]"]
    assert wait_s is None
    await queue.changes("[3]")
    rest, wait_s = await one.turn([(row, "done") for row in rows], 10)
    assert rest == []
    assert 0.0 < wait_s <= 60.0
    assert list(await queue.rows()) == ["[3]"]


async def test_what_was_locked_while_later_rows_were_taken_is_claimed_as_soon_as_it_can_be(queue):
    """However long it was, and though whoever has passed it over is gone. Mutants: a claim that remembers nothing; that
    drops what is locked still; beat() without it.
    """
    await due(queue, "[1]")
    one, holder = await queue.claimer(), await queue.database.connect()
    await holder.execute("BEGIN; SELECT FROM notifychannel.queue WHERE key = '[1]' FOR UPDATE")
    for key in ("[2]", "[3]"):
        await queue.passes(100.0)
        await due(queue, key)
        [row] = await one.claim(1)
        assert (row["key"], await one.settle([row])) == (key, 1)
    assert await one.claim() == []
    await one.call("leave")
    other = await queue.claimer()
    await holder.execute("ROLLBACK")
    assert await other.call("beat") == 0.0
    assert keys(await other.claim()) == ["[1]"]
    assert await queue.owner.fetchval(PASSED_OVER) == 0


async def test_of_many_that_are_locked_a_hundred_are_tried_each_time_and_all_are_claimed_in_the_end(queue):
    """Mutants: no limit; `low` behind those that were not remembered; the limit for each claim."""
    names = [f"[{number:03}]" for number in range(150)]
    await due(queue, *names)
    one, holder = await queue.claimer(), await queue.database.connect()
    await holder.execute("BEGIN; SELECT FROM notifychannel.queue FOR UPDATE")
    await queue.owner.execute("UPDATE notifychannel.queue_clock SET ahead = ahead + '100 s'")
    for _ in range(2):
        assert await one.claim() == []
        assert await queue.owner.fetchval(PASSED_OVER) == 100
    await holder.execute("ROLLBACK")
    assert sorted(keys(await one.claim(70)) + keys(await one.claim(30)) + keys(await one.claim(60))) == names


LATE = {
    "redrive": "SELECT notifychannel.redrive(id, NULL, NULL, false) FROM notifychannel.consumer",
    "resync": "SELECT notifychannel.resync(array_agg(id), 'poll') FROM notifychannel.consumer",
    "merge": f"SELECT notifychannel.merge(ARRAY['orders'], ARRAY['{payload('[1]')}'])",
}


@pytest.mark.parametrize("late", LATE)
async def test_what_is_committed_long_after_it_was_due_is_claimed_at_once(queue, late):
    """While later rows were taken. Mutant: the function without its advisory lock; a claim that does not look at it."""
    await queue.consumer(max_attempts=1)
    await due(queue, "[1]")
    one, writer = await queue.claimer(), await queue.database.connect()
    await one.settle(await one.claim(), "retry")
    await writer.execute(f"BEGIN; {LATE[late]}")
    await queue.passes(100.0)
    await due(queue, "[2]")
    assert keys(await one.claim()) == ["[2]"]
    assert await one.claim() == []
    await writer.execute("COMMIT")
    assert keys(await one.claim()) == ["" if late == "resync" else "[1]"]


async def test_a_claim_looks_only_where_nobody_has_looked_before_it_though_nobody_may_vacuum(queue):
    """Also while somebody has a row locked, who keeps the dead ones. Mutant: `low` that stays where that row is."""
    await due(queue, "[1]")
    one, holder = await queue.claimer(), await queue.database.connect()
    await holder.execute("BEGIN; SELECT FROM notifychannel.queue WHERE key = '[1]' FOR UPDATE")
    await due(queue, *(f"[{number}]" for number in range(2, 1000)))
    await one.settle(await one.claim(1000))
    await queue.passes(100.0)
    assert await one.claim() == []
    returned = "SELECT pg_stat_get_xact_tuples_returned('notifychannel.queue_due'::regclass)"
    async with one.connection.transaction():
        before = await one.connection.fetchval(returned)
        assert await one.claim() == []
        assert await one.connection.fetchval(returned) - before <= 10


async def test_many_that_are_due_from_before_where_a_claimer_looks_are_taken_without_waiting(queue):
    """Redriven by a transaction that took ten seconds. Mutant: consumer_look that leaves `low`."""
    await queue.consumer(max_attempts=1)
    await due(queue, *(f"[{number}]" for number in range(300)))
    one = await queue.claimer()
    await one.settle(await one.claim(300), "retry")
    assert await one.claim() == []
    await queue.owner.execute("SELECT notifychannel.redrive($1, NULL, NULL, false)", queue.first)
    await queue.owner.execute("UPDATE notifychannel.queue SET due_at = due_at - interval '10 s'")
    await queue.passes(LONG_S)
    await one.call("consumer_look")
    taken, rows = 0, []
    while taken < 300:
        rows, wait_s = await one.turn([(row, "done") for row in rows], 50)
        taken += len(rows)
        assert (len(rows), wait_s) == (50, 0.0 if taken < 300 else None)


async def test_a_merge_and_a_settlement_of_the_same_keys_in_any_order_never_deadlock(queue):
    """Both lock rows by key: held up in the middle, neither holds what the other wants. Mutants: settle's lock (its
    keys come in reverse) without ORDER BY; merge in the other order.
    """
    names = [f"[{number:03}]" for number in range(9)]
    await due(queue, *names)
    one = await queue.claimer()
    claimed = sorted(await one.claim(), key=lambda row: row["key"], reverse=True)
    await queue.owner.execute("ALTER FUNCTION notifychannel.merge SET lock_timeout = '30s'")  # else it waits for 50 ms
    middle, merging = await queue.database.connect(), await queue.database.connect()
    await middle.execute("BEGIN; SELECT FROM notifychannel.queue WHERE key = '[004]' FOR UPDATE")
    at_work = [
        asyncio.create_task(merging.execute(MERGE, f"{payload()}\n", names[::-1])),
        asyncio.create_task(one.settle(claimed, "alone")),
    ]
    await waiting(queue, len(at_work))
    await middle.execute("ROLLBACK")
    await asyncio.gather(*at_work)
    assert {row["count"] for row in (await queue.rows()).values()} == {2}


async def test_a_settlement_while_the_relay_puts_the_clock_right_never_deadlocks(queue):
    """Both lock the claimer first. Mutant: mend_clock's claimers behind its rows."""
    await queue.passes(7200.0)
    await due(queue, "[1]")
    one = await queue.claimer()
    claimed = await one.claim()
    await queue.passes(-7200.0)
    await queue.owner.execute("SELECT notifychannel.set_clock(0)")
    middle, relay = await queue.database.connect(), await queue.database.connect()
    await middle.execute("BEGIN; SELECT FROM notifychannel.queue FOR UPDATE")
    mended = asyncio.create_task(relay.fetchval("SELECT notifychannel.mend_clock(100)"))
    await waiting(queue, 1)
    settled = asyncio.create_task(one.settle(claimed, "alone"))
    await waiting(queue, 2)
    await middle.execute("ROLLBACK")
    assert await asyncio.gather(mended, settled) == [0, 1]
    assert keys(await one.claim()) == ["[1]"]


async def test_who_leaves_gives_back_all_and_is_no_claimer_any_more(queue):
    """Mutants: leave without give_back; without DELETE."""
    await due(queue, "[1]")
    one, other = await queue.claimer(), await queue.claimer()
    await one.claim()
    assert await one.call("leave") == 1
    with NOT_A_CLAIMER:
        await one.call("beat")
    assert keys(await other.claim()) == ["[1]"]


async def test_a_claimer_of_no_consumer_is_none(database):
    """Mutant: enter without the join."""
    queue = await Queue.on(database)
    assert (await queue.claimer("nobody")).me is None
    assert await queue.look() == []


async def test_who_enters_while_its_consumer_goes_is_no_claimer(queue):
    """Mutant: enter without FOR KEY SHARE."""
    dropping = await queue.database.connect()
    await dropping.execute("BEGIN")
    await dropping.execute("SELECT notifychannel.drop_consumer($1, true)", queue.first)
    entering = asyncio.create_task(queue.claimer())
    async with asyncio.timeout(30):
        while not (entering.done() or await queue.owner.fetchval(WAITING)):  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.02)
    await dropping.execute("COMMIT")
    assert (await entering).me is None
    assert await queue.look() == []


async def test_a_sidecar_may_want_a_resync_of_its_own_consumer_and_it_does_not_swallow_keys(queue):
    """Mutants: for all consumers; DELETE of the keys."""
    second = await queue.consumer(group="mail")
    await due(queue, "[1]")
    one = await queue.claimer()
    await one.call("want_resync", "rules")
    await one.call("want_resync", "bulk")
    rows = await one.claim()
    assert [(row["key"], row["reason"]) for row in rows] == [("[1]", None), ("", "rules")]
    assert "" not in await queue.rows(second)


async def test_what_waits_is_counted_for_its_claimer(queue):
    """Mutant: of all consumers."""
    await queue.consumer(group="mail")
    await due(queue, "[1]", "[2]", "[3]")
    one = await queue.claimer()
    await one.settle((await one.claim(2))[:1], "retry")
    look = await one.connection.fetchrow("SELECT * FROM notifychannel.consumer_look($1)", one.me)
    assert tuple(look)[:4] == (1, 1, 1, 0)
    assert WINDOW_S <= look["oldest"] < LONG_S
