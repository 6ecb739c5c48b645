"""What waits in the queue for the consumers of a channel: asked, and judged. A dead letter is nobody's but a person's.

Refuses to deliver, and to name a key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from notifychannel_operator import sqlfile
from notifychannel_operator.passes.conditions import Reason, Status, Type, bounded
from notifychannel_operator.quote import ident, literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import asyncpg

    from notifychannel_operator.names import Owner
    from notifychannel_operator.passes.conditions import Condition

    Connection = asyncpg.Connection[asyncpg.Record]

FROM_APPLICATION = "application: "
"""What a claimer says of itself begins so: it is no word of ours, and stays in the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """For one group."""

    group: str
    rows: int
    """Keys that wait, are under way, or are tried again; dead letters are none."""
    dead: int
    escalated: int
    """Of all of these, those that were escalated."""
    oldest_s: float
    """How long the oldest has waited; 0 where nothing does."""
    last_error: str | None
    """A status or one of our words."""


async def look(connection: Connection, owner: Owner, *, role: str) -> tuple[Waiting, ...]:
    """By group, as the role that owns the queue; nothing where there is none. Raises asyncpg.PostgresError."""
    whose = (owner.installation, owner.namespace, owner.name)
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(sqlfile.fill("outbox/act_as.sql", role=ident(role)))
        if not await connection.fetchval(sqlfile.read("queue/is_made.sql")):
            return ()
        rows = await connection.fetch(sqlfile.read("queue/look.sql"), *whose)
    return tuple(Waiting(**row) for row in rows)


def judged(delivering: Condition, found: Sequence[Waiting], owner: Owner) -> Condition:
    """Delivering, which dead letters make False; what was said of the application stands in front."""
    said = [_sentence(it, owner) for it in found if it.dead]
    if not said or delivering.type is not Type.DELIVERING:
        return delivering
    reason = delivering.reason if delivering.status is Status.FALSE else Reason.DEAD_LETTERS
    message = [*delivering.message.splitlines(), *said] if delivering.status is Status.FALSE else said
    return replace(delivering, status=Status.FALSE, reason=reason, message=bounded(message))


def news(before: Sequence[Waiting], found: Sequence[Waiting]) -> Iterator[tuple[str, str]]:
    """What is worth an Event beside the condition's, as reason and note: more dead letters than there were, and
    escalations.
    """
    known = {it.group: it for it in before}
    for it in found:
        old = known.get(it.group)
        if old is not None and it.dead > old.dead > 0:
            yield (
                Reason.DEAD_LETTERS.value,
                f"the group {it.group} has {it.dead} dead letters, {it.dead - old.dead} more",
            )
        if it.escalated > (old.escalated if old else 0):
            waited = f"the oldest for {it.oldest_s:.0f} s"
            yield "Escalated", f"the group {it.group} has {it.escalated} keys that were escalated, {waited}"


def _sentence(found: Waiting, owner: Owner) -> str:
    letters = "a dead letter" if found.dead == 1 else f"{found.dead} dead letters"
    is_ours = found.last_error is not None and not found.last_error.startswith(FROM_APPLICATION)
    error = f" (the last answer: {found.last_error})" if is_ours else ""
    whose = ", ".join(map(literal, (owner.installation, owner.namespace, owner.name, found.group)))
    command = sqlfile.fill("queue/redrive_by_hand.sql", whose=whose)
    return (
        f"the group {found.group} has {letters}: its application did not take them in as many attempts as `retry` "
        f"allows{error}; when it can, send them again: {command}"
    )
