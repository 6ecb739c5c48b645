"""A channel that takes part in nothing any more: no claim, in no ConfigMap, and forgotten by passes.

Refuses to touch its database.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from notifychannel_operator.events import Event
from notifychannel_operator.kube_error import KubeError
from notifychannel_operator.passes import groups

if TYPE_CHECKING:
    from notifychannel_operator.passes.edges import Edges
    from notifychannel_operator.passes.whereabouts import Ref

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
    memory.recalled.pop(ref, None)
    memory.queues.pop(ref, None)
    memory.pods.pop(ref, None)
    memory.repairs.pop(ref, None)
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
        log.warning(
            "%s: the ConfigMap of the group %s: %s; trying again", ref, group, error, extra=Event.GROUP_NOT_LEFT.tag
        )
        return error
    edges.memory.strays[ref].discard(group)
    if sentence is not None:
        log.warning(
            "%s: it may stay in the ConfigMap of the group %s: %s", ref, group, sentence, extra=Event.GROUP_MAY_STAY.tag
        )
    return None
