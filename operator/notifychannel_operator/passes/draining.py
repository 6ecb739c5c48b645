"""What a channel that goes does first: its triggers go, and what waits for its consumers gets the time that there is.

Refuses to drop what its consumers have not acknowledged.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from notifychannel_operator import database
from notifychannel_operator.database import Result
from notifychannel_operator.passes import secret
from notifychannel_operator.passes.conditions import Reason
from notifychannel_operator.passes.connect import Failed
from notifychannel_operator.passes.finalizer import FINALIZER, finalizers
from notifychannel_operator.passes.identity import identify
from notifychannel_operator.passes.memory import TURN_S
from notifychannel_operator.passes.patience import key
from notifychannel_operator.passes.secret import Unresolved
from notifychannel_operator.passes.whereabouts import Ref
from notifychannel_operator.passes.wish import Wish
from notifychannel_operator.queue_statements import Rows
from notifychannel_operator.spec import ReclaimPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    import asyncpg

    from notifychannel_operator.consumers import Registered
    from notifychannel_operator.passes.edges import Edges
    from notifychannel_operator.passes.whereabouts import Identity
    from notifychannel_operator.step import Plan

    Connect = Callable[[], AbstractAsyncContextManager[asyncpg.Connection[asyncpg.Record]]]
    Said = tuple[Reason, str]
    """What a condition says."""

NOBODY_S = 30.0
"""For so long nobody has to deliver, seen at every look, before that is believed: a server that restarts cuts sidecars
off too, and they come back within about ten seconds.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining:
    """A channel that stays for what waits."""

    reason: Reason
    sentence: str
    next_in_s: float
    """Until the next look: soon while it becomes less, and by the minute where nothing moves."""


async def drain(edges: Edges, body: dict[str, Any], *, since: datetime) -> Draining | None:
    """Before the channel leaves: its triggers go, and what waits for its consumers is given the time that there is.

    None when nothing is waited for: nothing waits or is added, nobody delivers it, or the time is over. Dead letters
    are not waited for; a database or a Secret that is away is, but for one that goes with its namespace.
    Raises KubeError.
    """
    wish, ref = Wish.of(body), Ref.of(body)
    left_s = wish.timeout_s - (edges.now() - since).total_seconds()
    if not wish.is_durable or wish.policy is ReclaimPolicy.RETAIN or FINALIZER not in finalizers(body) or left_s <= 0:
        return None
    edges.memory.queues.pop(ref, None)  # no pass looks at them any more
    if edges.memory.generations.pop(ref, None) is not None:  # the first look; changes were patient, this is none
        edges.memory.patience.forget(ref)
    try:
        credentials = await secret.read(edges.kube, namespace=ref.namespace, name=wish.secret)
        connect = partial(edges.connect, credentials)
        standing = await _drop_triggers(edges, connect, ref)
        async with connect() as connection:
            found = await database.observe_waiting(connection, edges.owner(ref))
    except (Failed, Unresolved) as error:
        if isinstance(error, Unresolved) and await secret.is_gone_for_good(edges.kube, error, namespace=ref.namespace):
            return None  # whoever cleans up says it
        edges.memory.unclaimed.pop(ref, None)  # sidecars may have been cut off too
        return _draining(edges, ref, (error.reason, str(error)), within_s=left_s)
    return _waiting(edges, ref, found, standing, left_s)


def _waiting(
    edges: Edges, ref: Ref, found: Collection[Registered], standing: Said | None, left_s: float
) -> Draining | None:
    """For whom that is being delivered, or goes on being added to; nobody delivers for one that is suspended."""
    added = standing is not None
    concerned = [it for it in found if (added or it.rows > it.dead or it.unmerged) and not it.terms.suspended]
    rest_s = _rest_s(edges, ref, concerned, left_s)
    if rest_s <= 0:
        return None
    who = "delivered first" if ref not in edges.memory.unclaimed else f"nobody delivers, for less than {NOBODY_S:.0f} s"
    rows = "; ".join(it.waiting for it in concerned if it.waiting)
    reason, sentence = standing or (Reason.ROWS_WAITING, "")
    said = "; ".join(filter(None, (sentence, f"{rows}: {who}" if rows else "")))
    return _draining(edges, ref, (reason, said), within_s=rest_s)


def _rest_s(edges: Edges, ref: Ref, concerned: Collection[Registered], left_s: float) -> float:
    """How long these are waited for at most."""
    if not concerned or any(it.claimers for it in concerned):
        edges.memory.unclaimed.pop(ref, None)
        return left_s if concerned else 0.0
    until = edges.memory.unclaimed.setdefault(ref, edges.now()) + timedelta(seconds=NOBODY_S)
    return min(left_s, (until - edges.now()).total_seconds())


def _draining(edges: Edges, ref: Ref, said: Said, *, within_s: float) -> Draining:
    reason, sentence = said
    soon = edges.memory.settling.next_in_s(ref, said, _now_s()), edges.memory.patience.next_in_s(ref, _now_s())
    return Draining(reason=reason, sentence=sentence, next_in_s=min(within_s, *filter(None, soon)))


async def _drop_triggers(edges: Edges, connect: Connect, ref: Ref) -> Said | None:
    """Those that nobody holds; what gives up is tried again when its patience says so. Why some stand still."""
    patience = edges.memory.patience
    async with connect() as connection:
        identity = await identify(connection)
        made = await database.observe_removal(connection, [edges.owner(ref)], rows=Rows.KEEP)
    if made.problems:
        return Reason.MISSING_PRIVILEGE, "; ".join(made.problems)
    steps = tuple(step for step in made.steps if step.function is not None)
    held = patience.held(ref, steps, _now_s())
    due = replace(made, steps=tuple(it for it in steps if key(it) not in held))
    result = await _apply(edges, connect, due, identity) if due.steps else Result()
    for step in result.done:
        patience.taken(ref, step)
    for it in result.gave_up:
        patience.gave_up(ref, it.step, str(it), _now_s(), behind_a_pass=it.is_behind_a_pass)
    waits = [*(it.sentence for it in held.values()), *map(str, result.gave_up)]
    said = "; ".join((*waits, *result.failed, *(step.sentence for step in result.stale)))
    is_locked = any(it.attempt for it in held.values()) or any(not it.is_behind_a_pass for it in result.gave_up)
    reason = Reason.LOCKED_OUT if is_locked else Reason.REFUSED if result.failed else Reason.PENDING
    return (reason, said) if said else None


async def _apply(edges: Edges, connect: Connect, due: Plan, identity: Identity) -> Result:
    """In turn, waited for without a connection; nothing where it does not come, or the Secret leads elsewhere now."""
    async with edges.memory.turns.within(identity, limit_s=TURN_S) as is_ours:
        if is_ours:
            async with connect() as connection:
                if await identify(connection) == identity:
                    return await database.apply(connection, due)
    return Result(stale=due.steps)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
