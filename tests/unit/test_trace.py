"""The header `traceparent`, who makes it, and what stands in the way of spans."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
from dataclasses import replace
from io import StringIO

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from notifychannel_operator import names
from notifychannel_operator.spec import Channel, Consumer, Endpoint
from notifychannel_sidecar.deliverer.answer import Fault, Reply
from notifychannel_sidecar.deliverer.trace import Untraced
from notifychannel_sidecar.hints import Reason
from notifychannel_sidecar.inbox.work import Hint, Work
from notifychannel_sidecar.settings import Settings
from notifychannel_sidecar.spans import spans
from notifychannel_sidecar.spans.export import Export
from notifychannel_sidecar.spans.tracer import SpanTracer
from tests.application import Say
from tests.carrying import carrying
from tests.notification import channel as an_entry
from tests.unit.test_trigger_planning import a_source, plan

GRAMMAR = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01")
"""https://www.w3.org/TR/trace-context/#traceparent-header-field-values"""
WANTED = an_entry(window=0.0, traceparent=True)
WORK = Work(channel="orders", reason=Reason.POLL, generation=1)
COLLECTOR = "http://127.0.0.1:1"


@pytest.mark.looptime
async def test_each_post_carries_a_traceparent_of_its_own_where_the_channel_wants_it_and_none_elsewhere():
    """Mutants: one Trace for all POSTs; the header whatever the channel says."""
    async with carrying(WANTED, replace(WANTED, name="plain", traceparent=False)) as parts:
        for order in range(20):
            parts.put(order)
            parts.put(order, name="plain")
            await parts.app.until(lambda posts, count=2 * (order + 1): len(posts) == count)
    found = [post.headers.get("traceparent") for post in parts.app.posts if post.body["channel"] == "orders"]
    assert all(GRAMMAR.fullmatch(value) for value in found)
    assert len({value.split("-")[1] for value in found}) == len({value.split("-")[2] for value in found}) == 20
    assert not [post for post in parts.app.posts if post.body["channel"] == "plain" and "traceparent" in post.headers]


@pytest.mark.looptime
async def test_a_retry_is_a_trace_of_its_own():
    """Also of a batch that is sent again one by one, and of an escalation."""
    async with carrying(WANTED) as parts:
        parts.app.then(Say(status=500), Say(status=500))
        parts.put(1, 2)
        await parts.app.until(lambda posts: len(posts) == 4)
        assert await parts.deliverer.escalate(WORK, "/escalations")
    found = [post.headers["traceparent"].split("-")[1] for post in parts.app.posts]
    assert len(set(found)) == 5


def test_ids_of_zero_which_the_grammar_forbids_are_never_made(monkeypatch):
    monkeypatch.setattr("notifychannel_sidecar.deliverer.trace.randbits", lambda _: 0)
    assert GRAMMAR.fullmatch(Untraced().traceparent())


def test_a_traceparent_changes_neither_rules_nor_triggers():
    plain, traced = (
        (Consumer(group="api", endpoint=Endpoint(port=1, path="/", traceparent=wanted)),) for wanted in (False, True)
    )
    assert plan(a_source(), consumers=plain) == plan(a_source(), consumers=traced)
    channel = Channel(namespace="n", name="c", secret="s", sources=(a_source(),), consumers=plain)
    assert names.rules(channel) == names.rules(replace(channel, consumers=traced))


