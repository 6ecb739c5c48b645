"""Which judgement belongs to which check, and what each of them is given: what was seen → findings. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notifychannel_cli.doctor import (
    backlog,
    bloat,
    checks,
    commit_lock,
    connections,
    notify_queue,
    replication,
    server,
    triggers,
)  # fmt: skip
from notifychannel_cli.doctor.finding import Finding, Unseen, Verdict, judged, unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from notifychannel_cli.doctor.check import Check
    from notifychannel_cli.doctor.database import Seen
    from notifychannel_cli.doctor.finding import Trouble

    Judge = Callable[[Any], Iterable[Trouble]]

OF_DATABASE: dict[Check, tuple[str, Judge]] = {
    checks.TABLES: ("channels", triggers.tables),
    checks.PRIVILEGES: ("channels", triggers.privileges),
    checks.PARTITIONS: ("channels", triggers.partitions),
    checks.ROW_SECURITY: ("channels", triggers.row_security),
    checks.TRIGGERS: ("channels", triggers.triggers),
    checks.ENABLED: ("channels", triggers.enabled),
    checks.REPLICATION_ROLE: ("replication", replication.replication_role),
    checks.REACHABLE: ("server", lambda _: ()),
    checks.VERSION: ("server", server.version),
    checks.ENCODING: ("server", server.encoding),
    checks.PRIMARY: ("server", server.primary),
    checks.POOLER: ("proof", server.pooler),
    checks.NOTIFY_QUEUE: ("notify_queue", notify_queue.notify_queue),
    checks.COMMIT_LOCK: ("commit_lock", commit_lock.commit_lock),
    checks.CONNECTIONS: ("connections", connections.connections),
    checks.LISTENERS: ("connections", connections.listeners),
    checks.OUTBOX: ("outbox", backlog.outbox),
    checks.QUEUE: ("queue", backlog.queue),
    checks.DEAD_LETTERS: ("queue", backlog.dead_letters),
    checks.BLOAT: ("bloat", bloat.bloat),
}
"""Check → which part of what was seen, and who judges it."""


def of_database(seen: Seen | Unseen) -> Iterator[Finding]:
    """A line or more for each check that a database answers."""
    for check, (part, judge) in OF_DATABASE.items():
        if not isinstance(seen, Unseen):
            yield from judged(check, getattr(seen, part), judge)
        elif check is checks.REACHABLE and seen.is_unreachable:
            yield Finding(check=check, verdict=Verdict.FAILED, why=seen.why, remedy=seen.remedy, is_unreachable=True)
        else:
            yield unseen(check, seen)
