"""How many connections and listeners a server has, judged. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli.doctor.commit_lock import OUTBOX, OUTBOX_BY_FILE
from notifychannel_cli.doctor.finding import Trouble
from notifychannel_cli.doctor.psql import AS_ADMIN, AS_GIVEN

if TYPE_CHECKING:
    from collections.abc import Iterator

NEARLY, TOO_MANY = 0.80, 0.95
"""Of the connections that plain roles may have."""
WHO = (
    f'{AS_GIVEN} "SELECT usename, application_name, count(*) FROM pg_stat_activity '  # noqa: S608 - of constants
    'GROUP BY 1, 2 ORDER BY 3 DESC"'
)
FIT_FOR_NOTIFY = 10
"""Listeners of a database: each one makes every NOTIFY's commit longer. Measured: README, `Outbox` beside listeners."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """Of the server, and of this database."""

    most: int
    """max_connections without those that are reserved."""
    used: int
    sidecars: int
    """Sessions in this database that call themselves proven listeners of ours."""
    notifying: int
    """Trigger functions of ours in this database that NOTIFY themselves."""


def connections(seen: Connections) -> Iterator[Trouble]:
    """Few or none are left."""
    if seen.used < seen.most * NEARLY:
        return
    yield Trouble(
        why=f"{seen.used} of {seen.most} connections are taken, {seen.sidecars} of them by sidecars that listen to "
        "this database\nA sidecar that reconnects may find none",
        remedy=(
            WHO,
            f'{AS_ADMIN} "ALTER SYSTEM SET max_connections = …"  # as a superuser; holds from the next start',
        ),
        is_warning=seen.used < seen.most * TOO_MANY,
    )


def listeners(seen: Connections) -> Iterator[Trouble]:
    """More than ten, and users' transactions NOTIFY."""
    if seen.notifying and seen.sidecars > FIT_FOR_NOTIFY:
        yield Trouble(
            why=f"{seen.sidecars} sidecars listen to this database, and {seen.notifying} trigger functions NOTIFY in "
            f"users' transactions\nEach commit wakes all of them, which costs much above {FIT_FOR_NOTIFY}. With "
            "`capture: Outbox` one of them NOTIFYs for all",
            remedy=(OUTBOX,),
            without_cluster=(OUTBOX_BY_FILE,),
            is_warning=True,
        )
