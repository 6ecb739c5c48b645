"""What takes an owner's objects out of a database: pure. Another owner's stay, and what somebody granted rights on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator import refusals, statements
from notifychannel_operator.names import SCHEMA
from notifychannel_operator.step import Kind, Plan, Step

if TYPE_CHECKING:
    from collections.abc import Collection

    from notifychannel_operator.names import Owner
    from notifychannel_operator.objects import Existing, Function


def of(existing: Existing, owners: Collection[Owner]) -> Plan:
    """The steps that leave nothing of these owners, and nothing shared behind the last owner."""
    mine = [it for it in existing.functions.values() if it.marker is not None and it.marker.owner in owners]
    made = Plan(
        installer=existing.installer,
        steps=tuple(drop(it) for it in mine),
        problems=tuple(refusals.of_schema(existing)) if mine else (),
    )
    others = existing.functions.keys() - {it.name for it in mine} - {"skipped"}
    if existing.schema is None or not existing.schema.may_become_owner or others:
        return made
    if _is_granted(existing):  # dropping it would drop those rights
        remedy = f"DROP SCHEMA {SCHEMA} CASCADE;"
        return made.with_more(notes=[f"the schema {SCHEMA} stays, for somebody granted rights on it; run: {remedy}"])
    with_schema = existing.schema.is_made_by_us and not existing.schema.others
    with_outbox = existing.schema.has_outbox
    if not (existing.schema.has_counter or "skipped" in existing.functions or with_schema or with_outbox):
        return made
    last = Step(
        kind=Kind.REMOVE,
        sentence="drop what all channels shared",
        statements=statements.drop_shared(with_schema=with_schema, with_outbox=with_outbox),
        is_last=True,
    )
    return made.with_more(steps=[last])


def drop(function: Function) -> Step:
    """One function with its triggers."""
    where = ", ".join(dict.fromkeys(it.relation.label for it in function.triggers if not it.is_clone))
    return Step(
        kind=Kind.REMOVE,
        sentence=f"drop {SCHEMA}.{function.name}" + (f" and its triggers on {where}" if where else ""),
        statements=(statements.drop(function.name),),
        function=function.name,
        seen=function,
        relations=tuple(dict.fromkeys(it.relation.oid for it in function.triggers)),
        is_exclusive=True,
    )


def _is_granted(existing: Existing) -> bool:
    counter = existing.functions.get("skipped")
    return bool(existing.schema and existing.schema.is_granted) or bool(counter and counter.is_granted)
