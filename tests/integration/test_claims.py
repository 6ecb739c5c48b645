"""Hints that the application fetches: from the row to the acknowledgement, with real sidecars and a real queue."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from notifychannel_sidecar.app import FINISH_TIMEOUT_S
from notifychannel_sidecar.config import Way
from notifychannel_sidecar.durable.claimer import Claimer
from notifychannel_sidecar.durable.durable import Durable
from notifychannel_sidecar.durable.escalation import Escalation
from notifychannel_sidecar.durable.settlement import Outcome
from notifychannel_sidecar.listener.backoff import Backoff
from notifychannel_sidecar.pull.desks import FINISHING, OTHER_WAYS
from notifychannel_sidecar.pull.request import ACK_EXAMPLE, CLAIM_EXAMPLE
from tests import queueing
from tests.application import Application, Say, Work
from tests.claiming import Worker, ids, jobs, local_port, pod
from tests.durably import Queue, claims, told
from tests.listening import channel, config, target

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="session")
def server(newest):
    """What differs between versions is in SQL, and that has its own tests."""
    return newest


@pytest.fixture
def template(server):
    return queueing.template(server)


@pytest.fixture
async def queue(database):
    return await Queue.on(database, timeout=30.0)


async def test_a_change_is_claimed_and_leaves_the_queue_when_it_is_acknowledged(queue):
    async with pod(queue) as one, await Worker.beside(one) as worker:
        await claims(one)
        assert await worker.claim(wait=0) == []
        asking = asyncio.create_task(worker.claim())
        await queue.change(1)
        [claim] = await asking
        assert (claim["channel"], claim["reason"], claim["next_within"]) == ("orders", "change", None)
        assert (claim["hints"][0]["key"], claim["hints"][0]["attempt"], claim["expires_in"]) == ({"id": 1}, 1, 30)
        assert await queue.rows() == {"[1]": "claimed"}
        assert await worker.ack(done=[claim]) == {"done": 1, "retry": 0, "released": 0, "extended": 0, "gone": []}
        assert await queue.rows() == {}, "who has its answer may rely on it"
        assert ids(worker.got) == [1]


async def settled_in(queue, *keys):
    """These changes are in the queue."""
    await queue.change(*keys)
    wanted = {f"[{key}]" for key in keys}
    await queue.until(lambda rows: wanted <= rows.keys() and "outbox" not in rows)


async def test_a_claim_takes_up_to_as_many_as_it_asks_for_and_no_more_are_held(queue):
    """A thousand at once, though POSTs are made ready some at a time."""
    async with pod(queue) as one, await Worker.beside(one) as worker:
        await claims(one)
        await settled_in(queue, *range(1500))
        found = await worker.claim(most=1000)
        assert len(found) == len(set(ids(found))) == 1000
        assert sorted((await queue.rows()).values()).count("claimed") == 1000
        assert (await worker.ack(done=found))["done"] == 1000
        rest = await worker.claim(most=1000)
        assert len(rest) == 500
        assert (await worker.ack(done=rest))["done"] == 500
        assert await one.metric("notifychannel_hints_delivered_total") == 1500
        assert 'answer="claim"' in await one.get("/metrics")
    assert await queue.rows() == {}


async def test_two_workers_on_one_sidecar_share_a_thousand_jobs_and_each_keys_changes_come_in_order(queue):
    """Each once, for all is well; those that change meanwhile once more, never while somebody is at them."""
    at_work, overlaps = set(), []

    async def working(worker):
        while True:
            found = await worker.claim(most=7, wait=1)
            keys = ids(found)
            overlaps.extend(key for key in keys if key in at_work)
            at_work.update(keys)
            await asyncio.sleep(0.002)
            at_work.difference_update(keys)
            if found:
                assert (await worker.ack(done=found))["gone"] == []

    async with pod(queue) as one, await Worker.beside(one) as first, await Worker.beside(one) as second:
        await claims(one)
        running = [asyncio.create_task(working(worker)) for worker in (first, second)]
        await queue.change(*range(1000))
        for _ in range(5):
            await queue.change(*range(1000, 1050))
            await asyncio.sleep(0.05)
        await queue.is_done()
        for task in running:
            task.cancel()
        assert {task.exception() if task.done() else None for task in running} == {None}
    got = first.got + second.got
    keys = ids(got)
    assert overlaps == []
    assert {keys.count(key) for key in range(1000)} == {1}
    assert first.got
    assert second.got
    for key in range(1000, 1050):
        hints = [it["hints"][0] for it in got if ids([it]) == [key]]
        assert sum(hint["count"] for hint in hints) == 5
        moments = [hint["last_at"] for hint in sorted(hints, key=lambda hint: int(hint["id"].split("-")[0], 16))]
        assert moments == sorted(moments)


async def test_what_is_released_is_anothers_at_once_and_was_no_attempt(queue):
    async with pod(queue, "a") as one, pod(queue, "b") as two:
        await claims(one)
        await claims(two)
        async with await Worker.beside(one) as first, await Worker.beside(two) as second:
            await queue.change(7)
            [given] = await first.claim(wait=30)
            waiting = asyncio.create_task(second.claim(wait=30))
            said = await first.ack(release=[given])
            assert said == {"done": 0, "retry": 0, "released": 1, "extended": 0, "gone": []}
            [again] = await waiting
            assert again["hints"][0] == given["hints"][0]
            assert (await first.ack(release=[given]))["gone"] == [given["claim"]]
            assert (await second.ack(done=[again]))["done"] == 1
        assert 'answer="release",channel="orders"} 1.0' in await one.get("/metrics")
    assert await queue.rows() == {}


async def test_what_is_tried_again_waits_for_its_backoff_dies_in_the_end_and_comes_when_it_is_redriven(database):
    """Under one id."""
    queue = await Queue.on(database, max_attempts=3, timeout=30.0)
    async with pod(queue) as one, await Worker.beside(one) as worker:
        await claims(one)
        await queue.change(7)
        attempts = []
        for _ in range(3):
            [claim] = await worker.claim(wait=30)
            attempts.append(claim["hints"][0]["attempt"])
            said = await worker.ack(retry=[claim], error="no\x1b[31m stock\n left " + "x" * 500)
            assert said == {"done": 0, "retry": 1, "released": 0, "extended": 0, "gone": []}
        assert attempts == [1, 2, 3]
        assert await queue.rows() == {"[7]": "dead"}
        error = await queue.admin.fetchval("SELECT last_error FROM notifychannel.queue")
        assert error.startswith("application: no [31m stock left xxx")
        assert len(error) == len("application: ") + 200
        assert await worker.claim(wait=0) == []
        await queue.admin.execute("SELECT notifychannel.redrive(id, NULL, NULL, false) FROM notifychannel.consumer")
        [again] = await worker.claim()
        assert {it["hints"][0]["id"] for it in worker.got} == {again["hints"][0]["id"]}
        assert (await worker.ack(done=[again]))["done"] == 1
    assert await queue.rows() == {}


async def test_a_claim_that_is_extended_lasts_longer_and_one_that_is_not_does_not(database):
    queue = await Queue.on(database, timeout=4.0)
    async with pod(queue) as one, await Worker.beside(one) as worker:
        await claims(one)
        await settled_in(queue, 1, 2)
        found = {ids([it])[0]: it for it in await worker.claim(most=2)}
        began = asyncio.get_running_loop().time()
        again = asyncio.create_task(worker.claim(wait=30))
        while not again.done():
            assert (await worker.ack(extend=[found[1]]))["extended"] == 1
            await asyncio.wait({again}, timeout=0.5)
        assert asyncio.get_running_loop().time() - began >= 3.0
        assert ids(await again) == [2]
        await asyncio.sleep(0.5)
        assert (await worker.ack(done=[found[1], found[2]])) == {
            "done": 1, "retry": 0, "released": 0, "extended": 0, "gone": [found[2]["claim"]],
        }  # fmt: skip
        assert (await worker.ack(done=again.result()))["done"] == 1
    assert await queue.rows() == {}


async def test_a_pod_whose_application_never_claims_holds_back_nothing_from_the_others(queue):
    async with pod(queue, "idle") as idle, pod(queue, "busy") as busy, await Worker.beside(busy) as worker:
        await claims(idle)
        await claims(busy)
        waits = []
        for number in range(20):
            asking = asyncio.create_task(worker.claim(wait=30))
            began = asyncio.get_running_loop().time()
            await queue.change(number)
            found = await asking
            waits.append(asyncio.get_running_loop().time() - began)
            assert ids(found) == [number]
            assert (await worker.ack(done=found))["done"] == 1
        assert sorted(waits)[10] < 1.0
        assert await idle.metric("notifychannel_claimed_total") == 0
    assert await queue.rows() == {}


async def test_a_sidecar_that_finishes_takes_answers_and_hands_out_nothing(queue):
    """What is answered is done, and who waits hears at once."""
    async with pod(queue) as one, await Worker.beside(one) as worker:
        await claims(one)
        await settled_in(queue, 1)
        [given] = await worker.claim()
        waiting = asyncio.create_task(worker.claim(wait=60))
        await queue.beats_again()
        one.signal(signal.SIGUSR1)
        assert await waiting == []
        status, said, headers = await worker.ask("/v1/claim", {"channel": "orders"})
        assert (status, said["error"], headers["Retry-After"]) == (503, FINISHING, "1")
        await queue.change(2)
        await asyncio.sleep(FINISH_TIMEOUT_S + 1.0)
        assert not [line for line in one.logged if "finished" in line], "the worker lives, and so does the pod"
        assert (await worker.ack(done=[given]))["done"] == 1
        await one.logs("finished; 0 keys are left")
        await queue.until(lambda rows: rows == {} or set(rows.values()) <= {"pending", "appended"})
        assert await queue.admin.fetchval("SELECT count(*) FROM notifychannel.claimer") == 0


async def test_a_suspended_channel_hands_out_nothing_until_it_is_resumed(queue):
    async with pod(queue) as one, await Worker.beside(one) as worker:
        await claims(one)
        one.configure(config(jobs(queue, suspend=True)))
        await one.says(lambda said: said["channels"]["orders"]["suspended"])
        await settled_in(queue, 1)
        assert await worker.claim(wait=0.2) == []
        asking = asyncio.create_task(worker.claim(wait=60))
        one.configure(config(jobs(queue)))
        found = await asking
        while len(found) < 2:
            found += await worker.claim()
        assert ids(found) == [1]
        assert [it["reason"] for it in found if not it["hints"]] == ["rules"]
        assert (await worker.ack(done=found))["done"] == 2


async def test_a_resync_is_a_claim_like_any_other_and_holds_up_nobody(queue):
    """A worker may be at a key for an hour."""
    async with pod(queue) as one, await Worker.beside(one) as worker:
        await claims(one)
        await settled_in(queue, 1)
        [first] = await worker.claim()
        await queue.change()
        [everything] = await worker.claim()
        assert (everything["hints"], everything["reason"]) == ([], "bulk")
        await queue.change(2)
        [second] = await worker.claim()
        assert ids([first, second]) == [1, 2]
        assert (await worker.ack(done=[first, everything, second]))["done"] == 3
    assert await queue.rows() == {}


async def test_a_channel_that_is_switched_between_endpoint_and_claims_loses_nothing_and_is_at_no_key_twice(queue):
    """While rows wait, POSTs are under way and claims are out. What was out may be answered still."""
    async with Application() as application:
        application.behaviour = Work(seconds=1.0)
        posted = {"port": application.port, "path": "/hints", "max_hints": 1}
        async with pod(queue, timeout=20.0, **posted) as one:
            await claims(one)
            await settled_in(queue, *range(40))
            await application.until(lambda posts: len(posts) >= 6)
            one.configure(config(jobs(queue, timeout=20.0)))
            port = await local_port(one)
            async with Worker(port=port) as worker:
                found = await worker.claim(most=10)
                assert not set(ids(found)) & set(told(application)[-4:])
                assert (await worker.ack(done=found[:5]))["done"] == 5
                before = len(told(application))
                other = channel("other", delivery="BestEffort", port=0, path="")
                application.behaviour = Say()
                one.configure(config(jobs(queue, timeout=20.0, **posted), other))
                await application.until(lambda posts: len(posts) > before)
                assert (await worker.ack(done=found[5:7]))["done"] == 2
                out = set(ids(found[7:]))
                kept = out | set(told(application)[:before])
                await queue.until(lambda rows: {json.loads(key)[0] for key in rows} <= kept)
                assert not out & set(told(application)[before:])
                ask = {"channel": "orders"}
                assert (await worker.ask("/v1/claim", ask))[0] == 409
                one.configure(config(jobs(queue, timeout=20.0)))
                while (said := await worker.ask("/v1/claim", ask))[0] == 409:  # noqa: ASYNC110 - it can only be asked
                    await asyncio.sleep(0.05)
                worker.got += said[1]["claims"]
                await worker.ack(done=said[1]["claims"])
                while await queue.rows():
                    await worker.ack(done=await worker.claim(most=100, wait=1))
    assert set(told(application)) | set(ids(worker.got)) == set(range(40))
    assert application.overlaps == []


async def test_who_waits_is_given_a_hint_within_milliseconds_of_its_notify(queue, record_property):
    """Beside a POST's own latency in the same run, for a floor; no test fails on a speed."""
    async with Application() as application, pod(queue, port=application.port, path="/hints") as one:
        await claims(one)
        posts = []
        for number in range(60):
            began = asyncio.get_running_loop().time()
            await queue.change(number)
            await application.until(lambda them, number=number: len(them) > number)
            posts.append(application.posts[-1].at - began)
        await queue.is_done()
    async with pod(queue) as one, await Worker.beside(one) as worker:
        await claims(one)
        pulls = []
        for number in range(60):
            asking = asyncio.create_task(worker.claim(wait=30))
            await asyncio.sleep(0.05)
            began = asyncio.get_running_loop().time()
            await queue.change(number)
            found = await asking
            pulls.append(asyncio.get_running_loop().time() - began)
            assert (await worker.ack(done=found))["done"] == 1
    post_ms, pull_ms = (1000 * sorted(them)[30] for them in (posts, pulls))
    record_property("figures", f"p50 of 60: change → claim answered {pull_ms:.1f} ms, change → POST {post_ms:.1f} ms")


