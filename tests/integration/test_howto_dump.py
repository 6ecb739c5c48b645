"""docs/howto/dump-and-restore.md: its own commands, and what they leave, on a real server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from notifychannel_operator.names import Owner, pg_channel
from notifychannel_operator.spec import Capture, Consumer, Delivery, Endpoint
from notifychannel_operator.step import Kind
from tests import commands
from tests.conftest import Database
from tests.listening import Listening, target
from tests.listening import channel as listened
from tests.premises import OWNER, build, channel, source

PAGE = "dump-and-restore.md"
WHOLE = "test_a_dump_of_everything_is_restored_and_the_next_pass_finds_what_it_needs"
PATIENCE_S = 30
BY_NOTIFY = channel(source())
JOBS = channel(
    source(),
    capture=Capture.OUTBOX,
    consumers=(Consumer(group="app", endpoint=Endpoint(port=1, path="/"), delivery=Delivery.AT_LEAST_ONCE),),
)
DRAIN = "SELECT * FROM notifychannel.drain('0', '{}', 1000)"
QUEUE = "SELECT key FROM notifychannel.queue WHERE state = 'pending' ORDER BY key"
OLDER = "SELECT setval('notifychannel.versions', last_value - 3000000) FROM notifychannel.versions"
"""As three seconds ago."""
YAML = """
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders, namespace: shop}
spec:
  database: {secretRef: {name: db}}
  sources:
    - {schema: public, table: orders, key: [{column: id}], rules: [{name: any, events: [Insert, Delete]}]}
  consumers:
    - {group: app, endpoint: {port: 8080, path: /hints}}
"""


@pytest.fixture
async def site(database):
    return await build(database, tables="CREATE TABLE public.orders (id bigint PRIMARY KEY, status text)")


async def empty(stack, server, database, suffix="_copy") -> Database:
    """Another database with nothing in it, and the same roles' passwords."""
    name = database.name + suffix
    server.run("psql", server.dsn(), "-X", "-q", "-c", f'CREATE DATABASE "{name}" STRATEGY FILE_COPY')
    stack.callback(server.run, "psql", server.dsn(), "-X", "-q", "-c", f'DROP DATABASE "{name}" WITH (FORCE)')
    inner = await stack.enter_async_context(AsyncExitStack())
    return Database(server=server, name=name, stack=inner, number=database.number, passwords=database.passwords)


@pytest.fixture
async def copy(database):
    async with AsyncExitStack() as stack:
        yield await empty(stack, database.server, database)


async def there(site, database):
    """The same shop in another database."""
    app = await database.connect(site.app_role)
    return replace(site, database=database, admin=await database.connect(), app=app, sessions={})


async def follow(test, site, copy, folder, **more):
    """The page's commands."""
    (script,) = commands.of(PAGE, test)
    where = {"SHOP": site.database.dsn(), "COPY": copy.dsn(), "INSTALLER": site.installer, "LISTENER": site.listener}
    return await commands.run(script, folder, copy.server, **where, **more)


async def hears(site, statement, owner=OWNER):
    """The first payload that the listener hears of this."""
    heard = asyncio.Queue()
    listening = await site.database.connect(site.listener)
    await listening.add_listener(pg_channel(owner), lambda *it: heard.put_nowait(it[3]))
    await site.app.execute(statement)
    async with asyncio.timeout(PATIENCE_S):
        return await heard.get()


async def queued(site):
    return [row["key"] for row in await site.admin.fetch(QUEUE)]


