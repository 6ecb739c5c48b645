"""What a pass would do to a database, as frozen values: steps, each one transaction, with notes and problems."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from notifychannel_operator.objects import Function


class Kind(Enum):
    """What a step is for."""

    SCHEMA = "schema"
    """What all channels share."""
    GRANT = "grant"
    INSTALL = "install"
    CHANGE = "change"
    """The resource says something else than before."""
    REPAIR = "repair"
    """The resource is as before, the database is not: drift."""
    REMOVE = "remove"
    REGISTER = "register"
    """Who wants what of the queue, or that nobody wants anything; what follows stands on it."""
    SETTLE = "settle"
    """What a pass that broke off has left open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One transaction."""

    kind: Kind
    sentence: str
    """For people: what it does and why."""
    statements: tuple[str, ...]
    """Without semicolons; each may be run again."""
    function: str | None = None
    """The trigger function that it is about, without schema."""
    seen: Function | None = None
    """That function when the plan was made: if it is another by now, the step is not taken."""
    relations: tuple[int, ...] = ()
    """Tables (oid) that it locks."""
    then: Step | None = None
    """Follows when this one is committed; where it didn't, a later pass makes up for it."""
    behind: tuple[str, ...] = ()
    """Trigger functions that have to be gone by then, else it is not taken."""
    is_last: bool = False
    """Taken only when no trigger function is left in the schema by then."""
    is_exclusive: bool = False
    """It locks them ACCESS EXCLUSIVE (a trigger is dropped), else SHARE ROW EXCLUSIVE (one is made)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a pass would do."""

    installer: str
    """The role that is to own what is made."""
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    """Left alone, and worth saying; each with the command to run."""
    remarks: tuple[str, ...] = ()
    """Worth saying too, and nothing is wrong with the triggers."""
    problems: tuple[str, ...] = ()
    """In the way; each with the remedy. Steps that they don't concern are there all the same."""

    @property
    def repaired(self) -> bool:
        """The database had drifted, so changes may have gone unheard."""
        return any(step.kind is Kind.REPAIR for step in self.steps)

    def with_more(
        self,
        *,
        steps: Iterable[Step] = (),
        notes: Iterable[str] = (),
        remarks: Iterable[str] = (),
        problems: Iterable[str] = (),
    ) -> Plan:
        """The plan and then these."""
        return replace(
            self,
            steps=(*self.steps, *steps),
            notes=(*self.notes, *notes),
            remarks=(*self.remarks, *remarks),
            problems=(*self.problems, *problems),
        )
