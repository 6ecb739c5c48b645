"""docs/howto/adopt-existing-triggers.md: its triggers, its resources and its commands, on a real server."""

from __future__ import annotations

import asyncio
import json

import asyncpg
import pytest

from notifychannel_operator import configmap, manifest
from notifychannel_operator import database as edge
from notifychannel_operator.names import Owner, pg_channel
from tests import commands
from tests.listening import Listening, target
from tests.pages import ROOT, blocks
from tests.premises import OWNER, build, channel, source

PAGE = "adopt-existing-triggers.md"
YAML = [it.text for it in blocks((ROOT / "docs" / "howto" / PAGE).read_text()) if it.language == "yaml"]
(THEIRS,) = commands.of(PAGE, "test_what_your_own_trigger_sends_is_heard_without_one_of_ours")
INSTALL, DROP = commands.of(PAGE, "test_theirs_are_replaced_by_ours_under_writes_and_no_key_is_missed")
BY_HAND = Owner(installation="dev", namespace="shop", name="orders")
PATIENCE_S = 30


@pytest.fixture
async def site(database):
    """A table with a trigger that NOTIFYs, as the page begins."""
    made = await build(database, tables="CREATE TABLE public.orders (id bigint PRIMARY KEY, status text)")
    await made.app.execute(THEIRS)
    return made


class Ears:
    """What one session hears on both PostgreSQL channels, in its order."""

    def __init__(self):
        self.heard = asyncio.Queue()

    async def on(self, site, *channels):
        session = await site.database.connect()
        for each in channels:
            await session.add_listener(each, lambda *it: self.heard.put_nowait((it[2], it[3])))
        return self

    async def until(self, payload):
        """All before that one."""
        found = []
        async with asyncio.timeout(PATIENCE_S):
            while (it := await self.heard.get())[1] != payload:
                found.append(it)
        return found


async def test_what_your_own_trigger_sends_is_heard_without_one_of_ours(site):
    """Mutant of the page: another field than the trigger's."""
    (theirs,) = manifest.parse(YAML[0], file="theirs.yaml")
    made = configmap.config_for(
        (theirs,), installation="dev", namespace="shop", group="orders-api", system_identifier=None,
        dbname=site.database.name,
    )  # fmt: skip
    (told,) = made.channels
    await site.admin.execute(f'GRANT CONNECT ON DATABASE "{site.database.name}" TO "{site.listener}"')
    async with Listening(target=target(site.database.dsn(site.listener), told)) as listening:
        await listening.until(lambda: listening.resyncs)
        await site.app.execute("INSERT INTO orders VALUES (7, 'new'); UPDATE orders SET status = 'paid'")
        await listening.until(lambda: len(listening.puts) == 2)
        assert [json.loads(payload) for _, payload in listening.puts] == [
            {"id": 7, "op": "INSERT"}, {"id": 7, "op": "UPDATE"}
        ]  # fmt: skip
    assert (told.format, told.key, told.sources) == ("Json", ("id",), False)
    assert await site.triggers() == [("orders", "notify_order")]


async def test_ours_see_what_before_triggers_have_made_and_say_nothing_where_theirs_raise(site):
    """Theirs come before and behind ours by name."""
    await site.app.execute("""
        CREATE FUNCTION number() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.id := NEW.id + 100; IF NEW.status = ''no'' THEN RAISE ''no''; END IF; RETURN NEW; END';
        CREATE FUNCTION last() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN IF NEW.status = ''late'' THEN RAISE ''late''; END IF; RETURN NULL; END';
        CREATE TRIGGER zz_first BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION number();
        CREATE TRIGGER zz_last AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION last();
    """)
    await site.install(channel(source()))
    ears = await Ears().on(site, pg_channel(OWNER))
    for status in ("no", "late"):
        with pytest.raises(asyncpg.RaiseError):
            await site.app.execute(f"INSERT INTO orders VALUES (1, '{status}')")
    await site.app.execute("INSERT INTO orders VALUES (2, 'yes')")
    await site.admin.execute(f"SELECT pg_notify('{pg_channel(OWNER)}', 'end')")
    assert [payload.split("\n")[1:] for _, payload in await ears.until("end")] == [["[102]"]]


async def test_ours_beside_theirs_leave_them_as_they_were_and_go_without_a_trace(site):
    await site.grant(channel(source()))
    before = site.dump()
    await site.step(channel(source()))
    ears = await Ears().on(site, pg_channel(OWNER), "order_changed")
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await site.admin.execute("NOTIFY order_changed, 'end'")
    heard = dict(await ears.until("end"))
    assert json.loads(heard["order_changed"])["id"] == 1
    assert heard[pg_channel(OWNER)].endswith("\n[1]")
    assert (await edge.remove(await site.session(), OWNER)).is_complete
    assert (await edge.remove(await site.session(), OWNER)).is_complete
    assert site.dump() == before


async def test_theirs_are_replaced_by_ours_under_writes_and_no_key_is_missed(site, tmp_path):
    """Mutant of the page: theirs dropped before ours are made."""
    (orders,) = manifest.parse(YAML[1], file="orders.yaml")
    await site.grant(orders)
    (tmp_path / "orders.yaml").write_text(YAML[1])
    ours = pg_channel(BY_HAND)
    ears = await Ears().on(site, ours, "order_changed")
    written = 0
    stop, wrote = asyncio.Event(), asyncio.Event()

    async def write():
        nonlocal written
        while not stop.is_set():
            await site.app.execute("INSERT INTO orders VALUES ($1)", written + 1)
            written += 1
            wrote.set()

    where = {"DSN": site.database.dsn(site.installer), "OWNER": site.database.dsn(site.app_role)}
    writing = asyncio.create_task(write())
    try:
        for script in (INSTALL, DROP):
            await commands.run(script, tmp_path, site.database.server, **where)
            for _ in range(2):  # the second has begun after the script
                wrote.clear()
                await asyncio.wait_for(wrote.wait(), PATIENCE_S)
    finally:
        stop.set()
        await writing
    await site.app.execute("DELETE FROM orders WHERE id = 1")
    await site.admin.execute(f"SELECT pg_notify('{ours}', 'end')")
    heard = await ears.until("end")
    theirs = {json.loads(payload)["id"] for name, payload in heard if name == "order_changed"}
    told = {json.loads(key)[0] for name, payload in heard if name == ours for key in payload.split("\n")[1:]}
    assert theirs | told == set(range(1, written + 1))
    assert theirs & told, "for a while both told"
    assert heard[-1][0] == ours
    assert "notify_order" not in {function for _, function in await site.triggers()}


async def test_a_table_of_events_that_a_trigger_fills_is_a_source_like_any_other(site):
    await site.app.execute("""
        CREATE TABLE changes (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id bigint);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO changes (id) VALUES (NEW.id); RETURN NULL; END';
        CREATE TRIGGER orders_note AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION note();
    """)
    await site.install(channel(source("changes")))
    ears = await Ears().on(site, pg_channel(OWNER))
    await site.app.execute("INSERT INTO orders VALUES (7)")
    await site.admin.execute(f"SELECT pg_notify('{pg_channel(OWNER)}', 'end')")
    assert [payload.split("\n")[1:] for _, payload in await ears.until("end")] == [["[7]"]]
