"""The walk of one pass over a channel that is there and stays: each step a method, in the order of the conditions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from notifychannel_operator import manifest
from notifychannel_operator.kinds import CHANNELS, PODS
from notifychannel_operator.passes import conditions, groups, hearing, secret, status, waiting, workload
from notifychannel_operator.passes.conditions import Reason, Type
from notifychannel_operator.passes.edges import Outcome
from notifychannel_operator.passes.events import announce, announce_changes
from notifychannel_operator.passes.outbox import COME_BACK_S
from notifychannel_operator.passes.probe import ask
from notifychannel_operator.passes.secret import Unresolved
from notifychannel_operator.passes.settling import unsettled
from notifychannel_operator.passes.status import Pods, Said
from notifychannel_operator.passes.visit import NOT_ACCEPTED, Visit, prefixes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_operator.passes.conditions import Condition
    from notifychannel_operator.passes.edges import Edges
    from notifychannel_operator.passes.memory import Memory
    from notifychannel_operator.passes.waiting import Waiting
    from notifychannel_operator.passes.whereabouts import Ref
    from notifychannel_operator.spec import Channel
    from notifychannel_sidecar.credentials import Credentials

UNRESOLVED = "waits for the Secret: what was installed before stays as it is"


@dataclass(slots=True, kw_only=True)
class Walk:
    """One pass; made for one run."""

    edges: Edges
    ref: Ref
    body: dict[str, Any]
    said: list[Condition] = field(default_factory=list)
    seats: int = 0
    """Pods that run with the sidecar."""

    async def run(self) -> Outcome:
        """All of it."""
        try:
            channel = manifest.from_object(self.body)
        except manifest.SpecError as error:
            return await self._refuse(error)
        visit = Visit(edges=self.edges, ref=self.ref, body=self.body, channel=channel)
        self._enter(visit)
        credentials = await self._resolve(channel)
        if credentials is not None:
            triggers = await visit.run(credentials)
        else:
            triggers = conditions.false(Type.TRIGGERS_INSTALLED, Reason.PENDING, UNRESOLVED)
        self.said = [self._accepted(), *self.said, triggers]
        unconfigured = await self._configure(channel)
        pods = await self._look_at_pods(channel, sessions=visit.names, unconfigured=unconfigured)
        await self._mind_what_waits(visit)
        await self._tell(pods, is_suspended=channel.suspend, visit=visit)
        return Outcome(next_in_s=self._next_in_s(visit, pods))

    def _next_in_s(self, visit: Visit, pods: Pods) -> float | None:
        """Sooner than the interval: behind a lock, or while pods run and do not listen or deliver yet."""
        found = unsettled(self.said, pods, seats=self.seats, generation=self.body["metadata"]["generation"])
        settling = self._memory.settling.next_in_s(self.ref, found, asyncio.get_running_loop().time())
        locked = visit.installed.next_in_s if visit.installed else None
        draining = COME_BACK_S if visit.is_behind else None
        return min((it for it in (settling, locked, draining) if it is not None), default=None)

    @property
    def _memory(self) -> Memory:
        return self.edges.memory

    async def _refuse(self, error: manifest.SpecError) -> Outcome:
        """The resource can't be used; what its pods do by the last good one can be looked at all the same."""
        self._memory.unreadable.add(self.ref)
        waiting = "not looked at while the channel is not accepted"
        self.said = [
            conditions.false(Type.ACCEPTED, Reason.INVALID, *map(str, error.problems)),
            conditions.unknown(Type.RESOLVED_REFS, Reason.PENDING, waiting),
            conditions.unknown(Type.TRIGGERS_INSTALLED, Reason.PENDING, NOT_ACCEPTED),
        ]
        claim = self._memory.databases.claims.get(self.ref)
        if claim is not None and claim.channel is not None:
            pods = await self._look_at_pods(claim.channel, sessions=None, unconfigured=[])
            self._judge_what_waits(self._memory.queues.get(self.ref, ()))
        else:
            pods = Pods()
            types = (Type.WORKLOAD_INJECTED, Type.LISTENING, Type.DELIVERING)
            self.said += [conditions.unknown(type_, Reason.PENDING, waiting) for type_ in types]
        await self._tell(pods, is_suspended=False, visit=None)
        return Outcome()

    def _enter(self, visit: Visit) -> None:
        """Claim what the channel says; the groups that it says no more are to be tidied up."""
        memory, metadata = self._memory, self.body["metadata"]
        known = memory.databases.claims.get(self.ref)
        is_new = known is None or known.uid != metadata["uid"]
        if is_new:
            memory.in_force.pop(self.ref, None)
            memory.recalled.pop(self.ref, None)
        if is_new or memory.generations.get(self.ref) != metadata["generation"]:
            memory.generations[self.ref] = metadata["generation"]
            memory.patience.forget(self.ref)
            memory.moved.pop(self.ref, None)
        memory.unreadable.discard(self.ref)
        if known is not None:
            memory.strays.setdefault(self.ref, set()).update(known.groups)
        visit.claim(status.database(self.body.get("status") or {}) if is_new else None)

    def _accepted(self) -> Condition:
        conflict = self._memory.databases.conflict(self.ref)
        if conflict is None:
            return conditions.true(Type.ACCEPTED, Reason.ACCEPTED)
        return conditions.false(Type.ACCEPTED, Reason.CONFLICT, conflict)

    async def _resolve(self, channel: Channel) -> Credentials | None:
        try:
            found = await secret.read(self.edges.kube, namespace=self.ref.namespace, name=channel.secret)
        except Unresolved as error:
            self.said.append(conditions.false(Type.RESOLVED_REFS, error.reason, str(error)))
            return None
        self.said.append(conditions.true(Type.RESOLVED_REFS, Reason.RESOLVED, f"the Secret {channel.secret} is read"))
        return found

    async def _configure(self, channel: Channel) -> list[str]:
        """The ConfigMaps of the groups that it names or has named: sentences where one is not to be had."""
        named = {consumer.group for consumer in channel.consumers}
        said = []
        for group in sorted(named | self._memory.strays.get(self.ref, set())):
            sentence = await groups.write(self.edges, self.ref.namespace, group)
            if sentence is not None and group in named:
                said.append(sentence)
        self._memory.strays.pop(self.ref, None)
        return said

    async def _look_at_pods(
        self, channel: Channel, *, sessions: frozenset[str] | None, unconfigured: list[str]
    ) -> Pods:
        place = workload.Place(
            namespace=self.ref.namespace,
            groups=frozenset(consumer.group for consumer in channel.consumers),
            settings=self.edges.injection,
            injector=f"kubectl -n {self.edges.namespace} get deployment {self.edges.fullname}-injector",
            now=self.edges.now(),
        )
        pods = await self.edges.kube.list(PODS, namespace=self.ref.namespace, labels=workload.selector(place.groups))
        found = workload.look(pods, place)
        self.seats = len(found.seats)
        heard = hearing.judge(
            channel=self.ref.name,
            namespace=self.ref.namespace,
            seats=found.seats,
            matched=found.matched,
            injected=found.injected,
            statuses=await ask(self.edges.probe, found.seats),
            sessions=sessions,
            prefixes=prefixes(self.edges, channel),
            unconfigured=unconfigured,
        )
        self.said += [found.condition, *heard.conditions]
        seen = self._memory.pods[self.ref] = Pods(
            matched=found.matched,
            injected=found.injected,
            outdated=found.outdated,
            listening=heard.listening,
            delivering=heard.delivering,
            stuck=found.stuck,
        )
        return seen

    async def _mind_what_waits(self, visit: Visit) -> None:
        """Dead letters and escalations are said; while the database is away, what was known of them stays said."""
        before = self._memory.queues.get(self.ref, ())
        found = before if visit.waiting is None else visit.waiting
        self._judge_what_waits(found)
        for reason, note in waiting.news(before, found):
            await announce(self.edges.kube, self.body, "Warning", reason, note)
        self._memory.remember_queue(self.ref, found)

    def _judge_what_waits(self, found: Sequence[Waiting]) -> None:
        owner = self.edges.owner(self.ref)
        self.said = [waiting.judged(it, found, owner) for it in self.said]

    async def _tell(self, pods: Pods, *, is_suspended: bool, visit: Visit | None) -> None:
        """Write the status where it differs, and an Event for each condition that has changed."""
        before = self.body.get("status") or {}
        installed = visit.installed if visit else None
        triggers = (installed.have, installed.want) if installed else None
        said = [*self.said, conditions.ready(self.said, is_suspended=is_suspended)]
        made = status.document(
            before,
            Said(conditions=said, database=visit.identity if visit else None, pods=pods, triggers=triggers),
            generation=self.body["metadata"]["generation"],
            now=self.edges.now(),
        )
        if made == before:
            return
        patch = {"status": made}
        written = await self.edges.kube.patch(
            CHANNELS, self.ref.name, patch, namespace=self.ref.namespace, subresource="status"
        )
        if visit is not None:
            visit.stands(written)
        await announce_changes(self.edges.kube, self.body, conditions.changed(before.get("conditions") or [], said))
