"""What a pass changes in a database: observe → plan → apply.

A pass waits for its turn without a connection, and not for long: waiting is neither work nor a hang. What gives up
behind a lock is tried again when its patience says so, what is stale at once, a few times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from notifychannel_operator import database, plan, speech
from notifychannel_operator.passes import installed
from notifychannel_operator.passes.identity import identify
from notifychannel_operator.passes.installed import Left
from notifychannel_operator.passes.memory import TURN_S
from notifychannel_operator.passes.patience import BEHIND_A_PASS_S, key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    import asyncpg

    from notifychannel_operator.database import Result
    from notifychannel_operator.names import Owner
    from notifychannel_operator.objects import Facts
    from notifychannel_operator.passes.conditions import Condition
    from notifychannel_operator.passes.memory import Turns
    from notifychannel_operator.passes.patience import Patience
    from notifychannel_operator.passes.whereabouts import Identity, Ref
    from notifychannel_operator.spec import Channel
    from notifychannel_operator.step import Plan, Step

    Connection = asyncpg.Connection[asyncpg.Record]

ROUNDS = 3
"""How often a pass looks again when somebody else changed what it had planned to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What stands in the database after the pass."""

    condition: Condition
    have: int
    want: int
    is_in_force: bool
    next_in_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """One channel's pass over its database."""

    connect: Callable[[], AbstractAsyncContextManager[Connection]]
    """To the same database; for each look and change of its own."""
    channel: Channel
    owner: Owner
    ref: Ref
    identity: Identity
    patience: Patience
    turns: Turns
    """Of databases: passes of one process don't give up on each other."""
    now_s: float
    """Monotonic."""
    before_first_step: Callable[[], Awaitable[None]]
    """The finalizer: nothing is installed that nobody would remove."""
    on_done: Callable[[Step], None]
    """A step is committed."""

    async def look(self, connection: Connection) -> Facts:
        """What there is. Raises what `database.observe` does."""
        return await database.observe(connection, self.channel, self.owner)

    async def run(self, facts: Facts) -> Installed:
        """Do what is missing by these facts. Raises what `database.observe` and `apply`, `connect` and
        `before_first_step` do.
        """
        refused: tuple[str, ...] = ()
        if self._due(plan.of(self.channel, facts)):
            await self.before_first_step()
            async with self.turns.within(self.identity, limit_s=TURN_S) as is_ours:
                if is_ours:
                    async with self.connect() as connection:
                        facts, refused = await self._change(connection, facts)
        return self._say(facts, refused)

    async def _change(self, connection: Connection, facts: Facts) -> tuple[Facts, tuple[str, ...]]:
        """What there is afterwards, and what PostgreSQL refused."""
        refused: tuple[str, ...] = ()
        if await identify(connection) != self.identity:  # the name leads elsewhere since: the next pass looks there
            return facts, refused
        for _ in range(ROUNDS):
            made = plan.of(self.channel, facts)
            steps = self._due(made)
            if not steps:
                break
            result = await database.apply(connection, replace(made, steps=steps))
            self._note(result)
            refused = result.failed
            facts = await self.look(connection)
            if not result.stale:
                break
        return facts, refused

    def _due(self, made: Plan) -> tuple[Step, ...]:
        held = self.patience.held(self.ref, made.steps, self.now_s)
        if any(key(step) in held for step in made.steps if step.kind in database.FIRST):
            return ()  # the others stand on it
        return tuple(step for step in made.steps if key(step) not in held)

    def _note(self, result: Result) -> None:
        for step in result.done:
            self.patience.taken(self.ref, step)
            self.on_done(step)
        for it in result.gave_up:
            self.patience.gave_up(self.ref, it.step, str(it), self.now_s, behind_a_pass=it.is_behind_a_pass)

    def _say(self, facts: Facts, refused: tuple[str, ...]) -> Installed:
        steps = plan.of(self.channel, facts).steps
        waiting = self.patience.waiting(self.ref, steps)
        locks = tuple(it.sentence for it in waiting.values() if it.attempt)
        passes = tuple(it.sentence for it in waiting.values() if not it.attempt)
        undone = () if refused else tuple(step.sentence for step in steps if key(step) not in waiting)
        left = Left(behind_locks=locks, behind_passes=passes, refused=refused, undone=() if locks or passes else undone)
        have, want = installed.count(self.channel, facts)
        next_in_s = self.patience.next_in_s(self.ref, self.now_s)
        return Installed(
            condition=installed.condition(self.channel, facts, left),
            have=have,
            want=want,
            is_in_force=speech.is_in_force(self.channel, facts),
            next_in_s=BEHIND_A_PASS_S if next_in_s is None and left.undone else next_in_s,
        )
