"""AtLeastOnce from the row to the application's 2xx, with real sidecars, a real queue and an application that fails."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import pairwise

import asyncpg
import pytest

from notifychannel_sidecar.durable.claimer import Claimer
from notifychannel_sidecar.durable.durable import Durable
from notifychannel_sidecar.durable.escalation import Escalation
from notifychannel_sidecar.durable.session import Session
from notifychannel_sidecar.listener.backoff import Backoff
from tests import queueing
from tests.application import Application, Close, Hang, Say, Work
from tests.durably import RULES, Queue, claims, told
from tests.listening import channel, config, target

pytestmark = pytest.mark.timeout(120)
POISON = 7


@pytest.fixture(scope="session")
def server(newest):
    """What differs between versions is in SQL, and that has its own tests."""
    return newest


@pytest.fixture
async def application():
    async with Application() as app:
        yield app


@pytest.fixture
def template(server):
    return queueing.template(server)


@pytest.fixture
async def queue(database):
    return await Queue.on(database)


def hints(application, key=None):
    found = [hint for post in application.posts for hint in post.body["hints"]]
    return [hint for hint in found if key in (None, hint["key"]["id"])]


def resyncs(application):
    return [post.body["reason"] for post in application.posts if not post.body["hints"]]


def refuses_poison(body):
    return Say(status=500 if POISON in [hint["key"]["id"] for hint in body["hints"]] else 200)


async def test_a_change_reaches_the_application_and_leaves_the_queue(queue, application):
    async with queue.sidecar(application) as one:
        await claims(one)
        await queue.change(1)
        post = await application.next_post()
        assert (post.body["reason"], post.body["next_within"], post.body["since"]) == ("change", None, None)
        assert (post.hint["key"], post.hint["events"], post.hint["count"], post.hint["attempt"]) == (
            {"id": 1}, ["update"], 1, 1,
        )  # fmt: skip
        assert post.headers["Idempotency-Key"] == post.hint["id"]
        await queue.is_done()
        said = await one.says(lambda said: said["channels"]["orders"]["pending"] == 0)
        assert (said["channels"]["orders"]["delivering"], said["channels"]["orders"]["queue"]["claiming"]) == (
            True,
            True,
        )
        assert await one.metric("notifychannel_claimed_total") == 1
        assert await one.metric("notifychannel_settled_total") == 1
        assert await one.metric("notifychannel_claiming") == 1
    assert await queue.rows() == {}
    assert resyncs(application) == [], "a start needs none: the queue is whole"


async def test_an_application_that_was_down_gets_everything_when_it_is_back_and_no_attempt_was_counted(
    queue, application
):
    """Mutant: TROUBLE settles 'retry'."""
    async with queue.sidecar(application) as one:
        await claims(one)
        await application.refuse()
        await queue.change(*range(250))
        await one.logs("connection refused")
        await queue.change(*range(250, 300))
        await application.listen()
        await queue.is_done()
    assert set(told(application)) == set(range(300))
    assert {hint["attempt"] for hint in hints(application)} == {1}


async def test_a_poison_key_dies_alone_and_is_delivered_when_it_is_redriven(database, application):
    """Mutants: ONE_BY_ONE settles 'retry', and the mates die too; max_attempts is not looked at."""
    queue = await Queue.on(database, max_attempts=3)
    application.judge = refuses_poison
    async with queue.sidecar(application) as one:
        await claims(one)
        await queue.change(*range(20))
        rows = await queue.until(lambda rows: rows == {f"[{POISON}]": "dead"})
        assert rows
        alone = [post.hint for post in application.posts if post.keys == [{"id": POISON}]]
        assert [hint["attempt"] for hint in alone] == [1, 2, 3]
        assert len({hint["id"] for hint in alone}) == 1
        mates = [hint for hint in hints(application) if hint["key"]["id"] != POISON]
        assert {hint["attempt"] for hint in mates} == {1}
        await queue.change(100)
        await application.until(lambda _: 100 in told(application))
        assert await queue.admin.fetchval("SELECT last_error FROM notifychannel.queue WHERE key = '[7]'") == "500"
        application.judge = None
        await queue.admin.execute("SELECT notifychannel.redrive(id, NULL, NULL, false) FROM notifychannel.consumer")
        await queue.is_done()
        assert hints(application, POISON)[-1]["id"] == alone[0]["id"]
    assert application.overlaps == []


async def test_a_key_at_which_the_application_hangs_does_not_hold_the_others(queue, application):
    hanging = asyncio.Event()

    def judge(body):
        if [hint["key"]["id"] for hint in body["hints"]] == [POISON]:
            hanging.set()
            return Hang()
        return Say()

    application.judge = judge
    async with queue.sidecar(application, timeout=30.0) as one:
        await claims(one)
        await queue.change(POISON)
        await hanging.wait()
        for key in range(100, 120):
            await queue.change(key)
            await application.until(lambda _, key=key: key in told(application))
        application.release()
        await queue.is_done()


async def test_what_the_application_wants_again_comes_again_and_the_rest_of_its_batch_does_not(queue, application):
    async with queue.sidecar(application, timeout=30.0) as one:
        await claims(one)
        application.then(Hang())
        await queue.change(0)
        await application.until(lambda posts: len(posts) == 1)
        wanted = {}

        def judge(body):
            again = [hint["id"] for hint in body["hints"] if hint["key"]["id"] == POISON and not wanted]
            wanted.update(dict.fromkeys(again))
            return Say(body=json.dumps({"retry": again}).encode())

        application.judge = judge
        await queue.change(*range(1, 10))
        await queue.until(lambda rows: set(rows) == {"[0]"})
        application.release()
        await queue.is_done()
    assert [hint["attempt"] for hint in hints(application, POISON)] == [1, 2]
    assert len({hint["id"] for hint in hints(application, POISON)}) == 1
    assert all(len(hints(application, key)) == 1 for key in range(1, 10) if key != POISON)


async def test_an_id_is_the_same_over_retries_a_restart_and_a_take_over_and_another_after_a_change(
    database, application
):
    """Mutant: hint_id of the claim, or of the claimer."""
    queue = await Queue.on(database, max_attempts=1000)
    application.judge = refuses_poison
    async with queue.sidecar(application, "a", path="/a") as one:
        await claims(one)
        await queue.change(POISON)
        await application.until(lambda _: len(hints(application, POISON)) == 2)
        one.signal(signal.SIGTERM)
        await one.ends()
    async with queue.sidecar(application, "a", path="/again"), queue.sidecar(application, "b", path="/b"):
        await application.until(lambda posts: {post.path for post in posts} >= {"/a", "/again", "/b"})
        before = hints(application, POISON)
        await queue.change(POISON)
        application.judge = None
        await queue.is_done()
    assert len({hint["id"] for hint in before}) == 1
    assert hints(application, POISON)[-1]["id"] != before[0]["id"]
    assert {post.headers["Idempotency-Key"] for post in application.posts[: len(before)]} == {before[0]["id"]}
    assert hints(application, POISON)[-1]["count"] == 2


async def test_two_pods_share_the_keys_and_never_work_on_one_at_once_and_each_keys_changes_come_in_order(
    queue, application
):
    """Each key changes again and again, while it is being worked on too. Mutants: claim() without the state in its
    WHERE; a change of a claimed row sets it to pending.
    """
    application.behaviour = Work(seconds=0.02)
    async with (
        queue.sidecar(application, "a", path="/a", max_hints=3) as one,
        queue.sidecar(application, "b", path="/b", max_hints=3) as two,
    ):
        await claims(one)
        await claims(two)
        for round_number in range(30):
            await queue.change(*range(round_number % 3, 40, 3))
            await asyncio.sleep(0.01)
        await queue.is_done()
        assert {post.path for post in application.posts} == {"/a", "/b"}
    assert application.overlaps == []
    assert set(told(application)) == set(range(40))
    for key in range(40):
        versions = [int(hint["id"].split("-")[0], 16) for hint in hints(application, key)]
        assert versions == sorted(set(versions))
        assert sum(hint["count"] for hint in hints(application, key)) == 10


async def test_a_key_rests_for_its_window_and_its_interval(database, application):
    """Mutant: settle() deletes the row whatever minInterval is."""
    queue = await Queue.on(database, debounce=0.3, max_delay=1.0, min_interval=1.0)
    async with queue.sidecar(application) as one:
        await claims(one)
        began = asyncio.get_running_loop().time()
        for _ in range(25):
            await queue.change(1)
            await asyncio.sleep(0.1)
        await queue.is_done()
        moments = [post.at for post in application.posts]
        took = asyncio.get_running_loop().time() - began
    assert sum(hint["count"] for hint in hints(application)) == 25
    assert min(after - before for before, after in pairwise(moments)) >= 1.0
    assert 2 <= len(moments) <= 1 + took


async def test_what_waits_too_long_is_escalated_once_dead_letters_too(database, application):
    """Mutants: escalated() is never called; every pod asks for what is to be escalated."""
    queue = await Queue.on(database, max_attempts=2, escalate_after=3.0)

    def judge(body):
        return refuses_poison(body) if application.posts[-1].path == "/hints" else Say()

    application.judge = judge
    escalated = lambda: [post for post in application.posts if post.path == "/escalations"]  # noqa: E731
    pods = [queue.sidecar(application, pod, escalation_path="/escalations") for pod in "ab"]
    async with pods[0] as one, pods[1] as two:
        await claims(one)
        await claims(two)
        await queue.change(1, POISON)
        await queue.until(lambda rows: rows == {f"[{POISON}]": "dead"})
        await application.until(lambda _: escalated())
        marked = "SELECT count(*) FROM notifychannel.queue WHERE escalated_at IS NOT NULL AND escalate_at IS NULL"
        async with asyncio.timeout(30):
            while not await queue.admin.fetchval(marked):  # noqa: ASYNC110 - the server can only be asked
                await asyncio.sleep(0.05)
        await queue.change(2)
        await application.until(lambda _: 2 in told(application))
        application.judge = None
        await queue.admin.execute("SELECT notifychannel.redrive(id, NULL, NULL, false) FROM notifychannel.consumer")
        await queue.is_done()
        total = await one.metric("notifychannel_escalated_total") + await two.metric("notifychannel_escalated_total")
    assert [post.hint["key"]["id"] for post in escalated()] == [POISON]
    assert escalated()[0].hint["id"] == hints(application, POISON)[0]["id"]
    assert "Idempotency-Key" not in escalated()[0].headers
    assert total == 1


async def test_a_sidecar_that_finishes_delivers_what_is_in_flight_and_gives_back_the_rest_at_once(queue, application):
    """The other pod has them within its next look, long before a dead sidecar's claims would be given to it. Mutants:
    `hurry` gives nothing back; no `leave`.
    """
    application.behaviour = Work(seconds=1.0)
    async with queue.sidecar(application, "a", path="/a", max_hints=1, timeout=30.0) as one:
        await claims(one)
        await queue.change(*range(40))
        await application.until(lambda posts: len(posts) >= 6)
        before = len(application.posts)
        one.signal(signal.SIGUSR1)
        await one.logs("finished")
        assert len(application.posts) <= before + 4
        states = set((await queue.rows()).values())
        assert states == {"pending"}
        assert await queue.admin.fetchval("SELECT count(*) FROM notifychannel.claimer") == 0
        application.behaviour = Say()
        async with queue.sidecar(application, "b", path="/b"):
            await queue.is_done()
    assert sorted(told(application)) == list(range(40)), "each once"


async def test_a_channel_that_is_removed_is_left_and_delivered_again_when_it_is_back(queue, application):
    application.behaviour = Work(seconds=0.3)
    async with queue.sidecar(application, max_hints=1) as one:
        await claims(one)
        await queue.change(*range(40))
        await application.until(lambda posts: len(posts) >= 6)
        config = queue.configured(application)
        one.configure(type(config)(installation="i", namespace="shop", group="api", channels=()))
        await queue.until(lambda rows: set(rows.values()) == {"pending"})
        application.behaviour = Say()
        one.configure(config)
        await queue.is_done()
    assert set(told(application)) == set(range(40))
    assert application.overlaps == []


async def test_a_rotated_secret_moves_the_claims_without_a_duplicate(queue, application):
    """Mutant: `_move` raises at once."""
    application.behaviour = Work(seconds=0.3)
    async with queue.sidecar(application, max_hints=1, timeout=30.0) as one:
        await claims(one)
        await queue.change(*range(40))
        await application.until(lambda posts: len(posts) >= 6)
        one.write("secret/uri", f"{queue.database.dsn()}?sslmode=disable")
        await one.logs("claiming anew")
        application.behaviour = Say()
        await queue.is_done()
    assert sorted(told(application)) == list(range(40)), "each once"


async def test_a_suspended_channel_delivers_nothing_and_is_looked_at_when_it_is_resumed(queue, application):
    async with queue.sidecar(application) as one:
        await claims(one)
        one.configure(queue.configured(application, suspend=True))
        await one.says(lambda said: said["channels"]["orders"]["suspended"])
        await queue.change(1)
        await queue.until(lambda rows: rows == {"[1]": "pending"})
        one.configure(queue.configured(application))
        await queue.is_done()
    assert told(application) == [1]
    assert resyncs(application) == ["rules"]


@pytest.mark.parametrize("towards", ["AtLeastOnce", "BestEffort"])
async def test_a_channel_that_changes_its_delivery_looks_at_everything(queue, application, towards):
    """Mutants: `Sorting` asks for no resync; hands the channel over before `enter`."""
    away = "BestEffort" if towards == "AtLeastOnce" else "AtLeastOnce"
    async with queue.sidecar(application, delivery=away, poll_interval=0.0) as one:
        await one.listens()
        if away == "AtLeastOnce":
            await claims(one)
        else:
            await application.until(lambda _: resyncs(application) == ["start"])
        await queue.change(1)
        await application.until(lambda _: 1 in told(application))
        before = len(application.posts)
        one.configure(queue.configured(application, delivery=towards, poll_interval=0.0))
        await application.until(lambda posts: len(resyncs(application)) > (away == "BestEffort"))
        await queue.change(2)
        await application.until(lambda posts: 2 in [key["id"] for post in posts[before:] for key in post.keys])
    assert resyncs(application)[-1] == ("rules" if towards == "AtLeastOnce" else "start")


async def test_a_channel_that_becomes_durable_stays_in_memory_until_the_queue_knows_it(queue, application):
    await queue.admin.execute("DELETE FROM notifychannel.consumer")
    async with queue.sidecar(application, delivery="BestEffort") as one:
        await application.until(lambda _: resyncs(application) == ["start"])
        one.configure(queue.configured(application))
        await one.logs("claiming for 1 channels")
        await queue.change(1)
        await application.until(lambda _: 1 in told(application))
        await queue.register()
        await claims(one)
        await queue.change(2)
        await application.until(lambda _: 2 in told(application))
        await queue.is_done()


async def test_a_statement_of_too_many_keys_is_a_resync_and_swallows_no_key(queue, application):
    """It waits for the POST in flight. Mutant: `next_due` without the look at `_in_flight`."""
    async with queue.sidecar(application, timeout=30.0) as one:
        await claims(one)
        application.then(Hang())
        await queue.change(1)
        await application.until(lambda posts: len(posts) == 1)
        await queue.change(2)
        await queue.change()
        await queue.until(lambda rows: rows.get("[1]") == rows.get("") == "claimed")
        await queue.beats_again()
        application.release()
        await queue.is_done()
    assert set(told(application)) == {1, 2}
    assert resyncs(application) == ["bulk"]
    assert application.overlaps == []


@pytest.mark.parametrize("payload", ["00000000T0000000000000001", "", "1cdcdcdcdU0000000000000001\n[1]", "nonsense"])
async def test_whoever_writes_under_other_rules_has_told_the_queue_nothing_so_everything_is_looked_at(
    queue, application, payload
):
    """Mutant: `heard` takes every payload for a wake-up."""
    async with queue.sidecar(application) as one:
        await claims(one)
        await queue.admin.execute("SELECT pg_notify('orders', $1)", payload)
        await application.until(lambda _: resyncs(application))
        await queue.is_done()
    assert resyncs(application) == ["rules"]


async def test_keys_that_were_printed_under_other_rules_become_a_resync(queue, application):
    await queue.change(1, 2)
    async with queue.sidecar(application, key=("tenant", "id")):
        await queue.is_done()
    assert (told(application), resyncs(application)) == ([], ["rules"])


async def test_a_sidecar_whose_configuration_is_of_other_rules_waits_for_the_right_one(queue, application):
    """Its names for the key's values may be wrong ones. Mutant: turn.sql without the rules."""
    async with queue.sidecar(application, rules="cdcdcdcd", key=("order",), pg_channel="another") as one:
        await claims(one)
        await queue.change(1)
        await queue.until(lambda rows: rows == {"[1]": "pending"})
        one.configure(queue.configured(application, rules="efefefef", key=("order",), pg_channel="another"))
        await queue.beats_again()
        assert await queue.rows() == {"[1]": "pending"}
        one.configure(queue.configured(application, pg_channel="another"))
        await queue.is_done()
    assert told(application) == [1]


