"""What people do to our triggers by hand: a pass mends it and the application looks at everything once."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e import shop as shops

if TYPE_CHECKING:
    import asyncpg

    from tests.e2e.shop import Shop

pytestmark = pytest.mark.timeout(900)
GOAL_S = 90
PLAIN = ("orders", "stock", "parcels", "tickets")
TABLES = "".join(f"CREATE TABLE {name} (id bigint PRIMARY KEY, note text);" for name in PLAIN)
TABLES += """
CREATE TABLE visits (id bigint, day date) PARTITION BY RANGE (day);
CREATE TABLE visits_2026 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
ALTER DEFAULT PRIVILEGES GRANT TRIGGER ON TABLES TO installer;
"""
"""The last line is what lets a table that is made later be looked after without a GRANT."""
FUNCTION = """
SELECT DISTINCT p.oid::regprocedure::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE t.tgrelid = $1::text::regclass AND p.pronamespace = 'notifychannel'::regnamespace
"""
TRIGGER = """
SELECT tgname FROM pg_trigger
WHERE tgrelid = $1::text::regclass AND NOT tgisinternal AND (tgtype & $2) <> 0
AND tgfoid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'notifychannel'::regnamespace)
"""
INSERT, TRUNCATE = 4, 32
"""Bits of pg_trigger.tgtype (PostgreSQL's catalog/pg_trigger.h)."""
BODY = "SELECT prosrc FROM pg_proc WHERE oid = $1::text::regprocedure"
SOMEBODY_ELSES = "LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"


MOST_SWALLOWED = 5
"""Repairs of one pass, each with its resyncs."""


def channel():
    wanted = shops.channel(tables=(*PLAIN, "visits"))
    wanted["spec"]["sources"][-1]["rules"] = [{"name": "every", "events": ["Insert", "Update", "Delete", "Truncate"]}]
    return wanted


async def hinted(shop: Shop, owner: asyncpg.Connection, pod: str, table: str, number: int) -> None:
    """A row of the table is heard of, by its key.

    Each repair is followed by a resync, at once and once more when those who wrote meanwhile have ended: a row whose
    hint such a one swallows is followed by another.
    """
    for key in range(number, number + MOST_SWALLOWED * 1000, 1000):
        at = time.time()
        await owner.execute(f"INSERT INTO {table} (id) VALUES ($1)", key)
        try:
            await asyncio.to_thread(shops.until_heard, shop.kubectl, pod, {"id": key}, timeout_s=20)
        except AssertionError:
            await asyncio.to_thread(shops.until_heard, shop.kubectl, pod, None, after=at)
        else:
            return
    raise AssertionError(f"no row of {table} is heard of by its key")


async def test_what_is_done_to_triggers_tables_and_functions_by_hand_is_mended_and_followed_by_a_resync(
    shop, images, record_property
):
    """Mutant: `_step` in plan.py without `statements.resync`."""
    owner = await shop.open(channel(), tables=TABLES)
    (pod,) = await asyncio.to_thread(shop.run, images)
    await asyncio.to_thread(shops.until_condition, shop.kubectl, "orders", "TriggersInstalled", "True")
    await asyncio.to_thread(shops.until_heard, shop.kubectl, pod, None)
    for number, table in enumerate(PLAIN):
        await hinted(shop, owner, pod, table, number)
    admin = await shop.postgres.connect("postgres")
    names = {table: await admin.fetchval(FUNCTION, table) for table in PLAIN}
    body = await admin.fetchval(BODY, names["parcels"])

    damaged_at = time.time()
    await owner.execute(f'DROP TRIGGER "{await admin.fetchval(TRIGGER, "orders", INSERT)}" ON orders')
    await owner.execute("DROP TABLE stock; CREATE TABLE stock (id bigint PRIMARY KEY, note text)")
    await admin.execute(f"CREATE OR REPLACE FUNCTION {names['parcels']} RETURNS trigger {SOMEBODY_ELSES}")
    await admin.execute(  # at once: no pass comes between
        f"DROP FUNCTION {names['tickets']} CASCADE; CREATE FUNCTION {names['tickets']} RETURNS trigger {SOMEBODY_ELSES}"
    )
    await owner.execute("CREATE TABLE visits_2027 (LIKE visits)")
    await owner.execute(
        "ALTER TABLE visits ATTACH PARTITION visits_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')"
    )
    await owner.execute("INSERT INTO visits VALUES (100, '2027-05-01')")
    await asyncio.to_thread(shops.until_heard, shop.kubectl, pod, {"id": 100})

    broken_at, took_s = await until_mended(admin, names["parcels"], body, since=damaged_at)
    record_property(
        "figures",
        ", ".join(f"{what}: {seconds:.0f} s" for what, seconds in took_s.items()) + f" (goal {GOAL_S} s)",
    )
    await asyncio.to_thread(shops.until_heard, shop.kubectl, pod, None, after=broken_at)
    for number, table in enumerate(PLAIN[:3], start=10):
        await hinted(shop, owner, pod, table, number)

    dropped_at = await somebody_elses_function_is_named_and_left_alone(shop, admin, names["tickets"])
    await asyncio.to_thread(shops.until_heard, shop.kubectl, pod, None, after=dropped_at)  # it would swallow the hint
    await hinted(shop, owner, pod, "tickets", 20)


async def until_mended(
    admin: asyncpg.Connection, function: str, body: str, *, since: float
) -> tuple[float, dict[str, float]]:
    """When something was last seen broken (Unix time), and the seconds until each thing was mended.

    A pass may have come before the first look: then all that is known is `since` when it was broken.
    """
    began_s, took_s, broken_at = time.monotonic(), {}, since
    while len(took_s) < 4:
        looked_at = time.time()
        mended = {
            "trigger": await admin.fetchval(TRIGGER, "orders", INSERT),
            "table re-created": await admin.fetchval(TRIGGER, "stock", INSERT),
            "partition attached": await admin.fetchval(TRIGGER, "visits_2027", TRUNCATE),
            "body replaced": await admin.fetchval(BODY, function) == body,
        }
        for what in (what for what, is_so in mended.items() if is_so):
            took_s.setdefault(what, time.monotonic() - began_s)
        if not all(mended.values()):
            broken_at = looked_at
        assert time.monotonic() - began_s < 3 * GOAL_S, f"mended: {mended}"
        await asyncio.sleep(0.2)
    return broken_at, took_s


async def somebody_elses_function_is_named_and_left_alone(shop: Shop, admin: asyncpg.Connection, name: str) -> float:
    """And what the message says mends it; when that was done (Unix time)."""
    found, _ = await asyncio.to_thread(
        shops.until_condition, shop.kubectl, "orders", "TriggersInstalled", "False", "Refused"
    )
    said = shops.message(found, "TriggersInstalled")
    assert name in said.replace('"', "")
    assert "left alone" in said
    assert "RETURN NULL" in await admin.fetchval(BODY, name), "it is not ours"
    dropped_at = time.time()
    await admin.execute(re.search(r"DROP FUNCTION .* CASCADE", said)[0])
    shop.kubectl.run("annotate", "notifychannel", "orders", "example.com/look=again")
    await asyncio.to_thread(shops.until_condition, shop.kubectl, "orders", "TriggersInstalled", "True", "Installed")
    return dropped_at
