"""Whether whoever listens may call the functions that a listener calls. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_cli.doctor.finding import FILE, Trouble, Unseen
from notifychannel_cli.doctor.psql import AS_GIVEN
from notifychannel_operator import grants
from notifychannel_operator.names import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOBODY = Unseen(
    why="nobody is seen who listens: no session of a sidecar is here, and nobody may call what it calls",
    remedy=(f'notifychannel sql -f {FILE} --dsn "$NOTIFYCHANNEL_DSN" --grants --listener ROLE',),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A role that listens."""

    role: str
    may_use: bool
    """Our schema."""
    lacking: tuple[str, ...]
    """Functions of ours that it may not call, with the types of their arguments, as GRANT names them."""


def rights(seen: Sequence[Listener]) -> Iterator[Trouble | Unseen]:
    """A line for each role that lacks one, with a GRANT for each kind of right; the installer may run it."""
    if not seen:
        yield NOBODY
    for it in seen:
        if it.may_use and not it.lacking:
            continue
        what = (*(() if it.may_use else (f"the schema {SCHEMA}",)), *it.lacking)
        yield Trouble(
            why=f"the role {it.role} listens, and may not call all that a listener calls\n"
            f"It may not use {', '.join(what)}: its sidecars miss skipped NOTIFYs, or do not drain the outbox or "
            "deliver from the queue",
            remedy=tuple(f"{AS_GIVEN} {shlex.quote(right)}" for right in _granted(it)),
        )


def _granted(it: Listener) -> Iterator[str]:
    if not it.may_use:
        yield grants.use(SCHEMA, it.role)
    if it.lacking:
        yield grants.execute(it.lacking, it.role)
