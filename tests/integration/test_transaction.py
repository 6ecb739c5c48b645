"""A transaction whose wire freezes ends in its time, wherever it was; one that the server refused goes on."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncpg
import pytest

from notifychannel_sidecar.transaction import transaction
from tests.wire import Wire

GUARD_S = 20.0
WITHIN_S = 0.3


@pytest.fixture(scope="session")
def server(newest):
    """The wire fails, whatever is behind it."""
    return newest


async def through(database, wire):
    """A connection that is only ever cut."""
    dsn = database.dsn().replace(f":{database.server.port}/", f":{wire.port}/")
    return await asyncpg.connect(dsn)


async def bounded(connection, statement):
    async with asyncio.timeout(WITHIN_S):
        await connection.execute(statement)


async def freezing(connection, wire, at):
    """A transaction during which the wire freezes."""
    if at == "BEGIN":
        wire.freeze()
    async with transaction(connection, timeout_s=WITHIN_S):
        if at == "a statement":
            wire.freeze()
        await bounded(connection, "SELECT 1")
        if at == "COMMIT":
            wire.freeze()


async def in_one(connection, *wanted):
    """These statements, in one transaction."""
    async with transaction(connection, timeout_s=GUARD_S):
        for statement in wanted:
            await connection.execute(statement)


@pytest.mark.parametrize("at", ["BEGIN", "a statement", "COMMIT"])
async def test_over_a_frozen_wire_it_ends(database, at):
    """Mutant: asyncpg's own transaction, which waits for the answer to ROLLBACK."""
    async with Wire(target=database.server.port) as wire, asyncio.timeout(GUARD_S):
        connection = await through(database, wire)
        try:
            with pytest.raises(TimeoutError):
                await freezing(connection, wire, at)
        finally:
            connection.terminate()


async def test_cancelled_over_a_frozen_wire_it_ends(database):
    """As when the configuration moves. Mutant: a rollback of whatever happened."""
    async with Wire(target=database.server.port) as wire, asyncio.timeout(GUARD_S):
        connection, inside = await through(database, wire), asyncio.Event()

        async def work():
            async with transaction(connection, timeout_s=WITHIN_S):
                wire.freeze()
                inside.set()
                await connection.execute("SELECT 1")

        task = asyncio.create_task(work())
        await inside.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        connection.terminate()


async def test_what_the_server_refuses_is_rolled_back_and_the_session_goes_on(database):
    """Mutant: no ROLLBACK: the session stays in a transaction that has failed."""
    connection = await database.connect()
    await connection.execute("CREATE TABLE done (it text)")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await in_one(connection, "INSERT INTO done VALUES ('no')", "SELECT 1 / 0")
    await in_one(connection, "INSERT INTO done VALUES ('yes')")
    assert await connection.fetchval("SELECT string_agg(it, ',') FROM done") == "yes"


async def test_a_session_that_the_server_ends_in_the_middle_is_said_as_it_is(database):
    """Mutant: ROLLBACK on a session that is gone, whose error hides the first."""
    connection = await database.connect()
    with pytest.raises(asyncpg.PostgresError):
        await in_one(connection, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert connection.is_closed()
