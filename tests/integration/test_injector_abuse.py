"""The injector, reached by somebody who is no API server: what he can take of it is bounded, and admissions go on."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from notifychannel_operator.injector.server import LARGE_AT_ONCE, MAX_BODY_BYTES, READ_S
from tests.injector import HOST, NAME, POD, injector, issue, put, review, trusting

MEMORY_LIMIT_KIB = 256 * 1024
"""Of the chart's injector."""
HEAD = f"POST /inject HTTP/1.1\r\nHost: {NAME}\r\nContent-Type: application/json\r\n"


@pytest.fixture
async def served(tmp_path):
    """A ready injector and what a client of it trusts."""
    ca, leaf = issue()
    put(tmp_path / "tls", leaf)
    async with injector(tmp_path / "tls") as running:
        await running.until("/readyz", 200)
        yield running, trusting(ca)


async def connect(running, context):
    return await asyncio.open_connection(HOST, running.port, ssl=context, server_hostname=NAME)


def peak(pid):
    """KiB of memory, at most so far."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


async def admitted(running, context):
    status, answer = await running.ask(review(POD), context=context)
    return status == 200 and answer["response"]["auditAnnotations"] == {"reason": "Injected"}


@pytest.mark.parametrize("length", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_a_body_that_never_ends_is_given_up_and_keeps_nobody_waiting(served, length):
    """As many as may be read at once, and one more. Mutant: `_body` without its timeout, or `turns` for all bodies."""
    running, context = served
    slow = [await connect(running, context) for _ in range(LARGE_AT_ONCE + 1)]
    for _, writer in slow:
        writer.write(f"{HEAD}{length}\r\n\r\n".encode())
        await writer.drain()
    assert await admitted(running, context)
    async with asyncio.timeout(READ_S * 5):
        for reader, writer in slow:
            assert b" 408 " in await reader.readline()
            writer.transport.abort()
    assert await admitted(running, context)


async def test_a_body_that_is_announced_as_too_large_is_not_waited_for(served):
    """Mutant: `_body` that does not look at what is announced: the answer comes after READ_S, and is 408."""
    running, context = served
    reader, writer = await connect(running, context)
    writer.write(f"{HEAD}Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode())
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 30)
    writer.transport.abort()


async def test_many_large_bodies_of_nothing_stay_within_the_memory_limit_and_admissions_go_on(served, record_property):
    """Mutant: no MOST_COMMAS: those that are read in time are answered 200."""
    running, context = served
    lists = ("[]," * (MAX_BODY_BYTES // 3 - 100)) + "[]"
    body = json.dumps({"kind": "AdmissionReview", "request": {"uid": "u", "object": "?"}}).replace('"?"', f"[{lists}]")
    flood = [asyncio.create_task(running.ask(body.encode(), context=context)) for _ in range(LARGE_AT_ONCE + 4)]
    assert await admitted(running, context)
    found = await asyncio.gather(*flood, return_exceptions=True)  # a slow machine's turn does not come in time: 408
    assert {it[0] for it in found if isinstance(it, tuple)} <= {400, 408}
    peak_kib = peak(running.program.process.pid)
    record_property("figures", f"peak of the injector {peak_kib / 1024:.0f} MiB")
    assert peak_kib < MEMORY_LIMIT_KIB
    assert await admitted(running, context)
