"""One rival, measured on a server of its own: the same table, application and writers, one thing at a time."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli.bench.pace import percentiles
from notifychannel_cli.bench.receiver import Receiver, receiving
from notifychannel_cli.bench.rig import Rig, rig
from tests.rivals import writer
from tests.rivals.weight import pss_mib

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.rivals.rival import Rival

VERSION = 18
SETTINGS = {"wal_level": "logical"}
"""For who wants logical replication; the same for all."""
START_S = 60.0
"""How long a rival may take to tell of its first change."""
ASK_AGAIN_S = 0.05
KEPT = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND c.relname NOT IN ('orders', 'orders_id_seq')
"""
"""Bytes of what is in the database beside the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How long, and how much."""

    per_second: int = 100
    low_rate_s: float = 10.0
    flat_out_s: float = 8.0
    away_s: float = 10.0
    patience_s: float = 60.0
    """What is not told of for so long after everybody has stopped writing is lost."""


FULL, QUICK = Size(), Size(low_rate_s=1.0, flat_out_s=0.5, away_s=1.0, patience_s=30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Of one rival."""

    name: str
    version: str
    p50_ms: float
    p99_ms: float
    commits_per_s: float
    told_per_s: float
    memory_mib: float
    """PSS of its processes after `flat_out`."""
    kept_mib: float
    """What it keeps in the database then."""
    missed: int
    """Keys that four writers wrote as fast as they could and that nobody was told of."""
    written: int
    """Keys while it was away, and some before and after."""
    lost: int
    """Of these."""
    caught_up_s: float
    """From its start until the last of these that were written before was told of."""


async def measured(rival: Rival, size: Size) -> Found:
    """Raises TimeoutError where it tells of nothing."""
    async with rig(VERSION, settings=SETTINGS) as on:
        await rival.prepare(on)
        looker = await on.connect()

        async def look() -> Iterable[int]:
            return [row["id"] for row in await looker.fetch("SELECT id FROM orders")]

        async with receiving(look, foreign=lambda body: int(body["id"])) as application:
            return await _measured(rival, on, application, size)


async def _measured(rival: Rival, on: Rig, application: Receiver, size: Size) -> Found:
    async with rival.running(on, application.port) as pid:
        await _is_up(on, application)
        low = await writer.steadily(on, per_second=size.per_second, seconds=size.low_rate_s)
        await _told(application, low, size.patience_s)
        many = await writer.flat_out(on, seconds=size.flat_out_s)
        missed = await _told(application, many, size.patience_s)
        memory_mib, kept = pss_mib(pid), await on.admin.fetchval(KEPT)
    arrived = application.arrived
    latency = percentiles([(arrived[key] - at) * 1000 for key, at in low.items() if key in arrived])
    began, ended = min(many.values()), max(arrived.get(key, 0.0) for key in many)
    written, lost, caught_up_s = await _outage(rival, on, application, size)
    return Found(
        name=rival.name, version=rival.version, p50_ms=latency[0], p99_ms=latency[1],
        commits_per_s=len(many) / size.flat_out_s, told_per_s=(len(many) - missed) / (ended - began),
        memory_mib=memory_mib, kept_mib=int(kept) / 2**20, missed=missed,
        written=written, lost=lost, caught_up_s=caught_up_s,
    )  # fmt: skip


async def _outage(rival: Rival, on: Rig, application: Receiver, size: Size) -> tuple[int, int, float]:
    """It is killed a second after the writer has begun, and started `away_s` later, a second before it ends."""
    async with rival.running(on, application.port) as pid:
        await _is_up(on, application)
        writing = asyncio.create_task(writer.steadily(on, per_second=size.per_second, seconds=1 + size.away_s + 1))
        await asyncio.sleep(1)
        os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(size.away_s)
    back = time.monotonic()
    async with rival.running(on, application.port):
        made = await writing
        lost = await _told(application, made, size.patience_s)
    told = [application.arrived[key] for key, at in made.items() if at < back and key in application.arrived]
    return len(made), lost, max(0.0, max(told, default=back) - back)


async def _is_up(on: Rig, application: Receiver) -> None:
    """It has told of a change that was made after it was started."""
    async with asyncio.timeout(START_S):
        while True:
            key = await writer.one(on)
            if not await _told(application, [key], 2 * ASK_AGAIN_S + 0.9):
                return


async def _told(application: Receiver, keys: Iterable[int], patience_s: float) -> int:
    """Wait until the application was told of all; of how many it was not although nothing came for so long."""
    left, quiet_since = set(keys) - application.arrived.keys(), time.monotonic()
    while left and time.monotonic() - quiet_since < patience_s:
        await asyncio.sleep(ASK_AGAIN_S)
        before, left = len(left), left - application.arrived.keys()
        if len(left) < before:
            quiet_since = time.monotonic()
    return len(left)