@pytest.mark.parametrize("way", ["custom", "plain"])
async def test_a_dump_of_everything_is_restored_and_the_next_pass_finds_what_it_needs(site, copy, tmp_path, way):
    """No trigger fires meanwhile: the dumped row is not hinted."""
    await site.install(BY_NOTIFY)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    heard = asyncio.Queue()
    listening = await copy.connect(site.listener)
    await listening.add_listener(pg_channel(OWNER), lambda *it: heard.put_nowait(it[3]))
    if way == "custom":
        await follow(
            "test_a_dump_of_everything_is_restored_and_the_next_pass_finds_what_it_needs", site, copy, tmp_path
        )
    else:
        script = 'pg_dump "$SHOP" | psql -X -q -v ON_ERROR_STOP=1 -d "$COPY"'
        await commands.run(script, tmp_path, copy.server, SHOP=site.database.dsn(), COPY=copy.dsn())
    restored = await there(site, copy)
    assert (await restored.plan(BY_NOTIFY)).steps == ()
    await restored.app.execute("INSERT INTO orders VALUES (2)")
    async with asyncio.timeout(PATIENCE_S):
        assert (await heard.get()).endswith("\n[2]")


async def test_what_waited_is_delivered_from_the_restored_queue_under_ids_that_nobody_had(site, copy, tmp_path):
    """Mutants: `renew_versions` that does nothing; `make` without queue_restored.sql; queue_state.sql without home."""
    await site.install(JOBS)
    await site.admin.execute(DRAIN)
    await site.admin.execute("DELETE FROM notifychannel.queue")
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await site.admin.execute(DRAIN)
    await site.app.execute("INSERT INTO orders VALUES (2)")
    await site.admin.execute("INSERT INTO notifychannel.outbox (channel, payload) VALUES ('c', '1aaaaaaaaT1')")
    await site.admin.execute(OLDER)
    await follow(WHOLE, site, copy, tmp_path)
    last = "SELECT last_value FROM notifychannel.versions"
    await site.app.execute("INSERT INTO orders VALUES (3)")  # what applications have heard of, and the dump has not
    await (await site.database.connect()).execute(DRAIN)  # the next versions that a new session gets, as of the dump
    given = await site.admin.fetchval("SELECT max(version) FROM notifychannel.queue")
    restored = await there(site, copy)
    assert await queued(restored) == ["[1]"]
    result = await restored.step(JOBS)
    assert [step.kind for step in result.done] == [Kind.SCHEMA]
    assert (await restored.admin.fetchrow(DRAIN))["taken"] == 2
    assert await queued(restored) == ["", "[1]", "[2]"]
    assert await restored.admin.fetchval("SELECT min(version) FROM notifychannel.queue WHERE key <> '[1]'") > given
    assert await restored.admin.fetchval(last) > given


@pytest.mark.parametrize("server", [16], indirect=True, ids=["pg16"])
async def test_a_dump_of_one_major_version_is_restored_by_the_next_whose_roles_are_made_first(site, newest, tmp_path):
    """Mutant of the page: the dump of roles left out."""
    await site.install(JOBS)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    roles = (site.app_role, site.installer, site.listener)
    async with AsyncExitStack() as stack:
        for role in roles:
            stack.callback(newest.run, "psql", newest.dsn(), "-X", "-q", "-c", f'DROP ROLE IF EXISTS "{role}"')
        new = await empty(stack, newest, site.database)
        name = "test_a_dump_of_one_major_version_is_restored_by_the_next_whose_roles_are_made_first"
        await follow(name, site, new, tmp_path, NEW=new.dsn(), ROLES="|".join(roles))
        moved = await there(site, new)
        await moved.step(JOBS)
        await moved.app.execute("INSERT INTO orders VALUES (2)")
        drained = await (await moved.session(moved.listener)).fetchrow(DRAIN)
        assert (drained["taken"], await queued(moved)) == (2, ["", "[1]", "[2]"])
        for session in moved.sessions.values():
            await session.close(timeout=5)


async def test_restored_without_its_roles_the_pass_refuses_until_our_schema_is_dropped(site, copy, tmp_path):
    """As a superuser without --no-owner where the roles are missing, or with it."""
    await site.install(BY_NOTIFY)
    await commands.run(
        'pg_dump -Fc -f it "$SHOP"; pg_restore --no-owner --no-acl --exit-on-error -d "$COPY" it',
        tmp_path, copy.server, SHOP=site.database.dsn(), COPY=copy.dsn(),
    )  # fmt: skip
    restored = await there(site, copy)
    await restored.admin.execute(f'ALTER TABLE orders OWNER TO "{site.app_role}"')
    made = await restored.plan(BY_NOTIFY)
    assert made.steps == ()
    assert any("postgres" in it and "superuser" in it for it in made.problems), made.problems
    (tmp_path / "orders.yaml").write_text(YAML)
    name = "test_restored_without_its_roles_the_pass_refuses_until_our_schema_is_dropped"
    await follow(name, site, copy, tmp_path)
    await restored.step(BY_NOTIFY)
    assert (await hears(restored, "INSERT INTO orders VALUES (2)")).endswith("\n[2]")