async def test_a_sidecar_without_the_objects_says_so_and_goes_on_when_they_are_there(database, application, queue):
    await queue.admin.execute("ALTER SCHEMA notifychannel RENAME TO away")
    async with queue.sidecar(application) as one:
        await one.logs("not claiming")
        await queue.admin.execute("ALTER SCHEMA away RENAME TO notifychannel")
        await claims(one)
        await queue.change(1)
        await application.until(lambda _: told(application) == [1])
        assert await one.metric("notifychannel_claim_errors_total") >= 1


async def test_a_listener_that_hears_nothing_is_late_and_not_deaf(queue, application):
    """Nothing wakes this sidecar: it looks by itself. Mutant: LOOK_S is infinite."""
    async with queue.sidecar(application, pg_channel="another") as one:
        await claims(one)
        await queue.change(1)
        await application.until(lambda _: told(application) == [1])


CAN_WAIT = {
    "consumer_look": """
        CREATE OR REPLACE FUNCTION notifychannel.consumer_look(me integer, OUT pending bigint, OUT claimed bigint,
            OUT retrying bigint, OUT dead bigint, OUT oldest double precision)
    """,
    "escalations": """
        CREATE OR REPLACE FUNCTION notifychannel.escalations(me integer, most integer)
        RETURNS TABLE (id text, key text, version bigint, events text, count bigint, first_us bigint, last_us bigint,
            reason text, attempt integer, is_dead boolean, waited double precision, error text)
    """,
}
FAILS = "LANGUAGE plpgsql AS $$ BEGIN RAISE {error}; END $$"


