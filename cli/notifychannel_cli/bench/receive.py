"""`bench receive`: notifications per second through listener and inbox, beside a bare `add_listener` that counts.

The real sidecar and the bare program listen; one transaction NOTIFYs many keys, and the time from its COMMIT until
the process has counted them all is taken. The window is long, so that nothing is delivered meanwhile.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp

from notifychannel_cli.bench import bare_process
from notifychannel_cli.bench.figure import Figure, Floor, Goal
from notifychannel_cli.embedded import free_port
from notifychannel_cli.sidecar_process import SidecarProcess
from notifychannel_operator import names

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from notifychannel_cli.bench.rig import Rig

NOTIFICATIONS = 300_000
KEYS = 10_000
ROUNDS = 5
PATIENCE_S = 60.0
ASK_AGAIN_S = 0.004
GOAL_RATIO, GOAL_PER_SECOND = 0.5, 100_000
# As our triggers write it: version, hash of the rules, event, time, one key. Equal payloads of one transaction
# would be dropped, so each has a time of its own.
NOTIFY = r"""
SELECT pg_notify($1, '1' || $2::text || 'I' || (1767225600000000 + i) || E'\n[' || i % $3::int || ']')
FROM generate_series(1, $4::int) AS i
"""


async def measure(rig: Rig) -> list[Figure]:
    """Rounds for ours and the floor in turn; medians."""
    channel = await rig.hinted("receive_hinted")
    rules = names.rules(channel)
    config = rig.config(channel, port=free_port())
    ours = config.channels[0].pg_channel
    config = replace(config, channels=(replace(config.channels[0], window=600.0, max_delay=600.0),))
    async with AsyncExitStack() as stack:
        sidecar = await stack.enter_async_context(SidecarProcess(config=config, uri=rig.dsn("bench_listener")))
        bare = await stack.enter_async_context(bare_process.listening(rig.dsn(), "receive_bare"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await sidecar.listening()
        counters = {
            ours: _counter(session, sidecar.port, "notifychannel_notifications_total"),
            "receive_bare": _counter(session, bare.port, "bare_notifications"),
        }
        rates: dict[str, list[float]] = {name: [] for name in counters}
        for _ in range(rig.rounds(ROUNDS)):
            for pg_channel, counter in counters.items():
                rates[pg_channel].append(await _round(rig, pg_channel, rules, counter))
    value, floor = (statistics.median(measured) for measured in rates.values())
    bare_floor, side = Floor(floor, "/s, bare add_listener"), Goal.AT_LEAST
    return [
        Figure(name="receiving, ratio", value=value / floor, unit="x", floor=bare_floor, goal=GOAL_RATIO, side=side),
        Figure(name="receiving", value=value, unit="/s", floor=bare_floor, goal=GOAL_PER_SECOND, side=side),
    ]


async def _round(rig: Rig, pg_channel: str, rules: str, counter: Callable[[], Awaitable[float]]) -> float:
    end = await counter() + NOTIFICATIONS
    await rig.admin.execute(NOTIFY, pg_channel, rules, KEYS, NOTIFICATIONS)
    started = time.perf_counter()
    async with asyncio.timeout(PATIENCE_S):
        while await counter() < end:  # noqa: ASYNC110  the other process can only be asked
            await asyncio.sleep(ASK_AGAIN_S)
    return NOTIFICATIONS / (time.perf_counter() - started)


def _counter(session: aiohttp.ClientSession, port: int, metric: str) -> Callable[[], Awaitable[float]]:
    pattern = re.compile(rf"^{metric}(?:{{.*}})? ([0-9.e+]+)$", re.MULTILINE)

    async def read() -> float:
        async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            return sum(float(number) for number in pattern.findall(await answer.text()))

    return read
