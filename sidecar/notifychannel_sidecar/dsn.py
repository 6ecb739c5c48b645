"""A libpq URI taken apart, so that nothing is left for asyncpg to find elsewhere (PG* variables, ~/.pgpass).

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS. Messages never show a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMES = {"postgresql", "postgres"}
LIBPQ_ONLY = frozenset(
    {
        "channel_binding", "client_encoding", "connect_timeout", "fallback_application_name", "gssdelegation",
        "gssencmode", "gsslib", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval",
        "hostaddr", "krbsrvname", "load_balance_hosts", "max_protocol_version", "min_protocol_version",
        "oauth_client_id", "oauth_client_secret", "oauth_issuer", "oauth_scope", "passfile", "replication",
        "require_auth", "requirepeer", "scram_client_key", "scram_server_key", "service", "servicefile",
        "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcertmode", "sslcompression", "sslcrl", "sslcrldir",
        "sslkeylogfile", "sslpassword", "sslsni", "tcp_user_timeout",
    }
)  # fmt: skip
"""What libpq understands and asyncpg would send to the server as a setting, which refuses it: left aside."""

USED = frozenset(
    {
        "host", "port", "dbname", "user", "password", "sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslkey",
        "target_session_attrs",
    }
)  # fmt: skip
"""What libpq understands and `credentials.py` makes arguments of."""
SETTINGS = frozenset({"application_name", "options"})
"""What libpq and asyncpg both send to the server."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,62}")


class DsnError(Exception):
    """The URI can't be used; the message says what to write and shows none of it."""


def take_apart(uri: str) -> dict[str, str]:
    """The parts by the names of libpq's keywords: host and port (several: with commas), user, password, dbname, ...

    Parts that the URI doesn't have are missing. Raises DsnError.
    """
    scheme, separator, rest = uri.partition("://")
    if scheme not in SCHEMES or not separator:
        raise DsnError("has to start with postgresql://; write postgresql://user:password@host:5432/dbname")
    front, _, query = rest.partition("?")
    authority, _, dbname = front.partition("/")
    # A password may hold an @ that nobody has escaped: the last one ends it.
    login, _, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    host, port = _hosts(hosts)
    parts = {"host": host, "port": port, **{name: unquote(value) for name, value in (
        ("user", user), ("password", password), ("dbname", dbname))}}  # fmt: skip
    for name, value in _parameters(query):
        if (name, value) == ("ssl", "true"):
            parts["sslmode"] = "require"  # JDBC's words, which libpq takes too
        elif name not in LIBPQ_ONLY:
            parts["dbname" if name == "database" else name] = value  # `database` is asyncpg's word for it
    if any("\0" in text for part in parts.items() for text in part):
        raise DsnError("holds a NUL byte, written as %00; leave it out, for nothing in PostgreSQL can hold one")
    for name in parts.keys() - USED - SETTINGS:
        raise DsnError(_unknown(name, query))
    return {name: value for name, value in parts.items() if value}


def _unknown(name: str, query: str) -> str:
    if "@" in query or "password=" in query or not _PLAIN.fullmatch(name):
        # then it may be a piece of a password, which is not shown
        return (
            "has a parameter that is not one of libpq's; leave it out, and in a password write ? & = @ as %3F %26 %3D "
            "%40"
        )
    return (
        f"has the parameter {name}, which is not one of libpq's; leave it out (a setting of the server is written "
        "options=-c%20name%3Dvalue)"
    )


def _parameters(query: str) -> Iterator[tuple[str, str]]:
    for each in query.split("&") if query else ():
        name, separator, value = each.partition("=")
        if not name or not separator:
            raise DsnError("has a parameter without a value after its ?; write name=value&name=value")
        yield unquote(name), unquote(value)


def server_settings(parts: Mapping[str, str]) -> dict[str, str]:
    """What is left for the server, as asyncpg passes it on."""
    return {name: value for name, value in parts.items() if name in SETTINGS}


def _hosts(hosts: str) -> tuple[str, str]:
    """`a:1,[::1]:2` → `a,::1` and `1,2`; without any port, none."""
    names, ports = [], []
    for each in hosts.split(","):
        inside, bracket, tail = each.rpartition("]")
        name, colon, port = (f"{inside}{bracket}", *tail.partition(":")[1:]) if bracket else each.partition(":")
        names.append(unquote(name.removeprefix("[").removesuffix("]")))
        ports.append(port if colon else "")
    return ",".join(names), ",".join(ports) if any(ports) else ""
