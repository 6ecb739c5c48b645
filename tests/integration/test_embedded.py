"""The embedded server that demo, benchmarks and tests stand on."""

from __future__ import annotations


async def test_a_fresh_database_is_there_on_each_version(database):
    connection = await database.connect()
    assert await connection.fetchval("SELECT current_database()") == database.name
    version = await connection.fetchval("SELECT current_setting('server_version_num')::int / 10000")
    assert version == database.server.version


async def test_a_role_made_for_a_test_may_connect_with_its_password(database):
    role = await database.role("reader")
    connection = await database.connect(role)
    assert await connection.fetchval("SELECT current_user") == role