WAIT = "wait: has to be a number of seconds from 0 to 60; then ask again"
BAD = [
    ("/v1/claim", b"{", 400, f"the body: is not JSON; write it as {CLAIM_EXAMPLE}"),
    ("/v1/claim", {"channel": "orders", "wait": 61}, 400, WAIT),
    ("/v1/claim", {"channel": "nobody"}, 404, "there is no such channel; to be claimed: orders"),
    ("/v1/claim", {"channel": "posted"}, 409, f"channel posted {OTHER_WAYS[Way.POST]}"),
    ("/v1/claim", {"channel": "streamed"}, 409, f"channel streamed {OTHER_WAYS[Way.STREAM]}"),
    ("/v1/ack", {}, 400, f"the body: names none of done, retry, release and extend; write it as {ACK_EXAMPLE}"),
    ("/v1/ack", b"x" * 2_000_000, 413, None),
]


async def test_whoever_asks_wrongly_is_told_what_to_write(queue):
    others = [channel("posted"), channel("streamed", port=0, path="")]
    async with pod(queue) as one:
        one.configure(config(jobs(queue), *others))
        await one.says(lambda said: "streamed" in said["channels"])
        async with await Worker.beside(one) as worker:
            for path, body, status, sentence in BAD:
                found, said, _ = await worker.ask(path, body)
                assert (found, said["error"] if sentence else None) == (status, sentence)
            async with worker.http.get("/v1/claim") as answer:
                assert (answer.status, answer.headers["Allow"]) == (405, "POST")
            assert await worker.ack(done=[]) == {"done": 0, "retry": 0, "released": 0, "extended": 0, "gone": []}
            status, said, _ = await worker.ask("/v1/ack", {"done": ["nonsense"], "extend": ["\ud800"]})
            assert (status, said["gone"]) == (200, ["nonsense", "\ud800"])


