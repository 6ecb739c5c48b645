"""The database's part of a pass: which one it is, observe → plan → apply, and who listens there; one connection.

What gives up behind a lock is tried again when its patience says so, what is stale at once, a few times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from notifychannel_operator import database, plan
from notifychannel_operator.passes import installed
from notifychannel_operator.passes.installed import Left
from notifychannel_operator.passes.patience import BEHIND_A_PASS_S, key
from notifychannel_operator.step import Kind

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    import asyncpg

    from notifychannel_operator.database import Result
    from notifychannel_operator.names import Owner
    from notifychannel_operator.objects import Facts
    from notifychannel_operator.passes.conditions import Condition
    from notifychannel_operator.passes.databases import Ref
    from notifychannel_operator.passes.patience import Patience
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

    connection: Connection
    channel: Channel
    owner: Owner
    ref: Ref
    patience: Patience
    now_s: float
    """Monotonic."""
    turn: asyncio.Lock
    """Of the database: passes of one process don't give up on each other."""
    before_first_step: Callable[[], Awaitable[None]]
    """The finalizer: nothing is installed that nobody would remove."""

    async def run(self) -> Installed:
        """Do what is missing. Raises what `database.observe` and `apply` do, and what `before_first_step` does."""
        facts, refused = await self._look(), []
        for _ in range(ROUNDS):
            made = plan.of(self.channel, facts)
            steps = self._due(made)
            if not steps:
                break
            await self.before_first_step()
            async with self.turn:
                result = await database.apply(self.connection, replace(made, steps=steps))
            self._note(result)
            refused = list(result.failed)
            facts = await self._look()
            if not result.stale:
                break
        return self._say(facts, tuple(refused))

    async def _look(self) -> Facts:
        return await database.observe(self.connection, self.channel, self.owner)

    def _due(self, made: Plan) -> tuple[Step, ...]:
        held = self.patience.held(self.ref, made.steps, self.now_s)
        if any(key(step) in held for step in made.steps if step.kind is Kind.SCHEMA):
            return ()  # the others stand on it
        return tuple(step for step in made.steps if key(step) not in held)

    def _note(self, result: Result) -> None:
        for step in result.done:
            self.patience.taken(self.ref, step)
        for it in result.gave_up:
            behind_a_pass = bool(it.blockers) and all(blocker.is_a_pass for blocker in it.blockers)
            self.patience.gave_up(self.ref, it.step, str(it), self.now_s, behind_a_pass=behind_a_pass)

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
            is_in_force=installed.is_in_force(self.channel, facts),
            next_in_s=BEHIND_A_PASS_S if next_in_s is None and left.undone else next_in_s,
        )
