"""`notifychannel tail`: what a person sees of a channel's hints, and that nobody else notices the person."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys

import pytest

from notifychannel_cli.install import grant, install
from notifychannel_operator import configmap, manifest
from tests.process import notifychannel

CHANNEL = """
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders, namespace: shop}
spec:
  database: {secretRef: {name: orders-db}}
  sources:
    - schema: public
      table: orders
      key: [{column: tenant}, {column: id, name: order_id}]
      rules: [{name: any, events: [Insert, Update, Delete, Truncate]}]
  consumers: [{group: api, endpoint: {port: 8080, path: /hints}}]
"""
TEXT = """
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: others, namespace: shop}
spec:
  database: {secretRef: {name: orders-db}}
  channel: others
  payload: {format: Text}
  consumers: [{group: api, endpoint: {port: 8080, path: /hints}}]
"""
PATIENCE_S = 60.0
LINE = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z  (\w+) +(every key|\{.*?\})(?:  x(\d+))?")
FLOOD = """
DO $$ BEGIN FOR i IN 1..6000 LOOP INSERT INTO orders VALUES (i, 1, 'x'); COMMIT; END LOOP; END $$
"""
"""More than twice as many payloads as are kept, and what a pipe takes."""
OURS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'nch-tail/%' AND datname = current_database()"


@pytest.fixture(scope="session")
def server(newest):
    """It listens by the sidecar's listener, which has its own tests on each version."""
    return newest


class Shop:
    """Orders with triggers."""

    def __init__(self, database, folder):
        self.database = database
        self.path = folder / "orders.yaml"

    async def begin(self, text=CHANNEL):
        self.path.write_text(text)
        (self.channel,) = manifest.parse(text, file="orders.yaml")
        self.admin = await self.database.connect()
        await self.admin.execute("CREATE TABLE orders (id int, tenant int, status text)")
        installer, listener = await self.database.role("installer"), await self.database.role("listener")
        await grant((self.channel,), dsn=self.database.dsn(), installer=installer, listener=listener)
        await install((self.channel,), dsn=self.database.dsn(installer), installation="dev")
        self.arguments = ("tail", "-f", str(self.path), "--dsn", self.database.dsn(listener))
        return self


@pytest.fixture
async def shop(database, tmp_path):
    return await Shop(database, tmp_path).begin()


async def lines(tail, number):
    """(why, key, count) of the next so many."""
    found = [LINE.fullmatch(await tail.line("Z  ")) for _ in range(number)]
    return [(it[1], it[2] if it[2] == "every key" else json.loads(it[2]), it[3]) for it in found]


async def test_each_hint_is_a_line_with_its_key_by_name_and_nobody_counts_the_one_who_looks(shop):
    """Mutants: the session's name as a sidecar's; the keys in order, without names."""
    async with notifychannel(*shop.arguments) as tail:
        await tail.line("Listening")
        await shop.admin.execute("INSERT INTO orders VALUES (1, 7, 'new'), (2, 7, 'new')")
        await shop.admin.execute("UPDATE orders SET status = 'paid' WHERE id = 1")
        await shop.admin.execute("TRUNCATE orders")
        found = await lines(tail, 4)
        one, two = {"tenant": 7, "order_id": 1}, {"tenant": 7, "order_id": 2}
        assert sorted(found[:2], key=str) == [("insert", one, None), ("insert", two, None)]
        assert found[2:] == [("update", one, None), ("bulk", "every key", None)]
        prefix = configmap.config_for(
            [shop.channel], installation="dev", namespace="shop", group="api", system_identifier=None, dbname=None
        ).session_prefix
        names = await shop.admin.fetch("SELECT application_name AS name FROM pg_stat_activity")
        assert not [row["name"] for row in names if row["name"].startswith(prefix)]
        assert await shop.admin.fetchval(OURS)
        tail.interrupt()
        assert await tail.ends() == 130


async def test_what_a_relay_has_merged_is_shown_with_its_count_and_one_key_can_be_asked_for(database, tmp_path):
    """Mutants: a relayed payload's line with its count in the key; `--key` that hides resyncs."""
    shop = await Shop(database, tmp_path).begin(CHANNEL.replace("  sources:", "  capture: Outbox\n  sources:"))
    async with notifychannel(*shop.arguments, "--json", "--key", '{"order_id": 1, "tenant": 7}') as tail:
        await tail.line("Listening")
        for number in (1, 2, 1):
            await shop.admin.execute("INSERT INTO orders VALUES ($1, 7, 'new')", number)
        await shop.admin.execute("SELECT notifychannel.drain('0', '{}', 1000)")
        await shop.admin.execute("TRUNCATE orders")
        await shop.admin.execute("SELECT notifychannel.drain('0', '{}', 1000)")
        found = [json.loads(await tail.line("{")) for _ in range(2)]
        assert [(it["why"], it["key"], it["count"]) for it in found] == [
            ("insert", {"tenant": 7, "order_id": 1}, 2),
            ("bulk", None, 1),
        ]


