"""Two hundred clients, and writers who overtake each other."""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import suppress

import pytest

from tests.examples import example
from tests.figures import milliseconds
from tests.soak.load import STEADY_RATE, STEADY_S
from tests.watching import ASKED, client, clients, until_nothing_is_asked

pytestmark = pytest.mark.timeout(3600)
CLIENTS, WRITING_S = 200, 20.0


@pytest.fixture(scope="session")
def server(newest):
    return newest


def seldom(channel):
    for consumer in channel["spec"]["consumers"]:
        consumer["poll"]["interval"] = "10m"


async def test_example_two_hundred_clients_have_each_line_and_cost_nothing_while_there_is_none(
    database, tmp_path, record_property
):
    """At a steady rate, and in a burst after which most of them are behind the buffer."""
    async with example("log-stream", database, tmp_path, change=seldom, without=("scraper",)) as started:
        admin, port = started.admin, started.ports["pages"]
        run = await admin.fetchval("INSERT INTO runs (spider) VALUES ('catalogue') RETURNING id")
        insert = "INSERT INTO log_lines (run_id, line) VALUES ($1, $2)"
        async with clients(port, run, CLIENTS) as many:
            reading = asyncio.gather(*(each.until("the end") for each in many))
            loop = asyncio.get_running_loop()
            began = loop.time()
            lines = [f"line {number}" for number in range(int(STEADY_S * STEADY_RATE))]
            for number, line in enumerate(lines, 1):
                await admin.execute(insert, run, line)
                await asyncio.sleep(max(0.0, began + number / STEADY_RATE - loop.time()))  # the rate is what is tested
            await admin.execute(insert, run, "the end")
            await reading
            steady = milliseconds([late_s for each in many for late_s in each.late_s])
            assert {tuple(each.lines) for each in many} == {(*lines, "the end")}

            await until_nothing_is_asked(admin)
            before = await admin.fetch(ASKED)
            await asyncio.sleep(10)  # by hand these were 2,000 queries
            assert await admin.fetch(ASKED) == before

            began = loop.time()
            burst = [f"burst {number}" for number in range(1, 5001)]
            await admin.executemany(insert, [(run, line) for line in burst])
            await asyncio.gather(*(each.until(burst[-1]) for each in many))
            burst_s = loop.time() - began
            assert {tuple(sorted(each.lines)) for each in many} == {tuple(sorted((*lines, "the end", *burst)))}
    record_property(
        "figures",
        f"{CLIENTS} clients, {STEADY_RATE} lines/s for {STEADY_S:.0f} s: with each of them after {steady}; "
        f"{len(burst):,} in a burst: {burst_s:.1f} s; no query in 10 s of silence",
    )


async def test_example_lines_of_writers_who_overtake_each_other_reach_clients_that_come_and_go_each_once(
    database, tmp_path, record_property
):
    """Clients change the server too; no one has a line twice, and each has all of them at the end."""
    dice = random.Random(4711)  # noqa: S311 - nobody has to be kept from guessing
    async with example("log-stream", database, tmp_path, without=("scraper",)) as started:
        run = await started.admin.fetchval("INSERT INTO runs (spider) VALUES ('catalogue') RETURNING id")
        ports = [started.ports["pages"], started.ports["more-pages"]]
        insert = "INSERT INTO log_lines (run_id, line) VALUES ($1, $2)"
        written, ended = set(), asyncio.Event()

        async def write(name):
            connection = await database.connect()
            until = asyncio.get_running_loop().time() + WRITING_S
            for number in itertools.count():
                lines = [f"{name} {number} {part}" for part in range(dice.choice((1, 1, 3, 250)))]
                transaction = connection.transaction()
                await transaction.start()
                await connection.executemany(insert, [(run, line) for line in lines])
                await asyncio.sleep(dice.uniform(0, 0.2))  # somebody else commits before
                if dice.random() < 0.2:
                    await transaction.rollback()
                else:
                    await transaction.commit()
                    written.update(lines)
                if asyncio.get_running_loop().time() > until:
                    return

        async def watch():
            shown, last_id = [], None
            while not ended.is_set():
                async with client(dice.choice(ports), run, last_id=last_id) as it:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(dice.uniform(0, 1)):
                            await it.until("the end")
                    shown += it.lines
                    last_id = it.leave() or last_id
            async with client(dice.choice(ports), run, last_id=last_id) as it:
                if "the end" not in shown:
                    await it.until("the end")
                return shown + it.lines

        watching = [asyncio.create_task(watch()) for _ in range(20)]
        await asyncio.gather(*(write(name) for name in "abcdefgh"))
        await started.admin.execute(insert, run, "the end")
        ended.set()
        for each in watching:
            shown = await each
            assert len(shown) == len(set(shown))
            assert set(shown) == written | {"the end"}
    record_property("figures", f"{len(written):,} lines of 8 writers, each once at 20 clients that come and go")
