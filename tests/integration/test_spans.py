"""Spans of the sidecar as a program, at a collector that is a real OTLP/HTTP server: there, away, hanging."""

from __future__ import annotations

import re
import signal
import time

import pytest

from tests.application import Application, Say
from tests.collector import Collector
from tests.listening import channel, config
from tests.sidecar import SidecarProcess

HEADER = re.compile(r"00-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-0[13]")
HOSTILE = "key-of-a-customer\u202e\n'; --"


@pytest.fixture(scope="session")
def server(newest):
    """What is exported is the same on each version."""
    return newest


@pytest.fixture
async def application():
    async with Application() as app:
        yield app


@pytest.fixture
async def collector():
    async with Collector() as made:
        yield made


def orders(application, **changes):
    """What others NOTIFY, with the header."""
    now = {"window": 0.0, "poll_interval": 0.0, "path": "/hints", "traceparent": True, **changes}
    return config(channel("orders", format="Text", key=("payload",), port=application.port, **now))


def polled(application):
    """A POST every now and then, without any database."""
    return orders(application, poll_interval=0.2)


async def test_the_collector_gets_the_span_whose_id_the_post_carried_and_what_was_waited_for(
    database, application, collector
):
    """At the end of the program, for the SDK is told to send after ten minutes.

    Mutants: `close` without `force_flush`; the header of `whole`; `start_time` left out.
    """
    admin = await database.connect()
    environment = {**collector.environment, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    settings = orders(application, window=0.3)
    async with SidecarProcess(config=settings, uri=database.dsn(), environment=environment) as sidecar:
        assert (await application.next_post()).body["reason"] == "start"
        application.then(Say(status=500))
        await admin.execute("NOTIFY orders, 'one'")
        posts = [await application.next_post(), await application.next_post()]
        sidecar.signal(signal.SIGTERM)
        assert await sidecar.ends() == 0
    found = [HEADER.fullmatch(post.headers["traceparent"]) for post in posts]
    assert len({match["trace"] for match in found}) == len(posts)
    for attempt, (match, status) in enumerate(zip(found, (500, 200), strict=True), start=1):
        (post,) = [span for span in collector.named("POST") if span.span_id == match["parent"]]
        (whole,) = collector.named("notifychannel hints", reason="change", attempt=attempt)
        assert (post.trace_id, post.parent_id) == (match["trace"], whole.span_id) == (whole.trace_id, whole.span_id)
        assert (post.kind, whole.parent_id) == (3, "")
        assert post.attributes == {
            "notifychannel.channel": "orders", "notifychannel.namespace": "shop", "notifychannel.group": "api",
            "notifychannel.reason": "change", "notifychannel.hints": 1, "notifychannel.attempt": attempt,
            "http.request.method": "POST", "server.address": "127.0.0.1", "server.port": application.port,
            "url.full": f"http://127.0.0.1:{application.port}/hints", "http.response.status_code": status,
            **({"error.type": "500"} if status == 500 else {}),
        }  # fmt: skip
        assert post.error == whole.error == (status == 500)
        assert 0.29 < (post.start_ns - whole.start_ns) / 1e9 < 60
        assert whole.start_ns < post.start_ns < post.end_ns <= whole.end_ns
    (start,) = collector.named("notifychannel hints", reason="start")
    assert start.attributes["notifychannel.hints"] == 0
    assert start.resource["service.name"] == "notifychannel-sidecar"
    assert start.resource["service.instance.id"] == "api-7f9c"


async def test_no_span_holds_a_key_a_token_a_password_or_a_text_of_the_application(database, application, collector):
    """Mutant: a key, an id or `reply.body` among the attributes."""
    role = await database.role("listener")
    application.behaviour = Say(status=500, body=b"text-of-the-application")
    admin = await database.connect()
    settings = orders(application)
    async with SidecarProcess(config=settings, uri=database.dsn(role), environment=collector.environment) as sidecar:
        sidecar.write("secret/token", "token-of-the-pod")
        await sidecar.listens()
        await admin.execute("SELECT pg_notify('orders', $1)", HOSTILE)
        await collector.until(lambda: collector.named("POST", reason="change"))
        await application.until(lambda posts: any(post.body["hints"] for post in posts))
        sent = next(post for post in application.posts if post.body["hints"])
        assert sent.hint["key"] == {"payload": HOSTILE}
        logged = "\n".join(sidecar.logged).encode()
    secrets = ("key-of-a-customer", sent.hint["id"], f"secret-of-{role}", role, "token-of-the-pod", "text-of-the-app")
    for secret in secrets:
        assert secret.encode() not in collector.raw + logged


async def test_a_collector_that_is_away_or_hangs_delays_nothing_and_gets_what_comes_after(application, collector):
    """Mutants: SimpleSpanProcessor in export.py, which exports on the loop; `_Telling` tells of each failure."""
    await collector.refuse()
    environment = {**collector.environment, "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    async with SidecarProcess(config=polled(application), environment=environment) as sidecar:
        await sidecar.logs("the collector does not take spans")
        collector.hangs = True
        await collector.listen()
        await collector.until(lambda: collector.asked)
        before, began = len(application.posts), time.monotonic()
        await application.until(lambda posts: len(posts) >= before + 10)
        assert time.monotonic() - began < 15
        collector.release()
        await sidecar.logs("the collector takes spans")
        collector.spans.clear()
        await collector.until(lambda: collector.named("POST"))
        assert len([line for line in sidecar.logged if "collector" in line]) == 2
        assert not [line for line in sidecar.logged if "span batch" in line]


async def test_a_collector_that_hangs_does_not_keep_the_sidecar_from_its_end(application, collector):
    """Mutants: `close` without `asyncio.timeout`; `daemon=False`; `shutdown_on_exit=True`."""
    collector.hangs = True
    environment = {**collector.environment, "OTEL_EXPORTER_OTLP_TIMEOUT": "60"}
    async with SidecarProcess(config=polled(application), environment=environment) as sidecar:
        await collector.until(lambda: collector.asked)
        began = time.monotonic()
        sidecar.signal(signal.SIGTERM)
        assert await sidecar.ends() == 0
        assert time.monotonic() - began < 25
