"""The walk of one pass over a channel that is there and stays: each step a method, in the order of the conditions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from notifychannel_operator import manifest
from notifychannel_operator.kinds import CHANNELS, PODS
from notifychannel_operator.names import Owner
from notifychannel_operator.passes import cleanup, conditions, groups, hearing, secret, status, workload
from notifychannel_operator.passes.conditions import Reason, Type
from notifychannel_operator.passes.connect import Failed
from notifychannel_operator.passes.edges import Outcome
from notifychannel_operator.passes.events import announce, announce_changes
from notifychannel_operator.passes.identity import identify, sessions
from notifychannel_operator.passes.install import Installer
from notifychannel_operator.passes.secret import Unresolved
from notifychannel_operator.passes.status import Pods, Said
from notifychannel_sidecar.config import Config

if TYPE_CHECKING:
    import asyncpg

    from notifychannel_operator.passes.conditions import Condition
    from notifychannel_operator.passes.databases import Identity, Ref
    from notifychannel_operator.passes.edges import Edges
    from notifychannel_operator.passes.install import Installed
    from notifychannel_operator.passes.memory import Memory
    from notifychannel_operator.passes.sidecar import Sidecar
    from notifychannel_operator.passes.workload import Seat
    from notifychannel_operator.spec import Channel
    from notifychannel_sidecar.credentials import Credentials

    Connection = asyncpg.Connection[asyncpg.Record]

NOT_ACCEPTED = "not touched while the channel is not accepted: what was installed before stays as it is"
UNRESOLVED = "waits for the Secret: what was installed before stays as it is"


@dataclass(slots=True, kw_only=True)
class Walk:
    """One pass; made for one run."""

    edges: Edges
    ref: Ref
    body: dict[str, Any]
    wake: frozenset[Ref] = frozenset()
    identity: Identity | None = None
    """Of the database that answered in this pass."""
    names: frozenset[str] | None = None
    """Of the listeners' sessions there."""
    installed: Installed | None = None
    said: list[Condition] = field(default_factory=list)

    async def run(self) -> Outcome:
        """All of it."""
        try:
            channel = manifest.from_object(self.body)
        except manifest.SpecError as error:
            return await self._refuse(error)
        self._enter(channel)
        credentials = await self._resolve(channel)
        if credentials is not None:
            triggers = await self._visit(channel, credentials)
        else:
            triggers = conditions.false(Type.TRIGGERS_INSTALLED, Reason.PENDING, UNRESOLVED)
        self.said = [self._accepted(), *self.said, triggers]
        unconfigured = await self._configure(channel)
        pods = await self._look_at_pods(channel, unconfigured)
        await self._tell(pods, is_suspended=channel.suspend)
        return Outcome(next_in_s=self.installed.next_in_s if self.installed else None, wake=self.wake - {self.ref})

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
        if claim is not None:
            pods = await self._look_at_pods(claim.channel, [])
        else:
            pods = Pods()
            types = (Type.WORKLOAD_INJECTED, Type.LISTENING, Type.DELIVERING)
            self.said += [conditions.unknown(type_, Reason.PENDING, waiting) for type_ in types]
        await self._tell(pods, is_suspended=False)
        return Outcome()

    def _enter(self, channel: Channel) -> None:
        """Claim what the channel says; the groups that it says no more are to be tidied up."""
        memory, metadata = self._memory, self.body["metadata"]
        if memory.generations.get(self.ref) != metadata["generation"]:
            memory.generations[self.ref] = metadata["generation"]
            memory.patience.forget(self.ref)
            memory.moved.pop(self.ref, None)
        memory.unreadable.discard(self.ref)
        known = memory.databases.claims.get(self.ref)
        if known is not None:
            memory.strays.setdefault(self.ref, set()).update(known.groups)
        is_new = known is None or known.uid != metadata["uid"]
        self._claim(channel, status.database(self.body.get("status") or {}) if is_new else None)

    def _claim(self, channel: Channel, database: Identity | None) -> None:
        metadata = self.body["metadata"]
        self.wake |= self._memory.databases.put(
            channel,
            uid=metadata["uid"],
            created=metadata["creationTimestamp"],
            installation=self.edges.installation,
            database=database,
        )

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

    async def _visit(self, channel: Channel, credentials: Credentials) -> Condition:
        """The database: which one it is, what is to be done there, who listens there."""
        try:
            async with self.edges.connect(credentials) as connection:
                identity = await identify(connection)
                await self._mind_a_move(identity)
                self._claim(channel, identity)
                self.identity = identity
                found = await self._install(channel, connection)
                self.names = await sessions(connection, self._prefixes(channel).values())
        except Failed as error:
            return conditions.false(Type.TRIGGERS_INSTALLED, error.reason, str(error))
        return found

    async def _install(self, channel: Channel, connection: Connection) -> Condition:
        if self._memory.databases.conflict(self.ref) is not None:
            return conditions.false(Type.TRIGGERS_INSTALLED, Reason.PENDING, NOT_ACCEPTED)
        self.installed = await Installer(
            connection=connection,
            channel=channel,
            owner=self._owner,
            ref=self.ref,
            patience=self._memory.patience,
            now_s=asyncio.get_running_loop().time(),
            turn=self._memory.turns.of(self.identity),
            before_first_step=self._finalize,
        ).run()
        if self.installed.is_in_force:
            self._memory.in_force[self.ref] = channel
        return self._with_the_old(self.installed.condition)

    @property
    def _owner(self) -> Owner:
        return Owner(installation=self.edges.installation, namespace=self.ref.namespace, name=self.ref.name)

    async def _mind_a_move(self, identity: Identity) -> None:
        """The Secret led to another database before: what is installed there can't be reached any more."""
        before = status.database(self.body.get("status") or {})
        if self._memory.moved.get(self.ref) == identity:
            del self._memory.moved[self.ref]
        elif before is not None and before != identity and cleanup.FINALIZER in cleanup.finalizers(self.body):
            self._memory.moved[self.ref] = before
            note = f"the Secret led to {before} and leads to {identity} now. If the old one lives on, run there:\n"
            await announce(
                self.edges.kube, self.body, "Warning", "DatabaseChanged", note + cleanup.by_hand(self._owner)
            )

    def _with_the_old(self, found: Condition) -> Condition:
        before = self._memory.moved.get(self.ref)
        if before is None:
            return found
        note = (
            f"the Secret led to {before} until now, where triggers of ours may be left; if it lives on, run there: "
            f"{cleanup.by_hand(self._owner)}"
        )
        return replace(found, message=conditions.bounded([*found.message.splitlines(), note]))

    async def _finalize(self) -> None:
        """Our finalizer, before anything is installed; raises Conflict when the resource has changed meanwhile."""
        present = cleanup.finalizers(self.body)
        if cleanup.FINALIZER in present:
            return
        version = self.body["metadata"]["resourceVersion"]
        patch = {"metadata": {"finalizers": [*present, cleanup.FINALIZER], "resourceVersion": version}}
        self.body = await self.edges.kube.patch(CHANNELS, self.ref.name, patch, namespace=self.ref.namespace)

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

    async def _look_at_pods(self, channel: Channel, unconfigured: list[str]) -> Pods:
        place = workload.Place(
            namespace=self.ref.namespace,
            groups=frozenset(consumer.group for consumer in channel.consumers),
            settings=self.edges.injection,
            injector=f"kubectl -n {self.edges.namespace} get deployment {self.edges.fullname}-injector",
        )
        pods = await self.edges.kube.list(PODS, namespace=self.ref.namespace, labels=workload.selector(place.groups))
        found = workload.look(pods, place)
        heard = hearing.judge(
            channel=self.ref.name,
            namespace=self.ref.namespace,
            seats=found.seats,
            matched=found.matched,
            statuses=await self._ask(found.seats),
            sessions=self.names,
            prefixes=self._prefixes(channel),
            unconfigured=unconfigured,
        )
        self.said += [found.condition, *heard.conditions]
        return Pods(
            matched=found.matched,
            injected=found.injected,
            outdated=found.outdated,
            listening=heard.listening,
            delivering=heard.delivering,
        )

    async def _ask(self, seats: tuple[Seat, ...]) -> dict[str, Sidecar | None]:
        asked = [(seat.pod, self.edges.probe(seat.address, seat.port)) for seat in seats if seat.address is not None]
        answers = await asyncio.gather(*(answer for _, answer in asked))
        return dict(zip((pod for pod, _ in asked), answers, strict=True))

    def _prefixes(self, channel: Channel) -> dict[str, str]:
        """Group → what the names of its listeners' sessions begin with."""
        installation, namespace = self.edges.installation, self.ref.namespace
        return {
            it.group: Config(installation=installation, namespace=namespace, group=it.group).session_prefix
            for it in channel.consumers
        }

    async def _tell(self, pods: Pods, *, is_suspended: bool) -> None:
        """Write the status where it differs, and an Event for each condition that has changed."""
        before = self.body.get("status") or {}
        triggers = (self.installed.have, self.installed.want) if self.installed else None
        said = [*self.said, conditions.ready(self.said, is_suspended=is_suspended)]
        made = status.document(
            before,
            Said(conditions=said, database=self.identity, pods=pods, triggers=triggers),
            generation=self.body["metadata"]["generation"],
            now=self.edges.now(),
        )
        if made == before:
            return
        patch = {"status": made}
        await self.edges.kube.patch(CHANNELS, self.ref.name, patch, namespace=self.ref.namespace, subresource="status")
        await announce_changes(self.edges.kube, self.body, conditions.changed(before.get("conditions") or [], said))