@pytest.mark.parametrize("error", ["query_canceled", "deadlock_detected", "lock_not_available"])
async def test_what_can_wait_and_fails_ends_no_session_and_drops_no_claim(queue, application, error):
    """Mutant: NOT_NOW without one of them."""
    for head in CAN_WAIT.values():
        await queue.admin.execute(head + FAILS.format(error=error))
    application.judge = lambda _: Hang()
    async with queue.sidecar(application, timeout=60.0, escalation_path="/escalations") as one:
        await claims(one)
        await queue.change(1)
        await application.until(lambda posts: len(posts) == 1)
        before = await queue.admin.fetchval("SELECT max(id) FROM notifychannel.claimer")
        for words in ("would not count", "would not say what to escalate"):
            await one.logs(words)
        application.judge = None
        application.release()
        await queue.is_done()
        assert await queue.admin.fetchval("SELECT max(id) FROM notifychannel.claimer") == before
        assert await one.metric("notifychannel_claim_errors_total") == 0
        assert not [line for line in one.logged if "not claiming" in line]
    assert told(application) == [1]


async def test_a_consumer_that_goes_ends_nothing_but_its_own_claims(queue, application):
    """Its channel is entered again when it is back; the session, and whoever else claims on it, goes on. Mutant: no
    ObjectNotInPrerequisiteStateError in `_try`.
    """
    session = (
        "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'nch-claim%' AND datname = current_database()"
    )
    async with queue.sidecar(application) as one:
        await claims(one)
        before = await queue.admin.fetch(session)
        await queue.admin.execute("SELECT notifychannel.drop_consumer(id, true) FROM notifychannel.consumer")
        await one.logs("entering anew")
        await queue.register()
        await claims(one)
        await queue.change(1)
        await application.until(lambda _: told(application) == [1])
        assert await queue.admin.fetch(session) == before
        assert not [line for line in one.logged if "not claiming" in line]


