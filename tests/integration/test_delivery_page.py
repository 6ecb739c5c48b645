"""The commands of docs/delivery.md run, against a channel as the page means it."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from notifychannel_cli.commands import cli
from notifychannel_cli.install import grant, install
from notifychannel_operator import manifest
from tests.queueing import Claimer

PAGE = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text()
CHANNEL = """
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders, namespace: shop}
spec:
  database: {secretRef: {name: orders-db}}
  capture: Outbox
  audit: {enabled: true}
  sources:
    - schema: public
      table: orders
      key: [{column: order_id}]
      rules: [{name: any, events: [Insert, Update, Delete]}]
  consumers:
    - {group: api, endpoint: {port: 8080, path: /hints}, delivery: AtLeastOnce, retry: {maxAttempts: 1}}
"""
DUE = "UPDATE notifychannel.queue_clock SET ahead = ahead + '1 hour'"


async def test_the_pages_commands_run(database, tmp_path, monkeypatch):
    (tmp_path / "orders.yaml").write_text(CHANNEL)
    monkeypatch.chdir(tmp_path)
    admin = await database.connect()
    await admin.execute("CREATE TABLE orders (order_id bigint PRIMARY KEY, tenant_id integer, updated_at timestamptz)")
    channels = manifest.parse(CHANNEL, file="orders.yaml")
    installer, listener = await database.role("installer"), await database.role("listener")
    await grant(channels, dsn=database.dsn(), installer=installer, listener=listener)
    await admin.execute(f'GRANT SELECT ON orders TO "{installer}"')
    await install(channels, dsn=database.dsn(installer), installation="dev")
    await admin.execute("INSERT INTO orders SELECT i, 7, '2026-02-01' FROM generate_series(41, 43) AS i")
    await admin.execute("SELECT notifychannel.drain('0', '{}', 1000)")
    await admin.execute(DUE)
    connection = await database.connect(listener)
    me = await connection.fetchval("SELECT notifychannel.enter('dev', 'shop', 'orders', 'api', 'pod')")
    claimer = Claimer(connection=connection, me=me)
    while rows := await claimer.claim():
        await claimer.settle(rows, "retry", error="500")
    monkeypatch.setenv("NOTIFYCHANNEL_DSN", database.dsn(installer))
    printed = [await run(line) for line in re.search(r"```sh\n(.*?)```", PAGE, re.DOTALL)[1].splitlines()]
    assert [text.splitlines()[-1] for text in printed[2:7]] == [
        "shop/orders, api: 4 dead letters would be due again",  # three keys and the first look at everything
        "shop/orders, api: 1 dead letter due again",
        "shop/orders, api: 3 dead letters due again",
        "public.orders: 3 keys would go to shop/orders, in 0s",
        "public.orders: 3 keys went to shop/orders",
    ]
    assert [line.split()[3] for line in printed[7].splitlines()[1:]] == ["captured", "dead", "redriven"]


async def run(line):
    """As a shell would."""
    program, *arguments = shlex.split(line)
    assert program == "notifychannel"
    result = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
    assert result.exit_code == 0, f"{line}: {result.output}"
    return result.stdout