async def test_after_a_restore_in_place_each_listener_begins_anew_with_a_resync(site, copy, tmp_path):
    """Mutant of the page: no pg_terminate_backend."""
    await site.install(BY_NOTIFY)
    orders = listened(pg_channel=pg_channel(OWNER), sources=True)
    async with Listening(target=target(site.database.dsn(site.listener), orders)) as listening:
        await listening.until(lambda: listening.trips)
        name = "test_after_a_restore_in_place_each_listener_begins_anew_with_a_resync"
        await follow(name, site, copy, tmp_path)
        seen = len(listening.resyncs)
        await listening.until(lambda: len(listening.resyncs) > seen)
        assert listening.resyncs[-1]["reason"] == "reconnect"
    assert (await site.plan(BY_NOTIFY)).steps == ()


async def test_rows_that_are_restored_alone_are_hinted_unless_triggers_are_disabled(site, tmp_path):
    await site.install(BY_NOTIFY)
    heard = asyncio.Queue()
    listening = await site.database.connect(site.listener)
    await listening.add_listener(pg_channel(OWNER), lambda *it: heard.put_nowait(it[3]))
    await site.app.execute("INSERT INTO orders VALUES (1)")
    restore = 'pg_dump -a -t orders -Fc -f it "$SHOP"; psql -d "$SHOP" -c "DELETE FROM orders"; pg_restore -a'
    for options in ("--disable-triggers", ""):
        script = f'{restore} {options} --exit-on-error -d "$SHOP" it'
        await commands.run(script, tmp_path, site.database.server, SHOP=site.database.dsn())
    async with asyncio.timeout(PATIENCE_S):
        events = "".join([(await heard.get())[9] for _ in range(4)])
    assert events == "IDDI"  # the first load was silent


async def test_a_dump_without_our_schema_is_restored_without_our_triggers_and_the_pass_makes_them(site, copy, tmp_path):
    """Mutant of the page: the whole list."""
    await site.install(BY_NOTIFY)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    name = "test_a_dump_without_our_schema_is_restored_without_our_triggers_and_the_pass_makes_them"
    await follow(name, site, copy, tmp_path)
    restored = await there(site, copy)
    assert await restored.triggers() == []
    assert await restored.admin.fetchval("SELECT count(*) FROM orders") == 1
    await restored.install(BY_NOTIFY)
    assert (await hears(restored, "INSERT INTO orders VALUES (2)")).endswith("\n[2]")


async def test_a_dump_of_definitions_is_put_right_by_the_pass(site, copy, tmp_path):
    """Without its row in queue_clock nothing could be queued. Mutant: queue_state.sql without home."""
    await site.install(JOBS)
    script = 'pg_dump -s "$SHOP" | psql -X -q -v ON_ERROR_STOP=1 -d "$COPY"'
    await commands.run(script, tmp_path, copy.server, SHOP=site.database.dsn(), COPY=copy.dsn())
    restored = await there(site, copy)
    result = await restored.step(JOBS)
    assert [step.kind for step in result.done] == [Kind.SCHEMA, Kind.REGISTER]
    await restored.app.execute("INSERT INTO orders VALUES (1)")
    await restored.admin.execute(DRAIN)
    assert await queued(restored) == ["", "[1]"]