def kept(database_us: int = 5_000_000) -> tuple[InMemorySpanExporter, SpanTracer]:
    """What is exported, and a tracer whose database shows so much past 1970."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = SpanTracer(tracer=provider.get_tracer("t"), config=lambda: None, database_us=lambda: database_us)
    return exporter, tracer


def hint(*, first_at_us: int, attempt: int) -> Hint:
    return Hint(
        id="i", key="{}", events=(), count=1, first_at_us=first_at_us, last_at_us=first_at_us, attempt=attempt,
        waited_s=0.0, entry=None,
    )  # fmt: skip


@pytest.mark.parametrize(("first_at_us", "waited_s"), [((3_000_000, 1_000_000), 4.0), ((6_000_000, 7_000_000), 0.0)])
def test_a_batch_waits_since_its_oldest_change_and_tells_its_highest_attempt(first_at_us, waited_s):
    """By a database's clock that is behind, nobody waits less than not at all.

    Mutants: `max` for `min` in `_age_us`; no `max(0, …)` there.
    """
    exporter, tracer = kept()
    hints = tuple(hint(first_at_us=at_us, attempt=attempt) for attempt, at_us in enumerate(first_at_us, start=2))
    tracer.begin(replace(WORK, hints=hints), port=80, path="/").end(Reply(status=200))
    post, whole = exporter.get_finished_spans()
    assert (post.start_time - whole.start_time) / 1e9 == waited_s
    assert {span.attributes["notifychannel.attempt"] for span in (post, whole)} == {3}
    assert {span.attributes["notifychannel.hints"] for span in (post, whole)} == {2}


def test_a_change_before_1970_by_our_clock_has_a_time_that_can_be_exported():
    """Anybody may NOTIFY a time of 0, and one span that can't be encoded is the end of its whole batch. Mutant: no
    `max(0, …)` in `begin`.
    """
    exporter, tracer = kept(database_us=10**17)
    hints = (hint(first_at_us=0, attempt=1),)
    tracer.begin(replace(WORK, hints=hints), port=80, path="/").end(Reply(status=200))
    encode_spans(exporter.get_finished_spans())


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=204), None),
        (Reply(status=302), "302"),
        (Reply(status=503), "503"),
        (Reply(fault=Fault.TIMEOUT), "timeout"),
        (None, "cancelled"),
    ],
)
def test_anything_but_a_2xx_is_an_error(reply, error):
    exporter, tracer = kept()
    tracer.begin(WORK, port=80, path="/hints").end(reply)
    assert [span.attributes.get("error.type") for span in exporter.get_finished_spans()] == [error, error]
    assert [span.status.is_ok for span in exporter.get_finished_spans()] == [error is None] * 2


async def test_what_the_sampler_leaves_out_is_not_sampled_in_the_header(monkeypatch):
    """The SDK's other flag (2) says that ids are random. Mutant: `flags=trace.SAMPLED` in tracer.py."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    export = Export(pod="p", version="1")
    tracer = export.tracer(config=lambda: None, database_us=lambda: 0)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[02]", tracer.begin(WORK, port=80, path="/").traceparent())
    await export.close(5.0)


@pytest.fixture
def root_log():
    """What arrives where our log is written; caplog takes what goes nowhere, too."""
    text, root = StringIO(), logging.getLogger()
    handler = logging.StreamHandler(text)
    root.addHandler(handler)
    yield text
    root.removeHandler(handler)


async def test_what_the_http_client_says_of_a_collector_is_not_in_our_log(monkeypatch, caplog, root_log):
    """It holds the address with all that is in it. Mutant: `_quieten` of opentelemetry's loggers alone."""
    monkeypatch.setattr(logging.getLogger("urllib3"), "propagate", True)

    async def garbled(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.findall(rb"(?i)content-length: (\d+)", head)[0]))
        writer.write(b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(garbled, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"http://127.0.0.1:{port}/?key=hunter2")
        export = Export(pod="p", version="1")
        with caplog.at_level(logging.INFO):
            export.tracer(config=lambda: None, database_us=lambda: 0).begin(WORK, port=80, path="/").end(None)
            await export.close(30.0)
    assert root_log.getvalue() == "the collector takes spans\n"


async def said_of(caplog) -> list[str]:
    """The events, of a sidecar that wants spans; it has to have the plain tracer."""
    with caplog.at_level(logging.INFO):
        async with spans.opened(
            wanted=True, pod="p", version="1", config=lambda: None, database_us=lambda: 0
        ) as tracer:
            assert isinstance(tracer, Untraced)
    return [record.event for record in caplog.records]


async def test_without_opentelemetry_a_collector_s_address_is_one_line_of_the_log(monkeypatch, caplog):
    """Mutant: `except ImportError` left out."""
    monkeypatch.delitem(sys.modules, "notifychannel_sidecar.spans.export")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert await said_of(caplog) == ["spans-unavailable"]
    assert "make images OTEL=1" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "hunter2"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "99999")]
)
async def test_a_variable_that_opentelemetry_cannot_use_is_one_line_of_the_log(monkeypatch, caplog, name, value):
    """Without the value. Mutant: `except Exception` left out."""
    monkeypatch.setenv(name, value)
    assert await said_of(caplog) == ["spans-unavailable"]
    assert value not in caplog.text


def test_nothing_of_opentelemetry_is_imported_where_no_collector_is_named():
    """Nor what it brings along. Mutant: the import in spans.py at its top."""
    asked = "import sys, notifychannel_sidecar.program; print({'opentelemetry', 'requests', 'google'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": COLLECTOR}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_spans_are_kept_where_a_collector_is_named_and_nobody_says_no(environment, wanted):
    least = {"NOTIFYCHANNEL_CONFIG": "/c", "NOTIFYCHANNEL_SECRET": "/s", "NOTIFYCHANNEL_POD": "p"}
    assert Settings.from_env({**least, **environment}).spans is wanted
