"""`GET /v1/stream` of the real sidecar beside a real server: what readers are told, and what they can count on."""

from __future__ import annotations

import asyncio

import pytest

from tests.listening import channel, config
from tests.reading import reading
from tests.sidecar import SidecarProcess


@pytest.fixture(scope="session")
def server(newest):
    """What is streamed comes from the inbox, whatever the version."""
    return newest


def streamed(name="orders", **changes):
    """A channel of what others NOTIFY, streamed at once."""
    now = {"window": 0.0, "poll_interval": 0.0, "port": 0, "path": "", **changes}
    return channel(name, format="Text", key=("payload",), **now)


def key(payload):
    return {"payload": payload}


async def test_a_change_is_an_event_whose_data_is_the_body_of_a_post(database):
    admin = await database.connect()
    async with SidecarProcess(config=config(streamed()), uri=database.dsn()) as sidecar:
        await sidecar.listens()
        async with reading(await sidecar.local_port()) as stream:
            assert stream.status == 200
            assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert stream.headers["cache-control"] == "no-store"
            mode = await stream.next()
            assert (mode.kind, mode.data) == ("mode", {"mode": "Listening"})
            start = await stream.next()
            assert start.is_resync
            assert start.data["reason"] == "start"
            await admin.execute("NOTIFY orders, 'one'")
            change = await stream.next()
            assert list(change.data) == ["channel", "reason", "mode", "next_within", "since", "hints"]
            assert change.keys == [key("one")]
            assert stream.retry_ms == 1000
            said = await sidecar.says(lambda it: it["channels"]["orders"]["readers"] == 1)
        assert said["channels"]["orders"]["way"] == "stream"
        assert said["channels"]["orders"]["delivering"] is True
        assert said["channels"]["orders"]["last_answer"] == "the application reads the stream"
        assert await sidecar.metric("notifychannel_stream_events_total") == 2
        assert await sidecar.metric("notifychannel_hints_delivered_total") == 1
        assert await sidecar.metric("notifychannel_change_to_delivery_seconds_count") == 1
        assert await sidecar.metric("notifychannel_delivery_seconds_count") == 0


async def test_a_port_that_somebody_else_has_is_said_until_it_is_free(database):
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    local = {"NOTIFYCHANNEL_LOCAL_PORT": str(port)}
    async with SidecarProcess(config=config(streamed()), uri=database.dsn(), environment=local) as sidecar:
        assert "local-port" in await sidecar.logs("can't open")
        said = await sidecar.says(lambda it: not it["channels"].get("orders", {"delivering": True})["delivering"])
        told = f"the sidecar can't open 127.0.0.1:{port}: something else listens there"
        assert said["channels"]["orders"]["last_answer"] == told
        taken.close()
        assert await sidecar.local_port() == port
        await sidecar.says(lambda it: "can't open" not in it["channels"]["orders"]["last_answer"])
