"""A database that can't be used, or is another one than before; the cluster is in memory (tests/kube_memory.py)."""

from __future__ import annotations

import asyncio
import functools
import time

import asyncpg
import pytest

from notifychannel_cli.embedded import Server
from notifychannel_operator import names
from notifychannel_operator.kinds import CHANNELS, CONFIGMAPS, SECRETS
from notifychannel_operator.passes import cleanup
from notifychannel_operator.passes.connect import connected
from notifychannel_operator.passes.recall import recall
from tests.certificates import authority
from tests.operating import CONSUMER, EVENTS, SOURCE, operating, owner, resource
from tests.standby import standby
from tests.wire import Wire

PATIENCE_S = 60.0


@pytest.fixture(scope="session")
def server(newest):
    """A database that refuses does so by codes, which no version changes."""
    return newest


def secretless(operator):
    """No value of the Secret in anything that anybody may read."""
    said = repr([operator.status(), operator.kube.events, operator.kube.find(CONFIGMAPS, "notifychannel-app")])
    return "secret-of-" not in said and "postgresql://" not in said.replace("postgresql://USER", "")


async def test_a_missing_secret_is_said_with_the_command(site, operator):
    operator.apply(resource(database={"secretRef": {"name": "absent"}}))
    await operator.run()
    status, reason, message = operator.condition("ResolvedRefs")
    assert (status, reason) == ("False", "SecretNotFound")
    assert "kubectl -n shop create secret generic absent" in message
    assert operator.says("TriggersInstalled") == ("False", "Pending")
    assert operator.says("Ready") == ("False", "SecretNotFound")
    operator.secret(site.database.dsn(site.installer), name="absent")
    await operator.run()
    assert operator.says("ResolvedRefs") == ("True", "Resolved")
    assert operator.says("TriggersInstalled") == ("True", "Installed")


@pytest.mark.parametrize("allow", [None, "false", ""])
async def test_an_unlabelled_secret_is_never_read(operator, site, allow):
    """Its labels are asked for first. Mutant: `read` without the first `_permit`."""
    operator.secret(site.database.dsn(site.installer), allow=allow)
    operator.apply(resource())
    await operator.run()
    status, reason, message = operator.condition("ResolvedRefs")
    assert (status, reason) == ("False", "SecretNotAllowed")
    assert "kubectl -n shop label secret db notifychannel.io/allow=true" in message
    assert ("get", "secrets", "db") not in operator.kube.reads
    assert ("metadata", "secrets", "db") in operator.kube.reads


async def test_a_secret_that_was_exchanged_between_two_looks_is_not_used(operator, site):
    """Mutant: `read` without the second `_permit`."""
    look = operator.kube.metadata

    async def exchanged(*args, **options):
        found = await look(*args, **options)
        operator.secret(site.database.dsn(site.installer), allow=None)
        return found

    operator.kube.metadata = exchanged
    operator.apply(resource())
    await operator.run()
    assert operator.says("ResolvedRefs") == ("False", "SecretNotAllowed")


async def test_a_secret_of_another_namespace_is_out_of_reach(operator, site):
    """Mutant: a namespace read out of the resource."""
    operator.kube.remove(SECRETS, "db")
    operator.secret(site.database.dsn(site.installer), namespace="bank")
    operator.apply(resource())
    await operator.run()
    assert operator.says("ResolvedRefs") == ("False", "SecretNotFound")


async def test_a_secret_that_the_operator_may_not_read_is_said(operator):
    operator.kube.forbidden.add("secrets")
    operator.apply(resource())
    await operator.run()
    assert operator.says("ResolvedRefs") == ("False", "AccessDenied")


@pytest.mark.parametrize(
    "uri",
    [
        "mysql://x:hunter2@db/shop",
        "postgresql:///shop?password=hunter2",
        "postgresql://u:hunter2@db/shop?sslmode=maybe",
        "postgresql://u:hunter2@db:99999999/shop",
        "\0hunter2",
    ],
)
async def test_an_unusable_secret_is_named_and_none_of_its_values(operator, uri):
    operator.secret(uri)
    operator.apply(resource())
    await operator.run()
    assert operator.says("ResolvedRefs") == ("False", "SecretInvalid")
    assert "hunter2" not in repr(operator.status()) + repr(operator.kube.events)


