"""The rights in examples/cluster are the ones that the command prints for its channel, and they are enough there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest
import yaml
from click.testing import CliRunner

from notifychannel_cli.__main__ import cli
from notifychannel_cli.embedded import Server

CLUSTER = Path(__file__).parents[2] / "examples" / "cluster"


@pytest.fixture(scope="module")
def server():
    """An own one: the roles of the example have names that others may have too."""
    with Server(version=18) as own:
        yield own


async def run(server, script: str) -> None:
    """A script for psql: what stands before its `connect` runs in postgres, the rest in shop."""
    before, _, after = script.partition("\\connect shop\n")
    for sql, database in ((before, "postgres"), (after, "shop")):
        if sql:
            connection = await asyncpg.connect(server.dsn(database))
            await connection.execute(sql)
            await connection.close()


async def test_the_example_s_rights_are_what_the_command_prints_for_its_channel(server, tmp_path):
    manifests = yaml.safe_load_all((CLUSTER / "postgresql.yaml").read_text())
    (scripts,) = (each["data"] for each in manifests if each["kind"] == "ConfigMap")
    assert list(scripts) == sorted(scripts)
    shop, roles, rights = scripts.values()
    await run(server, shop)
    await run(server, roles)
    arguments = ["sql", "-f", str(CLUSTER / "orders.yaml"), "--dsn", server.dsn("shop")]
    printed = await asyncio.to_thread(CliRunner().invoke, cli, [*arguments, "--grants"])
    assert printed.exit_code == 0, printed.output
    assert rights == f"\\connect shop\n{printed.stdout}"
    await run(server, rights)
    secrets = yaml.safe_load_all((CLUSTER / "orders.yaml").read_text())
    (uri,) = (each["stringData"]["uri"] for each in secrets if each["metadata"]["name"] == "orders-db")
    password = uri.partition(":change")[2].partition("@")[0]
    installer = server.dsn("shop", "notifychannel_installer", f"change{password}")
    arguments = ["sql", "-f", str(CLUSTER / "orders.yaml"), "--dsn", installer, "--listener", "notifychannel_listener"]
    enough = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
    assert enough.exit_code == 0, enough.output
