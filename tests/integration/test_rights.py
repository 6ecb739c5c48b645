"""Rights: the roles have exactly what `--grants` prints; each GRANT left out is named by the message to run it."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from notifychannel_cli.exits import UnreachableError
from notifychannel_cli.identity import connected
from notifychannel_operator import database as edge
from notifychannel_operator import plan, sqlfile
from notifychannel_operator.catalog import PlanError
from notifychannel_operator.names import pg_channel
from notifychannel_operator.spec import KeyPart, Lookup
from tests.premises import OWNER, build, channel, source

LOOKED_UP = """
CREATE TABLE public.orders (id bigint PRIMARY KEY, tenant bigint, status text);
CREATE SCHEMA tenancy;
CREATE TABLE tenancy.tenants (id bigint PRIMARY KEY, region text, secret text);
CREATE SCHEMA archive;
CREATE TABLE public.events (id bigint, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE archive.events_1 PARTITION OF public.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
"""
REGION = Lookup(schema="tenancy", table="tenants", column="region", match=(("id", "tenant"),))


@pytest.fixture
async def site(database):
    """A table with a lookup in another schema, and one with a partition in a third."""
    made = await build(database, tables="SELECT 1")
    await made.admin.execute(f'GRANT CREATE ON DATABASE "{database.name}" TO "{made.app_role}"')
    await made.app.execute(LOOKED_UP)
    return made


def wanted():
    keyed = source(key=(KeyPart(name="id", column="id"), KeyPart(name="region", lookup=REGION)))
    return channel(keyed)


def partitioned():
    return channel(source("events"))


def statements(script):
    return [line for line in script.splitlines() if line.startswith(("GRANT ", "CREATE SCHEMA IF"))]


async def heard(site, statement):
    """What the listener hears of one statement of the application."""
    listening, queue = await site.session(site.listener), asyncio.Queue()
    await listening.add_listener(pg_channel(OWNER), lambda *args: queue.put_nowait(args[3]))
    await site.app.execute(statement)
    return await asyncio.wait_for(queue.get(), 30)


@pytest.mark.parametrize("make", [wanted, partitioned])
async def test_the_printed_rights_are_enough_to_install_and_to_listen(site, make):
    await site.install(make())
    insert = {
        wanted: "INSERT INTO public.orders VALUES (7, 1, 'new')",
        partitioned: "INSERT INTO public.events VALUES (7, '2026-01-07')",
    }
    await site.admin.execute("INSERT INTO tenancy.tenants VALUES (1, 'north', 'x')")
    assert "7" in (await heard(site, insert[make])).split("\n")[1]
    assert await (await site.session(site.listener)).fetchval("SELECT notifychannel.skipped()") == 0


async def test_the_printed_rights_read_as_one_script_with_one_header(site):
    """Mutant: `grants._shared` that gives all of 010_schema.sql: its header stands in the middle."""
    script = await site.rights(wanted())
    assert script.count("Run by:") == script.count("Idempotent") == script.count("psql ") == 1
    assert script.count("CREATE SCHEMA") == 1
    assert script.index("psql ") < script.index("BEGIN;")
    before, _, after = script.partition("-- The listener:")
    assert before.endswith("RESET ROLE;\n\n")
    assert after.endswith("\n\nCOMMIT;\n")


@pytest.mark.parametrize("make", [wanted, partitioned])
async def test_each_grant_left_out_is_named_by_the_message_to_run_it(site, make):
    """Mutants: `refusals.of_partitions`, or `_looked_up`, finding nothing; `_shared` without its GRANT step."""
    script = await site.rights(make())
    asked = statements(script)
    assert len(asked) >= 8
    for left_out in asked:
        await take_back(site)
        what = script.replace(left_out + "\n", "", 1)
        if left_out.startswith("CREATE SCHEMA"):  # without it there is nothing to make the rest in
            what = "\n".join(it for it in asked if " notifychannel" not in it)
        site.psql(what)
        assert left_out in await complaint(site, make()), left_out
        site.psql(left_out if not left_out.startswith("CREATE SCHEMA") else script)
        assert left_out not in await complaint(site, make()), left_out


async def take_back(site):
    """All rights, as if nothing had been granted."""
    for session in site.sessions.values():
        await session.close(timeout=5)
    site.sessions.clear()
    for role in (site.installer, site.listener):
        await site.admin.execute(f'DROP OWNED BY "{role}" CASCADE')


async def complaint(site, asked):
    """What a person who runs into it gets to read."""
    for role in (site.installer, site.listener):
        try:
            async with connected(site.database.dsn(role)):
                pass
        except UnreachableError as error:
            return error.message
    facts = await edge.observe(await site.session(), asked, OWNER, listener=site.listener)
    made = plan.of(asked, facts)
    granting = (f"{it};" for step in made.steps if step.kind.value == "grant" for it in step.statements)
    return "\n".join((*made.problems, *granting))


async def test_a_dba_may_leave_the_schema_to_an_installer_that_may_create_one(site):
    script = await site.rights(wanted(), listener=site.installer)
    without_schema = "\n".join(it for it in statements(script) if " notifychannel" not in it)
    site.psql(without_schema + f'\nGRANT CREATE ON DATABASE "{site.database.name}" TO "{site.installer}";')
    await site.step(wanted())
    owner = "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'notifychannel'"
    assert await site.admin.fetchval(owner) == site.installer


async def test_the_owner_of_the_database_who_is_a_member_of_the_installer_gives_the_rights(site):
    """As where nobody is a superuser (CloudNativePG and other managed PostgreSQL)."""
    await site.admin.execute(f'ALTER DATABASE "{site.database.name}" OWNER TO "{site.app_role}"')
    await site.admin.execute(f'GRANT "{site.installer}" TO "{site.app_role}"')
    await site.admin.execute(f'ALTER SCHEMA tenancy OWNER TO "{site.app_role}"')
    await (await site.session(site.app_role)).execute(await site.rights(wanted()))
    await site.step(wanted())
    assert (await site.plan(wanted())).steps == ()


async def test_a_member_of_the_schemas_owner_installs_as_that_owner(site):
    """A rotated user (Vault makes a new one each time) must be able to change what the one before it made."""
    await site.grant(wanted())
    rotated = await site.database.role("rotated", f'IN ROLE "{site.installer}"')
    facts = await edge.observe(await site.session(rotated), wanted(), OWNER)
    made = plan.of(wanted(), facts)
    result = await edge.apply(await site.session(rotated), made)
    assert (made.problems, result.is_complete) == ((), True)
    owners = await site.admin.fetch("SELECT DISTINCT proowner::regrole::text FROM pg_proc p JOIN pg_namespace n"
                                    " ON n.oid = pronamespace WHERE nspname = 'notifychannel'")  # fmt: skip
    assert [row[0] for row in owners] == [site.installer]
    assert (await site.plan(wanted())).steps == ()


async def test_a_superuser_is_refused_as_installer_unless_that_is_asked_for(site):
    """Mutant: `_superuser` looking at the schema's owner only."""
    facts = await edge.observe(site.admin, wanted(), OWNER)
    refused = plan.of(wanted(), facts)
    assert refused.steps == ()
    assert refused.problems[0].startswith("postgres is a superuser: trigger functions run with the rights of")
    allowed = plan.of(wanted(), facts, allow_superuser=True)
    assert (await edge.apply(site.admin, allowed)).is_complete


async def test_a_schema_that_a_superuser_owns_is_refused_to_its_members_too(site):
    await site.admin.execute("CREATE SCHEMA notifychannel")
    await site.admin.execute(f'GRANT postgres TO "{site.installer}"')
    await site.admin.execute(f'GRANT CONNECT ON DATABASE "{site.database.name}" TO "{site.installer}"')
    made = await site.plan(wanted())
    assert made.steps == ()
    assert "postgres is a superuser" in made.problems[0]


async def test_a_schema_of_somebody_else_is_named_with_the_command_that_gives_it_away(site):
    await site.admin.execute(f'CREATE SCHEMA notifychannel AUTHORIZATION "{site.app_role}"')
    await site.admin.execute(f'GRANT CONNECT ON DATABASE "{site.database.name}" TO "{site.installer}"')
    made = await site.plan(wanted())
    assert made.steps == ()
    assert f'ALTER SCHEMA notifychannel OWNER TO "{site.installer}";' in made.problems[0]


async def test_a_channel_without_sources_needs_nothing_but_connect(site):
    listening = channel()
    script = await site.rights(listening)
    assert [line.split(" ON ")[0] for line in statements(script)] == ["GRANT CONNECT", "GRANT CONNECT"]
    site.psql(script)
    assert (await site.plan(listening)).steps == ()
    assert (await site.plan(listening)).problems == ()
    await (await site.session(site.listener)).execute(f'LISTEN "{pg_channel(OWNER)}"')


async def test_the_listener_may_do_nothing_but_listen_and_ask_for_the_counter(site):
    await site.install(wanted())
    session = await site.session(site.listener)
    for forbidden in (
        "SELECT * FROM notifychannel.skips",
        "SELECT nextval('notifychannel.skips')",
        "CREATE FUNCTION notifychannel.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT * FROM public.orders",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.execute(forbidden)


async def test_nobody_but_the_listener_may_call_the_counter(site):
    """Mutant: 010_schema.sql without its REVOKE."""
    await site.install(wanted())
    stranger = await site.database.role("stranger")
    may = "SELECT has_function_privilege($1, 'notifychannel.skipped()', 'EXECUTE')"
    assert await site.admin.fetchval(may, site.listener)
    assert not await site.admin.fetchval(may, stranger)


async def test_a_role_that_is_not_there_is_named(site):
    with pytest.raises(
        PlanError, match='there is no role nobody2 for the installer; run: CREATE ROLE "nobody2" LOGIN;'
    ):
        await edge.observe(site.admin, wanted(), OWNER, role="nobody2")
    facts = await edge.observe(site.admin, wanted(), OWNER, role=site.installer, listener="nobody3")
    assert any('CREATE ROLE "nobody3" LOGIN;' in it for it in plan.of(wanted(), facts).problems)


async def test_the_schema_file_can_be_run_by_psql_as_often_as_one_likes(site):
    """Its header says who runs it: an installer that may create the schema, or for whom a DBA has made it."""
    await site.admin.execute(f'GRANT CONNECT, CREATE ON DATABASE "{site.database.name}" TO "{site.installer}"')
    for _ in range(2):
        site.psql(sqlfile.read("010_schema.sql"), role=site.installer)
    await site.admin.execute(f'REVOKE CREATE ON DATABASE "{site.database.name}" FROM "{site.installer}"')
    before = site.dump()
    site.psql(sqlfile.read("010_schema.sql"), role=site.installer)
    assert site.dump() == before


async def test_the_counter_counts_and_starts_again_after_the_largest_number(site):
    """A sequence that is not CYCLE raises at its end; last_value alone can't tell 0 from 1."""
    await site.install(wanted())
    counted = []
    for _ in range(2):
        counted.append(await site.admin.fetchval("SELECT notifychannel.skipped()"))
        await site.admin.execute("SELECT nextval('notifychannel.skips')")
    await site.admin.execute("SELECT setval('notifychannel.skips', 9223372036854775807)")
    await site.admin.execute("SELECT nextval('notifychannel.skips')")
    counted.append(await site.admin.fetchval("SELECT notifychannel.skipped()"))
    assert counted == [0, 1, 1]


async def test_a_looked_up_table_with_row_level_security_is_refused_with_the_remedy(site):
    """Mutant: `_looked_up` without `row_security`: policies of the table's owner run as the installer."""
    await site.install(wanted())
    await site.app.execute("ALTER TABLE tenancy.tenants ENABLE ROW LEVEL SECURITY")
    made = await site.plan(wanted())
    assert made.steps == ()
    [said] = made.problems
    assert said.startswith("tenancy.tenants has row level security")
    _, _, remedy = said.partition("run: ")
    await site.app.execute(remedy)
    assert (await site.plan(wanted())).problems == ()
