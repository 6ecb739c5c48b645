"""The listener behind a real PgBouncer."""

from __future__ import annotations

import asyncpg
import pytest

from notifychannel_cli.embedded import Server, free_port
from tests.listening import Listening, target
from tests.pgbouncer import PgBouncer


@pytest.fixture(scope="session")
def server(newest):
    """The pooler stands between, whatever is behind it; test_listener.py listens on each version."""
    return newest


async def test_a_pool_in_transaction_mode_is_named(database):
    """Mutant: `prove` without the witness: the NOTIFY to oneself comes back on the one server connection both used.

    The listener then says LISTENING and never hears a thing; that is why a second connection rings.
    """
    with PgBouncer(server=database.server, pool_mode="transaction") as bouncer:
        async with Listening(target=target(bouncer.dsn(database.name))) as listening:
            count = await listening.says("PoolerSwallowsListen")
            await listening.says("PoolerSwallowsListen", after=count)
            assert "LISTENING" not in listening.seen
            assert listening.resyncs == []


async def test_a_pool_in_statement_mode_is_named_too(database):
    with PgBouncer(server=database.server, pool_mode="statement") as bouncer:
        async with Listening(target=target(bouncer.dsn(database.name))) as listening:
            await listening.says("PoolerSwallowsListen")


async def test_a_refused_pool_is_left_without_a_trace(database):
    """Mutant: `_leave_the_pool` does nothing: the pool's server connections go on listening for nobody."""
    with PgBouncer(server=database.server, pool_mode="transaction") as bouncer:
        async with Listening(target=target(bouncer.dsn(database.name))) as listening:
            await listening.says("PoolerSwallowsListen")
        pooled = await asyncpg.connect(bouncer.dsn(database.name), statement_cache_size=0)
        assert await pooled.fetch("SELECT pg_listening_channels()") == []
        names = await pooled.fetch("SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'nch/%'")
        assert names == []
        await pooled.close()


async def test_a_pool_in_session_mode_is_fine_and_its_restart_is_survived(database):
    admin = await database.connect()
    with PgBouncer(server=database.server, pool_mode="session") as bouncer:
        async with Listening(target=target(bouncer.dsn(database.name))) as listening:
            await listening.listens()
            await admin.execute("NOTIFY orders, 'one'")
            await listening.until(lambda: ("orders", "one") in listening.puts)
            bouncer.stop()
            count = await listening.says("Unreachable")
            bouncer.start()
            await listening.listens_after(count)
            await admin.execute("NOTIFY orders, 'two'")
            await listening.until(lambda: ("orders", "two") in listening.puts)
            assert listening.resyncs[-1]["reason"] == "reconnect"


async def test_a_pool_that_is_used_up_is_not_called_a_swallower(database):
    with PgBouncer(server=database.server, pool_mode="session", pool_size=1) as bouncer:
        async with Listening(target=target(bouncer.dsn(database.name))) as listening:
            await listening.says("TooManyConnections")
            assert "PoolerSwallowsListen" not in listening.seen


@pytest.mark.parametrize("pool_mode", ["transaction", "session"])
async def test_a_pooler_whose_server_is_down_is_unreachable(pool_mode):
    gone = Server(port=free_port())
    with PgBouncer(server=gone, pool_mode=pool_mode) as bouncer:
        async with Listening(target=target(bouncer.dsn("postgres"))) as listening:
            await listening.says("Unreachable")
