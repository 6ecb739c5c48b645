"""`notifychannel doctor --dsn`: each thing is broken for real, and that check fails, and only that."""

from __future__ import annotations

import asyncio
import json
import shlex
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from click.testing import CliRunner

from notifychannel_cli.commands import cli
from notifychannel_cli.doctor import examination
from notifychannel_cli.install import grant, install
from notifychannel_operator import manifest
from tests.old_server import OldServer
from tests.pgbouncer import PgBouncer
from tests.premises import TABLES, Site, build
from tests.servers import quick
from tests.standby import standby

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

COMMITTING = (
    "SELECT count(*) FROM pg_locks WHERE (database, classid, objid, mode) = (0, 1262, 0, 'AccessExclusiveLock')"
)
CHECKS = {it.id for it in examination.OF_DATABASE}
MORE_TABLES = """
CREATE TABLE public.tenants (id bigint PRIMARY KEY, region text);
CREATE TABLE public.jobs (id bigint PRIMARY KEY);
"""
CHANNELS = """
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders, namespace: shop}
spec:
  database: {secretRef: {name: db}}
  sources:
    - schema: public
      table: orders
      key: [{column: id}, {name: region, lookup: {schema: public, table: tenants, column: region, match: {id: id}}}]
      rules: [{name: any, events: [Insert, Update, Delete, Truncate]}]
    - schema: public
      table: events
      key: [{column: id}, {name: region, lookup: {schema: public, table: tenants, column: region, match: {id: id}}}]
      rules: [{name: any, events: [Insert, Update, Delete, Truncate]}]
  consumers:
    - {group: orders-api, endpoint: {port: 8080, path: /hints}}
---
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: jobs, namespace: shop}
spec:
  database: {secretRef: {name: db}}
  capture: Outbox
  sources:
    - schema: public
      table: jobs
      key: [{column: id}]
      rules: [{name: any, events: [Insert]}]
  consumers:
    - group: jobs-api
      endpoint: {port: 8080, path: /hints}
      delivery: AtLeastOnce
      retry: {maxAttempts: 1}
"""


@pytest.fixture(scope="module", params=[16, 18], ids=lambda version: f"pg{version}")
def server(request):
    """One whose limits can be reached; who wants a commit that hangs says `synchronous_commit = on`."""
    settings = {"max_connections": "40", "synchronous_standby_names": "'nobody'", "synchronous_commit": "local",
                "wal_level": "logical"}  # fmt: skip
    if request.param >= 18:
        settings["max_notify_queue_pages"] = "64"
    with quick(request.param, settings) as running:
        yield running


@dataclass(kw_only=True)
class Shop:
    """Two channels, installed as passes do it, of which nothing waits."""

    site: Site
    file: Path
    stack: AsyncExitStack = field(repr=False)

    async def examined(self, *more: str, dsn: str | None = None, code: int = 1) -> Examined:
        """What the installer is told."""
        database = self.site.database
        files = () if "-f" in more or dsn else ("-f", str(self.file))
        dsn = dsn or database.dsn(self.site.installer)
        result = await asyncio.to_thread(
            CliRunner().invoke, cli, ["doctor", "--dsn", dsn, "--json", *files, *more], env={"KUBECONFIG": None}
        )
        told = json.loads(result.stdout)["findings"]
        assert {it["verdict"] for it in told if it["check"] not in CHECKS} == {"not checked"}  # of a cluster
        found = Examined(it for it in told if it["check"] in CHECKS)
        assert result.exit_code == code, {it["why"] for it in found}
        for password in (*database.passwords.values(), database.server.password):
            assert password not in result.output
        return found

    async def session(self, user: str = "postgres", name: str = "") -> asyncpg.Connection:
        """One more."""
        connection = await self.site.database.connect(user)
        if name:
            await connection.execute(f"SET application_name = '{name}'")
        return connection

    async def jobs(self, *ids: int) -> None:
        """Rows of which somebody has to be told."""
        await self.site.app.executemany("INSERT INTO jobs VALUES ($1)", [(each,) for each in ids])


class Examined(list[dict[str, Any]]):
    """The findings."""

    def wrong(self) -> set[str]:
        return {it["check"] for it in self if it["verdict"] in {"failed", "warning"}}

    def unchecked(self) -> set[str]:
        return {it["check"] for it in self if it["verdict"] == "not checked"}

    def of(self, check: str) -> dict[str, Any]:
        (found,) = [it for it in self if it["check"] == check]
        return found


