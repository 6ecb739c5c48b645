"""The edge that opens a database with what a Secret holds: one connection for one pass, which can't hang.

Whatever a dead, frozen or foreign server does, the connection is cut after its time, and every failure is a Failed
with a reason and a sentence without host, user or password. Refuses to retry: the next pass does.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import asyncpg

from notifychannel_operator import grants, sqlfile
from notifychannel_operator.passes.conditions import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from notifychannel_sidecar.credentials import Credentials

    Connection = asyncpg.Connection[asyncpg.Record]

CONNECT_TIMEOUT_S = 5.0
"""For each host."""
LIMIT_S = 30.0
"""For all that a pass does on a connection: a look takes milliseconds, and a step gives up after 200 ms."""
CLOSE_TIMEOUT_S = 2.0
SETTINGS = {
    "application_name": "notifychannel-operator",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "15s",
    "tcp_user_timeout": "30s",
}
"""So that the server too gets rid of a pass whose operator died; set after connecting, for poolers refuse some."""
NEXT_HOST = (OSError, TimeoutError, asyncpg.TargetServerAttributeNotMatched, asyncpg.CannotConnectNowError)
"""How a host fails that leaves the next one to be tried, as in libpq."""
FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_LOGIN = "the server refuses the user or the password: correct them in the Secret, or pg_hba.conf"
_STANDBY = "no host in the Secret is a primary: name it, or all hosts with target_session_attrs=primary"
REASONS: tuple[tuple[type[BaseException], Reason, str], ...] = (
    (asyncpg.InvalidAuthorizationSpecificationError, Reason.AUTHENTICATION_FAILED, _LOGIN),
    (
        asyncpg.InvalidCatalogNameError, Reason.WRONG_DATABASE,
        "the server has no database of that name: correct dbname in the Secret, or create it",
    ),
    (asyncpg.TargetServerAttributeNotMatched, Reason.READ_ONLY_REPLICA, _STANDBY),
    (asyncpg.ReadOnlySQLTransactionError, Reason.READ_ONLY_REPLICA, _STANDBY),
    (
        asyncpg.TooManyConnectionsError, Reason.TOO_MANY_CONNECTIONS,
        "the server has no connection left: raise max_connections or the role's CONNECTION LIMIT, or end some",
    ),
    (asyncpg.CannotConnectNowError, Reason.UNREACHABLE, "the server is starting or shutting down"),
    (
        asyncpg.ClientConfigurationError, Reason.UNREACHABLE,
        "the Secret's content makes no connection: look for odd characters",
    ),
    (
        TimeoutError, Reason.UNREACHABLE,
        "the server does not answer in time: check host and port in the Secret, network policies, and the server",
    ),
    (
        socket.gaierror, Reason.UNREACHABLE,
        "the host name is not known here: check host in the Secret (a Service elsewhere is <service>.<namespace>)",
    ),
    (ConnectionRefusedError, Reason.UNREACHABLE, "nobody listens there: check host and port, and that PostgreSQL runs"),
    (ssl.SSLError, Reason.UNREACHABLE, "TLS fails: check sslmode and ca.crt in the Secret, and the server's name"),
)  # fmt: skip
"""The first line that fits counts; asyncpg's own texts may hold names of hosts and users."""


class Failed(Exception):  # noqa: N818 - it is a verdict
    """The database can't be asked, or the connection broke; `str` is for people."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


@asynccontextmanager
async def connected(credentials: Credentials, *, limit_s: float = LIMIT_S) -> AsyncIterator[Connection]:
    """A connection for `limit_s` seconds at most, then it is cut. Raises Failed, also for what happens in the block."""
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + limit_s
    with translated(credentials, ends_s=ends_s):
        connection = await opened(credentials, ends_s=ends_s)
        watchdog = loop.call_at(ends_s, connection.terminate)
        try:
            yield connection
        except BaseException:
            connection.terminate()
            raise
        finally:
            watchdog.cancel()
    await closed(connection)


@contextmanager
def translated(credentials: Credentials, *, ends_s: float) -> Iterator[None]:
    """Whatever fails in the block is a Failed; past `ends_s` (the event loop's time) it is that time is over."""
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise _no_connect(credentials, error) from None
    except FAILURES as error:
        is_over = asyncio.get_running_loop().time() >= ends_s
        raise failed(TimeoutError() if is_over else error) from None


async def opened(credentials: Credentials, *, ends_s: float) -> Connection:
    """A new connection with our settings, or until then (the event loop's time); raises FAILURES."""
    async with asyncio.timeout_at(ends_s):  # all hosts together
        connection = await _first(credentials)
    watchdog = asyncio.get_running_loop().call_at(ends_s, connection.terminate)
    try:
        await settle(connection)
    except BaseException:
        connection.terminate()
        raise
    finally:
        watchdog.cancel()
    return connection


async def settle(connection: Connection) -> bool:
    """Our settings; also how one finds out that the server is still there, and whether it is a standby (the answer).

    Raises FAILURES.
    """
    rows = await connection.fetch(sqlfile.read("observe/our_settings.sql"), list(SETTINGS), list(SETTINGS.values()))
    return any(row["is_standby"] for row in rows)


async def closed(connection: Connection) -> None:
    """In peace where that is possible, else cut."""
    with suppress(*FAILURES):
        await connection.close(timeout=CLOSE_TIMEOUT_S)


def failed(error: BaseException) -> Failed:
    """What to call it."""
    for kind, reason, sentence in REASONS:
        if isinstance(error, kind):
            return Failed(reason, sentence)
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate and not error.sqlstate.startswith(("08", "57")):
        return Failed(Reason.REFUSED, f"PostgreSQL refused (SQLSTATE {error.sqlstate}): see the server's log")
    return Failed(Reason.UNREACHABLE, f"the connection broke ({type(error).__name__}): check the server and its log")


def _no_connect(credentials: Credentials, error: asyncpg.PostgresError) -> Failed:
    if "permission denied for database" not in str(error):
        return failed(error)
    grant = grants.connect(credentials.dbname, credentials.user)
    return Failed(Reason.MISSING_PRIVILEGE, f"the installer may not connect to the database; run: {grant}")


async def _first(credentials: Credentials) -> Connection:
    """The hosts in their order, each with a time of its own: asyncpg's is over all, so a dead one would eat it up."""
    arguments = credentials.connect_arguments()
    *others, last = zip(arguments.pop("host"), arguments.pop("port"), strict=True)
    for host, port in others:
        with suppress(*NEXT_HOST):
            return await _open(arguments, host, port)
    return await _open(arguments, *last)


async def _open(arguments: dict[str, Any], host: str, port: int) -> Connection:
    # No prepared statements are kept: a pooler may hand the next transaction to another server connection.
    return await asyncpg.connect(
        **arguments, host=[host], port=[port], statement_cache_size=0, timeout=CONNECT_TIMEOUT_S
    )
