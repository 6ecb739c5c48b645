"""Nothing that an application's role can make runs with the installer's rights when a row is written."""

from __future__ import annotations

import pytest

from notifychannel_operator.spec import Condition, Event, KeyPart, Lookup, Operator, Source
from tests.integration.hints.stage import BY_EACH_CAPTURE, key, rule

pytestmark = BY_EACH_CAPTURE

EVENTS = (Event.INSERT, Event.UPDATE, Event.DELETE)
TYPES = {
    "enum": ("mood", "mood", "a"),
    "domain": ("mood", "happy", "a"),
    "array": ("mood[]", "mood[]", "{a,b}"),
    "array of domains": ("happy[]", "happy[]", "{a}"),
    "range": ("moods", "moods", "[a,b]"),
    "array of text of a domain": ("words[]", "words[]", "{1.50}"),
    "array of json of a domain": ("papers[]", "papers[]", '{"{}"}'),
}
MAKE = """
    CREATE TYPE mood AS ENUM ('a', 'b');
    CREATE DOMAIN happy AS mood;
    CREATE TYPE moods AS RANGE (subtype = mood);
    CREATE DOMAIN words AS numeric;
    CREATE DOMAIN papers AS json;
"""
RAISING = """
    CREATE FUNCTION {name}({takes}) RETURNS {gives} LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'the application''s code ran as %', current_user;
    END $$;
"""


TABLES = ("t", "p")
"""That of statement triggers, that of row triggers."""


@pytest.fixture(params=TABLES, ids=["statement triggers", "row triggers"])
def table(request):
    return request.param


async def make(stage, column):
    await stage.tables(MAKE)
    await stage.tables(f"""
        CREATE TABLE t (id int, v {column}, n int);
        CREATE TABLE p (id int, v {column}, n int) PARTITION BY RANGE (id);
        CREATE TABLE p0 PARTITION OF p DEFAULT;
    """)


@pytest.mark.parametrize("kind", TYPES)
async def test_a_users_cast_to_text_is_never_called_for_a_key(stage, kind):
    """Mutant: `as_text` giving `::text` for every type: the cast's error makes resyncs of the hints."""
    owned, column, value = TYPES[kind]
    await make(stage, column)
    await stage.tables(RAISING.format(name="f", takes=owned, gives="text"))
    await stage.tables(f"CREATE CAST ({owned} AS text) WITH FUNCTION f({owned})")
    rules = (rule(*EVENTS, columns=("n",)),)
    await stage.install(*[Source(schema="public", table=table, key=key("v"), rules=rules) for table in TABLES])
    for table in TABLES:
        heard = await stage.hear(
            f"INSERT INTO {table} VALUES (1, '{value}'), (1, NULL)" if table == "t" else
            f"INSERT INTO {table} VALUES (1, '{value}')",
            f"UPDATE {table} SET n = 2 WHERE v IS NOT NULL",
            f"DELETE FROM {table} WHERE v IS NOT NULL",
        )  # fmt: skip
        assert [(event, sorted(keys, key=str)) for event, keys in heard] == [
            ("insert", sorted([[value], [None]] if table == "t" else [[value]], key=str)),
            ("update", [[value]]),
            ("delete", [[value]]),
        ], table


async def test_null_of_a_users_type_is_null_in_a_key(stage, table):
    """Mutant: `as_text` without its CASE: an empty string."""
    await make(stage, "mood")
    await stage.install(Source(schema="public", table=table, key=key("v"), rules=(rule(*EVENTS),)))
    assert await stage.hear(f"INSERT INTO {table} VALUES (1, NULL)") == [("insert", [[None]])]


@pytest.mark.parametrize("kind", ["enum", "domain", "array", "range"])
async def test_a_users_cast_is_never_called_for_a_condition(stage, kind):
    """Mutant: `condition._compared` using `=` for every type: PostgreSQL prefers `text = text` and calls the cast."""
    owned, column, value = TYPES[kind]
    await make(stage, column)
    await stage.tables(RAISING.format(name="f", takes=owned, gives="text"))
    await stage.tables(f"CREATE CAST ({owned} AS text) WITH FUNCTION f({owned}) AS IMPLICIT")
    when = (Condition(column="v", operator=Operator.EQUALS, values=(value,)),)
    rules = (rule(*EVENTS, when=when),)
    await stage.install(*[Source(schema="public", table=table, key=key("id"), rules=rules) for table in TABLES])
    for table in TABLES:
        written = (f"INSERT INTO {table} VALUES (1, '{value}')", f"INSERT INTO {table} VALUES (2, NULL)")
        assert await stage.hear(*written) == [("insert", [[1]])], table


async def test_a_policy_that_came_after_the_pass_is_never_evaluated(stage):
    """Mutant: no `row_security` among body.settings: the policy runs, as the installer."""
    await stage.tables("""
        CREATE TABLE tenants (id int PRIMARY KEY, region text);
        CREATE TABLE orders (id int PRIMARY KEY, tenant_id int);
        CREATE SEQUENCE ran;
        GRANT USAGE ON SEQUENCE ran TO PUBLIC;
        INSERT INTO tenants VALUES (1, 'eu');
    """)
    region = Lookup(schema="public", table="tenants", column="region", match=(("id", "tenant_id"),))
    parts = (*key("id"), KeyPart(name="region", lookup=region))
    await stage.install(Source(schema="public", table="orders", key=parts, rules=(rule(*EVENTS),)))
    await stage.tables("""
        ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
        CREATE POLICY telling ON tenants USING (nextval('public.ran') > 0);
    """)
    assert await stage.hear("INSERT INTO orders VALUES (7, 1)") == [("insert", "resync")]
    assert not await stage.admin.fetchval("SELECT is_called FROM ran")