async def test_nobody_claims_for_long_and_something_waits(queue):
    """`/status` says so: the unit tests say when. Here: it does not where all is well."""
    async with pod(queue) as one, await Worker.beside(one) as worker:
        said = (await one.status())["channels"]["orders"]
        assert (said["delivering"], said["last_answer"]) == (True, "nothing had to be delivered yet")
        await worker.claim(wait=0)
        said = (await one.status())["channels"]["orders"]
        assert (said["delivering"], said["last_answer"]) == (True, "the application claims")


async def test_a_channel_that_becomes_claimed_from_best_effort_posts_looks_at_everything(queue):
    async with (
        Application() as application,
        pod(queue, port=application.port, path="/hints", delivery="BestEffort") as one,
    ):
        await application.until(lambda posts: len(posts) == 1)
        one.configure(config(jobs(queue)))
        async with Worker(port=await local_port(one)) as worker:
            await queue.change(1)
            found = []
            while len(found) < 2:
                found += await worker.claim()
            assert ids(found) == [1]
            assert [it["reason"] for it in found if not it["hints"]] == ["rules"]
            assert (await worker.ack(done=found))["done"] == 2


async def test_a_rotated_secret_moves_the_claims_without_a_duplicate(queue):
    """Who is at work is waited for."""
    async with pod(queue) as one, await Worker.beside(one) as worker:
        await claims(one)
        working = asyncio.create_task(worker.work(most=3, seconds=0.05))
        await queue.change(*range(60))
        while len(worker.got) < 10:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
        one.write("secret/uri", f"{queue.database.dsn()}?sslmode=disable")
        await one.logs("claiming anew")
        await queue.is_done()
        working.cancel()
        await asyncio.wait({working})
        assert working.cancelled()
    assert sorted(ids(worker.got)) == list(range(60)), "each once"