async def test_a_copy_by_template_is_noticed_as_a_restored_dump_is(site, copy):
    """Mutant: queue_home.sql without the database."""
    await site.install(JOBS)
    await site.admin.execute("DELETE FROM notifychannel.queue")
    for sql in (
        f"SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = '{site.database.name}'",
        f'DROP DATABASE "{copy.name}"',
        f'CREATE DATABASE "{copy.name}" TEMPLATE "{site.database.name}"',
    ):
        copy.server.run("psql", copy.server.dsn(), "-X", "-q", "-c", sql)
    restored = await there(site, copy)
    await restored.install(JOBS)
    assert await queued(restored) == [""]


async def test_a_change_in_a_copy_is_not_heard_in_production(site, copy, tmp_path):
    await site.install(BY_NOTIFY)
    await follow(WHOLE, site, copy, tmp_path)
    restored = await there(site, copy)
    heard = asyncio.Queue()
    listening = await site.database.connect(site.listener)
    await listening.add_listener(pg_channel(OWNER), lambda *it: heard.put_nowait(it[3]))
    assert (await hears(restored, "INSERT INTO orders VALUES (1)")).endswith("\n[1]")
    await site.app.execute("INSERT INTO orders VALUES (2)")
    async with asyncio.timeout(PATIENCE_S):
        assert (await heard.get()).endswith("\n[2]")


async def test_jobs_of_a_copy_are_for_their_own_installation_and_for_no_other(site, copy, tmp_path):
    """Mutant: `enter` that goes by namespace, channel and group alone."""
    await site.install(JOBS)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    await site.admin.execute(DRAIN)
    await follow(WHOLE, site, copy, tmp_path)
    restored = await there(site, copy)
    staging = Owner(installation="staging", namespace="shop", name="orders")
    await restored.step(JOBS, staging)
    await restored.admin.execute("UPDATE notifychannel.queue_clock SET ahead = '1 h'")
    listener = await restored.session(restored.listener)
    got, claim = {}, "SELECT key FROM notifychannel.claim($1, 9)"
    for installation in ("staging", "test"):
        me = await listener.fetchval("SELECT notifychannel.enter($1, 'shop', 'orders', 'app', 'pod')", installation)
        got[installation] = {row["key"] for row in await listener.fetch(claim, me)}
    assert got == {"staging": {""}, "test": {"", "[1]"}}


async def test_a_copy_of_production_is_freed_of_our_objects_and_its_tables_go_on(site, copy, tmp_path):
    await site.install(JOBS)
    await follow(WHOLE, site, copy, tmp_path)
    await follow("test_a_copy_of_production_is_freed_of_our_objects_and_its_tables_go_on", site, copy, tmp_path)
    restored = await there(site, copy)
    assert await restored.triggers() == []
    await restored.app.execute("INSERT INTO orders VALUES (1)")
    await restored.install(JOBS)


async def test_after_a_recovery_each_consumer_is_told_to_look_at_everything_under_a_new_id(site, copy, tmp_path):
    """Mutant: `renew_versions` that does nothing."""
    await site.install(JOBS)
    await site.app.execute("INSERT INTO orders VALUES (1)")
    given = await site.admin.fetchval("SELECT max(version) FROM notifychannel.queue")
    await site.admin.execute(f"DELETE FROM notifychannel.queue; {OLDER}")  # as it was some time before that
    name = "test_after_a_recovery_each_consumer_is_told_to_look_at_everything_under_a_new_id"
    await follow(name, site, copy, tmp_path)
    assert await queued(site) == [""]
    assert await site.admin.fetchval("SELECT version FROM notifychannel.queue") > given


async def test_a_publication_for_all_tables_holds_up_neither_the_relay_nor_the_queue(site):
    """Mutants: 020_outbox.sql, or 030_queue.sql, without REPLICA IDENTITY."""
    await site.install(JOBS)
    await site.admin.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    await site.app.execute("INSERT INTO orders VALUES (1)")
    assert (await (await site.session(site.listener)).fetchrow(DRAIN))["merged"] == 1
    tables = await site.admin.fetch(
        "SELECT oid::regclass::text FROM pg_class"
        " WHERE relnamespace = 'notifychannel'::regnamespace AND relkind = 'r' AND relpersistence = 'p'"
    )
    for (table,) in tables:
        await site.admin.execute(f"DELETE FROM {table}")