@pytest.fixture
async def shop(database, tmp_path):
    file = tmp_path / "channels.yaml"
    file.write_text(CHANNELS)
    site = await build(database, TABLES + MORE_TABLES)
    channels = manifest.load(file)
    await grant(channels, dsn=database.dsn(), installer=site.installer, listener=site.listener)
    await install(channels, dsn=database.dsn(site.installer), installation="test")
    await site.admin.execute("DELETE FROM notifychannel.queue")  # the first resync of who is new
    async with AsyncExitStack() as stack:
        yield Shop(site=site, file=file, stack=stack)


async def test_a_healthy_database_has_every_check_made_and_none_is_wrong(shop):
    found = await shop.examined(code=0)
    assert [(it["check"], it["verdict"], it["why"]) for it in found if it["verdict"] != "ok"] == []
    assert {it["check"] for it in found} == CHECKS


BREAKS: dict[tuple[str, str], Callable[[Shop], Awaitable[Any]]] = {}
"""By the check, and the way where there are several."""
ELSEWHERE = {
    "database/reachable": "test_a_database_that_is_away_ends_with_3_and_nothing_is_called_well",
    "database/version": "test_a_server_that_is_too_old_is_named_and_nothing_else_is_judged_by_it",
    "database/encoding": "test_a_database_in_which_any_bytes_are_text_is_named",
    "database/primary": "test_a_standby_is_named_and_nothing_else_is_judged_by_it",
    "database/pooler": "test_a_pooler_in_transaction_mode_is_named",
}
"""What it takes another server or database for."""


def breaks(check: str, way: str = ""):
    def registered(how: Callable[[Shop], Awaitable[Any]]):
        BREAKS[check, way] = how
        return how

    return registered


@breaks("channel/tables")
async def _(shop):
    await shop.site.app.execute("ALTER TABLE orders RENAME TO old_orders")


@breaks("channel/privileges")
async def _(shop):
    await shop.site.app.execute(f'REVOKE TRIGGER ON orders FROM "{shop.site.installer}"')


@breaks("channel/partitions")
async def _(shop):
    await shop.site.app.execute(
        "CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')"
    )


@breaks("channel/row-security")
async def _(shop):
    await shop.site.app.execute("ALTER TABLE tenants ENABLE ROW LEVEL SECURITY")


async def _a_trigger(shop):
    return await shop.site.admin.fetchval(
        "SELECT quote_ident(tgname) FROM pg_trigger WHERE tgrelid = 'orders'::regclass AND NOT tgisinternal LIMIT 1"
    )


@breaks("channel/triggers")
async def _(shop):
    await shop.site.app.execute(f"DROP TRIGGER {await _a_trigger(shop)} ON orders")


@breaks("channel/enabled")
async def _(shop):
    await shop.site.app.execute(f"ALTER TABLE orders DISABLE TRIGGER {await _a_trigger(shop)}")


@breaks("channel/replication-role", "a role")
async def _(shop):
    await shop.site.admin.execute(f'ALTER ROLE "{shop.site.app_role}" SET session_replication_role = replica')


