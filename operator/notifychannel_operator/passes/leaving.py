"""What a channel that goes does first: what waits for its consumers gets time, and it takes part in nothing any more.

Refuses to drop what its consumers have not acknowledged.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from notifychannel_operator import database
from notifychannel_operator.kube_error import KubeError
from notifychannel_operator.passes import groups, secret
from notifychannel_operator.passes.connect import Failed
from notifychannel_operator.passes.databases import Ref
from notifychannel_operator.passes.finalizer import FINALIZER, finalizers
from notifychannel_operator.passes.secret import Unresolved
from notifychannel_operator.passes.wish import Wish
from notifychannel_operator.queue_statements import Rows
from notifychannel_operator.spec import ReclaimPolicy

if TYPE_CHECKING:
    from datetime import datetime

    from notifychannel_operator.passes.edges import Edges

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


async def drain(edges: Edges, body: dict[str, Any], *, since: datetime) -> str | None:
    """Before the channel leaves: its triggers go, and what waits for its consumers is given the time that there is.

    What is waited for; None when nothing is: nothing waits, nobody delivers it, or the time is over. Dead letters are
    not waited for. Raises KubeError.
    """
    wish = Wish.of(body)
    left_s = wish.timeout_s - (edges.now() - since).total_seconds()
    if not wish.is_durable or wish.policy is ReclaimPolicy.RETAIN or FINALIZER not in finalizers(body) or left_s <= 0:
        return None
    owner = edges.owner(Ref.of(body))
    try:
        credentials = await secret.read(edges.kube, namespace=Ref.of(body).namespace, name=wish.secret)
        async with edges.connect(credentials) as connection:
            made = await database.observe_removal(connection, [owner], rows=Rows.KEEP)
            triggers = tuple(step for step in made.steps if step.function is not None)
            await database.apply(connection, replace(made, steps=triggers))
            waiting = await database.observe_waiting(connection, owner)
    except (Unresolved, Failed):
        return None  # whoever cleans up says it
    said = [it.waiting for it in waiting if it.claimers and (it.rows > it.dead or it.unmerged)]
    return "; ".join(filter(None, said)) or None
