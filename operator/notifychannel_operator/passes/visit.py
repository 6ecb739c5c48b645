"""The database's part of a pass: which database it is, whether the channel may be there, its triggers, who listens.

Everything that a database can do wrong ends in a condition. The finalizer comes before the first trigger.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg

from notifychannel_operator.events import Event
from notifychannel_operator.kinds import CHANNELS
from notifychannel_operator.passes import cleanup, conditions, outbox, status, waiting
from notifychannel_operator.passes.conditions import Reason, Type
from notifychannel_operator.passes.connect import Failed
from notifychannel_operator.passes.databases import Standing
from notifychannel_operator.passes.events import announce
from notifychannel_operator.passes.finalizer import FINALIZER, finalizers
from notifychannel_operator.passes.identity import identify, sessions
from notifychannel_operator.passes.install import Installer
from notifychannel_operator.passes.standing import standing
from notifychannel_operator.step import Kind
from notifychannel_sidecar.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from notifychannel_operator.names import Owner
    from notifychannel_operator.objects import Facts
    from notifychannel_operator.passes.conditions import Condition
    from notifychannel_operator.passes.edges import Edges
    from notifychannel_operator.passes.install import Installed
    from notifychannel_operator.passes.memory import Memory
    from notifychannel_operator.passes.waiting import Waiting
    from notifychannel_operator.passes.whereabouts import Identity, Ref
    from notifychannel_operator.spec import Channel
    from notifychannel_operator.step import Step
    from notifychannel_sidecar.credentials import Credentials

    Connection = asyncpg.Connection[asyncpg.Record]

log = logging.getLogger(__name__)

NOT_ACCEPTED = "not touched while the channel is not accepted: what was installed before stays as it is"


@dataclass(slots=True, kw_only=True)
class Visit:
    """One channel's visit to its database; what it found stands in it afterwards."""

    edges: Edges
    ref: Ref
    body: dict[str, Any]
    channel: Channel
    identity: Identity | None = None
    """None: the database has not answered."""
    names: frozenset[str] | None = None
    """Of the listeners' sessions there."""
    installed: Installed | None = None
    is_behind: bool = False
    """Its outbox has more than the pass had time for."""
    waiting: tuple[Waiting, ...] | None = None
    """In the queue, for its consumers; None: nobody has looked."""
    repaired: list[str] = field(default_factory=list)
    """Drift, as sentences."""

    async def run(self, credentials: Credentials) -> Condition:
        """TriggersInstalled. Raises KubeError."""
        connect = partial(self.edges.connect, credentials)
        try:
            async with connect() as connection:
                self.identity = await self._arrive(connection)
                self.names = await sessions(connection, prefixes(self.edges, self.channel).values())
                if self._memory.databases.conflict(self.ref) is not None:
                    return conditions.false(Type.TRIGGERS_INSTALLED, Reason.PENDING, NOT_ACCEPTED)
                installer = self._installer(connect, self.identity)
                facts = await installer.look(connection)
                await self._look_after_outbox(connection, self.identity)
                role = facts.installer
                self.waiting = await waiting.look(connection, self.owner, role=role) if facts.consumers else ()
            return await self._install(installer, facts)
        except Failed as error:
            return conditions.false(Type.TRIGGERS_INSTALLED, error.reason, str(error))

    async def _arrive(self, connection: Connection) -> Identity:
        identity = await identify(connection)
        await self._mind_a_move(identity)
        self.claim(identity)
        return identity

    def claim(self, database: Identity | None, *, stands: Standing | None = None) -> None:
        """What the channel says now; None: the database that is known, the standing that its object says."""
        metadata = self.body["metadata"]
        changed = self._memory.databases.put(
            self.channel,
            uid=metadata["uid"],
            created=metadata["creationTimestamp"],
            installation=self.edges.installation,
            database=database,
            standing=standing(self.body) if stands is None else stands,
        )
        self._memory.owe(self.ref, changed)

    def stands(self, body: dict[str, Any]) -> None:
        """What the object says after a write of ours; no other channel of the same second comes before it now."""
        self.body = body
        self.claim(None)

    def _installer(self, connect: Callable[[], AbstractAsyncContextManager[Connection]], there: Identity) -> Installer:
        return Installer(
            connect=connect,
            channel=self.channel,
            owner=self.owner,
            ref=self.ref,
            identity=there,
            patience=self._memory.patience,
            turns=self._memory.turns,
            now_s=asyncio.get_running_loop().time(),
            before_first_step=self._finalize,
            on_done=self._note_repair,
        )

    async def _install(self, installer: Installer, facts: Facts) -> Condition:
        if self._memory.databases.conflict(self.ref) is not None:  # since: nobody has waited from here to `_finalize`
            return conditions.false(Type.TRIGGERS_INSTALLED, Reason.PENDING, NOT_ACCEPTED)
        self._memory.repairs.setdefault(self.ref, 0)  # a first repair is only seen beside a nought
        self.installed = await installer.run(facts)
        if self.repaired:
            await announce(self.edges.kube, self.body, "Normal", "Repaired", "\n".join(self.repaired))
        if self.installed.is_in_force:
            self._memory.in_force[self.ref] = self.channel
            self._memory.recalled.pop(self.ref, None)
        return self._with_the_old(self.installed.condition)

    async def _look_after_outbox(self, connection: Connection, identity: Identity) -> None:
        """One pass at a time; what can't be done is not this channel's fault, and no condition says it."""
        turn, outboxes = self._memory.turns.of(("outbox", identity)), self._memory.outboxes
        if turn.locked():
            return
        async with turn:
            try:
                found = await outbox.look_after(connection, outboxes.get(identity))
            except asyncpg.PostgresError as error:
                if connection.is_closed():
                    raise
                log.warning(
                    "%s: the outbox can't be looked after (SQLSTATE %s); next pass again",
                    self.ref,
                    error.sqlstate,
                    extra=Event.OUTBOX_UNATTENDED.tag,
                )
                found = None
        if found is None:
            outboxes.pop(identity, None)
            return
        outboxes[identity] = found
        self.is_behind = found.is_behind

    @property
    def owner(self) -> Owner:
        """Whose objects the channel's are."""
        return self.edges.owner(self.ref)

    async def _mind_a_move(self, identity: Identity) -> None:
        """The Secret led to another database before: what is installed there can't be reached any more."""
        before = status.database(self.body.get("status") or {})
        if self._memory.moved.get(self.ref) == identity:
            del self._memory.moved[self.ref]
        elif before is not None and before != identity and FINALIZER in finalizers(self.body):
            self._memory.moved[self.ref] = before
            why = f"the Secret led to {before} and leads to {identity} now"  # an Event is cut behind the SQL
            note = f"If the old database lives on, run there:\n{cleanup.by_hand(self.owner)}\nBecause: {why}"
            await announce(self.edges.kube, self.body, "Warning", "DatabaseChanged", note)

    def _note_repair(self, step: Step) -> None:
        """Drift leaves less than was there; where it leaves nothing of a function, only the spec in force tells."""
        was_there = self._memory.in_force.get(self.ref) == self.channel
        if step.kind is Kind.REPAIR or (step.kind is Kind.INSTALL and was_there):
            self._memory.repairs[self.ref] += 1
            self.repaired.append(step.sentence)
            log.warning("%s: drift was repaired: %s", self.ref, step.sentence, extra=Event.DRIFT_REPAIRED.tag)

    def _with_the_old(self, found: Condition) -> Condition:
        before = self._memory.moved.get(self.ref)
        if before is None:
            return found
        note = (
            f"the Secret led to {before} until now, where triggers of ours may be left; if it lives on, run there: "
            f"{cleanup.by_hand(self.owner)}"
        )
        return replace(found, message=conditions.bounded([*found.message.splitlines(), note]))

    async def _finalize(self) -> None:
        """Our finalizer, before anything is installed; raises Conflict when the resource has changed meanwhile."""
        present = finalizers(self.body)
        if FINALIZER in present:
            return
        self.claim(None, stands=Standing.INSTALLED)  # before others of its second have seen the finalizer
        version = self.body["metadata"]["resourceVersion"]
        patch = {"metadata": {"finalizers": [*present, FINALIZER], "resourceVersion": version}}
        self.stands(await self.edges.kube.patch(CHANNELS, self.ref.name, patch, namespace=self.ref.namespace))

    @property
    def _memory(self) -> Memory:
        return self.edges.memory


def prefixes(edges: Edges, channel: Channel) -> dict[str, str]:
    """Group → what the names of its listeners' sessions begin with."""
    found = (
        Config(installation=edges.installation, namespace=channel.namespace, group=it.group) for it in channel.consumers
    )
    return {it.group: it.session_prefix for it in found}
