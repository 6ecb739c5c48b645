"""Who writes past our triggers: `session_replication_role = replica`, and subscriptions of logical replication. Pure.

Sessions that set it for themselves can't be seen: PostgreSQL shows nobody's settings to others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli.doctor.finding import Trouble
from notifychannel_cli.doctor.psql import AS_ADMIN
from notifychannel_operator.quote import ident

if TYPE_CHECKING:
    from collections.abc import Iterator

RESET = f"{AS_ADMIN} 'ALTER SYSTEM RESET session_replication_role' -c 'SELECT pg_reload_conf()'  # as a superuser"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """What is set for good."""

    settings: tuple[tuple[str | None, str | None], ...]
    """(role, database), None for all: for whom `replica` is set."""
    is_everywhere: bool
    """In the server's configuration."""
    subscriptions: tuple[tuple[str, str], ...]
    """(subscription, table): it writes to a table that has triggers of ours."""


def replication_role(seen: Replication) -> Iterator[Trouble]:
    """One for each way past."""
    for role, database in seen.settings:
        who = f"the role {role}" if role else "all roles"
        where = f" in the database {database}" if database else ""
        yield Trouble(
            why=f"for {who}{where} session_replication_role is replica, so our triggers do not fire: what it writes is "
            "heard by nobody",
            remedy=(f"{AS_ADMIN} '{_reset(role, database)}'  # as a superuser; then let its sessions connect anew",),
        )
    if seen.is_everywhere:
        yield Trouble(
            why="session_replication_role is replica in the server's configuration, so our triggers do not fire",
            remedy=(RESET,),
        )
    for subscription, table in seen.subscriptions:
        yield Trouble(
            why=f"the subscription {subscription} writes to {table} as a replica, so our triggers do not fire: put the "
            "channel on the publishing server",
            remedy=(
                f"{AS_ADMIN} 'ALTER SUBSCRIPTION {ident(subscription)} DISABLE'  # as its owner, if it is not needed",
            ),
        )


def _reset(role: str | None, database: str | None) -> str:
    within = f" IN DATABASE {ident(database)}" if database and role else ""
    whose = f"ROLE {ident(role)}{within}" if role else f"DATABASE {ident(database)}" if database else "ROLE ALL"
    return f"ALTER {whose} RESET session_replication_role"
