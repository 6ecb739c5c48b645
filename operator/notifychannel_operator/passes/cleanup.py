"""Takes a channel's objects out of its database when the channel goes: bounded in time, never in the way for good.

Tried again until `cleanupTimeout` after the deletion, and by this process three times at least (it may have been away
meanwhile); then a Warning Event says the SQL to run, and the finalizer goes.
At once when the namespace is going and its Secret has gone. Refuses to drop anything that is not this channel's.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from notifychannel_operator import database, marker, queue_statements, sqlfile
from notifychannel_operator import plan as plans
from notifychannel_operator.kinds import CHANNELS
from notifychannel_operator.kube_error import NotFound
from notifychannel_operator.passes import leaving, secret, status, uninstalled
from notifychannel_operator.passes.conditions import Reason
from notifychannel_operator.passes.connect import Failed
from notifychannel_operator.passes.events import announce
from notifychannel_operator.passes.finalizer import FINALIZER, finalizers
from notifychannel_operator.passes.identity import identify
from notifychannel_operator.passes.memory import TURN_S
from notifychannel_operator.passes.secret import Unresolved
from notifychannel_operator.passes.uninstalled import NOTHING, Rest, Triggers
from notifychannel_operator.passes.whereabouts import Ref
from notifychannel_operator.passes.wish import Wish
from notifychannel_operator.queue_statements import Rows
from notifychannel_operator.quote import literal
from notifychannel_operator.spec import ReclaimPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_operator.database import Result
    from notifychannel_operator.names import Owner
    from notifychannel_operator.passes.edges import Edges
    from notifychannel_operator.passes.whereabouts import Identity
    from notifychannel_operator.step import Plan

log = logging.getLogger(__name__)

LEAST_TRIES = 3
"""By one process before it gives up, though the time may have passed while no operator ran."""
LAST_TURN_S = 2.0
"""For the turn at a database in the last try: then it goes on without, and the server's own locks keep order."""
SAID_CHARACTERS = 200
"""Of a problem, beside the SQL, in an Event, which is cut behind 1,000; with the longest of names less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What became of one try."""

    problem: str | None = None
    """What is in the way; None when the channel may go."""
    reason: Reason = Reason.PENDING
    next_in_s: float | None = None
    rest: Rest = NOTHING
    """Of one that may go."""


async def clean_up(edges: Edges, body: dict[str, Any], *, since: datetime, is_last: bool = False) -> Cleaned:
    """One try at taking what the channel has installed out of its database; past the channel's `cleanupTimeout` since
    `since`, and where it `is_last`, it says the SQL in an Event and lets the channel go. Raises KubeError.
    """
    wish = Wish.of(body)
    tried = await _attempt(edges, body, wish, is_last=is_last)
    if tried.problem is None:
        return tried
    if not (is_last or wish.timeout_s == 0):
        left_s = wish.timeout_s - (edges.now() - since).total_seconds()
        next_in_s = _next_in_s(edges, Ref.of(body), left_s)
        if next_in_s is not None:
            return replace(tried, next_in_s=next_in_s)
    return await _unfinished(edges, body, tried.problem)


async def _attempt(edges: Edges, body: dict[str, Any], wish: Wish, *, is_last: bool) -> Cleaned:
    """What is in the way of the channel's end, which a later try may not meet; or what is left when it may go."""
    if FINALIZER not in finalizers(body):
        return Cleaned()
    if wish.policy is ReclaimPolicy.RETAIN:
        await announce(
            edges.kube, body, "Normal", "Retained", "the triggers stay in the database, as reclaimPolicy says"
        )
        return Cleaned(rest=Rest(triggers=Triggers.RETAINED))
    try:
        return await _remove(edges, body, wish.secret, is_last=is_last)
    except Unresolved as error:
        if await secret.is_gone_for_good(edges.kube, error, namespace=Ref.of(body).namespace):
            return await _unfinished(edges, body, "the namespace goes and its Secret has gone")
        return Cleaned(problem=str(error), reason=error.reason)
    except Failed as error:
        return Cleaned(problem=str(error), reason=error.reason)


async def _unfinished(edges: Edges, body: dict[str, Any], problem: str) -> Cleaned:
    """The channel may go all the same."""
    await _say_sql(edges, body, problem)
    return Cleaned(rest=Rest(triggers=Triggers.UNKNOWN, problem=problem))


def _next_in_s(edges: Edges, ref: Ref, left_s: float) -> float | None:
    """Count a vain try, with `left_s` of its time left; None: it was the last. One that comes early, by an event of
    something else, is none: three within a second would be as good as one.
    """
    tries, due = edges.memory.cleanups.get(ref, (0, edges.now()))
    if edges.now() < due:
        return (due - edges.now()).total_seconds()
    tries += 1
    if left_s <= 0 and tries >= LEAST_TRIES:
        return None
    next_in_s = min(plans.next_try(tries), left_s) if left_s > 0 else plans.next_try(tries)
    edges.memory.cleanups[ref] = tries, edges.now() + timedelta(seconds=next_in_s)
    return next_in_s