async def test_who_is_at_work_holds_up_a_rotated_secret_for_so_long_and_keeps_its_time(queue, monkeypatch):
    """Or one that extends for ever would."""
    monkeypatch.setattr("notifychannel_sidecar.durable.claimer.MOVE_WITHIN_S", 0.5)
    await queue.change(1)
    await queue.admin.execute("SELECT notifychannel.drain('0', '{}', 100)")
    durable = Durable(on_due=lambda _: None, on_entered=lambda _: None)
    durable.configure([jobs(queue)])
    claimer = Claimer(durable=durable, backoff=Backoff(), escalation=Escalation(post=None))
    claimer.aim(target(queue.database.dsn()))
    task = asyncio.create_task(claimer.run())
    agenda = durable.agenda("orders")
    durable.want("orders", 1)
    async with asyncio.timeout(60):
        while (work := durable.take("orders", 0.0)) is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
        before = agenda.hold.epoch
        claimer.aim(target(queue.database.dsn(), fingerprint="2"))
        while agenda.hold.epoch == before or agenda.claimer is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
        assert await queue.rows() == {"[1]": "claimed"}
        assert not durable.answer(work, Outcome.DONE, None, lambda _: None)
        durable.hurry(0.0)
        await task


async def test_a_sidecar_that_is_only_terminated_waits_five_seconds_for_answers(queue):
    """Nobody says how long its worker lives."""
    async with pod(queue) as one, await Worker.beside(one) as worker:
        await claims(one)
        await settled_in(queue, 1)
        [given] = await worker.claim()
        one.signal(signal.SIGTERM)
        assert (await worker.ack(extend=[given]))["extended"] == 1
        assert await one.ends() == 0
    assert await queue.rows() == {"[1]": "claimed"}, "others leave it alone until its time is over"