async def test_what_one_pods_application_would_not_hear_another_one_is_told(database, application):
    """Mutant: a lock that the first session keeps."""
    queue = await Queue.on(database, max_attempts=2, escalate_after=0.2)
    application.judge = lambda _: Say(status=500) if application.posts[-1].path != "/well" else Say()
    async with queue.sidecar(application, "a", escalation_path="/ill") as one:
        await claims(one)
        await queue.change(POISON)
        await application.until(lambda posts: [post for post in posts if post.path == "/ill"])
        async with queue.sidecar(application, "b", escalation_path="/well") as two:
            await claims(two)
            again = "UPDATE notifychannel.queue SET escalate_at = '-infinity' WHERE escalations > 0"
            marked = "SELECT count(*) FROM notifychannel.queue WHERE escalated_at IS NOT NULL AND escalate_at IS NULL"
            async with asyncio.timeout(30):
                while not await queue.admin.fetchval(marked):
                    await queue.admin.execute(again)
                    await asyncio.sleep(0.5)
    assert [post.path for post in application.posts].count("/well") == 1


async def test_a_resync_that_the_queue_could_not_be_asked_for_is_asked_for_by_the_next_session(queue, application):
    """Mutant: `asking` that forgets it."""
    name = "notifychannel.want_resync(integer, text)"
    whole = await queue.admin.fetchval("SELECT pg_get_functiondef($1::regprocedure)", name)
    async with queue.sidecar(application) as one:
        await claims(one)
        head = "CREATE OR REPLACE FUNCTION notifychannel.want_resync(me integer, why text) RETURNS void "
        await queue.admin.execute(head + FAILS.format(error="deadlock_detected"))
        await queue.admin.execute("SELECT pg_notify('orders', 'nonsense')")
        await one.logs("not claiming")
        await queue.admin.execute(whole)
        await application.until(lambda _: resyncs(application))
        await queue.is_done()
    assert resyncs(application) == ["rules"]


