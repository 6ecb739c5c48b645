"""`notifychannel sql`: what it prints does, run by psql, what a pass would do; the DSN is only read from."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner

from notifychannel_cli.commands import cli
from notifychannel_cli.embedded import EmbeddedError
from notifychannel_operator.names import Owner
from tests.premises import build

ORDERS = """
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders, namespace: shop}
spec:
  database: {secretRef: {name: orders-db}}
  sources:
    - schema: public
      table: %s
      key: [{column: id}]
      rules: [{name: any, events: [Insert, Update, Delete, Truncate]}]
  consumers:
    - {group: orders-api, endpoint: {port: 8080, path: /hints}}
"""
OWNER = Owner(installation="dev", namespace="shop", name="orders")


@pytest.fixture(scope="session")
def server(newest):
    """The same statements as a pass takes, which are tested on each version."""
    return newest


@pytest.fixture
async def site(database):
    return await build(database)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "orders.yaml").write_text(ORDERS % "orders")
    (tmp_path / "events.yaml").write_text((ORDERS % "events").replace("name: orders,", "name: events,"))
    return tmp_path


async def run(*args, code=0):
    """The command in a thread of its own, as it starts a loop."""
    result = await asyncio.to_thread(CliRunner().invoke, cli, ["sql", *map(str, args)])
    assert result.exit_code == code, result.output
    return result


async def ready(site, files):
    """A reader, who may only connect; both roles with the printed rights."""
    reader = await site.database.role("reader")
    await site.admin.execute(f'GRANT CONNECT ON DATABASE "{site.database.name}" TO "{reader}"')
    await site.admin.execute(f'ALTER ROLE "{reader}" SET default_transaction_read_only = on')
    roles = ("--installer", site.installer, "--listener", site.listener)
    where = ("-f", files / "orders.yaml", "-f", files / "events.yaml", "--dsn", site.database.dsn(reader))
    site.psql((await run(*where, "--grants", *roles)).stdout)
    return (*where, "--installer", site.installer)


async def test_the_printed_script_installs_and_removes_without_a_trace_however_often_it_is_run(site, files):
    """Mutants: `plan/trigger.sql` without IF NOT EXISTS; `statements.drop` without IF EXISTS."""
    where = await ready(site, files)
    before = site.dump()
    script = (await run(*where)).stdout
    site.psql(script, role=site.installer)
    installed = site.dump()
    assert len(await site.triggers()) == 9
    site.psql(script, role=site.installer)
    assert site.dump() == installed
    assert (await run(*where)).stdout.count("-- Nothing to do.") == 2
    removal = (await run(*where, "--remove")).stdout
    site.psql(removal, role=site.installer)
    assert site.dump() == before
    site.psql(removal, role=site.installer)
    assert site.dump() == before
    assert (await run(*where, "--remove")).stdout.endswith("-- Nothing to do.\n")


async def test_a_schema_that_the_script_made_goes_with_the_last_channel(site, files):
    """The roles have what they need but for our schema, which the installer may make by itself.

    Mutant: `sqlfile.read` for `sqlfile.body` in `statements.shared`: a second header says who runs it.
    """
    await site.admin.execute(f"""
        GRANT CONNECT, CREATE ON DATABASE "{site.database.name}" TO "{site.installer}";
        GRANT USAGE ON SCHEMA public TO "{site.installer}";
        GRANT TRIGGER ON ALL TABLES IN SCHEMA public TO "{site.installer}";
    """)
    dsn = ("--dsn", site.database.dsn(site.installer))
    before = site.dump()
    both = ("-f", files / "orders.yaml", "-f", files / "events.yaml", *dsn)
    script = (await run(*both)).stdout
    assert script.count("CREATE SCHEMA notifychannel;") == script.count("Run by:") == 1
    site.psql(script, role=site.installer)
    site.psql((await run("-f", files / "orders.yaml", *dsn, "--remove")).stdout, role=site.installer)
    assert (await run("-f", files / "events.yaml", *dsn)).stdout.endswith("-- Nothing to do.\n")
    removal = (await run(*both, "--remove")).stdout
    site.psql(removal, role=site.installer)
    site.psql(removal, role=site.installer)
    assert site.dump() == before


async def test_a_superuser_may_run_the_script_and_the_installer_owns_what_it_makes(site, files):
    """Mutant: `plan/begin.sql` without SET LOCAL ROLE: SECURITY DEFINER functions of a superuser."""
    where = await ready(site, files)
    site.psql((await run(*where)).stdout)
    owners = await site.admin.fetch(
        "SELECT DISTINCT proowner::regrole::text FROM pg_proc WHERE pronamespace = 'notifychannel'::regnamespace"
    )
    assert [row[0] for row in owners] == [site.installer]


async def test_a_step_that_fails_ends_the_script_and_leaves_nothing_of_itself(site, files):
    where = await ready(site, files)
    script = (await run(*where)).stdout
    await site.app.execute("DROP TABLE orders")
    before = site.dump()
    with pytest.raises(Exception, match=r'relation "public\.orders" does not exist'):
        site.psql(script, role=site.installer)
    assert site.dump() == before


async def test_the_rights_can_be_run_twice_and_name_no_table_that_is_not_asked_for(site, files):
    where = await ready(site, files)
    printed = (await run(*where, "--grants", "--listener", site.listener)).stdout
    site.psql(printed)
    assert '"events_1"' in printed
    only = (await run("-f", files / "orders.yaml", *where[4:], "--grants", "--listener", site.listener)).stdout
    assert '"events' not in only
    plain = (await run("-f", files / "orders.yaml", *where[4:6], "--grants")).stdout
    assert 'TO "notifychannel_installer"' in plain
    assert 'TO "notifychannel_listener"' in plain


async def test_a_missing_right_is_said_on_standard_error_and_no_sql_is_printed(site, files):
    where = await ready(site, files)
    await site.app.execute(f'REVOKE TRIGGER ON orders FROM "{site.installer}"')
    result = await run(*where, code=1)
    assert result.stdout == ""
    grant = f'GRANT TRIGGER ON TABLE "public"."orders" TO "{site.installer}";'
    assert grant in result.stderr
    told = json.loads((await run(*where, "--json", code=1)).stdout)
    assert told["script"] is None
    assert len(told["problems"]) == 1
    assert grant in told["problems"][0]


async def test_the_listeners_rights_are_part_of_the_script_where_it_is_named(site, files):
    where = await ready(site, files)
    await site.admin.execute(f'REVOKE ALL ON SCHEMA notifychannel FROM "{site.listener}"')
    script = (await run(*where, "--listener", site.listener)).stdout
    assert f'GRANT USAGE ON SCHEMA notifychannel TO "{site.listener}";' in script
    site.psql(script, role=site.installer)
    assert await (await site.session(site.listener)).fetchval("SELECT notifychannel.skipped()") == 0


async def test_json_holds_steps_notes_and_the_script(site, files):
    where = await ready(site, files)
    told = json.loads((await run(*where, "--json")).stdout)
    assert told["problems"] == []
    assert told["script"] == (await run(*where)).stdout
    assert [it["channels"] for it in told["plans"]] == ["shop/orders", "shop/events"]
    assert [step["kind"] for step in told["plans"][0]["steps"]] == ["install", "settle"]
    site.psql(told["script"], role=site.installer)
    await site.app.execute("ALTER TABLE orders DISABLE TRIGGER USER")
    result = await run(*where)
    assert result.stderr.count("ENABLE TRIGGER") == 4
    assert result.stdout.count("-- NOTE: trigger") == 4
    assert len(json.loads((await run(*where, "--json")).stdout)["plans"][0]["notes"]) == 4


async def test_a_superusers_dsn_without_an_installer_is_refused(site, files):
    result = await run("-f", files / "orders.yaml", "--dsn", site.database.dsn(), code=1)
    assert "postgres is a superuser" in result.stderr
    assert "--grants" in result.stderr


async def test_why_the_database_is_not_reached_is_said_with_exit_code_3_and_without_the_password(site, files):
    file = ("-f", files / "orders.yaml")
    good, secret = site.database.dsn(site.installer), site.database.passwords[site.installer]
    missing = await run(*file, "--dsn", good.replace(site.database.name, "nowhere"), code=3)
    wrong = await run(*file, "--dsn", good.replace(secret, secret + "x"), code=3)
    unreachable = await run(*file, "--dsn", good.replace(str(site.database.server.port), "1"), code=3)
    barred = await run(*file, "--dsn", good, code=3)
    assert f'GRANT CONNECT ON DATABASE "{site.database.name}" TO "{site.installer}";' in barred.stderr
    for result in (missing, wrong, unreachable, barred):
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1
        assert secret not in result.output


async def test_every_problem_of_a_bad_file_is_said_before_the_database_is_asked(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        (ORDERS % "orders").replace("events: [Insert,", "events: [Inserted,").replace("port: 8080", "port: 0")
    )
    result = await run("-f", bad, "--dsn", "postgresql://nobody@127.0.0.1:1/nothing", code=1)
    assert result.stdout == ""
    assert result.stderr.count("bad.yaml:") == 2


JOBS = (
    ORDERS.replace("spec:\n", "spec:\n  capture: Outbox\n").replace(
        "path: /hints}", "path: /hints}, delivery: AtLeastOnce"
    )
    % "orders"
)


@pytest.fixture
async def jobs(site, tmp_path):
    """A channel of jobs, installed by the printed script, whose first resync nobody has acknowledged."""
    (tmp_path / "jobs.yaml").write_text(JOBS)
    roles = ("--installer", site.installer, "--listener", site.listener)
    site.psql((await run("-f", tmp_path / "jobs.yaml", "--dsn", site.database.dsn(), "--grants", *roles)).stdout)
    where = ("-f", tmp_path / "jobs.yaml", "--dsn", site.database.dsn(site.installer))
    site.psql((await run(*where)).stdout, role=site.installer)
    assert (await run(*where)).stdout.endswith("-- Nothing to do.\n")
    return where


async def test_removal_with_rows_waiting_is_refused_with_their_number_and_force_removes_them(site, jobs):
    """Mutants: `_removal` that always forces; `removal.of` without the problem, or that goes on after it."""
    await site.admin.execute("UPDATE notifychannel.queue SET state = 'dead', died_at = now()")
    refused = await run(*jobs, "--remove", code=1)
    said = " ".join(refused.stderr.split())
    assert "1 key that no application has acknowledged (1 of them dead, due again by notifychannel redrive)" in said
    assert "remove with --force" in said
    assert "DROP SCHEMA" not in said
    assert refused.stdout == ""
    removal = (await run(*jobs, "--remove", "--force")).stdout
    site.psql(removal, role=site.installer)
    site.psql(removal, role=site.installer)
    assert await site.triggers() == []
    assert (await run(*jobs)).exit_code == 0


async def test_a_removal_that_was_printed_before_the_rows_came_refuses_too(site, jobs):
    """Nothing is dropped then. Mutants: leave_refuse.sql without RAISE; `removal.of` without `_looks`."""
    await site.admin.execute("DELETE FROM notifychannel.queue")
    removal = (await run(*jobs, "--remove")).stdout
    await site.app.execute("INSERT INTO orders VALUES (1), (2)")
    with pytest.raises(EmbeddedError, match="rows of the outbox wait for the group orders-api"):
        site.psql(removal, role=site.installer)
    assert await site.admin.fetchval("SELECT count(*) FROM notifychannel.outbox_logged") == 1
    assert len(await site.triggers()) == 4


async def test_force_is_for_removal(files):
    result = await run("-f", files / "orders.yaml", "--dsn", "postgresql://x", "--force", code=2)
    assert "--force is for --remove" in result.output


async def test_remove_and_grants_exclude_each_other(files):
    result = await run("-f", files / "orders.yaml", "--dsn", "postgresql://x", "--remove", "--grants", code=2)
    assert "exclude each other" in result.stderr


async def test_names_that_try_to_leave_comment_and_quotes_stay_in_them(site, files):
    """Mutant: `script._comment` as one f-string; `_tagged` with a fixed tag."""
    evil = "x\"; DROP TABLE orders; --\nDROP TABLE orders; $nch$; '\\"
    await site.app.execute("CREATE TABLE {} (id bigint)".format('"' + evil.replace('"', '""') + '"'))
    where = await ready(site, files)
    (files / "evil.yaml").write_text(ORDERS % json.dumps(evil))
    where = ("-f", files / "evil.yaml", *where[4:])
    site.psql((await run(*where, "--grants", "--listener", site.listener)).stdout)
    site.psql((await run(*where)).stdout, role=site.installer)
    assert len(await site.triggers()) == 4
    assert await site.app.fetchval("SELECT to_regclass('public.orders') IS NOT NULL")
    assert (await run(*where)).stdout.endswith("-- Nothing to do.\n")
