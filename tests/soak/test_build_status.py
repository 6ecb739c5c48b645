"""Hundreds of pages on sessions that change all the time."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack

import aiohttp
import pytest

from tests.examples import example
from tests.soak.load import STEADY_S

pytestmark = pytest.mark.timeout(3600)
PAGES, SESSIONS, SESSION_RATE = 200, 50, 100
MIN_INTERVAL_S = 5
TITLE = "UPDATE generation_sessions SET title = $1 WHERE id = $2"
SHOWN = re.compile(r'notifychannel_hints_delivered_total{channel="generation-updates"} (\S+)')


@pytest.fixture(scope="session")
def server(newest):
    return newest


async def test_example_pages_of_many_sessions_show_the_last_change(database, tmp_path, record_property):
    """Each session has pages on both servers; none is told of more often than the manifest says."""
    async with (
        example("build-status", database, tmp_path) as started,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        AsyncExitStack() as stack,
    ):
        sessions = range(101, 101 + SESSIONS)
        await started.admin.executemany(
            "INSERT INTO generation_sessions VALUES ($1, 7, 'new')", [(it,) for it in sessions]
        )
        titles: dict[tuple[str, int], str] = {}

        async def read(server, number, socket):
            async for message in socket:
                if message.data:
                    titles[server, number] = json.loads(message.data)["title"]

        reading = []
        for server, port in started.ports.items():
            for number in range(PAGES):
                url = f"http://127.0.0.1:{port}/7/{sessions[number % SESSIONS]}/live"
                socket = await stack.enter_async_context(http.ws_connect(url))
                reading.append(asyncio.create_task(read(server, number, socket)))
        loop = asyncio.get_running_loop()
        began = loop.time()
        for turn in range(int(STEADY_S * SESSION_RATE)):
            await started.admin.execute(TITLE, str(turn), sessions[turn % SESSIONS])
            await asyncio.sleep(max(0.0, began + (turn + 1) / SESSION_RATE - loop.time()))  # the rate is what is tested
        changed_for_s = loop.time() - began
        await started.admin.executemany(TITLE, [("last", it) for it in sessions])
        wanted, committed_at = 2 * PAGES, loop.time()
        while list(titles.values()).count("last") < wanted:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.05)
        last_s = loop.time() - committed_at
        hints = [float(SHOWN.search(await started.metrics(server))[1]) for server in started.ports]
        assert max(hints) <= SESSIONS * (changed_for_s / MIN_INTERVAL_S + 3)
        for it in reading:
            it.cancel()
    record_property(
        "figures",
        f"{SESSION_RATE} changes/s of {SESSIONS} sessions for {changed_for_s:.0f} s: {max(hints):.0f} hints to each "
        f"of two servers; the last change in each of {wanted} pages after {last_s:.1f} s "
        "(at most one hint in 5 s for a session)",
    )
