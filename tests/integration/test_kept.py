"""Connections that outlive a pass: shared by those that follow each other, by nobody at once, and not for long."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from notifychannel_cli.embedded import Server
from notifychannel_operator.passes.connect import Failed
from notifychannel_operator.passes.kept import Kept
from notifychannel_sidecar import credentials
from tests.standby import standby
from tests.wire import Wire

PATIENCE_S = 30
HOUR_S = 3600.0
PID = "SELECT pg_backend_pid()"


@pytest.fixture(scope="session")
def server(newest):
    """Sessions are kept, lent and lost here, whatever answers in them."""
    return newest


@pytest.fixture
async def secret(database):
    role = await database.role("installer")
    return credentials.from_mapping({"uri": database.dsn(role).encode()})


async def session(kept, secret, **options):
    """Which session a pass gets."""
    async with kept.connected(secret, **options) as connection:
        return await connection.fetchval(PID)


async def until_closed(database, pid):
    admin = await database.connect()
    async with asyncio.timeout(PATIENCE_S):
        while await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_who_comes_next_gets_the_same_session_and_who_comes_meanwhile_another(database, secret):
    """Mutant: `_taken` does not forget what it lends: two passes speak at once on one connection."""
    async with Kept(keep_s=HOUR_S) as kept:
        first = await session(kept, secret)
        async with kept.connected(secret) as connection:
            assert await connection.fetchval(PID) == first
            second = await session(kept, secret)
            assert second != first
        assert await session(kept, secret) == first, "the one used last"
    await until_closed(database, first)
    await until_closed(database, second)


async def test_another_secret_gets_another_session(database, secret):
    other = credentials.from_mapping({"uri": database.dsn().encode()})
    async with Kept(keep_s=HOUR_S) as kept:
        assert await session(kept, secret) != await session(kept, other)


@pytest.mark.parametrize("lives", [{"keep_s": 0.05}, {"keep_s": HOUR_S, "most_s": 0.05}], ids=["idle", "old"])
async def test_it_is_closed_soon_when_nobody_comes_and_when_it_is_old(database, secret, lives):
    """Mutant: `left_s` without `most_s`."""
    async with Kept(**lives) as kept:
        await until_closed(database, await session(kept, secret))


async def test_a_pass_that_breaks_leaves_no_session_behind(database, secret):
    """With what it had begun. Mutant: `_keep` in a `finally`."""
    async with Kept(keep_s=HOUR_S) as kept:
        with pytest.raises(Failed):  # noqa: PT012 the block is what breaks
            async with kept.connected(secret) as connection:
                pid = await connection.fetchval(PID)
                await connection.execute("BEGIN; SELECT nothing_of_the_kind")
        await until_closed(database, pid)
        assert await session(kept, secret) != pid


async def test_a_session_that_was_ended_meanwhile_is_nobody_s_trouble(database, secret):
    """A restart of the server between two passes is not Unreachable. Mutant: `_taken` does not ask what it lends."""
    admin = await database.connect()
    async with Kept(keep_s=HOUR_S) as kept:
        pid = await session(kept, secret)
        await admin.fetchval("SELECT pg_terminate_backend($1)", pid)
        await until_closed(database, pid)
        assert await session(kept, secret) != pid


async def test_a_session_that_hangs_is_cut_in_time_and_the_next_pass_gets_through(database, secret):
    """Mutant: no WAKE_S and no watchdog."""
    async with Wire(target=database.server.port) as wire, Kept(keep_s=HOUR_S) as kept:
        address = database.dsn(secret.user).replace(f":{database.server.port}/", f":{wire.port}/")
        through = credentials.from_mapping({"uri": address.encode()})
        pid = await session(kept, through)
        wire.freeze()
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(Failed):
                await session(kept, through, limit_s=3.0)
        wire.thaw()
        wire.cut()
        assert await session(kept, through) != pid


async def test_a_server_that_has_gone_is_a_failure_like_any_other(database, secret):
    async with Wire(target=database.server.port) as wire, Kept(keep_s=HOUR_S) as kept:
        address = database.dsn(secret.user).replace(f":{database.server.port}/", f":{wire.port}/")
        through = credentials.from_mapping({"uri": address.encode()})
        await session(kept, through)
        await wire.refuse()
        wire.cut()
        with pytest.raises(Failed, match="nobody listens there"):
            await session(kept, through)


IS_STANDBY = "SELECT pg_is_in_recovery()"


async def test_a_session_on_a_standby_is_not_kept_for_the_name_may_lead_to_the_primary_by_now():
    """Seconds after a fail-over, behind a name or a pooler. Mutant: `_taken` without `is_standby`."""
    with Server(version=18) as primary, standby(primary) as replica:
        async with Wire(target=replica.port) as wire, Kept(keep_s=HOUR_S) as kept:
            address = primary.dsn().replace(f":{primary.port}/", f":{wire.port}/")
            name = credentials.from_mapping({"uri": address.encode()})
            async with kept.connected(name) as connection:
                assert await connection.fetchval(IS_STANDBY)
            wire.target = primary.port
            async with kept.connected(name) as connection:
                assert not await connection.fetchval(IS_STANDBY)
                pid = await connection.fetchval(PID)
            assert await session(kept, name) == pid, "a primary's is kept"


async def test_a_pass_after_a_fail_over_goes_to_the_promoted_standby():
    """The old primary is dead, its name leads to the new one. Mutant: `_taken` does not ask what it lends."""
    with Server(version=18) as primary, standby(primary) as replica:
        async with Wire(target=primary.port) as wire, Kept(keep_s=HOUR_S) as kept:
            address = primary.dsn().replace(f":{primary.port}/", f":{wire.port}/")
            name = credentials.from_mapping({"uri": address.encode()})
            await session(kept, name)
            primary.stop()
            there = await asyncpg.connect(replica.dsn())
            await there.fetchval("SELECT pg_promote()")
            await there.close()
            wire.target = replica.port
            async with kept.connected(name) as connection:
                assert not await connection.fetchval(IS_STANDBY)
                assert await connection.fetchval("SELECT inet_server_port()") == replica.port
