"""Who holds the NOTIFY queue, and how sure that is. Pure.

PostgreSQL shows nobody's place in the queue. It names a process that holds it only in the warning to whoever NOTIFYs
when it is half full (async.c, asyncQueueFillWarning). Below that we see who is in one and the same transaction at two
looks: such a session, if it listens, holds the queue; whether it listens is known of our own sidecars only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from notifychannel_cli import shown
from notifychannel_cli.doctor.finding import Trouble
from notifychannel_cli.doctor.psql import AS_ADMIN

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL = 0.10
"""Above it is a failure; the triggers stop to NOTIFY at 0.5, and at 1 every COMMIT that has NOTIFYed fails."""
LAZY_PAGES = 5.0
"""So far behind an idle listener of another database may be: it is woken when it is four pages behind (async.c,
QUEUE_CLEANUP_DELAY)."""
SHOWN = 5
LOOK = (
    f'{AS_ADMIN} "SELECT pid, usename, application_name, state, wait_event, xact_start, '  # noqa: S608 - of constants
    'query FROM pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY xact_start LIMIT 5"  # as a member of pg_monitor'
)
BY = "as a superuser or a member of pg_signal_backend"
"""Ours may end no session of another role: https://www.postgresql.org/docs/current/functions-admin.html"""


class Sureness(IntEnum):
    """The less the surer."""

    CERTAIN = 0
    LIKELY = 1
    POSSIBLE = 2


SAID = {
    Sureness.CERTAIN: "certain: the server itself names it",
    Sureness.LIKELY: "likely: it is a sidecar's session, which listens, and it stays in one transaction",
    Sureness.POSSIBLE: "possible: it stays in one transaction, and PostgreSQL does not show whether it listens",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A session in a transaction, of any database, for the queue is one for all."""

    pid: int
    transaction: str
    """Virtual id: the same at two looks is the same transaction."""
    database: str | None
    role: str | None
    application: str
    state: str | None
    """None where the DSN's role may not see it, as age and wait."""
    wait: str | None
    age_s: float | None
    is_sidecar: bool

    def __str__(self) -> str:
        parts = [
            f"role {self.role}" if self.role else "",
            f"database {self.database}" if self.database else "",
            f"application {self.application}" if self.application else "",
            f"{self.state or 'in a transaction'}{f' since {shown.span(self.age_s)}' if self.age_s is not None else ''}",
            "waits for its client to read" if self.wait == "ClientWrite" else "",
        ]
        return f"PID {self.pid} ({', '.join(part for part in parts if part)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look."""

    usage: float
    """pg_notification_queue_usage(), 0 to 1."""
    pages: int
    """How many the queue may have, of 8 KiB."""
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyQueue:
    """Two looks, a moment apart."""

    before: Look
    after: Look
    named: int | None
    """The process that the server named."""

    @property
    def is_full(self) -> bool:
        """Full enough to be a failure."""
        return self.after.usage >= FULL

    @property
    def is_stuck(self) -> bool:
        """Somebody was behind at both looks."""
        return min(it.usage * it.pages for it in (self.before, self.after)) > LAZY_PAGES

    @property
    def holders(self) -> list[tuple[Sureness, Held]]:
        """The surest first, then the oldest."""
        there = {(it.pid, it.transaction) for it in self.before.held}
        found = [it for it in self.after.held if (it.pid, it.transaction) in there or it.pid == self.named]
        return sorted(((self._sureness(it), it) for it in found), key=lambda each: (each[0], -(each[1].age_s or 0.0)))

    def _sureness(self, it: Held) -> Sureness:
        if it.pid == self.named:
            return Sureness.CERTAIN
        return Sureness.LIKELY if it.is_sidecar or it.wait == "ClientWrite" else Sureness.POSSIBLE


def notify_queue(queue: NotifyQueue) -> Iterator[Trouble]:
    """It is full, or somebody keeps it from emptying."""
    holders = queue.holders
    if not queue.is_full and not (queue.is_stuck and holders):
        return
    surest = [(sureness, it) for sureness, it in holders if sureness is holders[0][0]][:SHOWN]
    said = [f"{it}: {SAID[sureness]}" for sureness, it in surest]
    yield Trouble(
        why="\n".join([_filled(queue.after.usage), *(said or [_nobody(queue.named)])]),
        remedy=tuple(_remedy(surest)),
        is_warning=not queue.is_full,
    )


def _filled(usage: float) -> str:
    if usage < FULL:
        return f"somebody keeps the NOTIFY queue from emptying (it is {usage:.4%} full, which is little yet)"
    return f"the NOTIFY queue is {usage:.0%} full: at half our triggers stop to NOTIFY, when it is full COMMITs fail"


def _nobody(named: int | None) -> str:
    return "no session is seen that holds it" if named is None else f"PID {named}: {SAID[Sureness.CERTAIN]}; it is gone"


def _remedy(surest: list[tuple[Sureness, Held]]) -> Iterator[str]:
    """To end who may be innocent is the last of the commands, and says so: it may be a dump, or a night's work."""
    is_sure = all(sureness < Sureness.POSSIBLE for sureness, _ in surest)
    if not surest or not is_sure:
        yield LOOK
    doubt = "" if is_sure else "; only if it LISTENs: what it has done since is rolled back"
    yield from (f'{AS_ADMIN} "SELECT pg_terminate_backend({it.pid})"  # {BY}{doubt}' for _, it in surest)
