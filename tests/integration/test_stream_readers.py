"""Readers of the stream at a real port, with a time limit that needs no waiting: filters, refusals, and slow ones."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from notifychannel_sidecar.hints import Mode
from notifychannel_sidecar.stream import reader as readers
from notifychannel_sidecar.stream import stream as streams
from notifychannel_sidecar.stream import websocket
from tests.reading import PATH, opened, reading
from tests.streaming import streamed, streaming

TOKEN = "t0ken"  # noqa: S105 - a test's
CARTS = streamed(name="carts", pg_channel="carts")
POSTED = streamed(name="posted", pg_channel="posted", port=8080, path="/hints")
CLAIMED = streamed(name="jobs", pg_channel="jobs", delivery="AtLeastOnce", capture="Outbox")


def order(number):
    return {"tenant_id": 7, "order_id": number}


async def test_a_reader_gets_the_channels_and_keys_that_it_asks_for_and_no_others():
    async with streaming(streamed(), CARTS) as parts:  # noqa: SIM117 - the port is known then
        async with (
            reading(parts.port, "?channel=orders&key.order_id=3&key.order_id=4") as some,
            reading(parts.port, "?channel=carts") as carts,
            reading(parts.port, "?key.order_id=4&key.tenant_id=7") as both,
        ):
            assert [(await some.message()).data["channel"]] == ["orders"]
            assert [(await carts.message()).data["channel"]] == ["carts"]
            assert {(await both.message()).data["channel"] for _ in range(2)} == {"orders", "carts"}
            for number in (1, 2, 3, 4):
                parts.put(number)
                parts.put(number, name="carts")
                await parts.deliverer.finish(5)
            parts.resync(name="orders")
            parts.resync(name="carts")
            assert [(await some.message()).keys for _ in range(3)] == [[order(3)], [order(4)], []]
            assert [(await carts.message()).keys for _ in range(5)] == [*([order(it)] for it in (1, 2, 3, 4)), []]
            heard = [await both.message() for _ in range(4)]
            assert sorted((it.data["channel"], *it.keys) for it in heard if it.keys) == [
                ("carts", order(4)), ("orders", order(4)),
            ]  # fmt: skip


async def test_a_reader_that_comes_back_gets_what_it_missed_and_nothing_else():
    async with streaming() as parts:
        async with reading(parts.port) as first:
            await first.message()
            parts.put(1)
            assert (await first.message()).keys == [order(1)]
        parts.put(2, 3)
        parts.put(2)
        await parts.deliverer.finish(5)
        async with reading(parts.port, last_id=first.last_id) as second:
            found = await second.message()
            assert sorted(found.keys, key=str) == [order(2), order(3)]
            parts.put(4)
            assert (await second.message()).keys == [order(4)]


async def test_the_id_may_stand_in_the_query_and_the_header_is_newer():
    """A browser reconnects to the address of its first request, with the id that it has by then."""
    async with streaming() as parts:
        async with reading(parts.port) as first:
            await first.message()
            old = first.last_id
            parts.put(1)
            await first.message()
        async with reading(parts.port, f"?last_event_id={old}") as by_query:
            assert (await by_query.message()).keys == [order(1)]
        async with reading(parts.port, f"?last_event_id={old}", last_id=first.last_id) as by_header:
            parts.put(2)
            assert (await by_header.message()).keys == [order(2)]


async def test_a_burst_of_more_keys_than_are_kept_reaches_who_reads():
    async with streaming(streamed(max_hints=10)) as parts:
        async with reading(parts.port) as stream:
            await stream.message()
            for first in range(0, 3000, 10):
                parts.put(*range(first, first + 10))
            found = set()
            while len(found) < 3000:
                event = await stream.message()
                assert event.keys, event.data["reason"]
                found |= {key["order_id"] for key in event.keys}
        assert parts.stream.counts("orders").overflows == 0


async def test_who_was_away_for_more_keys_than_are_kept_looks_at_every_key():
    async with streaming() as parts:
        async with reading(parts.port) as first:
            await first.message()
        for number in range(1500):
            parts.put(number)
        await parts.deliverer.finish(5)
        async with reading(parts.port, last_id=first.last_id) as second:
            event = await second.message()
        assert (event.data["reason"], event.data["hints"]) == ("overflow", [])
        assert parts.stream.counts("orders").overflows == 1


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("?chanel=orders", 400, "knows no chanel"),
        ("?key.order=1", 400, "finds no order in a key; there are order_id, tenant_id"),
        ("?channel=rooms", 404, "knows no channel rooms of this pod's group; streamed are: orders"),
        ("?channel=posted", 404, "POSTed to its `endpoint`"),
        ("?channel=orders&channel=jobs", 404, "POST /v1/claim"),
    ],
)
async def test_what_can_not_be_read_is_refused_with_a_sentence(query, status, words):
    async with streaming(streamed()) as parts:
        parts.stream.configure([streamed(), POSTED, CLAIMED])
        async with reading(parts.port, query) as refused:
            assert refused.status == status
            assert words in (await refused.body())["error"]


async def test_where_nothing_is_streamed_it_says_what_is_done_instead():
    async with streaming(streamed()) as parts:
        for channels, query, words in (
            ((CLAIMED,), "", "has nothing to read: jobs is claimed: POST /v1/claim"),
            ((CLAIMED, POSTED), "", "jobs is claimed: POST /v1/claim, posted is POSTed to its `endpoint`"),
            (
                (CLAIMED,),
                "?channel=rooms",
                "knows no channel rooms of this pod's group; none is streamed: jobs is claimed",
            ),
            ((), "", "this pod's group has no channel"),
        ):
            parts.stream.configure(channels)
            async with reading(parts.port, query) as refused:
                assert refused.status == 404
                assert words in (await refused.body())["error"]


async def test_other_methods_are_refused():
    async with streaming() as parts, aiohttp.ClientSession() as http:
        for method in ("HEAD", "POST", "PUT", "DELETE"):
            async with http.request(method, f"http://127.0.0.1:{parts.port}{PATH}") as answer:
                assert (answer.status, answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        (None, {"Origin": "https://evil.example"}, 403),
        (None, {"Origin": "null"}, 403),
        (None, {"Host": "evil.example:9790"}, 403),
        (None, {"Origin": "http://localhost:3000"}, 200),
        (None, {"Host": "localhost"}, 200),
        (TOKEN, {}, 401),
        (TOKEN, {"Authorization": "Bearer wrong"}, 401),
        (TOKEN, {"Authorization": f"Basic {TOKEN}"}, 401),
        (TOKEN, {"Authorization": f"Bearer {TOKEN}"}, 200),
        (TOKEN, {"Authorization": f"Bearer {TOKEN}", "Host": "orders-api"}, 200),
    ],
    ids=str,
)
async def test_no_page_of_elsewhere_reads_and_nobody_without_the_token(token, headers, status):
    """For both transports."""
    async with streaming() as parts:
        parts.token = token
        async with reading(parts.port, **headers) as stream:
            assert stream.status == status
        upgrade = {
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }  # fmt: skip
        async with reading(parts.port, **headers, **upgrade) as stream:
            assert stream.status == (101 if status == 200 else status)


async def test_a_reader_that_does_not_read_holds_up_nobody_and_is_cut_off(monkeypatch):
    monkeypatch.setattr(readers, "WRITE_TIMEOUT_S", 0.5)
    async with streaming(streamed(max_hints=100)) as parts:
        async with reading(parts.port, receive_bytes=4096) as frozen, reading(parts.port) as quick:
            await frozen.message()
            await quick.message()
            number = 0
            while parts.stream.tally.slow_readers == 0:
                parts.put(*range(number, number + 100))
                number += 100
                async with asyncio.timeout(5):
                    while order(number - 1) not in (await quick.message()).keys:
                        pass
            assert parts.stream.readers("orders") == 1
            got = await frozen.until_cut()
            assert len(got) < number
        async with reading(parts.port, last_id=frozen.last_id) as back:
            while len(got) < number:
                event = await back.message()
                got |= set(range(number)) if event.is_resync else {key["order_id"] for key in event.keys}


async def test_a_frozen_reader_that_goes_on_in_time_gets_one_resync_for_what_it_missed():
    async with streaming(streamed(max_hints=100)) as parts:
        async with reading(parts.port, receive_bytes=4096) as frozen:
            await frozen.message()
            number = 0
            while number < 50_000:
                parts.put(*range(number, number + 100))
                number += 100
                await asyncio.sleep(0)
            await parts.deliverer.finish(0.1)
            events = [await frozen.message()]
            while frozen.last_id != parts.stream.shelves.event_id(parts.stream.shelves.newest):
                events.append(await frozen.message())
        assert "overflow" in [event.data["reason"] for event in events]
        assert parts.stream.counts("orders").overflows >= 1
        assert len(events) < 300


async def test_a_full_stream_sends_one_more_away(monkeypatch):
    monkeypatch.setattr(streams, "READERS", 2)
    async with streaming() as parts, reading(parts.port), reading(parts.port), reading(parts.port) as third:
        assert (third.status, third.headers["retry-after"]) == (503, "1")
        assert "as many readers" in (await third.body())["error"]


async def test_a_change_of_mode_is_told_and_is_no_hint():
    async with streaming() as parts, reading(parts.port) as stream:
        assert (await stream.next()).data == {"mode": "Listening"}
        assert (await stream.next()).is_resync
        before = stream.last_id
        parts.say(Mode.POLLING)
        told = await stream.next()
        assert (told.kind, told.data, told.last_id) == ("mode", {"mode": "Polling"}, before)
        parts.put(1)
        assert (await stream.next()).data["mode"] == "Polling"


async def test_silence_is_filled_and_keeps_the_id_up_to_date(monkeypatch):
    """Who filters all out would have to look at every key when it comes back."""
    monkeypatch.setattr(readers, "HEARTBEAT_S", 0.1)
    async with streaming() as parts:
        async with reading(parts.port, "?key.order_id=1") as stream:
            await stream.message()
            before = stream.last_id
            for number in range(2, 5):
                parts.put(number)
            await stream.heartbeat()
            await stream.heartbeat()
            assert stream.last_id != before
        async with reading(parts.port, "?key.order_id=1", last_id=stream.last_id) as back:
            parts.put(1)
            assert (await back.message()).keys == [order(1)]


async def test_a_websocket_gets_the_same_as_messages_and_what_it_says_is_not_read():
    async with streaming() as parts, aiohttp.ClientSession() as http:
        async with http.ws_connect(f"ws://127.0.0.1:{parts.port}{PATH}?channel=orders") as socket:
            first = await socket.receive_json(timeout=10)
            assert first == {"id": None, "event": "mode", "data": {"mode": "Listening"}}
            start = await socket.receive_json(timeout=10)
            assert (start["event"], start["data"]["reason"], start["data"]["hints"]) == ("hint", "start", [])
            await socket.send_str('{"ack": "everything"}')
            parts.put(1)
            change = await socket.receive_json(timeout=10)
            assert change["data"]["hints"][0]["key"] == order(1)
        parts.put(2)
        await parts.deliverer.finish(5)
        last = change["id"]
        async with http.ws_connect(f"ws://127.0.0.1:{parts.port}{PATH}?last_event_id={last}") as socket:
            assert (await socket.receive_json(timeout=10))["event"] == "mode"
            assert (await socket.receive_json(timeout=10))["data"]["hints"][0]["key"] == order(2)


async def test_a_websocket_that_says_too_much_at_once_is_closed():
    async with streaming() as parts, aiohttp.ClientSession() as http:  # noqa: SIM117 - the port is known then
        async with http.ws_connect(f"ws://127.0.0.1:{parts.port}{PATH}") as socket:
            await socket.send_str("x" * 100_000)
            while (message := await socket.receive(timeout=10)).type is aiohttp.WSMsgType.TEXT:
                pass
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1009)


async def test_a_websocket_without_a_pong_is_gone(monkeypatch):
    """A peer whose process stands still: TCP says nothing."""
    monkeypatch.setattr(websocket, "PING_S", 0.2)
    async with streaming() as parts, aiohttp.ClientSession() as http:  # noqa: SIM117 - the port is known then
        async with http.ws_connect(f"ws://127.0.0.1:{parts.port}{PATH}", autoping=False) as socket:
            while (message := await socket.receive(timeout=10)).type is not aiohttp.WSMsgType.PING:
                assert message.type is aiohttp.WSMsgType.TEXT
            async with asyncio.timeout(10):
                while parts.stream.readers("orders"):  # noqa: ASYNC110 - nobody tells of it
                    await asyncio.sleep(0.02)


async def test_the_end_is_told_after_everything_that_was_due():
    async with streaming(streamed(window=60.0, max_delay=60.0)) as parts, aiohttp.ClientSession() as http:  # noqa: SIM117 - the port is known then
        async with (
            reading(parts.port) as stream,
            http.ws_connect(f"ws://127.0.0.1:{parts.port}{PATH}") as socket,
        ):
            await stream.message()
            assert [(await socket.receive_json(timeout=10))["event"] for _ in range(2)] == ["mode", "hint"]
            parts.put(1, 2)
            await parts.deliverer.finish(5)
            ended = asyncio.create_task(parts.stream.end())
            (last,) = await stream.rest()
            assert last.keys == [order(1), order(2)]
            told = json.loads((await socket.receive(timeout=10)).data)
            assert [hint["key"] for hint in told["data"]["hints"]] == [order(1), order(2)]
            assert (await socket.receive(timeout=10)).data == aiohttp.WSCloseCode.GOING_AWAY
            await ended
            late = await opened(parts.port)
            assert (late.status, late.headers["retry-after"]) == (503, "1")
            late.close()


async def test_the_end_waits_for_no_reader_that_does_not_read(monkeypatch):
    monkeypatch.setattr(streams, "END_TIMEOUT_S", 0.2)
    async with streaming(streamed(max_hints=1000)) as parts, reading(parts.port, receive_bytes=4096) as frozen:
        await frozen.message()
        for number in range(0, 20_000, 1000):
            parts.put(*range(number, number + 1000))
            await asyncio.sleep(0)
        await parts.deliverer.finish(0.5)
        async with asyncio.timeout(5):
            await parts.stream.end()


async def test_a_channel_that_comes_is_told_and_one_that_goes_ends_who_named_it():
    async with streaming(streamed()) as parts:  # noqa: SIM117 - the port is known then
        async with reading(parts.port) as everything, reading(parts.port, "?channel=orders") as named:
            await everything.message()
            await named.message()
            parts.configure(streamed(), CARTS)
            assert (await everything.message()).data["channel"] == "carts"
            parts.configure(CARTS)
            assert await named.rest() == []
            parts.put(1, name="carts")
            assert (await everything.message()).data["channel"] == "carts"


async def test_nobody_who_reads_is_said_and_forgotten_when_somebody_comes():
    async with streaming(streamed()) as parts:
        parts.put(1)
        await parts.deliverer.finish(5)
        assert parts.deliverer.delivering("orders") == (False, "nobody reads the stream")
        assert parts.answers == []
        async with reading(parts.port) as stream:
            await stream.message()
            assert parts.deliverer.delivering("orders") == (True, "the application reads the stream")
            parts.put(2)
            await stream.message()
            assert [answer.word for answer in parts.answers] == ["stream"]
        async with asyncio.timeout(10):
            while parts.stream.readers("orders"):  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.02)
        assert parts.deliverer.delivering("orders") == (True, "nothing had to be delivered yet")
