"""Which database a DSN leads to, and why it can't be reached; never shows the DSN."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from notifychannel_cli.exits import UnreachableError
from notifychannel_operator import grants
from notifychannel_sidecar import credentials
from notifychannel_sidecar.credentials import CredentialsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONNECT_TIMEOUT_S = 10.0
_LOGIN = "the database refuses the user or the password; check both in the DSN"
REASONS: dict[type[Exception], str] = {
    asyncpg.InvalidPasswordError: _LOGIN,
    asyncpg.InvalidAuthorizationSpecificationError: _LOGIN,
    asyncpg.InvalidCatalogNameError: "the server has no database of that name; check the end of the DSN",
    asyncpg.TooManyConnectionsError: "the server has no connection left; try again, or end some",
    TimeoutError: f"the database does not answer within {CONNECT_TIMEOUT_S:.0f} s; check host, port and firewall",
    ConnectionRefusedError: "nobody listens there; check host and port in the DSN, and that PostgreSQL runs",
    socket.gaierror: "the host name is not known here; check the host in the DSN",
}
"""The first that fits; asyncpg's own texts may hold names of users and databases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What tells this database from any other; None where nobody has looked."""

    system_identifier: str | None = None
    dbname: str | None = None


async def identity(dsn: str) -> Identity:
    """Ask the database; raises UnreachableError."""
    async with connected(dsn) as connection:
        return Identity(
            system_identifier=await connection.fetchval("SELECT system_identifier::text FROM pg_control_system()"),
            dbname=await connection.fetchval("SELECT pg_catalog.current_database()"),
        )


@asynccontextmanager
async def connected(dsn: str, *, keeps_statements: bool = True) -> AsyncIterator[asyncpg.Connection]:
    """A connection; raises UnreachableError with a sentence for the person, without host, user and password.

    Who may meet a pooler in transaction mode keeps no prepared statements, and asks in transactions only.
    """
    given = arguments(dsn)
    kept = {} if keeps_statements else {"statement_cache_size": 0}
    try:
        connection = await asyncpg.connect(**{**given, **kept, "timeout": CONNECT_TIMEOUT_S})
    except asyncpg.InsufficientPrivilegeError:
        grant = grants.connect(given["database"], given["user"])
        raise UnreachableError(f"the role may not connect to the database; run: {grant}") from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UnreachableError(reason(error), cause=error) from None
    try:
        yield connection
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


def arguments(dsn: str) -> dict[str, Any]:
    """What asyncpg.connect needs; raises UnreachableError where the DSN is none."""
    try:
        return credentials.from_dsn(dsn).connect_arguments()
    except CredentialsError as error:
        raise UnreachableError(f"the DSN can't be used: {error}") from None


def reason(error: Exception) -> str:
    """Why connecting failed, and what to look at."""
    for kind, sentence in REASONS.items():
        if isinstance(error, kind):
            return sentence
    if isinstance(error, asyncpg.PostgresError):
        return f"the server refuses the connection (SQLSTATE {error.sqlstate}); see its log"
    return f"the database can't be reached ({type(error).__name__}); check host, port and TLS in the DSN"
