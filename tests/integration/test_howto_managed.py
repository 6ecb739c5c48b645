"""docs/howto/managed-postgresql.md: its commands, run by an administrator who is no superuser."""

from __future__ import annotations

import asyncio

from notifychannel_operator import manifest
from notifychannel_operator.names import pg_channel
from tests import commands
from tests.premises import OWNER, Site

PAGE = "managed-postgresql.md"
YAML = """
apiVersion: notifychannel.io/v1alpha1
kind: NotifyChannel
metadata: {name: orders, namespace: shop}
spec:
  database: {secretRef: {name: db}}
  capture: Outbox
  sources:
    - {schema: public, table: orders, key: [{column: id}], rules: [{name: any, events: [Insert]}]}
  consumers:
    - {group: app, endpoint: {port: 8080, path: /hints}, delivery: AtLeastOnce}
"""
ATTRIBUTES = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication FROM pg_roles WHERE rolname = $1"


async def test_an_administrator_who_is_no_superuser_sets_all_up_for_two_plain_roles(database, tmp_path):
    """As the administrator of a managed service. Mutant of the page: no GRANT … TO CURRENT_USER."""
    (script,) = commands.of(PAGE, "test_an_administrator_who_is_no_superuser_sets_all_up_for_two_plain_roles")
    dba = await database.role("dba", "CREATEROLE CREATEDB")
    superuser = await database.connect()
    await superuser.execute(f'ALTER DATABASE "{database.name}" OWNER TO "{dba}"')
    await superuser.execute(f'GRANT ALL ON SCHEMA public TO "{dba}"')
    administrator = await database.connect(dba)
    await administrator.execute("CREATE TABLE orders (id bigint PRIMARY KEY)")
    (tmp_path / "orders.yaml").write_text(YAML)
    installer, listener = (f"nch_{it}_{database.name}" for it in ("installer", "listener"))
    database.passwords |= {installer: "secret-of-installer", listener: "secret-of-listener"}
    await commands.run(
        script, tmp_path, database.server, ADMIN=database.dsn(dba), INSTALLER=installer, LISTENER=listener,
        INSTALLER_PASSWORD=database.passwords[installer], LISTENER_PASSWORD=database.passwords[listener],
    )  # fmt: skip
    for role in (installer, listener):
        assert await superuser.fetchval(ATTRIBUTES, role) is False
    site = Site(
        database=database, admin=superuser, app=administrator, app_role=dba, installer=installer, listener=listener
    )
    (wanted,) = manifest.parse(YAML, file="orders.yaml")
    await site.step(wanted)
    heard = asyncio.Queue()
    session = await site.session(listener)
    await session.add_listener(pg_channel(OWNER), lambda *it: heard.put_nowait(it[3]))
    await administrator.execute("INSERT INTO orders VALUES (1)")
    assert (await session.fetchrow("SELECT * FROM notifychannel.drain('0', '{}', 9)"))["merged"] == 1
    async with asyncio.timeout(30):
        while not (await heard.get()).endswith("[1]"):
            pass