@breaks("channel/replication-role", "a subscription")
async def _(shop):
    """Of another database of the same server; it has written a row, and the trigger has not fired."""
    server, admin, name = shop.site.database.server, shop.site.admin, f"{shop.site.database.name}_publisher"
    await admin.execute(f"CREATE DATABASE {name}")
    shop.stack.push_async_callback(admin.execute, f"DROP DATABASE {name} WITH (FORCE)")
    publisher = await asyncpg.connect(server.dsn(name), ssl=False)
    shop.stack.push_async_callback(publisher.close)
    await publisher.execute("CREATE TABLE orders (id bigint PRIMARY KEY); CREATE PUBLICATION orders FOR TABLE orders")
    # made by the subscription itself it would wait for a transaction of the same server: its own
    await publisher.execute(f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")
    await admin.execute(
        f"CREATE SUBSCRIPTION {name} CONNECTION '{server.dsn(name)}' PUBLICATION orders "
        f"WITH (create_slot = false, slot_name = '{name}')"
    )
    shop.stack.push_async_callback(admin.execute, f"DROP SUBSCRIPTION {name}")
    await publisher.execute("INSERT INTO orders VALUES (1)")
    async with asyncio.timeout(60):
        while not await admin.fetchval("SELECT count(*) FROM orders"):
            await admin.execute("SELECT pg_sleep(0.05)")


@breaks("database/listener-rights", "the relay's")
async def _(shop):
    await shop.site.admin.execute(
        f'REVOKE EXECUTE ON FUNCTION notifychannel.relay_waiting() FROM "{shop.site.listener}"'
    )


@breaks("database/listener-rights", "the counter, of one that listens")
async def _(shop):
    await shop.session(shop.site.listener, name="nch/0a1b2c3d/orders-api-1")
    await shop.site.admin.execute(f'REVOKE EXECUTE ON FUNCTION notifychannel.skipped() FROM "{shop.site.listener}"')


@breaks("database/listener-rights", "the schema")
async def _(shop):
    await shop.site.admin.execute(f'REVOKE USAGE ON SCHEMA notifychannel FROM "{shop.site.listener}"')


@breaks("database/notify-queue")
async def _(shop):
    await _hold_the_queue(shop)


async def _hold_the_queue(shop) -> tuple[int, int]:
    """PID of who listens and sleeps in a transaction, and of who sleeps and does not listen."""
    innocent = await shop.session()
    await innocent.execute("BEGIN; SELECT 1")
    sleeper = await shop.session(name="nch/0a1b2c3d/orders-api-1")
    await sleeper.execute("LISTEN anything")
    await sleeper.execute("BEGIN; SELECT 1")
    filler = await shop.session()
    for _ in range(45):
        await filler.execute("SELECT pg_notify('anything', repeat('x', 7000))")
    return sleeper.get_server_pid(), innocent.get_server_pid()


@breaks("database/commit-lock")
async def _(shop):
    """The first has NOTIFYed and waits for a standby that never comes, the second for the first."""
    for number in (1, 2):
        writer = await shop.session()
        await writer.execute("SET synchronous_commit = on")
        commit = f"INSERT INTO tenants VALUES ({number}); SELECT pg_notify('anything', '')"
        committing = asyncio.create_task(writer.execute(commit))
        shop.stack.push_async_callback(_ended, committing)
        shop.stack.callback(writer.terminate)
        while await shop.site.admin.fetchval(COMMITTING) < number:
            await shop.site.admin.execute("SELECT pg_sleep(0.01)")


async def _ended(commit: asyncio.Task[Any]) -> None:
    await asyncio.wait([commit])
    commit.exception()


@breaks("database/connections")
async def _(shop):
    used = await shop.site.admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    for _ in range(33 - used):
        await shop.session()


@breaks("database/listeners")
async def _(shop):
    for number in range(11):
        await shop.session(shop.site.listener, name=f"nch/0a1b2c3d/orders-api-{number}")


@breaks("database/outbox")
async def _(shop):
    await shop.jobs(1, 2)


@breaks("database/queue")
async def _(shop):
    await shop.jobs(1, 2)
    await shop.site.admin.execute("SELECT notifychannel.drain('0', '{}', 1000)")


@breaks("database/dead-letters")
async def _(shop):
    await shop.jobs(1)
    await shop.site.admin.execute("SELECT notifychannel.drain('0', '{}', 1000)")
    await shop.site.admin.execute("UPDATE notifychannel.queue_clock SET ahead = ahead + '1000s'")
    claimer = await shop.session()
    me = await claimer.fetchval("SELECT notifychannel.enter('test', 'shop', 'jobs', 'jobs-api', 'pod')")
    (row,) = await claimer.fetch("SELECT * FROM notifychannel.claim($1, 10)", me)
    settle = "SELECT notifychannel.settle($1, $2, $3, ARRAY['retry'], ARRAY['500'], ARRAY[0.0])"
    assert await claimer.fetchval(settle, me, [row["key"]], [row["version"]])


@breaks("database/bloat")
async def _dead_rows(shop):
    installer = await shop.session(shop.site.installer)
    await installer.execute(
        "INSERT INTO notifychannel.outbox_logged (channel, payload) SELECT 'x', '' FROM generate_series(1, 60000)"
    )
    await installer.execute("DELETE FROM notifychannel.outbox_logged")
    await installer.execute("SELECT pg_stat_force_next_flush()")


@breaks("database/bloat", "a prepared transaction")
async def _(shop):
    await _prepared(shop)
    await _dead_rows(shop)


async def _prepared(shop) -> str:
    """The transaction's number; it is rolled back at the end."""
    writer = await shop.session()
    await writer.execute("BEGIN; CREATE TABLE forgotten ()")
    number = await writer.fetchval("SELECT pg_current_xact_id()::text")
    await writer.execute("PREPARE TRANSACTION 'somebody''s secret'")
    shop.stack.push_async_callback(shop.site.admin.execute, "ROLLBACK PREPARED 'somebody''s secret'")
    return number


def test_every_check_of_a_database_has_a_test_that_breaks_it():
    assert {check for check, _ in BREAKS} | ELSEWHERE.keys() == CHECKS
    assert all(name in globals() for name in ELSEWHERE.values())


@pytest.mark.parametrize(("check", "way"), sorted(BREAKS))
async def test_what_is_broken_is_named_with_a_remedy_and_nothing_else_is(shop, check, way):
    """Mutants: subscriptions not asked for; `but_for_listeners` that leaves the facts as they are."""
    await BREAKS[check, way](shop)
    found = await shop.examined(code=0 if check in WARNINGS else 1) if check != "database/notify-queue" else (
        await shop.examined(code=1 if shop.site.database.server.version >= 18 else 0)
    )  # fmt: skip
    assert found.wrong() == {check}
    assert all(it["why"] and it["remedy"] for it in found if it["check"] == check)
    assert len([it for it in found if it["check"] == check]) == 1  # one cause, named once
    remedies = "\n".join(line for it in found if it["check"] in CHECKS for line in it["remedy"])
    assert "CHANNEL.yaml" not in remedies
    assert "kubectl" not in remedies


WARNINGS = {"database/connections", "database/listeners", "database/bloat"}


async def test_the_process_that_holds_the_queue_is_named_and_how_sure_that_is(shop):
    """A second session sleeps in a transaction and does not listen. Mutant: `named` not asked for."""
    sleeper, innocent = await _hold_the_queue(shop)
    found = (await shop.examined(code=1 if shop.site.database.server.version >= 18 else 0)).of("database/notify-queue")
    sureness = "certain: the server itself" if shop.site.database.server.version >= 18 else "likely: it is a sidecar"
    assert f"PID {sleeper} (" in found["why"]
    assert sureness in found["why"]
    assert str(innocent) not in found["why"]
    assert [it.partition("  #")[0] for it in found["remedy"]] == [
        f'psql "$ADMIN_DSN" -c "SELECT pg_terminate_backend({sleeper})"'
    ]


async def test_a_prepared_transaction_that_keeps_dead_rows_is_named_without_its_text(shop):
    """Mutant: oldest_holder.sql without pg_prepared_xacts."""
    number = await _prepared(shop)
    await _dead_rows(shop)
    found = (await shop.examined(code=0)).of("database/bloat")
    assert f"the prepared transaction {number} is the oldest" in found["why"]
    assert "secret" not in json.dumps(found)
    look = shlex.split(found["remedy"][0], comments=True)[-1]
    assert [row["gid"] for row in await shop.site.admin.fetch(look)] == ["somebody's secret"]
    assert "ROLLBACK PREPARED" in found["remedy"][1]


async def test_a_slot_whose_standby_is_gone_is_named_where_dead_rows_stay(shop):
    """Mutant: oldest_holder.sql without pg_replication_slots."""
    admin, name = shop.site.admin, f"{shop.site.database.name}_gone"
    await admin.execute(f"SELECT pg_create_physical_replication_slot('{name}', true)")
    shop.stack.push_async_callback(admin.execute, f"SELECT pg_drop_replication_slot('{name}')")
    with standby(shop.site.database.server) as copy:
        copy.configure({"primary_slot_name": f"'{name}'", "hot_standby_feedback": "on"})
        copy.run("psql", copy.dsn(), "-X", "-q", "-c", "SELECT pg_reload_conf()")
        async with asyncio.timeout(60):
            while not await admin.fetchval(f"SELECT xmin FROM pg_replication_slots WHERE slot_name = '{name}'"):
                await admin.execute("SELECT pg_sleep(0.05)")
    await _dead_rows(shop)
    found = (await shop.examined(code=0)).of("database/bloat")
    assert f"the replication slot {name} keeps" in found["why"]
    end = shlex.split(found["remedy"][1], comments=True)[-1]
    assert end == f"SELECT pg_drop_replication_slot('{name}')"


async def test_tables_of_ours_that_somebody_has_locked_are_waited_for_by_nobody(shop):
    """As VACUUM FULL does. Mutant: `observe` without `asking`: the doctor hangs as long as the lock is held."""
    holder = await shop.session()
    async with asyncio.timeout(60), holder.transaction():
        await holder.execute("LOCK TABLE notifychannel.outbox, notifychannel.queue IN ACCESS EXCLUSIVE MODE")
        found = await shop.examined(code=0)
    assert found.wrong() == set()
    assert {"channel/triggers", "database/outbox", "database/queue"} <= found.unchecked()
    assert "locked our tables" in found.of("channel/triggers")["why"]
    assert found.of("database/pooler")["verdict"] == "ok"


async def test_a_database_that_is_away_ends_with_3_and_nothing_is_called_well(shop):
    found = await shop.examined(dsn="postgresql://nobody:hidden@127.0.0.1:1/nothing", code=3)
    assert found.wrong() == {"database/reachable"}
    assert found.unchecked() == CHECKS - {"database/reachable"}
    assert "hidden" not in json.dumps(found)


@pytest.mark.parametrize(
    ("dsn", "remedies"),
    [
        ("{user}:wrong@", ["SELECT 1", "\\password ROLE"]),
        ("{user}:wrong@127.0.0.1:1", ["SELECT 1"]),
        ("[", ["SELECT 1"]),
    ],
)
async def test_a_database_that_lets_nobody_in_has_a_remedy(shop, dsn, remedies):
    """Mutant: none, as where the reason is all that there is to say."""
    real = shop.site.database.dsn(shop.site.installer)
    _, _, where = real.rpartition("@")
    given = f"postgresql://{dsn.format(user=shop.site.installer)}{where if dsn.endswith('@') else '/nothing'}"
    found = (await shop.examined(dsn=given, code=3)).of("database/reachable")
    assert [shlex.split(it, comments=True)[-1] for it in found["remedy"]] == remedies


async def test_triggers_that_no_pass_could_plan_are_not_called_well(shop):
    """Mutant: steps alone: without its table a channel has none, and its triggers are as they should be."""
    await shop.site.app.execute("ALTER TABLE orders RENAME TO old_orders")
    found = await shop.examined()
    assert (found.wrong(), found.of("channel/triggers")["verdict"]) == ({"channel/tables"}, "not checked")


async def test_a_trigger_function_that_somebody_dropped_with_its_triggers_is_named_once_with_the_file(shop):
    """Two steps of one pass. Mutants: a finding a step; `sql` of another installation, which makes others beside."""
    dropped = (
        "SELECT tgfoid::regprocedure FROM pg_trigger WHERE tgrelid = 'orders'::regclass AND NOT tgisinternal LIMIT 1"
    )
    await shop.site.admin.execute(f"DROP FUNCTION {await shop.site.admin.fetchval(dropped)} CASCADE")
    found = (await shop.examined()).of("channel/triggers")
    assert found["why"].startswith("the database is not as the channel says\n")
    (remedy,) = found["remedy"]
    sql, _, psql = remedy.partition(" | ")
    assert psql == 'psql "$NOTIFYCHANNEL_DSN"'
    program, *arguments = shlex.split(sql)
    dsn = shop.site.database.dsn(shop.site.installer)
    called = [it.replace("$NOTIFYCHANNEL_DSN", dsn) for it in arguments]
    printed = await asyncio.to_thread(CliRunner().invoke, cli, called)
    assert (program, printed.exit_code) == ("notifychannel", 0), printed.output
    await asyncio.to_thread(shop.site.psql, printed.stdout, role=shop.site.installer)
    await shop.examined(code=0)


@pytest.mark.parametrize(
    "revoke",
    [
        "EXECUTE ON FUNCTION notifychannel.drain(xid8, xid8[], integer), notifychannel.claim(integer, integer, text)",
        "USAGE ON SCHEMA notifychannel",
    ],
)
async def test_what_a_listener_may_not_call_is_mended_by_the_command_that_is_printed(shop, revoke):
    """As the installer, with one GRANT for all functions."""
    await shop.site.admin.execute(f'REVOKE {revoke} FROM "{shop.site.listener}"')
    found = (await shop.examined()).of("database/listener-rights")
    assert shop.site.listener in found["why"]
    (remedy,) = found["remedy"]
    program, _, option, grant = shlex.split(remedy)
    assert (program, option) == ("psql", "-c")
    await (await shop.session(shop.site.installer)).execute(grant)
    await shop.examined(code=0)


async def test_where_nobody_is_left_who_may_listen_the_rights_of_listeners_are_not_called_well(shop):
    """Mutant: the owner of the functions counts."""
    await shop.site.admin.execute(f'REVOKE ALL ON ALL FUNCTIONS IN SCHEMA notifychannel FROM "{shop.site.listener}"')
    found = await shop.examined(code=0)
    assert "database/listener-rights" in found.unchecked()
    assert "nobody is seen who listens" in found.of("database/listener-rights")["why"]


async def test_who_only_reads_in_our_schema_is_no_listener(shop):
    """Nor is a sidecar of a channel without sources, which needs no right of ours."""
    auditor, deaf = [await shop.site.database.role(each) for each in ("auditor", "deaf")]
    await shop.site.admin.execute(f'GRANT USAGE ON SCHEMA notifychannel TO "{auditor}"')
    for role in (auditor, deaf):
        await shop.site.admin.execute(f'GRANT CONNECT ON DATABASE "{shop.site.database.name}" TO "{role}"')
    await shop.session(deaf, name="nch/0a1b2c3d/orders-api-1")
    await shop.session(auditor, name="psql")
    await shop.examined(code=0)
    await shop.site.admin.execute(f'DROP OWNED BY "{auditor}", "{deaf}"')


async def test_a_server_that_is_too_old_is_named_and_nothing_else_is_judged_by_it(shop):
    """A real one, of version 13, which lacks columns that others have. Mutant: `is_too_old` that says no."""
    with OldServer() as old:
        found = await shop.examined("-f", str(shop.file), dsn=old.dsn())
    assert found.wrong() == {"database/version"}
    assert "PostgreSQL 13" in found.of("database/version")["why"]
    assert found.unchecked() == CHECKS - {
        f"database/{each}" for each in ("reachable", "version", "encoding", "primary")
    }


async def test_a_database_in_which_any_bytes_are_text_is_named(shop):
    name = f"{shop.site.database.name}_ascii"
    admin = shop.site.admin
    await admin.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0")
    try:
        found = await shop.examined(dsn=shop.site.database.server.dsn(name))
    finally:
        await admin.execute(f"DROP DATABASE {name}")
    assert found.wrong() == {"database/encoding"}


async def test_a_standby_is_named_and_nothing_else_is_judged_by_it(shop):
    with standby(shop.site.database.server) as copy:
        found = await shop.examined(dsn=copy.dsn(shop.site.database.name))
    assert found.wrong() == {"database/primary"}
    assert {"database/notify-queue", "database/outbox"} <= found.unchecked()


async def test_a_pooler_in_transaction_mode_is_named(shop):
    """And through it everything else can be asked."""
    with PgBouncer(server=shop.site.database.server, pool_mode="transaction") as bouncer:
        found = await shop.examined("-f", str(shop.file), dsn=bouncer.dsn(shop.site.database.name))
    assert found.wrong() == {"database/pooler"}


async def test_a_role_that_may_not_look_is_told_whose_dsn_to_give_and_nothing_is_called_well_for_it(shop):
    stranger = await shop.site.database.role("stranger")
    await shop.site.admin.execute(f'GRANT CONNECT ON DATABASE "{shop.site.database.name}" TO "{stranger}"')
    found = await shop.examined("-f", str(shop.file), dsn=shop.site.database.dsn(stranger), code=0)
    assert found.wrong() == set()
    expected = {"channel/triggers", "channel/privileges", "database/outbox", "database/queue", "database/dead-letters"}
    assert expected <= found.unchecked()
    assert "installer" in found.of("database/outbox")["why"]


async def test_it_changes_nothing(shop):
    before = shop.site.dump()
    await shop.examined(code=0)
    assert shop.site.dump() == before