OLDER = """
DROP FUNCTION notifychannel.turn, notifychannel.beat;
DROP TABLE notifychannel.passed_over;
CREATE FUNCTION notifychannel.beat(me integer) RETURNS double precision LANGUAGE sql AS 'SELECT NULL::double precision'
"""


async def test_on_objects_of_another_version_a_sidecar_says_so_and_claims_as_soon_as_they_are_brought_up(
    queue, application
):
    """It is not restarted. Mutants: UndefinedFunctionError is Unreachable; is not tried again."""
    await queue.admin.execute(OLDER)
    async with queue.sidecar(application) as one:
        await one.says(lambda said: said["channels"]["orders"]["queue"]["reason"] == "OtherVersion")
        await queue.change(1)
        await queue.install()
        await application.until(lambda _: told(application) == [1])
        await queue.is_done()


@pytest.mark.parametrize(
    ("setting", "of_the_database", "ours"),
    [("default_transaction_isolation", "repeatable read", "read committed"), ("lock_timeout", "50ms", "0")],
)
async def test_claimers_read_what_others_commit_and_wait_for_locks_whatever_the_database_says(
    queue, setting, of_the_database, ours
):
    """Mutants: settle_in.sql without either: 40001 for what everybody else may do; a session ends for each lock that is
    held for a moment.
    """
    name = await queue.admin.fetchval("SELECT current_database()")
    await queue.admin.execute(f"ALTER DATABASE \"{name}\" SET {setting} = '{of_the_database}'")
    connection = await queue.database.connect()
    assert await connection.fetchval(f"SHOW {setting}") == of_the_database
    await Session(connection).settle_in("nch-claim/test", lambda: None)
    assert await connection.fetchval(f"SHOW {setting}") == ours


