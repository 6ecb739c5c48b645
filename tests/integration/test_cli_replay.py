"""`notifychannel replay`: keys of rows go the channel's normal way, as its own triggers would have sent them."""

from __future__ import annotations

import asyncio
import json
import re
import time

import pytest
from click.testing import CliRunner

from notifychannel_cli.commands import cli
from notifychannel_cli.install import grant, install
from notifychannel_operator import manifest, names

TABLE = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE regions (tenant integer PRIMARY KEY, region text);
INSERT INTO regions SELECT t, 'r' || t FROM generate_series(1, 3) AS t;
CREATE TABLE orders (
    id bigint PRIMARY KEY, tenant integer, "order By" text, mood mood DEFAULT 'sad', doc json,
    updated_at timestamptz NOT NULL DEFAULT '2026-01-01 00:00Z'
);
"""
CHANNEL = """
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders, namespace: shop}
spec:
  database: {secretRef: {name: orders-db}}
  capture: Outbox
  sources:
    - schema: public
      table: orders
      key:
        - {column: id}
        - {column: "order By", name: by}
        - {column: updated_at}
        - {name: region, lookup: {schema: public, table: regions, column: region, match: {tenant: tenant}}}
      rules: [{name: any, events: [Insert, Update, Delete]}]
  consumers: [{group: api, endpoint: {port: 8080, path: /hints}}]
