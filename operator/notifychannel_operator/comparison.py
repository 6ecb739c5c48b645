"""How a trigger function in the database differs from the wanted one. Pure; triggers compare by shape, not by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_operator import sqlfile
from notifychannel_operator.objects import Firing, Function, Shape, Trigger, When
from notifychannel_operator.quote import ident, literal, qualified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from notifychannel_operator.triggers.triggers import WantedFunction, WantedTrigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What has to be done to one function, with the reasons as halves of sentences."""

    wanted: WantedFunction
    found: Function | None
    replace: tuple[str, ...] = ()
    """CREATE OR REPLACE mends this, and locks no table."""
    rebuild: tuple[str, ...] = ()
    """Only DROP FUNCTION … CASCADE and making all of it anew mends this: we may not drop a trigger, and may not
    replace somebody else's function."""
    missing: tuple[WantedTrigger, ...] = ()
    held: tuple[Trigger, ...] = ()
    """Triggers that a person has disabled or otherwise decided about: making them anew would undo it."""
    may_replace: bool = True

    @property
    def is_same(self) -> bool:
        """Everything is as wanted."""
        return self.found is not None and not (self.replace or self.rebuild or self.missing)

    @property
    def is_anew(self) -> bool:
        """Function and triggers are to be made from nothing."""
        return self.found is None or bool(self.rebuild)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Everything that differs."""
        missing = (f"trigger {it.name} on {it.relation.label} is missing" for it in self.missing)
        return (*self.rebuild, *self.replace, *missing)


def compare(wanted: WantedFunction, found: Function | None, *, installer: str) -> Comparison:
    """The wanted function with its triggers beside what was found under its name."""
    if found is None:
        return Comparison(wanted=wanted, found=None, missing=wanted.triggers)
    missing, surplus = _match(wanted, found)
    rebuild = [f"trigger {it.name} on {it.relation.label} is not wanted" for it in surplus]
    if found.owner != installer:
        rebuild.append(f"the function belongs to {found.owner}")
    return Comparison(
        wanted=wanted,
        found=found,
        replace=tuple(_altered(wanted, found)),
        rebuild=tuple(rebuild),
        missing=missing,
        held=tuple(it for it in found.triggers if it.firing is not Firing.ORIGIN),
        may_replace=found.owner == installer,
    )


def is_as_written(wanted: WantedFunction, found: Function) -> bool:
    """The function holds exactly what we would write: it is ours even when its comment is gone."""
    return found.is_shaped and found.body == wanted.body and found.settings == _settings(wanted)


def silent(function: Function, *, pg_channel: str) -> Iterator[str]:
    """A sentence for each trigger that a person keeps from firing, with the command that enables it."""
    parents = {it.name for it in function.triggers if not it.is_clone and it.firing is not Firing.ORIGIN}
    for it in function.triggers:
        if it.firing not in {Firing.DISABLED, Firing.REPLICA} or (it.is_clone and it.name in parents):
            continue
        state = "is disabled" if it.firing is Firing.DISABLED else "fires only in replica sessions"
        command = enable([it], pg_channel=pg_channel)
        yield f"trigger {it.name} on {it.relation.label} {state}: changes are not heard; enable it with: {command}"


def shape_of(wanted: WantedTrigger) -> Shape:
    """The shape that the catalog will show. Read from behind the table's name: no user's word stands there."""
    table = qualified(wanted.relation.schema, wanted.relation.name)
    _, _, tail = wanted.sql.partition(f" ON {table}")
    old, new = (re.search(rf"\b{side} TABLE AS (\w+)", tail) for side in ("OLD", "NEW"))
    return Shape(
        event=wanted.event,
        by_row=wanted.by_row,
        old_table=old[1] if old else None,
        new_table=new[1] if new else None,
        when=When.CHANGED if re.search(r"\bWHEN\b", tail) else When.NONE,
    )


def renamed(wanted: WantedTrigger, name: str) -> str:
    """Its CREATE TRIGGER under another name."""
    return wanted.sql.replace(f"CREATE TRIGGER {ident(wanted.name)} ", f"CREATE TRIGGER {ident(name)} ", 1)


def enable(triggers: Iterable[Trigger], *, pg_channel: str) -> str:
    """The commands, on one line, by which the tables' owner enables triggers and has the listeners look at everything,
    for what changed before was not heard.
    """
    commands = [
        f"ALTER TABLE {qualified(it.relation.schema, it.relation.name)} ENABLE TRIGGER {ident(it.name)};"
        for it in triggers
    ]
    return " ".join((*commands, sqlfile.fill("plan/resync_by_hand.sql", channel=literal(pg_channel)).strip()))


def _match(wanted: WantedFunction, found: Function) -> tuple[tuple[WantedTrigger, ...], tuple[Trigger, ...]]:
    left = [it for it in found.triggers if not it.is_clone]
    missing = []
    for one in wanted.triggers:
        same = [it for it in left if it.relation.oid == one.relation.oid and it.shape == shape_of(one)]
        if not same:
            missing.append(one)
            continue
        left.remove(next((it for it in same if it.name == one.name), same[0]))
    return tuple(missing), tuple(left)


def _altered(wanted: WantedFunction, found: Function) -> Iterator[str]:
    marker = found.marker
    if marker is None or (marker.schema, marker.table) != (wanted.schema, wanted.table):
        yield "its comment was changed"
    elif marker.hash != wanted.hash:
        yield "the wanted state is another"
    if found.body != wanted.body:
        yield "its body differs"
    if found.settings != _settings(wanted):
        yield "its settings differ"
    if not found.is_shaped:
        yield "its language, result or security differs"
    if not found.is_public:
        yield "PUBLIC may not execute it, which attaching a partition needs"


def _settings(wanted: WantedFunction) -> frozenset[str]:
    return frozenset(f"{name}={value}" for name, value in wanted.settings)