@pytest.mark.parametrize(
    "query", ["sslrootcert={file}", "ssl%63ert={file}&sslkey={file}", "sslkey={file}", "sslrootcert=system/../{file}"]
)
async def test_a_secret_can_not_name_the_operators_own_files(operator, tmp_path, query):
    """They are none of a namespace's business, good as they may be. Mutant: `_credentials` without `_refuse_files`."""
    authority(tmp_path)
    file = tmp_path / "ca.crt"
    operator.secret(f"postgresql://u:hunter2@db/shop?{query.format(file=file)}")
    operator.apply(resource())
    await operator.run()
    status, reason, message = operator.condition("ResolvedRefs")
    assert (status, reason) == ("False", "SecretInvalid")
    assert "uri names certificates as files" in message
    assert str(file) not in message


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("secret-of-", "wrong-"), "AuthenticationFailed"),
        (("/test_", "/absent_"), "WrongDatabase"),
        (("127.0.0.1", "127.0.0.254"), "Unreachable"),
    ],
)
async def test_a_database_that_refuses_is_named_and_what_the_sidecars_know_stays(site, operator, change, reason):
    """Mutant: `grouping.config` without the present ConfigMap's database: sidecars would stop comparing it."""
    operator.apply(resource())
    await operator.run()
    before = operator.config()
    operator.secret(site.database.dsn(site.installer).replace(*change))
    await operator.run()
    assert operator.says("TriggersInstalled") == ("False", reason)
    assert operator.status()["summary"]["triggers"] == "3/3"  # as it was when somebody could look
    del operator.kube.find(CHANNELS, "orders")["status"]  # a backup brings none back
    operator.restart()
    await recall(operator.edges)
    await operator.run()
    assert operator.config() == before
    assert secretless(operator)
    operator.secret(site.database.dsn(site.installer))
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")


async def test_a_role_that_may_not_connect_is_told_the_grant(site, operator):
    await site.admin.execute(f'REVOKE CONNECT ON DATABASE "{site.database.name}" FROM "{site.installer}"')
    operator.apply(resource())
    await operator.run()
    status, reason, message = operator.condition("TriggersInstalled")
    assert (status, reason) == ("False", "MissingPrivilege")
    assert f'run: GRANT CONNECT ON DATABASE "{site.database.name}" TO "{site.installer}";' in message


async def test_a_standby_is_refused_until_it_is_a_primary():
    with Server(version=16) as primary, standby(primary) as replica:
        admin = await asyncpg.connect(primary.dsn())
        await admin.execute("CREATE ROLE installer LOGIN PASSWORD 'x'; CREATE TABLE orders (id bigint PRIMARY KEY)")
        await admin.execute("GRANT TRIGGER ON orders TO installer; GRANT CREATE ON DATABASE postgres TO installer")
        position = await admin.fetchval("SELECT pg_current_wal_lsn()")
        await admin.close()
        there = await asyncpg.connect(replica.dsn())
        while await there.fetchval("SELECT pg_last_wal_replay_lsn() < $1", position):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        operator = operating()
        operator.secret(replica.dsn(user="installer", password="x"))
        operator.apply(resource())
        await operator.run()
        assert operator.says("TriggersInstalled") == ("False", "ReadOnlyReplica")
        await there.fetchval("SELECT pg_promote()")
        await there.close()
        await operator.run()
        assert operator.says("TriggersInstalled") == ("True", "Installed")


def briefly(operator):
    """Passes that have less time than in service, so that tests need not wait for it."""
    operator.edges = operating(kube=operator.kube, connect=functools.partial(connected, limit_s=2.0)).edges


@pytest.mark.parametrize("at", ["nothing", "pg_control_system", "our_server", "COMMENT ON FUNCTION", "COMMIT"])
async def test_a_wire_that_freezes_holds_a_pass_up_for_its_limit_and_no_longer(site, operator, at):
    """At connecting, at a look, in a transaction, at its commit. Mutant: `connected` without the watchdog: the ROLLBACK
    of a transaction waits for ever.
    """
    words = {"our_server": b"server_version_num", "nothing": None}
    briefly(operator)
    async with Wire(target=site.database.server.port) as wire:
        dsn = site.database.dsn(site.installer).replace(f":{site.database.server.port}/", f":{wire.port}/")
        operator.secret(dsn)
        operator.apply(resource())
        if at == "nothing":
            wire.freeze()
        else:
            wire.freeze_at(words.get(at) or at.encode())
        started = time.monotonic()
        async with asyncio.timeout(PATIENCE_S):
            await operator.run()
        assert operator.says("TriggersInstalled") == ("False", "Unreachable")
        took_s = time.monotonic() - started
        wire.thaw()
        wire.cut()
        async with asyncio.timeout(PATIENCE_S):
            await operator.run()
        assert operator.says("TriggersInstalled") == ("True", "Installed")
    assert took_s < 30
    assert len(await site.triggers()) == 3


async def test_a_server_that_is_killed_in_the_middle_of_a_pass_is_unreachable_and_nothing_is_half_done(site, operator):
    """The session is ended while a step waits for its turn."""
    operator.apply(resource())
    holder = await site.database.connect(site.app_role)
    await holder.execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
    passing = asyncio.create_task(operator.run())
    killed = False
    while not passing.done():
        killed |= bool(
            await site.admin.fetchval(
                "SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name = 'notifychannel-operator' AND datname = current_database()"
                " AND wait_event_type = 'Lock'"
            )
        )
        await asyncio.sleep(0.005)
    await passing
    assert operator.says("TriggersInstalled")[0] == "False"
    assert operator.says("TriggersInstalled")[1] == ("Unreachable" if killed else "LockedOut")
    await holder.execute("COMMIT")
    assert await site.triggers() == []
    operator.edges.memory.patience.forget(("shop", "orders"))
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")


