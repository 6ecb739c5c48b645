"""PgQueuer (https://pypi.org/project/pgqueuer/, MIT) as a contender of `bench durable`; not installed with us.

Eager it is five consumers, each with a connection, as in its own benchmark, and a hundred jobs a batch, with which it
is faster than with ten; prompt it is one consumer and ten. A job is handled when its function is called. Started by the
benchmark; `contender_program.py` says how.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import asyncpg
import uvloop
from pgqueuer import AsyncpgDriver, Job, PgQueuer, Queries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Numbers = dict[int, float]
CONSUMERS, BATCH = {"eager": 5, "prompt": 1}, {"eager": 100, "prompt": 10}
WARM_UP = b"-1"


async def prepare(dsn: str) -> None:
    """Its tables, as it makes them by default: logged."""
    await (await _queries(dsn)).install()


async def forget(dsn: str) -> None:
    """Empty the queue."""
    await (await _queries(dsn)).clear_queue()


async def enqueue(dsn: str, count: str, at_a_time: str) -> float:
    """Seconds."""
    queries, started = await _queries(dsn), time.monotonic()
    for first in range(0, int(count), int(at_a_time)):
        numbers = range(first, min(first + int(at_a_time), int(count)))
        await queries.enqueue(["change"] * len(numbers), [b"%d" % each for each in numbers], [0] * len(numbers))
    return time.monotonic() - started


async def pace(dsn: str, count: str, per_second: str) -> list[tuple[int, float]]:
    """One after the other, each in its time."""
    queries, made, began = await _queries(dsn), [], time.monotonic()
    for number in range(int(count)):
        await asyncio.sleep(max(0.0, began + number / int(per_second) - time.monotonic()))
        made.append((number, time.monotonic()))
        await queries.enqueue("change", b"%d" % number)
    return made


async def work(dsn: str, count: str, width: str) -> list[tuple[int, float]]:
    """Until all came."""
    handled, warm, everything = Numbers(), asyncio.Event(), asyncio.Event()

    async def change(job: Job) -> None:
        if job.payload == WARM_UP:
            warm.set()
            return
        handled.setdefault(int(job.payload or b""), time.monotonic())
        if len(handled) >= int(count):
            everything.set()

    consumers = [PgQueuer((await _queries(dsn)).driver) for _ in range(CONSUMERS[width])]
    for consumer in consumers:
        consumer.entrypoint("change")(change)
    running = [asyncio.create_task(consumer.run(batch_size=BATCH[width])) for consumer in consumers]
    if width == "prompt":  # who has worked listens
        await (await _queries(dsn)).enqueue("change", WARM_UP)
        await warm.wait()
    print("ready", flush=True)
    await asyncio.wait([asyncio.create_task(everything.wait()), *running], return_when=asyncio.FIRST_COMPLETED)
    for consumer in consumers:
        consumer.shutdown.set()
    await asyncio.gather(*running)
    return list(handled.items())


async def _queries(dsn: str) -> Queries:
    return Queries(AsyncpgDriver(await asyncpg.connect(dsn)))


MODES: dict[str, Callable[..., Awaitable[Any]]] = {
    "prepare": prepare, "enqueue": enqueue, "forget": forget, "pace": pace, "work": work,
}  # fmt: skip


async def main(dsn: str, mode: str, *args: str) -> None:
    """Do it, and print what comes of it."""
    print(json.dumps(await MODES[mode](dsn, *args)), flush=True)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
