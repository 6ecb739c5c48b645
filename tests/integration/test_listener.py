"""The listener on a server that kills sessions, restarts, is a standby, is another database or refuses the user."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from notifychannel_cli.embedded import Server
from notifychannel_cli.embedded_binaries import FOLDERS
from notifychannel_sidecar.hints import timestamp
from notifychannel_sidecar.listener.connection import Timings
from notifychannel_sidecar.state import Why
from tests.listening import Listening, channel, target
from tests.standby import standby

KILL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'nch/%' AND datname = $1"
NAMES = "SELECT application_name FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'nch/%'"


@pytest.fixture
def own_server():
    """Of the newest version: how it restarts and is promoted makes no difference to who listens."""
    with Server(version=max(FOLDERS)) as running:
        yield running


async def test_a_subscription_is_proven_and_puts_one_resync_per_channel_after_its_listen_has_committed(database):
    """Mutant: `_resync_all` before `session.listen`: a change between the two is neither heard nor resynced."""
    role = await database.role("listener")
    admin = await database.connect()
    two = target(database.dsn(role), channel("orders"), channel("items", pg_channel='Wei"rd 名'))
    async with Listening(target=two) as listening:
        await listening.until(lambda: len(listening.resyncs) == 2)
        await admin.execute('NOTIFY "Wei""rd 名", \'1\'')  # as soon as there is a resync, nothing is missed
        await admin.execute("NOTIFY orders, '2'")
        await listening.until(lambda: len(listening.puts) == 2)
        assert listening.puts == [("items", "1"), ("orders", "2")]
        assert [(one["name"], one["reason"], one["since"], one["delay"]) for one in listening.resyncs] == [
            ("orders", "start", None, 0.0),
            ("items", "start", None, 0.0),
        ]
        await listening.listens()
        assert listening.seen == ["CONNECTING", "LISTENING"]


async def test_channels_that_share_a_postgresql_channel_both_hear_it(database):
    admin = await database.connect()
    both = target(database.dsn(), channel("one", pg_channel="shared"), channel("two", pg_channel="shared"))
    async with Listening(target=both) as listening:
        await listening.listens()
        await admin.execute("NOTIFY shared, 'x'")
        await listening.until(lambda: len(listening.puts) == 2)
        assert sorted(listening.puts) == [("one", "x"), ("two", "x")]


async def test_a_notification_that_cannot_be_taken_is_a_resync_and_is_not_logged(database, caplog):
    """Mutant: no except in `_on_notification`: the hint is lost, and asyncio logs the payload."""
    admin = await database.connect()
    async with Listening(target=target(database.dsn()), poison="key-of-a-customer") as listening:
        await listening.listens()
        await admin.execute("NOTIFY orders, 'key-of-a-customer'")
        await admin.execute("NOTIFY orders, 'next'")
        await listening.until(lambda: ("orders", "next") in listening.puts)
        assert [one["reason"] for one in listening.resyncs] == ["start", "bulk"]
    assert "key-of-a-customer" not in caplog.text


async def test_a_proven_session_is_named_so_that_every_role_can_count_it(database):
    """Mutant: the pod's head instead of its tail: the part that tells pods apart is cut off."""
    other = await database.connect(await database.role("anybody"))
    async with Listening(target=target(database.dsn())) as listening:
        await listening.listens()
        (name,) = await other.fetchrow(NAMES, database.name)
        assert name == listening.target.session_name
        assert name.startswith("nch/")
        assert name.endswith("/api-7f9c")


async def test_a_killed_backend_is_replaced_and_the_resync_says_since_when(database):
    """Mutant: `since` of the new session's own round trip: what was missed in between is not looked at."""
    admin = await database.connect()
    async with Listening(target=target(database.dsn())) as listening:
        await listening.until(lambda: len(listening.trips) >= 2)
        assert await admin.fetchval(KILL, database.name)
        count = await listening.says("Unreachable")
        proven = listening.trips[-1].at_us
        await listening.listens_after(count)
        assert [one["reason"] for one in listening.resyncs] == ["start", "reconnect"]
        assert listening.resyncs[-1]["since"] == timestamp(proven)
        assert 0 <= listening.resyncs[-1]["delay"] <= 0.5


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restarted_server_is_heard_again(own_server, mode):
    async with Listening(target=target(own_server.dsn())) as listening:
        await listening.listens()
        own_server.stop(mode)
        count = await listening.says("Unreachable")
        own_server.start()
        await listening.listens_after(count)
        admin = await asyncpg.connect(own_server.dsn())
        await admin.execute("NOTIFY orders, 'again'")
        await listening.until(lambda: ("orders", "again") in listening.puts)
        await admin.close()


async def test_a_standby_is_named_and_heard_after_its_promotion(own_server):
    """Mutant: neither `in_recovery` nor ReadOnlySQLTransactionError looked at: LISTEN fails as Unreachable."""
    with standby(own_server) as replica:
        async with Listening(target=target(replica.dsn())) as listening:
            count = await listening.says("ReadOnlyReplica")
            admin = await asyncpg.connect(replica.dsn())
            await admin.execute("SELECT pg_promote()")
            await listening.listens_after(count)
            await admin.execute("NOTIFY orders, 'primary now'")
            await listening.until(lambda: listening.puts)
            await admin.close()