async def test_a_dead_first_host_of_several_does_not_hide_the_next(site, operator):
    port = site.database.server.port
    dsn = site.database.dsn(site.installer).replace(f"127.0.0.1:{port}", f"127.0.0.254:1,127.0.0.1:{port}")
    operator.secret(dsn)
    operator.apply(resource())
    await operator.run()
    assert operator.says("TriggersInstalled") == ("True", "Installed")


async def test_a_secret_that_leads_elsewhere_moves_the_channel_and_says_what_is_left(site, operator):
    """A restored cluster, or a mistake. Mutant: `_mind_a_move` without the memory: the sentence lasts one pass."""
    operator.apply(resource())
    await operator.run()
    name = f"{site.database.name}_new"
    await site.admin.execute(f'CREATE DATABASE "{name}"')
    there = await asyncpg.connect(site.database.server.dsn(name))
    await there.execute(
        f'CREATE TABLE orders (id bigint PRIMARY KEY); GRANT TRIGGER ON orders TO "{site.installer}";'
        f'GRANT CREATE ON DATABASE "{name}" TO "{site.installer}"'
    )
    operator.secret(site.database.dsn(site.installer).replace(f"/{site.database.name}", f"/{name}"))
    for _ in range(2):
        await operator.run()
        status, reason, message = operator.condition("TriggersInstalled")
        assert (status, reason) == ("True", "Installed")
        assert f"led to {site.database.name} of server" in message
        assert "DROP FUNCTION" in message
    assert operator.config().dbname == operator.status()["database"]["dbname"] == name
    (event,) = [it for it in operator.kube.events if it[1] == "DatabaseChanged"]
    before, sql = event[2].partition("\nBecause: ")[0].split("run there:\n")
    assert len(before) < 50  # so that no name of a database cuts the SQL off
    await site.admin.execute(sql)
    assert await site.triggers() == []  # what was said does it
    operator.kube.remove(CHANNELS, "orders")
    await operator.run()
    assert await there.fetchval("SELECT count(*) FROM pg_proc WHERE pronamespace::regnamespace::text ~ 'notify'") == 0
    assert ("Warning", "CleanupIncomplete") in {it[:2] for it in operator.kube.events}
    await there.close()
    await site.admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


async def test_the_sidecars_are_told_another_channel_only_when_the_triggers_speak_there(site, operator):
    """Behind a lock the triggers stay on the old one, and so do the sidecars; endpoints go on meanwhile.

    Mutant: `_told` answering the wanted entry: the group is deaf until the lock is gone.
    """
    wanted = {"rules": [{"name": "created", "events": ["Insert"]}]}  # triggers go: that takes ACCESS EXCLUSIVE
    operator.apply(resource(channel="before"))
    await operator.run()
    before = operator.config().channels[0]
    holder = await site.database.connect(site.app_role)
    await holder.execute("BEGIN; SELECT * FROM orders")
    port = {**CONSUMER, "endpoint": {"port": 9090, "path": "/hints"}}
    operator.apply(resource(channel="after", sources=[{**SOURCE, **wanted}], consumers=[port]))
    for again in (False, True):
        if again:
            operator.restart()
            await recall(operator.edges)
        await operator.run()
        assert operator.says("TriggersInstalled") == ("False", "LockedOut")
        now = operator.config().channels[0]
        assert (now.pg_channel, now.rules) == ("before", before.rules)
        assert now.port == 9090
    await holder.execute("COMMIT")
    operator.edges.memory.patience.forget(("shop", "orders"))
    await operator.run()
    now = operator.config().channels[0]
    assert now.pg_channel == "after"
    assert now.rules != before.rules


async def test_a_change_that_was_taken_before_the_operator_died_reaches_the_sidecars_with_a_problem_beside_it(
    site, operator
):
    """Mutant: `is_in_force` asking whether the plan has problems."""
    operator.apply(resource())
    await operator.run()
    operator.apply(resource(channel="after", sources=[SOURCE, {**EVENTS, "table": "nowhere"}]))
    apply = operator.kube.apply

    async def die(*_args, **_options):
        raise RuntimeError("the operator dies here")

    operator.kube.apply = die
    with pytest.raises(RuntimeError):
        await operator.run()
    operator.kube.apply = apply
    operator.restart()
    await recall(operator.edges)
    await operator.run()
    assert operator.says("TriggersInstalled") == ("False", "MissingTable")
    assert operator.config().channels[0].pg_channel == "after"


def test_what_a_person_is_told_to_run_fits_an_event_whatever_the_names_are():
    long = names.Owner(installation="0" * 8, namespace="n" * 63, name="o" * 253)
    assert len(cleanup.by_hand(long).encode()) < 940
    assert cleanup.by_hand(owner()).count(owner().name) == 1  # in its literal: all else is ours
