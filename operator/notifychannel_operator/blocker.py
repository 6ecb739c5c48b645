"""Who holds the lock that our DDL gave up on: looked up after giving up, so it may be gone by then.

https://www.postgresql.org/docs/current/view-pg-locks.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_operator import sqlfile
from notifychannel_operator.statements import LOCK

if TYPE_CHECKING:
    import asyncpg

    from notifychannel_operator.step import Step

WRITERS = (
    "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock",
    "AccessExclusiveLock",
)  # fmt: skip
"""What SHARE ROW EXCLUSIVE (CREATE TRIGGER) conflicts with."""
EVERYBODY = ("AccessShareLock", "RowShareLock", *WRITERS)
"""What ACCESS EXCLUSIVE (dropping a trigger) conflicts with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """One session, or prepared transaction, that holds what we waited for."""

    pid: int | None
    """None: a prepared transaction."""
    application: str | None
    role: str | None
    kind: str | None
    """pg_stat_activity.backend_type; like the next two hidden from a role that may not see the session."""
    state: str | None
    age_s: float | None
    """Of its transaction."""
    is_a_pass: bool
    """It is changing NotifyChannel's objects, as we wanted to."""

    def __str__(self) -> str:
        if self.is_a_pass:
            return f"another pass of NotifyChannel (pid {self.pid})"
        if self.pid is None:
            return "a prepared transaction (see pg_prepared_xacts; end it with COMMIT PREPARED or ROLLBACK PREPARED)"
        age = None if self.age_s is None else f"transaction open for {self.age_s:.0f} s"
        known = (self.kind if self.kind != "client backend" else None, self.state, age)
        said = ", ".join(it for it in (f"application {self.application or 'unnamed'}", *known) if it)
        return f"pid {self.pid} of role {self.role} ({said}; to end it: SELECT pg_terminate_backend({self.pid});)"


async def find(connection: asyncpg.Connection[asyncpg.Record], step: Step) -> tuple[Blocker, ...]:
    """Who holds, now, a lock that conflicts with the step's; the longest transaction first."""
    modes = EVERYBODY if step.is_exclusive else WRITERS
    rows = await connection.fetch(sqlfile.read("observe/our_blockers.sql"), list(step.relations), list(modes), LOCK)
    return tuple(
        Blocker(
            pid=row["pid"],
            application=row["application_name"],
            role=row["role"],
            kind=row["backend_type"],
            state=row["state"],
            age_s=row["age_s"],
            is_a_pass=row["is_a_pass"],
        )
        for row in rows
    )