async def release(edges: Edges, ref: Ref, *, since: datetime, is_last: bool = False) -> Cleaned:
    """As if the channel were deleted at `since`, though it stays: for the end of a release. Raises KubeError.

    To be called again after `next_in_s` while there is a problem; the one that `is_last` has none.
    """
    try:
        body = await edges.kube.get(CHANNELS, ref.name, namespace=ref.namespace)
    except NotFound:
        edges.memory.forget_end(ref)
        return Cleaned()
    await leaving.leave(edges, ref, Wish.of(body).groups)
    cleaned = await clean_up(edges, body, since=since, is_last=is_last)
    if cleaned.problem is None:
        said = await _say_uninstalled(edges, body, cleaned.rest)
        await drop_finalizer(edges, said)
    return cleaned


async def drop_finalizer(edges: Edges, body: dict[str, Any]) -> None:
    """Ours, and nobody else's; raises KubeError (Conflict: read it again).

    Only then the tries are forgotten: who gave up and could not let go does not begin anew.
    """
    metadata, ref = body["metadata"], Ref.of(body)
    if FINALIZER in finalizers(body):
        kept = [it for it in finalizers(body) if it != FINALIZER]
        patch = {"metadata": {"finalizers": kept, "resourceVersion": metadata["resourceVersion"]}}
        with suppress(NotFound):
            await edges.kube.patch(CHANNELS, ref.name, patch, namespace=ref.namespace)
    edges.memory.forget_end(ref)


async def _say_uninstalled(edges: Edges, body: dict[str, Any], rest: Rest) -> dict[str, Any]:
    """The channel stays, and nobody will correct its status; the channel as it is then. Raises KubeError (Conflict).

    Before the finalizer goes: who comes again without one could not tell any more what was left. So that one is let be.
    """
    ref, metadata, before = Ref.of(body), body["metadata"], body.get("status") or {}
    if FINALIZER not in finalizers(body) and uninstalled.is_said(before):
        return body
    sql, generation = by_hand(edges.owner(ref)), metadata["generation"]
    made = uninstalled.patch(before, rest, sql=sql, generation=generation, now=edges.now())
    patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": made}
    try:
        return await edges.kube.patch(CHANNELS, ref.name, patch, namespace=ref.namespace, subresource="status")
    except NotFound:
        return body


def by_hand(owner: Owner) -> str:
    """SQL for a person and `psql` that drops everything of this owner, whatever else is there, with what waits for its
    consumers; under 940 bytes.
    """
    begin, _, _ = marker.text(owner, "", "", "").partition('"source"')
    return sqlfile.fill("plan/remove_by_hand.sql", marker=literal(begin))


async def _remove(edges: Edges, body: dict[str, Any], name: str, *, is_last: bool) -> Cleaned:
    ref = Ref.of(body)
    owner = edges.owner(ref)
    credentials = await secret.read(edges.kube, namespace=ref.namespace, name=name)
    async with edges.connect(credentials) as connection:
        identity = await identify(connection)
    limit_s = LAST_TURN_S if is_last else TURN_S
    async with edges.memory.turns.within(identity, limit_s=limit_s) as is_ours:
        if not is_ours and not is_last:
            return Cleaned(problem="others change the database first")
        async with edges.connect(credentials) as connection:
            if await identify(connection) != identity:  # what is said below is said of the other one
                return Cleaned(problem="the Secret leads to another database since a moment ago")
            made = await database.observe_removal(connection, [owner], rows=Rows.KEEP)
            if made.problems:
                return Cleaned(problem="; ".join(made.problems), reason=Reason.MISSING_PRIVILEGE)
            result = await database.apply(connection, made)
    if (problem := _left(made, result)) is not None:
        return Cleaned(problem=problem, reason=Reason.LOCKED_OUT if result.gave_up else Reason.REFUSED)
    kept = await _say_kept(edges, body, made.remarks)
    return Cleaned(rest=Rest(elsewhere=await _mind_the_old(edges, body, identity), kept=kept))


def _left(made: Plan, result: Result) -> str | None:
    """What was not dropped; that others have come meanwhile and need what is shared is no problem."""
    stale = [step.sentence for step in result.stale if not step.is_last]
    said = [*(str(it) for it in result.gave_up), *result.failed, *stale]
    return "; ".join(said) or None if made.steps else None


async def _say_kept(edges: Edges, body: dict[str, Any], waiting: Sequence[str]) -> str:
    """What no application has acknowledged is nobody's to drop but a person's; nothing where there is nothing."""
    if not waiting:
        return ""
    command = queue_statements.forget_by_hand(edges.owner(Ref.of(body)))
    note = (
        f"{' and '.join(waiting)[:SAID_CHARACTERS]}: they stay in the database, for a channel of this name; "
        f"to drop them run there:\n{command}"
    )
    await announce(edges.kube, body, "Warning", "RowsLeft", note)
    return note


async def _mind_the_old(edges: Edges, body: dict[str, Any], now: Identity) -> Identity | None:
    """Where the Secret led when the channel was last seen, if elsewhere: there we can't clean up."""
    before = edges.memory.moved.pop(Ref.of(body), None) or status.database(body.get("status") or {})
    if before is None or before == now:
        return None
    await _say_sql(edges, body, f"the Secret leads to {now} now, the channel was in {before} too")
    return before


async def _say_sql(edges: Edges, body: dict[str, Any], problem: str) -> None:
    sql = by_hand(edges.owner(Ref.of(body)))
    note = f"Triggers and queue may be left; to drop them, run:\n{sql}\nBecause: {problem[:SAID_CHARACTERS]}"
    await announce(edges.kube, body, "Warning", "CleanupIncomplete", note)
