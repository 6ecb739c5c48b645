"""Two things changed by hand at once: whichever they are, one pass puts everything right and a second does nothing."""

from __future__ import annotations

import itertools

import asyncpg
import pytest

from notifychannel_operator import names
from tests.premises import OWNER, build, channel, source

FUNCTION = f'notifychannel."{names.function(OWNER, "public", "orders")}"()'
PREFIX = f"nch_{names.function(OWNER, 'public', 'orders')[-8:]}_"
DAMAGE = {
    "a trigger dropped": f'DROP TRIGGER IF EXISTS "{PREFIX}insert" ON orders',
    "a trigger renamed": f'ALTER TRIGGER "{PREFIX}update" ON orders RENAME TO "{PREFIX}insert_2"',
    "a foreign trigger under our name": f'DROP TRIGGER IF EXISTS "{PREFIX}delete" ON orders;'
    f'CREATE TRIGGER "{PREFIX}delete" AFTER DELETE ON orders EXECUTE FUNCTION audit()',
    "one trigger too many": f"CREATE TRIGGER more AFTER INSERT ON orders EXECUTE FUNCTION {FUNCTION}",
    "the function dropped": f"DROP FUNCTION {FUNCTION} CASCADE",
    "the function renamed": f"ALTER FUNCTION {FUNCTION} RENAME TO renamed",
    "the function given away": f"ALTER FUNCTION {FUNCTION} OWNER TO postgres",
    "the body replaced": f"ALTER FUNCTION {FUNCTION} COST 1;"
    f"CREATE OR REPLACE FUNCTION {FUNCTION} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
    " SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NULL; END'",
    "the comment of another table": f"COMMENT ON FUNCTION {FUNCTION} IS "
    '\'{"notifychannel": 1, "installation": "test", "namespace": "shop", "name": "orders",'
    ' "source": ["a", "b"], "hash": ""}\'',
    "no right for PUBLIC": f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC",
    "the counter dropped": "DROP SEQUENCE notifychannel.skips; DROP FUNCTION notifychannel.skipped()",
    "the table made again": "ALTER TABLE orders RENAME TO orders_old; CREATE TABLE orders (id bigint, status text);"
    "GRANT TRIGGER ON orders TO PUBLIC",
}
FUNCTIONS = """
SELECT proname, prosrc, proconfig, prosecdef, proowner::regrole::text, has_function_privilege('public', oid, 'EXECUTE'),
       CASE WHEN proname <> 'skipped' THEN obj_description(oid, 'pg_proc') END AS marker
FROM pg_proc WHERE pronamespace = 'notifychannel'::regnamespace ORDER BY proname
"""
EXPECTED = {"INSERT": 1, "UPDATE": 1, "DELETE": 1, "TRUNCATE": 1}


@pytest.fixture(scope="session")
def server(newest):
    """What two of them come to is decided outside of the database; test_objects_drift.py looks on each version."""
    return newest


@pytest.fixture
async def site(database):
    made = await build(database)
    await made.app.execute("CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    return made


async def ours(site):
    """Event → how many of our triggers on the table hear it."""
    rows = await site.admin.fetch(
        "SELECT tgtype & 60 AS event, count(*) AS count FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid"
        " WHERE pronamespace = 'notifychannel'::regnamespace AND tgrelid = 'public.orders'::regclass GROUP BY 1"
    )
    named = {4: "INSERT", 8: "DELETE", 16: "UPDATE", 32: "TRUNCATE"}
    return {named[row["event"]]: row["count"] for row in rows}


@pytest.mark.slow
async def test_any_two_changes_by_hand_are_put_right_in_one_pass(site):
    """Mutants in comparison.py: no reason for a foreign owner, for surplus triggers, for another body, or
    for the lost right of PUBLIC.
    """
    await site.install(channel(source()))
    functions = await site.admin.fetch(FUNCTIONS)
    for first, second in itertools.permutations(DAMAGE, 2):
        try:
            async with site.admin.transaction():
                await site.admin.execute(DAMAGE[first])
                await site.admin.execute(DAMAGE[second])
        except (asyncpg.UndefinedObjectError, asyncpg.UndefinedFunctionError, asyncpg.DuplicateObjectError):
            continue  # the first has left nothing for the second
        await site.step(channel(source()))
        assert await ours(site) == EXPECTED, (first, second)
        assert await site.admin.fetch(FUNCTIONS) == functions, (first, second)
        await site.admin.execute(f"""
            DROP TABLE IF EXISTS orders_old;
            DROP TRIGGER IF EXISTS "{PREFIX}delete" ON orders;
            DROP FUNCTION {FUNCTION} CASCADE
        """)
        await site.step(channel(source()))