async def test_one_that_was_given_up_leaves_without_an_error_and_one_that_could_not_does_not(queue):
    """Mutant: `leave` that raises; one that takes a lock that is not to be had for its end."""
    connection = await queue.database.connect()
    session = Session(connection)
    me = await session.enter(config(), "orders", "test")
    holder = await queue.database.connect()
    await holder.execute("BEGIN; SELECT FROM notifychannel.claimer FOR UPDATE")
    await connection.execute("SET lock_timeout = '50ms'")
    with pytest.raises(asyncpg.LockNotAvailableError):
        await session.leave(me)
    await holder.execute("DELETE FROM notifychannel.claimer; COMMIT")
    await session.leave(me)


async def escalating(queue):
    """A row that somebody was given to tell of."""
    await queue.change(1)
    await queue.admin.execute("SELECT notifychannel.drain('0', '{}', 100)")
    await queue.admin.execute("UPDATE notifychannel.queue SET escalations = 1, escalate_at = 'infinity'")


MARKED = "SELECT count(*) FROM notifychannel.queue WHERE escalated_at IS NOT NULL"


async def test_what_was_told_is_said_to_the_queue_within_a_second_or_later(queue):
    """Mutant: `escalated` that waits as long as claims do, of which no other can be shown to live meanwhile."""
    await escalating(queue)
    session = Session(await queue.database.connect())
    await session.settle_in("nch-claim/test", lambda: None)
    me = await session.enter(config(), "orders", "test")
    holder = await queue.database.connect()
    await holder.execute("BEGIN; SELECT FROM notifychannel.queue FOR UPDATE")
    began_s = time.monotonic()
    with pytest.raises(asyncpg.QueryCanceledError):
        await session.escalated(me, ["[1]"])
    assert time.monotonic() - began_s < 3.5, "4 s is what a claim may take"
    await holder.execute("ROLLBACK")
    await session.escalated(me, ["[1]"])
    assert await queue.admin.fetchval(MARKED) == 1


