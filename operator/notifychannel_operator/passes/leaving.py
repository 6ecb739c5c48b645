"""What a channel that goes does first: what waits for its consumers gets time, and it takes part in nothing any more.

Refuses to drop what its consumers have not acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from notifychannel_operator import database
from notifychannel_operator.kube_error import KubeError
from notifychannel_operator.passes import groups, secret
from notifychannel_operator.passes.conditions import Reason
from notifychannel_operator.passes.connect import Failed
from notifychannel_operator.passes.finalizer import FINALIZER, finalizers
from notifychannel_operator.passes.patience import key
from notifychannel_operator.passes.secret import Unresolved
from notifychannel_operator.passes.whereabouts import Ref
from notifychannel_operator.passes.wish import Wish
from notifychannel_operator.queue_statements import Rows
from notifychannel_operator.spec import ReclaimPolicy

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from notifychannel_operator.names import Owner
    from notifychannel_operator.passes.edges import Edges

    Connection = asyncpg.Connection[asyncpg.Record]

log = logging.getLogger(__name__)


async def leave(edges: Edges, ref: Ref, named: frozenset[str] = frozenset()) -> None:
    """The channel takes part in nothing any more: no claim, in no ConfigMap.

    `named`: groups that its resource names. Raises KubeError when every group has had its try; may be called again.
    """
    memory = edges.memory
    claim = memory.databases.claims.get(ref)
    known = memory.strays.setdefault(ref, set())
    known |= named | (claim.groups if claim else frozenset())
    memory.owe(ref, memory.databases.remove(ref))
    memory.patience.forget(ref)
    memory.settling.forget(ref)
    memory.in_force.pop(ref, None)
    memory.queues.pop(ref, None)
    memory.unreadable.discard(ref)
    failures = [failure for group in sorted(known) if (failure := await _take_out(edges, ref, group)) is not None]
    if failures:
        raise failures[0]
    memory.strays.pop(ref, None)


async def _take_out(edges: Edges, ref: Ref, group: str) -> KubeError | None:
    """Of one group's ConfigMap; what fails is said, and is no reason not to try the next group."""
    try:
        sentence = await groups.write(edges, ref.namespace, group)
    except KubeError as error:
        log.warning("%s: the ConfigMap of the group %s: %s; trying again", ref, group, error)
        return error
    edges.memory.strays[ref].discard(group)
    if sentence is not None:
        log.warning("%s: it may stay in the ConfigMap of the group %s: %s", ref, group, sentence)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining:
    """A channel that stays for what waits."""

    reason: Reason
    sentence: str
    next_in_s: float
    """Until the next look: soon while it becomes less, and by the minute where nothing moves."""


async def drain(edges: Edges, body: dict[str, Any], *, since: datetime) -> Draining | None:
    """Before the channel leaves: its triggers go, and what waits for its consumers is given the time that there is.

    None when nothing is waited for: nothing waits, nobody delivers it, or the time is over. Dead letters are not waited
    for; a database that is away is. Raises KubeError.
    """
    wish, ref = Wish.of(body), Ref.of(body)
    left_s = wish.timeout_s - (edges.now() - since).total_seconds()
    if not wish.is_durable or wish.policy is ReclaimPolicy.RETAIN or FINALIZER not in finalizers(body) or left_s <= 0:
        return None
    edges.memory.queues.pop(ref, None)  # no pass looks at them any more
    try:
        credentials = await secret.read(edges.kube, namespace=ref.namespace, name=wish.secret)
        async with edges.connect(credentials) as connection:
            await _drop_triggers(edges, connection, ref)
            sentence, reason = await _waiting(connection, edges.owner(ref)), Reason.ROWS_WAITING
    except Unresolved:
        return None  # whoever cleans up says it
    except Failed as error:
        sentence, reason = str(error), error.reason
    if sentence is None:
        return None
    next_in_s = edges.memory.settling.next_in_s(ref, (reason, sentence), _now_s())
    return Draining(reason=reason, sentence=sentence, next_in_s=min(next_in_s or left_s, left_s))


async def _drop_triggers(edges: Edges, connection: Connection, ref: Ref) -> None:
    """Those that nobody holds; what gives up is tried again when its patience says so."""
    patience, now_s = edges.memory.patience, _now_s()
    made = await database.observe_removal(connection, [edges.owner(ref)], rows=Rows.KEEP)
    steps = tuple(step for step in made.steps if step.function is not None)
    held = patience.held(ref, steps, now_s)
    result = await database.apply(connection, replace(made, steps=tuple(it for it in steps if key(it) not in held)))
    for it in result.gave_up:
        patience.gave_up(ref, it.step, str(it), now_s, behind_a_pass=False)


async def _waiting(connection: Connection, owner: Owner) -> str | None:
    """For whom that is being delivered; nobody delivers for one that is suspended."""
    found = [it for it in await database.observe_waiting(connection, owner) if it.claimers and not it.terms.suspended]
    said = "; ".join(it.waiting for it in found if it.waiting and (it.rows > it.dead or it.unmerged))
    return f"{said}: delivered first" if said else None


def _now_s() -> float:
    return asyncio.get_running_loop().time()
