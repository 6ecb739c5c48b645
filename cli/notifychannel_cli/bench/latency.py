"""`bench latency`: from before the INSERT to the application's 2xx, window 0, low rate, beside the bare program's."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from aiohttp import web

from notifychannel_cli.bench import bare_process
from notifychannel_cli.bench.figure import Figure, Floor
from notifychannel_cli.bench.rig import PATH
from notifychannel_cli.sidecar_process import SidecarProcess
from notifychannel_operator.quote import ident

if TYPE_CHECKING:
    from notifychannel_cli.bench.rig import Rig

CHANGES = 600
PAUSE_S = 0.01
PATIENCE_S = 10.0
GOAL_RATIO, GOAL_P50_MS, GOAL_P99_MS = 1.5, 5.0, 20.0
INSERT = "INSERT INTO {table} (tenant_id, status) VALUES (1, 'paid')"
NAIVE = """
CREATE FUNCTION naive() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('naive', json_build_object('id', NEW.id)::text); RETURN NULL; END $$;
CREATE TRIGGER naive AFTER INSERT ON latency_bare FOR EACH ROW EXECUTE FUNCTION naive()
"""


async def measure(rig: Rig) -> list[Figure]:
    """One change for each side in turn, each awaited before the next: no queue is measured, only the way."""
    channel = await rig.hinted("latency_hinted")
    await rig.table("latency_bare")
    await rig.admin.execute(NAIVE)
    async with AsyncExitStack() as stack:
        arrivals, port = await application(stack)
        sidecar = await stack.enter_async_context(
            SidecarProcess(config=rig.config(channel, port=port), uri=rig.dsn("bench_listener"))
        )
        bare = bare_process.listening(rig.dsn(), "naive", f"http://127.0.0.1:{port}{PATH}")
        await stack.enter_async_context(bare)
        await sidecar.listening()
        await asyncio.wait_for(arrivals.get(), PATIENCE_S)  # the resync of the start
        measured: dict[str, list[float]] = {"latency_hinted": [], "latency_bare": []}
        for _ in range(rig.rounds(CHANGES, least=100)):
            for table, milliseconds in measured.items():
                milliseconds.append(await _one(rig, table, arrivals))
                await asyncio.sleep(PAUSE_S)
    return _figures(measured["latency_hinted"], measured["latency_bare"])


async def application(stack: AsyncExitStack) -> tuple[asyncio.Queue[float], int]:
    """One that acknowledges everything: when each POST came (perf_counter), and its port."""
    arrivals: asyncio.Queue[float] = asyncio.Queue()

    async def hints(request: web.Request) -> web.Response:
        await request.read()
        arrivals.put_nowait(time.perf_counter())
        return web.Response(status=204)

    answering = web.Application()
    answering.router.add_post(PATH, hints)
    runner = web.AppRunner(answering, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return arrivals, runner.addresses[0][1]


async def _one(rig: Rig, table: str, arrivals: asyncio.Queue[float]) -> float:
    started = time.perf_counter()
    await rig.admin.execute(INSERT.format(table=ident(table)))
    return (await asyncio.wait_for(arrivals.get(), PATIENCE_S) - started) * 1000


def _figures(ours: list[float], bare: list[float]) -> list[Figure]:
    (p50, p99), (floor50, floor99) = _percentiles(ours), _percentiles(bare)
    floors = Floor(floor50, "ms, bare listener + POST"), Floor(floor99, "ms, bare listener + POST")
    return [
        Figure(name="change → 2xx, p50, ratio", value=p50 / floor50, unit="x", floor=floors[0], goal=GOAL_RATIO),
        Figure(name="change → 2xx, p99, ratio", value=p99 / floor99, unit="x", floor=floors[1]),
        Figure(name="change → 2xx, p50", value=p50, unit="ms", floor=floors[0], goal=GOAL_P50_MS),
        Figure(name="change → 2xx, p99", value=p99, unit="ms", floor=floors[1], goal=GOAL_P99_MS),
    ]


def _percentiles(milliseconds: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(milliseconds, n=100)
    return cuts[49], cuts[98]
