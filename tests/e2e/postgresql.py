"""A PostgreSQL server in a namespace, with the roles that NotifyChannel needs, reached from the test and from pods.

Database `app` belongs to `app_owner`; `installer` and `listener` may do nothing until `grant` has run what
`notifychannel sql --grants` prints. Every password is random.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg
import yaml
from click.testing import CliRunner

from notifychannel_cli.commands import cli
from tests import leaks
from tests.e2e.cluster import SCRIPTS
from tests.e2e.kubectl import CommandError
from tests.e2e.ports import reached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.cluster import Cluster
    from tests.e2e.kubectl import Kubectl

MANIFESTS = SCRIPTS / "images" / "postgres"
DATABASE = "app"
ROLES = ("app_owner", "installer", "listener")
PATIENCE_S = 90.0
NOT_YET = (
    OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError,
    asyncpg.InvalidPasswordError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PostgreSQL:
    """One running server; inside the cluster it is `postgres:5432`."""

    kubectl: Kubectl
    port: int
    """Of 127.0.0.1, for the test."""
    passwords: dict[str, str] = field(repr=False)
    """Of postgres and of ROLES."""
    stack: AsyncExitStack = field(repr=False)

    def uri(self, role: str, *, host: str = "postgres", port: int = 5432, dbname: str = DATABASE) -> str:
        """For pods of the same namespace."""
        return f"postgresql://{role}:{self.passwords[role]}@{host}:{port}/{dbname}"

    def local_uri(self, role: str, *, dbname: str = DATABASE) -> str:
        """For the test and what it starts on this machine."""
        return self.uri(role, host="127.0.0.1", port=self.port, dbname=dbname)

    async def connect(self, role: str = "app_owner", *, dbname: str = DATABASE) -> asyncpg.Connection:
        """A connection from the test, closed at its end; waits until the server answers."""
        connection = await _answering(self.local_uri(role, dbname=dbname))
        self.stack.push_async_callback(connection.close, timeout=5)
        return connection

    async def grant(self, *channels: str) -> None:
        """What a DBA does: run the output of `notifychannel sql --grants` for these manifests. Tables have to exist."""
        words = ["sql", "--grants", "-f", "-", "--installer", "installer", "--listener", "listener"]
        words += ["--dsn", self.local_uri("postgres")]
        done = await asyncio.to_thread(CliRunner().invoke, cli, words, input="\n---\n".join(channels))
        if done.exit_code:
            raise CommandError(f"notifychannel sql --grants ended with {done.exit_code}: {done.output}")
        connection = await self.connect("postgres")
        await connection.execute(done.stdout)

    def secret(self, name: str, role: str, *, allowed: bool = False, **others: str) -> None:
        """Apply a Secret with `uri` for that role; `allowed` labels it for the operator; others are further keys."""
        labels = {"notifychannel.io/allow": "true"} if allowed else {}
        content = {"uri": self.uri(role), **others}
        self.kubectl.put(_secret({"name": name, "labels": labels}, content))

    async def emptied(self) -> None:
        """Drop the application's tables and what is left of ours, for the next test."""
        admin = await self.connect("postgres")
        await admin.execute("DROP SCHEMA IF EXISTS notifychannel CASCADE; DROP OWNED BY app_owner CASCADE")
        await admin.execute("REASSIGN OWNED BY installer TO postgres; DROP OWNED BY installer, listener CASCADE")
        await admin.execute("CREATE SCHEMA IF NOT EXISTS public; GRANT ALL ON SCHEMA public TO app_owner")

    def standby(self) -> None:
        """Start `postgres-standby`, a hot standby, and wait until it answers."""
        self.kubectl.put(*_manifests("standby"))
        self.kubectl.wait_for("pod/postgres-standby", "condition=Ready")


@contextmanager
def begun(cluster: Cluster, kubectl: Kubectl, *, is_kept: bool) -> Iterator[tuple[int, dict[str, str]]]:
    """A server that starts in kubectl's namespace: its port of 127.0.0.1 and the passwords of postgres and ROLES.

    Its data outlives its pod where `is_kept`: that costs two more pods, which make and remove the volume.
    """
    passwords = {role: secrets.token_hex(16) for role in ("postgres", *ROLES)}
    leaks.known.update(passwords.values())
    superuser = _secret({"name": "postgres-superuser"}, {"password": passwords["postgres"]})
    service, server = _manifests("primary")
    if not is_kept:
        del server["spec"]["volumeClaimTemplates"]
        server["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
    kubectl.put(superuser, service, server)
    with reached(cluster, kubectl, selector={"app": "postgres"}, port=5432, name="postgres-from-tests") as port:
        yield port, passwords


def is_up(kubectl: Kubectl) -> None:
    """Wait until it is ready."""
    kubectl.rolled_out("statefulset/postgres")


@contextmanager
def deployed(cluster: Cluster, kubectl: Kubectl) -> Iterator[tuple[int, dict[str, str]]]:
    """The same, ready, and its data kept."""
    with begun(cluster, kubectl, is_kept=True) as found:
        is_up(kubectl)
        yield found


async def with_roles(kubectl: Kubectl, port: int, passwords: dict[str, str], stack: AsyncExitStack) -> PostgreSQL:
    """Make database and roles on a server that is as `initdb` left it."""
    made = PostgreSQL(kubectl=kubectl, port=port, passwords=passwords, stack=stack)
    admin = await made.connect("postgres", dbname="postgres")
    for role in ROLES:
        await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{passwords[role]}'")
    await admin.execute(f"CREATE DATABASE {DATABASE} OWNER app_owner")
    return made


def _manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((MANIFESTS / f"{name}.yaml").read_text()))


def _secret(metadata: dict[str, Any], content: dict[str, str]) -> dict[str, Any]:
    """By `data`: keys that are gone from it go, which those of `stringData` don't."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in content.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


async def _answering(uri: str) -> asyncpg.Connection:
    """Connect, again and again while the server starts or its Service is not known to the node yet.

    A node that is behind still leads to the server which had the port before, and that one refuses our password.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await asyncpg.connect(uri, timeout=5)
        except NOT_YET:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
