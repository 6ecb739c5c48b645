"""`notifychannel config --dsn`: which database the sidecar is to refuse all others for."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

TEXT = """\
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders}
spec:
  database: {secretRef: {name: db}}
  sources: [{schema: public, table: orders, key: [{column: id}], rules: [{name: any, events: [Insert]}]}]
  consumers: [{group: api, endpoint: {port: 8080, path: /hints}}]
"""


@pytest.fixture(scope="session")
def server(newest):
    """Whether a role may log in is asked as by any program."""
    return newest


async def config(*arguments: str, **environment: str) -> tuple[int | None, str, str]:
    command = [sys.executable, "-m", "notifychannel_cli", "config", "-f", "-", "--group", "api", *arguments]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, env={**os.environ, **environment}
    )
    out, err = await process.communicate(TEXT.encode())
    return process.returncode, out.decode(), err.decode()


async def test_the_database_is_named_as_it_names_itself_to_a_role_without_rights(database):
    role = await database.role("reader")
    admin = await database.connect()
    identifier = await admin.fetchval("SELECT system_identifier::text FROM pg_control_system()")
    for arguments, environment in [
        (["--dsn", database.dsn(role)], {}),
        ([], {"NOTIFYCHANNEL_DSN": database.dsn(role)}),
    ]:
        code, out, err = await config(*arguments, **environment)
        assert (code, err) == (0, "")
        made = json.loads(out)
        assert (made["system_identifier"], made["dbname"]) == (identifier, database.name)


async def test_a_wrong_password_or_database_is_said_without_showing_either(database):
    role = await database.role("reader")
    right = database.dsn(role)
    wrong_password = right.replace(database.passwords[role], "wrong-secret")
    wrong_database = right.replace(f"/{database.name}", "/wrong-secret")
    for dsn, sentence in [
        (wrong_password, "Error: the database refuses the user or the password; check both in the DSN\n"),
        (wrong_database, "Error: the server has no database of that name; check the end of the DSN\n"),
    ]:
        assert await config("--dsn", dsn) == (3, "", sentence)
