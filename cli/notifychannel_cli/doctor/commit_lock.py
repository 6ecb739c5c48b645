"""Commits that wait for each other: a transaction that has NOTIFYed holds one lock of the whole server over its commit,
the disk included. Pure. Source: async.c, PreCommit_Notify: object (1262, 0) of database 0, AccessExclusiveLock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli.doctor.finding import FILE, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG_S = 1.0
CROWD = 1.0
"""Waiting at an average look: as many as one more core would bring."""
OUTBOX = 'kubectl -n NAMESPACE patch nch NAME --type=merge -p \'{"spec": {"capture": "Outbox"}}\''
OUTBOX_BY_FILE = (
    f'notifychannel sql -f {FILE} --dsn "$NOTIFYCHANNEL_DSN" | psql "$NOTIFYCHANNEL_DSN"'
    "  # when it says `capture: Outbox`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitLook:
    """Who waited at one look."""

    waiting: int
    longest_s: float
    """0 where nobody waits."""
    holder: int | None
    """PID."""
    holder_wait: str | None
    """What the holder itself waits for, where the DSN's role may see it."""


def commit_lock(looks: tuple[CommitLook, ...]) -> Iterator[Trouble]:
    """Somebody waits long, or at nearly every look somebody does."""
    average = sum(it.waiting for it in looks) / len(looks)
    worst = max(looks, key=lambda it: it.longest_s)
    if worst.longest_s < LONG_S and average < CROWD:
        return
    holder = f"; PID {worst.holder} held the lock then" if worst.holder else ""
    holder += f" and waited for {worst.holder_wait} itself" if worst.holder and worst.holder_wait else ""
    yield Trouble(
        why=f"commits that have NOTIFYed wait for each other: {average:.1f} at an average look, up to "
        f"{worst.longest_s:.1f} s{holder}\nWith `capture: Outbox` users' commits do not NOTIFY",
        remedy=(OUTBOX,),
        without_cluster=(OUTBOX_BY_FILE,),
        is_warning=worst.longest_s < LONG_S,
    )