@pytest.fixture
async def another(database):
    """A queue in another database of the same server."""
    admin = await database.connect()
    name = f"{database.name}_other"
    await admin.execute(f'CREATE DATABASE "{name}"')
    async with AsyncExitStack() as stack:
        yield await Queue.on(replace(database, name=name, stack=stack), suspended=True)
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.parametrize("moves", [False, True], ids=["another password", "another database"])
async def test_what_was_told_is_said_to_the_database_of_its_row_and_to_no_other(database, another, moves):
    """Mutants: `told` forgotten by every move; by none."""
    queue = await Queue.on(database, suspended=True)
    for each in (queue, another):
        await escalating(each)
    durable = Durable(on_due=lambda _: None, on_entered=lambda _: None)
    durable.configure([channel("orders", rules=RULES, key=("id",), suspend=True)])
    claimer = Claimer(durable=durable, backoff=Backoff(), escalation=Escalation(post=None))
    claimer.aim(target(database.dsn()))
    task = asyncio.create_task(claimer.run())
    [agenda] = durable.agendas
    async with asyncio.timeout(30):
        while agenda.claimer is None or agenda.next_at <= time.monotonic():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)  # until it has nothing to say for now: on its way it would say this too
        before, there = agenda.hold.epoch, another if moves else queue
        agenda.told.append("[1]")
        claimer.aim(target(there.database.dsn(), fingerprint="2"))
        while agenda.hold.epoch == before or agenda.claimer is None or agenda.told:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        durable.hurry(0.0)
        await task
    assert [await it.admin.fetchval(MARKED) for it in (queue, another)] == [0 if moves else 1, 0]


@pytest.mark.parametrize("first", [Hang(), Close(reset=True), Say(status=500)], ids=["timed out", "reset", "refused"])
async def test_a_post_that_timed_out_or_was_reset_or_refused_comes_again_under_its_id(queue, application, first):
    """The duplicate by which an application knows it: it may have done what was asked before it failed."""
    application.then(first)
    async with queue.sidecar(application) as one:
        await claims(one)
        await queue.change(1)
        await queue.is_done()
    keys = [post.headers["Idempotency-Key"] for post in application.posts]
    assert len(keys) >= 2
    assert set(keys) == {hint["id"] for hint in hints(application)}
    assert len(set(keys)) == 1