async def test_of_several_hosts_the_primary_is_found_and_after_a_failover_the_new_one(own_server):
    with standby(own_server) as replica:
        hosts = f"127.0.0.1:{replica.port},127.0.0.1:{own_server.port}"
        dsn = f"postgresql://postgres:{own_server.password}@{hosts}/postgres?target_session_attrs="
        async with Listening(target=target(dsn + "primary")) as listening:
            await listening.listens()
            assert listening.seen == ["CONNECTING", "LISTENING"]
            own_server.stop("immediate")
            count = await listening.says("Unreachable")
            admin = await asyncpg.connect(replica.dsn())
            await admin.execute("SELECT pg_promote()")
            await admin.close()
            await listening.listens_after(count)


async def test_a_unix_socket_does_as_well(database):
    server = database.server
    dsn = f"postgresql:///{database.name}?host={server.directory}&port={server.port}&user=postgres"
    async with Listening(target=target(dsn)) as listening:
        await listening.listens()


async def test_the_same_address_with_another_history_is_resynced_without_a_since(own_server):
    """Mutant: `_recognise` does not forget: rows that the new primary never got would be vouched for."""
    with standby(own_server) as replica:
        async with Listening(target=target(own_server.dsn())) as listening:
            await listening.listens()
            admin = await asyncpg.connect(replica.dsn())
            await admin.execute("SELECT pg_promote()")
            await admin.execute("CHECKPOINT")  # the control file tells the timeline from the next checkpoint on
            await admin.close()
            own_server.stop("immediate")
            replica.stop()
            replica.port = own_server.port
            replica.configure({})
            replica.start()
            await listening.until(lambda: len(listening.resyncs) == 2)
            assert listening.resyncs[-1]["reason"] == "reconnect"
            assert listening.resyncs[-1]["since"] is None


async def test_the_wrong_database_is_named_and_a_corrected_configuration_is_taken_at_once(database):
    """Mutant: `means` always true: it proves its own round trip and never hears a thing."""
    slow = Listening(target=target(database.dsn(), dbname="elsewhere"))
    slow.backoff.initial_s = slow.backoff.maximum_s = 600.0
    async with slow as listening:
        await listening.says("WrongDatabase")
        assert listening.resyncs == []
        admin = await database.connect()
        identifier = await admin.fetchval("SELECT system_identifier::text FROM pg_control_system()")
        listening.listener.aim(target(database.dsn(), dbname=database.name, system_identifier=identifier))
        await listening.listens()
        assert listening.listener.aim(target(database.dsn(), dbname=database.name, system_identifier="1")) is None
        await listening.until(lambda: listening.seen.count("WrongDatabase") == 2)


async def test_a_database_that_is_not_there_is_called_the_wrong_one(database):
    async with Listening(target=target(database.server.dsn("not_there"))) as listening:
        await listening.says("WrongDatabase")


async def test_a_wrong_password_is_named_and_the_right_one_is_taken_at_once(database):
    """Mutant: `aim` does not wake a waiting listener: here it would sleep ten minutes."""
    role = await database.role("listener")
    slow = Listening(target=target(database.server.dsn(database.name, role, "wrong")))
    slow.backoff.initial_s = slow.backoff.maximum_s = 600.0
    async with slow as listening:
        await listening.says("AuthenticationFailed")
        listening.listener.aim(target(database.dsn(role), fingerprint="2"))
        await listening.listens()


async def test_a_role_without_connect_is_an_authentication_failure(database):
    role = await database.role("listener")
    admin = await database.connect()
    await admin.execute(f'REVOKE CONNECT ON DATABASE "{database.name}" FROM PUBLIC')
    async with Listening(target=target(database.dsn(role))) as listening:
        await listening.says("AuthenticationFailed")


async def test_a_role_out_of_connections_is_named(database):
    role = await database.role("listener", "CONNECTION LIMIT 1")
    holder = await database.connect(role)
    async with Listening(target=target(database.dsn(role))) as listening:
        count = await listening.says("TooManyConnections")
        await holder.close()
        await listening.listens_after(count)


async def test_nothing_to_listen_to_is_waited_for_and_no_exit(database):
    async with Listening(target=Why.NO_SECRET) as listening:
        await listening.says("NoSecret")
        listening.listener.aim(target(database.dsn()))
        await listening.listens()


async def test_a_port_where_something_else_answers_is_unreachable(database):
    async def greet(_reader, writer):
        writer.write(b"220 this is no PostgreSQL\r\n")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    async with other, Listening(target=target(f"postgresql://u:p@127.0.0.1:{port}/d")) as listening:
        await listening.says("Unreachable")
        other.close()


async def test_many_short_lives_do_not_shorten_the_wait(database):
    """Mutant: `lived` forgives whatever the time: a session that dies at once is opened in a tight loop."""
    admin = await database.connect()
    async with Listening(target=target(database.dsn()), timings=Timings()) as listening:
        for number in range(1, 4):
            await listening.until(lambda number=number: listening.seen.count("LISTENING") == number)
            await admin.fetchval(KILL, database.name)
            await listening.until(lambda number=number: listening.seen.count("Unreachable") >= number)
        waits = [state.retry_in_s for state in listening.states if state.retry_in_s is not None]
        assert listening.backoff.attempts == len(waits)
        assert waits[2] > waits[0]
