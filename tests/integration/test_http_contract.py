"""The HTTP contract with the application, against a real HTTP server.

The table of docs/http-contract.md (`tests/answers.py`) line by line.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace

import pytest

from notifychannel_sidecar.config_json import MAX_HINTS
from notifychannel_sidecar.deliverer.answer import MAX_BODY_BYTES, Fault, Outcome
from notifychannel_sidecar.hints import Mode, Reason
from tests.answers import ACCEPTED, NOT_ACCEPTED, TROUBLE
from tests.application import Close, Hang, Say
from tests.carrying import carrying
from tests.notification import channel

TOKEN = "s3cret"  # noqa: S105 - of no application
QUICK = channel(window=0.0, timeout=20.0)


async def test_a_hint_is_posted_as_the_contract_says_and_with_the_token():
    async with carrying(replace(QUICK, poll_interval=30.0)) as parts:
        parts.token = TOKEN
        parts.put(42, event="I")
        post = await parts.app.next_post()
    assert post.path == "/hints"
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["Authorization"] == f"Bearer {TOKEN}"
    assert list(post.body) == ["channel", "reason", "mode", "next_within", "since", "hints"]
    identity = post.hint.pop("id")
    assert 8 < len(identity) < 40
    assert post.body == {
        "channel": "orders",
        "reason": "change",
        "mode": "Listening",
        "next_within": 33,
        "since": None,
        "hints": [
            {
                "key": {"tenant_id": 7, "order_id": 42},
                "events": ["insert"],
                "count": 1,
                "first_at": "2026-01-01T00:00:00.000000Z",
                "last_at": "2026-01-01T00:00:00.000000Z",
                "attempt": 1,
            }
        ],
    }


async def test_a_resync_has_no_hints_and_says_since_when_and_in_which_mode():
    async with carrying(QUICK) as parts:
        parts.mode = Mode.POLLING
        parts.resync(Reason.RECONNECT, since="2026-01-01T00:00:00.500000Z")
        post = await parts.app.next_post()
        await parts.until_answers(bool)
    assert "Authorization" not in post.headers
    assert post.body == {
        "channel": "orders",
        "reason": "reconnect",
        "mode": "Polling",
        "next_within": None,
        "since": "2026-01-01T00:00:00.500000Z",
        "hints": [],
    }
    assert (parts.answers[0].reason, parts.answers[0].hints) == (Reason.RECONNECT, 0)


@pytest.mark.parametrize("behaviour", ACCEPTED, ids=repr)
async def test_any_2xx_acknowledges_and_is_not_sent_again(behaviour):
    async with carrying(QUICK) as parts:
        parts.app.then(behaviour)
        parts.put(1, 2)
        assert len((await parts.app.next_post()).keys) == 2
        parts.put(99)
        marker = await parts.app.next_post()
        await parts.until_answers(lambda answers: len(answers) == 2)
        assert marker.hint["key"]["order_id"] == 99
        assert [answer.outcome for answer in parts.answers] == [Outcome.ACKNOWLEDGED] * 2
        assert len(parts.answers[0].first_at_us) == 2
        assert parts.inbox.counts("orders").pending_keys == 0
        assert parts.deliverer.delivering("orders")[0]


@pytest.mark.parametrize("body", [b"", b"OK", b"{", b'{"retry": 7}', b"\xff" * 1000, b"x" * 1_000_000])
async def test_whatever_else_a_2xx_says_is_just_acknowledged(body):
    async with carrying(QUICK) as parts:
        parts.app.then(Say(body=body, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}))
        parts.put(1)
        await parts.until_answers(bool)
        assert parts.answers[0].outcome is Outcome.ACKNOWLEDGED
        parts.put(99)
        await parts.app.until(lambda posts: posts[-1].keys[0]["order_id"] == 99)
        assert len(parts.app.posts) == 2


async def test_ids_named_in_retry_come_again_as_an_attempt_and_the_others_do_not():
    async with carrying(QUICK) as parts:
        parts.app.judge = wants_order_2_twice
        parts.put(1, 2, 3)
        first = await parts.app.next_post()
        second = await parts.app.next_post()
        await parts.until_answers(lambda answers: len(answers) == 2)
    assert second.hint["key"] == {"tenant_id": 7, "order_id": 2}
    assert (second.hint["id"], second.hint["attempt"]) == (first.body["hints"][1]["id"], 2)
    assert second.at - first.at >= 0.9
    assert [answer.outcome for answer in parts.answers] == [Outcome.PARTLY, Outcome.ACKNOWLEDGED]
    assert len(parts.answers[0].first_at_us) == 2


async def test_the_largest_batch_may_be_wanted_again_as_a_whole():
    """Mutants: MAX_BODY_BYTES of 128 KiB; `data=body` in Endpoint._post_once (aiohttp's warning is an error here)."""
    async with carrying(replace(QUICK, max_hints=MAX_HINTS)) as parts:
        parts.app.judge = wants_all_once
        parts.put(*range(MAX_HINTS))
        await parts.until_answers(bool)
    assert parts.answers[0].hints == MAX_HINTS
    assert parts.answers[0].outcome is Outcome.PARTLY
    assert parts.answers[0].first_at_us == ()


async def test_an_answer_that_is_too_long_to_be_read_sends_the_hints_one_by_one():
    """Mutant: `_read` that stops at the limit, so that no body is known as cut."""
    async with carrying(QUICK) as parts:
        parts.app.then(Say(body=b'{"other": "' + b"x" * MAX_BODY_BYTES + b'", "retry": ["a"]}'))
        parts.put(1, 2)
        await parts.until_answers(lambda answers: len(answers) == 3)
    assert [answer.outcome for answer in parts.answers] == [Outcome.ONE_BY_ONE, *[Outcome.ACKNOWLEDGED] * 2]


def wants_all_once(body) -> Say:
    return Say(body=json.dumps({"retry": [hint["id"] for hint in body["hints"] if hint["attempt"] == 1]}).encode())


def wants_order_2_twice(body) -> Say:
    again = [hint["id"] for hint in body["hints"] if hint["key"]["order_id"] == 2 and hint["attempt"] == 1]
    return Say(body=json.dumps({"retry": again}).encode())


@pytest.mark.looptime
@pytest.mark.parametrize("behaviour", NOT_ACCEPTED, ids=repr)
async def test_any_other_answer_to_a_batch_sends_its_hints_one_by_one_and_counts_no_attempt(behaviour):
    """Mutant: `alone=False` in Box.retry."""
    async with carrying(QUICK) as parts:
        parts.app.then(behaviour)
        parts.put(1, 2, 3)
        await parts.app.until(lambda posts: len(posts) == 4)
        await parts.until_answers(lambda answers: len(answers) == 4)
    batch, *singles = parts.app.posts
    assert {post.path for post in parts.app.posts} == {"/hints"}
    assert sorted(post.hint["key"]["order_id"] for post in singles) == [1, 2, 3]
    assert {post.hint["attempt"] for post in singles} == {1}
    assert {post.hint["id"] for post in singles} == {hint["id"] for hint in batch.body["hints"]}
    assert parts.answers[0].outcome is Outcome.ONE_BY_ONE
    assert not parts.answers[0].breaker_open


@pytest.mark.looptime
@pytest.mark.parametrize("behaviour", NOT_ACCEPTED, ids=repr)
async def test_any_other_answer_to_a_single_hint_is_an_attempt_and_redirects_are_not_followed(behaviour):
    """Mutant: `allow_redirects=True` in Endpoint._post_once."""
    async with carrying(QUICK) as parts:
        parts.app.then(behaviour)
        parts.put(1)
        await parts.until_answers(bool)
        assert parts.deliverer.delivering("orders") == (False, f"the application answers {behaviour.status}")
        first, second = await parts.app.next_post(), await parts.app.next_post()
        await parts.until_answers(lambda answers: len(answers) == 2)
        assert parts.deliverer.delivering("orders")[0]
    assert [post.path for post in parts.app.posts] == ["/hints", "/hints"]
    assert (second.hint["id"], second.hint["attempt"]) == (first.hint["id"], 2)
    assert second.at - first.at >= 0.9
    assert (parts.answers[0].outcome, parts.answers[0].status) == (Outcome.FAILED, behaviour.status)


@pytest.mark.looptime
@pytest.mark.parametrize("status", [500, 400, 302])
async def test_a_resync_that_is_not_accepted_comes_again(status):
    async with carrying(QUICK) as parts:
        parts.app.then(Say(status=status))
        parts.resync()
        first, second = await parts.app.next_post(), await parts.app.next_post()
    assert first.body == second.body
    assert second.at - first.at >= 0.9


@pytest.mark.parametrize("behaviour", TROUBLE, ids=repr)
async def test_trouble_puts_all_back_unchanged_and_one_trial_goes_through(behaviour):
    """Mutant: `inbox.retry` for TROUBLE in Courier._settle; or a Breaker that never opens."""
    async with carrying(replace(QUICK, max_hints=1)) as parts:
        parts.app.then(*[behaviour] * 2)
        parts.put(1)
        await parts.until_answers(bool)
        parts.put(2, 3)
        await parts.until_answers(lambda answers: len(answers) == 5)
    first, trial = parts.app.posts[:2]
    assert [answer.outcome for answer in parts.answers] == [Outcome.TROUBLE] * 2 + [Outcome.ACKNOWLEDGED] * 3
    assert [answer.breaker_open for answer in parts.answers] == [True, True, False, False, False]
    assert {post.hint["attempt"] for post in parts.app.posts} == {1}
    assert trial.at - first.at >= 0.09
    assert sorted(post.hint["key"]["order_id"] for post in parts.app.posts[2:]) == [1, 2, 3]


async def test_what_is_not_an_answer_in_time_is_an_attempt():
    async with carrying(replace(QUICK, timeout=0.2)) as parts:
        parts.app.then(Hang())
        parts.put(1)
        await parts.until_answers(bool)
        assert parts.deliverer.delivering("orders") == (False, f"no answer on 127.0.0.1:{parts.app.port} within 0.2 s")
        await parts.app.until(lambda posts: len(posts) == 2)
    assert (parts.answers[0].outcome, parts.answers[0].fault) == (Outcome.FAILED, Fault.TIMEOUT)
    assert parts.app.posts[1].hint["attempt"] == 2


async def test_an_application_that_is_down_at_the_start_gets_everything_when_it_is_up():
    async with carrying(QUICK) as parts:
        await parts.app.refuse()
        parts.resync()
        parts.put(1, 2)
        await parts.until_answers(lambda answers: len(answers) == 3)
        assert {answer.fault for answer in parts.answers} == {Fault.REFUSED}
        assert parts.deliverer.delivering("orders") == (False, f"connection refused on 127.0.0.1:{parts.app.port}")
        assert parts.deliverer.breaker_open("orders")
        await parts.app.listen()
        assert (await parts.app.next_post()).body["reason"] == "start"
        parts.put(3)
        assert (await parts.app.next_post()).keys == [{"tenant_id": 7, "order_id": 3}]


async def test_retry_after_wins_over_the_backoff():
    async with carrying(QUICK) as parts:
        parts.app.then(Say(status=503, headers={"Retry-After": "1"}))
        parts.put(1)
        first, second = await parts.app.next_post(), await parts.app.next_post()
    assert second.at - first.at >= 1.0


async def test_a_kept_alive_connection_that_the_application_closed_is_no_trouble():
    """Mutant: `if True` for the question about `trip.reused` in Endpoint._post."""
    async with carrying(QUICK) as parts:
        for order in range(50):
            parts.put(order)
            await parts.until_answers(lambda answers, count=order + 1: len(answers) == count)
            parts.app.close_idle_connections()
    assert {answer.outcome for answer in parts.answers} == {Outcome.ACKNOWLEDGED}
    assert {post.hint["attempt"] for post in parts.app.posts} == {1}


async def test_an_application_that_does_not_speak_http_is_named():
    async with carrying(QUICK) as parts:
        await parts.app.refuse()
        greeting = await _greet(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", parts.app.port)
        parts.put(1)
        await parts.until_answers(bool)
        greeting.close()
        await greeting.wait_closed()
        assert parts.answers[0].fault is Fault.NOT_HTTP
        assert "does not answer in HTTP" in parts.deliverer.delivering("orders")[1]


async def _greet(greeting: bytes, port: int):
    async def answer(reader, writer):
        await reader.read(1)
        writer.write(greeting)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", port)


async def test_proxies_of_the_environment_are_not_asked(monkeypatch):
    """Mutant: `trust_env=True` in open_session."""
    monkeypatch.setitem(os.environ, "http_proxy", "http://127.0.0.1:9")
    monkeypatch.setitem(os.environ, "no_proxy", "")
    async with carrying(QUICK) as parts:
        parts.put(1)
        await parts.app.next_post()


@pytest.mark.parametrize("token", ["", "two\r\nlines", "é"])
async def test_what_can_not_be_a_token_is_not_sent_and_stops_nothing(token):
    async with carrying(QUICK) as parts:
        parts.token = token
        parts.put(1)
        assert "Authorization" not in (await parts.app.next_post()).headers


@pytest.mark.parametrize("path", ["/hints?x=1&y=a%20b", "/a%2Fb", "/é", "//127.0.0.2/x", "@127.0.0.2/x"])
async def test_any_path_stays_on_this_host(path):
    async with carrying(replace(QUICK, path=path)) as parts:
        parts.put(1)
        post = await parts.app.next_post()
    assert post.headers["Host"] == f"127.0.0.1:{parts.app.port}"


async def test_no_body_no_token_and_no_key_is_logged(caplog):
    caplog.set_level("DEBUG")
    async with carrying(QUICK) as parts:
        parts.token = TOKEN
        parts.app.then(Close(), Say(status=500, body=TOKEN.encode()), Say(body=TOKEN.encode()))
        parts.put(424242)
        await parts.until_answers(lambda answers: len(answers) == 3)
    assert "the application answers 500" in caplog.text
    assert TOKEN not in caplog.text
    assert "424242" not in caplog.text