async def test_what_others_notify_is_shown_as_the_application_reads_it(database, tmp_path):
    """Mutant: `read` for our format only."""
    path = tmp_path / "others.yaml"
    path.write_text(TEXT)
    admin = await database.connect()
    async with notifychannel("tail", "-f", str(path), "--dsn", database.dsn()) as tail:
        await tail.line("Listening")
        await admin.execute("NOTIFY others, 'a \"b\"'")
        await admin.execute("NOTIFY others")
        assert 'notify    {"payload": "a \\"b\\""}' in await tail.line("notify")
        await tail.line("bulk", "every key")


async def test_whoever_does_not_read_holds_up_nobody_and_is_told_what_is_not_shown(shop):
    """The pipe is full, the session reads on. Mutants: print in the loop; `_keep` without its limit."""
    read, write = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "notifychannel_cli", *shop.arguments, stdout=write, stderr=asyncio.subprocess.PIPE
    )
    os.close(write)
    try:
        assert b"Listening" in await process.stderr.readline()
        await shop.admin.execute(FLOOD)
        async with asyncio.timeout(PATIENCE_S):
            while await shop.admin.fetchval("SELECT pg_notification_queue_usage()") > 0:
                await shop.admin.execute("NOTIFY nobody")
        drained = asyncio.create_task(asyncio.to_thread(drain, read))
        async with asyncio.timeout(PATIENCE_S):
            while b"are not shown" not in await process.stderr.readline():
                pass
        process.kill()
        await drained
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(read)


def drain(read):
    while os.read(read, 65536):
        pass


async def test_it_ends_by_itself_when_nobody_reads_any_more(shop):
    """`| head`. Mutant: BrokenPipeError not caught."""
    read, write = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "notifychannel_cli", *shop.arguments, stdout=write, stderr=asyncio.subprocess.PIPE
    )
    os.close(write)
    assert b"Listening" in await process.stderr.readline()
    os.close(read)
    await shop.admin.execute("INSERT INTO orders VALUES (1, 7, 'new')")
    async with asyncio.timeout(PATIENCE_S):
        rest = await process.stderr.read()
        assert (await process.wait(), rest) == (0, b"")


async def test_a_lost_connection_is_said_and_what_may_be_missing(shop):
    """Mutant: the reconnection's resync not told."""
    async with notifychannel(*shop.arguments) as tail:
        await tail.line("Listening; Ctrl-C ends")
        await shop.admin.execute("SELECT pg_terminate_backend(pid) FROM (" + OURS + ") AS it")
        await tail.line("Not listening: Unreachable")
        await tail.line("Listening again")
        await tail.line("is not shown")
        await shop.admin.execute("INSERT INTO orders VALUES (1, 7, 'new')")
        assert await lines(tail, 1) == [("insert", {"tenant": 7, "order_id": 1}, None)]


async def run(*args):
    async with notifychannel("tail", *map(str, args)) as tail:
        return await tail.ends(), "\n".join(tail.printed)


async def test_what_can_not_be_listened_to_is_said_with_what_to_do(database, tmp_path):
    """Mutant: the first failure is tried again for ever."""
    path = tmp_path / "orders.yaml"
    path.write_text(CHANNEL)
    code, said = await run("-f", path, "--dsn", database.dsn())
    assert (code, "no triggers of shop/orders" in said) == (1, True)
    code, said = await run("-f", path, "--dsn", database.dsn(), "--installation", "dev", "--key", '{"nope": 1}')
    assert (code, "the channel's key is tenant, order_id" in said) == (1, True)
    code, said = await run("-f", path, "--dsn", "postgresql://u:hunter2@127.0.0.1:1/x")
    assert (code, "nobody listens there" in said, "hunter2" in said) == (3, True, False)
    path.write_text(TEXT)
    code, said = await run("-f", path, "--dsn", "postgresql://u:hunter2@127.0.0.1:1/x")
    assert (code, "Unreachable" in said, "hunter2" in said) == (3, True, False)
