"""One idempotent pass over one channel: read it anew, look, do what is missing, say what is so.

    get ── gone ──► leave the ConfigMaps
     ├── being deleted ──► what waits is delivered ──► leave the ConfigMaps ──► cleanup ──► finalizer goes; bounded
     └── Accepted? ──► Secret ──► database: which one, conflicts, triggers ──► ConfigMaps ──► pods, /status ──► status

Triggers come before the ConfigMap: see `grouping.py` and docs/conditions.md. A pass in a steady state writes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from notifychannel_operator.kinds import CHANNELS
from notifychannel_operator.kube_error import NotFound
from notifychannel_operator.passes import cleanup, conditions, draining, leaving, status
from notifychannel_operator.passes.conditions import Reason, Type
from notifychannel_operator.passes.edges import Outcome
from notifychannel_operator.passes.events import announce_changes
from notifychannel_operator.passes.walk import Walk
from notifychannel_operator.passes.wish import Wish

if TYPE_CHECKING:
    from notifychannel_operator.passes.edges import Edges
    from notifychannel_operator.passes.whereabouts import Ref


async def reconcile(edges: Edges, ref: Ref) -> Outcome:
    """One pass. Raises KubeError when the cluster can't be asked or told; everything else ends in a condition.

    Never runs twice at once for one channel: the work queue sees to that. Whom a pass that broke had to wake, the next
    one wakes.
    """
    outcome = await _pass(edges, ref)
    return replace(outcome, wake=frozenset(edges.memory.owed.pop(ref, ())))


async def _pass(edges: Edges, ref: Ref) -> Outcome:
    try:
        body = await edges.kube.get(CHANNELS, ref.name, namespace=ref.namespace)
    except NotFound:
        edges.memory.generations.pop(ref, None)
        edges.memory.moved.pop(ref, None)
        edges.memory.forget_end(ref)
        await leaving.leave(edges, ref)
        return Outcome(is_gone=True)
    if body["metadata"].get("deletionTimestamp"):
        return await _end(edges, ref, body)
    edges.memory.forget_end(ref)  # of another channel of that name
    return await Walk(edges=edges, ref=ref, body=body).run()


async def _end(edges: Edges, ref: Ref, body: dict[str, Any]) -> Outcome:
    since = datetime.fromisoformat(body["metadata"]["deletionTimestamp"])
    waits = await draining.drain(edges, body, since=since)
    if waits is not None:
        await _say_ending(edges, ref, body, waits.reason, waits.sentence)
        return Outcome(next_in_s=waits.next_in_s)
    await leaving.leave(edges, ref, Wish.of(body).groups)
    cleaned = await cleanup.clean_up(edges, body, since=since)
    if cleaned.problem is None:
        await cleanup.drop_finalizer(edges, body)
        return Outcome(is_gone=True)
    await _say_ending(edges, ref, body, cleaned.reason, cleaned.problem)
    return Outcome(next_in_s=cleaned.next_in_s)


async def _say_ending(edges: Edges, ref: Ref, body: dict[str, Any], reason: Reason, problem: str) -> None:
    said = conditions.false(Type.TRIGGERS_INSTALLED, reason, "being deleted, and not cleaned up yet", problem)
    before = body.get("status") or {}
    made = status.ending(before, said, generation=body["metadata"]["generation"], now=edges.now())
    if made != before:
        await edges.kube.patch(CHANNELS, ref.name, {"status": made}, namespace=ref.namespace, subresource="status")
        await announce_changes(edges.kube, body, conditions.changed(before.get("conditions") or [], [said]))