"""
ROWS = """INSERT INTO orders (id, tenant, "order By", updated_at) SELECT i, 1 + i % 3, 'x"ä' || i % 2,
    '2026-01-01Z'::timestamptz + i * interval '1 hour' FROM generate_series(1, 30) AS i"""
TAKE = "WITH gone AS (DELETE FROM notifychannel.{} RETURNING *) SELECT * FROM gone ORDER BY xid"


async def run(*args, code=0):
    """The command in a thread of its own, as it starts a loop."""
    result = await asyncio.to_thread(CliRunner().invoke, cli, ["replay", *map(str, args)])
    assert result.exit_code == code, result.output
    return result


class Shop:
    """Installed as `text` says; `arguments` of the command; what the triggers and replays have sent."""

    def __init__(self, database, folder):
        self.database = database
        self.path = folder / "orders.yaml"

    async def begin(self, text=CHANNEL):
        self.path.write_text(text)
        (self.channel,) = manifest.parse(text, file="orders.yaml")
        self.admin = await self.database.connect()
        await self.admin.execute(TABLE)
        self.installer = await self.database.role("installer")
        listener = await self.database.role("listener")
        await grant((self.channel,), dsn=self.database.dsn(), installer=self.installer, listener=listener)
        await self.admin.execute(f'GRANT SELECT ON orders TO "{self.installer}"')
        await install((self.channel,), dsn=self.database.dsn(self.installer), installation="dev")
        self.arguments = ("-f", self.path, "--dsn", self.database.dsn(self.installer))
        return self

    async def took(self, outbox="outbox"):
        """(channel, rules, keys) of what waits, which goes."""
        rows = await self.admin.fetch(TAKE.format(outbox))
        assert {row["channel"] for row in rows} <= {names.pg_channel(names.Owner(
            installation="dev", namespace="shop", name="orders"))}  # fmt: skip
        return [(row["payload"][1:9], row["payload"].split("\n")[1:]) for row in rows]


@pytest.fixture
async def shop(database, tmp_path):
    return await Shop(database, tmp_path).begin()


async def test_all_keys_of_a_table_are_appended_as_the_trigger_appends_them(shop):
    """Mutants: `query.of` without the pins; header without the rules."""
    await shop.admin.execute(ROWS)
    ((rules, by_trigger),) = await shop.took()
    await shop.admin.execute(f"ALTER DATABASE \"{shop.database.name}\" SET TimeZone = 'Asia/Tokyo'")
    result = await run(*shop.arguments)
    assert result.stdout == "public.orders: 30 keys went to shop/orders\n"
    ((same, by_replay),) = await shop.took()
    assert same == rules
    assert sorted(by_replay) == sorted(by_trigger)
    assert len(by_replay) == 30


async def test_a_dry_run_counts_and_sends_nothing(shop):
    await shop.admin.execute(ROWS)
    await shop.took()
    result = await run(*shop.arguments, "--dry-run", "--rate", 10)
    assert result.stdout == "public.orders: 30 keys would go to shop/orders, in 3s\n"
    assert json.loads((await run(*shop.arguments, "--dry-run", "--json")).stdout) == {
        "channel": "shop/orders", "table": "public.orders", "keys": 30, "dry_run": True,
    }  # fmt: skip
    assert await shop.took() == []


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--where", "tenant=2"], range(1, 31, 3)),
        (["--where", 'order By=x"ä1', "--where", "tenant=2"], range(1, 31, 6)),
        (["--since", "updated_at=2026-01-02T04:00Z"], range(28, 31)),
        (["--since", "updated_at=2026-01-02 04:00"], range(28, 31)),
        (["--where", "mood=glad"], [5]),
        (["--where", 'doc={"a": 1}'], [6]),
        (["--where", "id=99"], []),
        (["--where", "order By=' OR true --"], []),
    ],
)
async def test_only_rows_that_match_are_replayed_and_values_are_never_sql(shop, options, ids):
    """Mutants: `>` for `>=`; OR for AND."""
    await shop.admin.execute(ROWS)
    await shop.admin.execute("UPDATE orders SET mood = 'glad' WHERE id = 5")
    await shop.admin.execute("UPDATE orders SET doc = '{\"a\": 1}' WHERE id = 6")
    await shop.took()
    await run(*shop.arguments, *options)
    assert sorted(json.loads(key)[0] for _, keys in await shop.took() for key in keys) == list(ids)


async def test_it_is_throttled(shop):
    """Mutant: no sleep in `Way.send`."""
    await shop.admin.execute(ROWS)
    started_s = time.monotonic()
    await run(*shop.arguments, "--rate", 30)
    assert time.monotonic() - started_s >= 1.0
    assert len(await shop.took()) >= 5


async def test_a_row_whose_key_only_a_resync_can_tell_becomes_one(shop):
    await shop.admin.execute("INSERT INTO orders (id, tenant) VALUES (1, 1), (2, 99)")
    await shop.took()
    await run(*shop.arguments)
    assert [len(keys) for _, keys in await shop.took()] == [1, 0]


async def test_of_a_durable_channel_the_logged_outbox_is_the_way_and_the_relay_is_woken(database, tmp_path):
    """Mutant: replay.way without ring.sql."""
    durable = CHANNEL.replace("path: /hints}}", "path: /hints}, delivery: AtLeastOnce}")
    shop = await Shop(database, tmp_path).begin(durable)
    await shop.admin.execute("INSERT INTO orders (id, tenant) VALUES (1, 1)")
    assert len(await shop.took("outbox_logged")) == 1
    rung = asyncio.Event()
    await shop.admin.add_listener("notifychannel_relay", lambda *_: rung.set())
    await run(*shop.arguments)
    async with asyncio.timeout(30):
        await rung.wait()
    ((rules, (key,)),) = await shop.took("outbox_logged")
    assert rules == await shop.admin.fetchval("SELECT rules FROM notifychannel.consumer")
    assert json.loads(key)[0] == 1


async def test_of_a_channel_that_notifies_that_is_the_way(database, tmp_path):
    shop = await Shop(database, tmp_path).begin(CHANNEL.replace("capture: Outbox", "capture: Notify"))
    await shop.admin.execute("INSERT INTO orders (id, tenant) VALUES (1, 1), (2, 2)")
    heard = asyncio.Queue()
    pg_channel = names.pg_channel(names.Owner(installation="dev", namespace="shop", name="orders"))
    await shop.admin.add_listener(pg_channel, lambda *it: heard.put_nowait(it[3]))
    await run(*shop.arguments)
    async with asyncio.timeout(30):
        payload = await heard.get()
    assert re.match(rf"1{names.rules(shop.channel)}U\d{{16}}\n", payload)
    assert sorted(json.loads(key)[0] for key in payload.split("\n")[1:]) == [1, 2]


async def test_what_stands_in_the_way_is_said_with_what_to_write(shop):
    said = await run(*shop.arguments, "--where", "nix=1", "--since", "tenant=5", code=1)
    assert "has no column nix; it has id, tenant" in said.output
    assert "column tenant is no time but integer; times are: updated_at" in said.output
    assert "can't be read as its column's type" in (await run(*shop.arguments, "--where", "id=x", code=1)).output
    assert "write COLUMN=VALUE" in (await run(*shop.arguments, "--where", "id", code=2)).output
    assert "the sources are public.orders" in (await run(*shop.arguments, "--table", "nix", code=2)).output
    assert "the files have shop/orders" in (await run(*shop.arguments, "--channel", "nix", code=2)).output
    assert "has no triggers" in (await run(*shop.arguments, "--installation", "nix", code=1)).output
    await shop.admin.execute(f'REVOKE SELECT ON orders FROM "{shop.installer}"')
    said = await run(*shop.arguments, "--where", "tenant=1", code=1)
    assert re.search(
        r'GRANT SELECT \("id", "order By", "tenant", "updated_at"\) ON TABLE "public"."orders"', said.output
    )
    await shop.admin.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY")
    await shop.admin.execute(f'GRANT SELECT ON orders TO "{shop.installer}"')
    assert "row level security" in (await run(*shop.arguments, code=1)).output


async def test_a_file_that_is_not_what_is_installed_is_refused(shop):
    """Else every key would arrive under rules that nobody knows: a resync."""
    shop.path.write_text(CHANNEL.replace("[Insert, Update, Delete]", "[Insert]"))
    assert "are not as the file says" in (await run(*shop.arguments, code=1)).output
    shop.path.write_text(CHANNEL.replace("spec:", "spec:\n  suspend: true"))
    assert "is suspended" in (await run(*shop.arguments, code=1)).output
    sources = re.search(r"  sources:.*(?=  consumers)", CHANNEL, re.DOTALL)[0]
    heard = CHANNEL.replace(sources, "  channel: theirs\n  payload: {format: Text}\n").replace(
        "  capture: Outbox\n", ""
    )
    shop.path.write_text(heard)
    assert "NOTIFY theirs" in (await run(*shop.arguments, code=1)).output
