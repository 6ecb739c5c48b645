"""The server itself, judged: version, encoding, standby, and whether LISTEN hears anything. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli.doctor.finding import Trouble
from notifychannel_operator.refusals import MIN_VERSION
from notifychannel_sidecar.state import REMEDIES, Why

if TYPE_CHECKING:
    from collections.abc import Iterator


ALL_HOSTS = 'notifychannel doctor --dsn "postgresql://USER@HOST1,HOST2/DBNAME?target_session_attrs=primary"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What anybody may ask."""

    version: int
    """server_version_num."""
    is_standby: bool
    dbname: str
    encoding: str
    system_identifier: str
    role: str
    schema_owner: str | None
    """Of our schema: the installer. None where there is none."""
    is_installer: bool
    """The DSN's role may act as the owner of our schema, or there is none yet."""
    sees_sessions: bool
    """pg_read_all_stats: state and age of other roles' sessions are shown to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What became of a NOTIFY to ourselves."""

    why: Why | None
    """None: it came back."""
    queue_holder: int | None = None
    """The process that the server itself named, in the warning of a NOTIFY into a queue that is half full."""


def is_too_old(server: Server) -> bool:
    """For the catalog columns that we read."""
    return server.version < MIN_VERSION * 10000


def version(server: Server) -> Iterator[Trouble]:
    """Nothing else is judged by such a server."""
    if is_too_old(server):
        yield Trouble(
            why=f"PostgreSQL {server.version // 10000} is too old: NotifyChannel needs {MIN_VERSION}",
            remedy=("upgrade the server: https://www.postgresql.org/docs/current/upgrading.html",),
        )


def encoding(server: Server) -> Iterator[Trouble]:
    """Where any bytes are text one odd NOTIFY ends every listener's session."""
    if server.encoding == "SQL_ASCII":
        yield Trouble(
            why=f"the database {server.dbname} is in SQL_ASCII, where any bytes are text\n"
            "One NOTIFY that is no UTF-8 would end the listeners' sessions",
            remedy=(
                "createdb --encoding=UTF8 --template=template0 NEW",
                f"pg_dump {server.dbname} | psql --set ON_ERROR_STOP=1 NEW",
            ),
        )


def primary(server: Server) -> Iterator[Trouble]:
    """A standby takes neither triggers nor LISTEN."""
    if server.is_standby:
        yield Trouble(
            why="this server is a standby, which accepts no triggers and no LISTEN",
            remedy=(ALL_HOSTS, "kubectl -n NAMESPACE edit secret NAME  # all hosts there too"),
            without_cluster=(ALL_HOSTS,),
        )


def pooler(proof: Proof) -> Iterator[Trouble]:
    """LISTEN was accepted in vain."""
    if proof.why is not None:
        yield Trouble(
            why=f"a NOTIFY to ourselves did not come back ({proof.why.value})\n{REMEDIES[proof.why]}",
            remedy=("notifychannel doctor --dsn postgresql://USER@SERVER:5432/DBNAME  # the server's own port",),
        )
