"""What takes an owner's objects out of a database: pure. Another owner's stay, and what somebody granted rights on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator import queue_statements, refusals, statements
from notifychannel_operator.names import SCHEMA
from notifychannel_operator.queue_statements import Rows
from notifychannel_operator.step import Kind, Plan, Step

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from notifychannel_operator.names import Owner
    from notifychannel_operator.objects import Existing, Function


def of(existing: Existing, owners: Collection[Owner], *, rows: Rows = Rows.REFUSE) -> Plan:
    """The steps that leave nothing of these owners, and nothing shared behind the last owner.

    `rows`: what becomes of what waits for a consumer of theirs; refused, it is a problem, and a step that refuses too.
    """
    mine = [it for it in existing.functions.values() if it.marker is not None and it.marker.owner in owners]
    made = Plan(
        installer=existing.installer,
        steps=(*_looks(existing, owners, rows), *(drop(it) for it in mine), *_consumers(existing, owners, mine, rows)),
        problems=tuple(refusals.of_schema(existing)) if mine else (),
    )
    waiting = [said for it in existing.consumers if it.owner in owners and (said := it.waiting)]
    if waiting and rows is Rows.REFUSE:
        return made.with_more(problems=[f"{said}: let them be delivered, or remove with --force" for said in waiting])
    if rows is Rows.KEEP:
        made = made.with_more(remarks=waiting)
    others = existing.functions.keys() - {it.name for it in mine} - {"skipped"}
    if existing.schema is None or not existing.schema.may_become_owner or others or existing.has_others:
        return made
    if _is_granted(existing):  # dropping it would drop those rights
        remedy = f"DROP SCHEMA {SCHEMA} CASCADE;"
        return made.with_more(notes=[f"the schema {SCHEMA} stays, for somebody granted rights on it; run: {remedy}"])
    if waiting and rows is Rows.KEEP:
        return made.with_more(notes=[f"the schema {SCHEMA} stays, for {' and '.join(waiting)}"])
    step = _last(existing)
    return made if step is None else made.with_more(steps=[step])


def _looks(existing: Existing, owners: Collection[Owner], rows: Rows) -> Iterator[Step]:
    """Before anything is dropped, for a script may be run long after it was made."""
    if rows is Rows.REFUSE:
        for owner in _registered(existing, owners):
            yield Step(
                kind=Kind.REGISTER,
                sentence=f"see that nothing waits for {owner.namespace}/{owner.name}",
                statements=(queue_statements.refuse(owner),),
            )


def _registered(existing: Existing, owners: Collection[Owner]) -> Iterator[Owner]:
    """All where it is not known who is: who looked may not have been allowed to."""
    if existing.schema is not None and existing.schema.has_queue:
        yield from (it for it in owners if existing.named is None or it in existing.named)


def _consumers(
    existing: Existing, owners: Collection[Owner], functions: Collection[Function], rows: Rows
) -> Iterator[Step]:
    """Not before the last trigger has gone: what it appends then would be for nobody."""
    for owner in _registered(existing, owners):
        yield Step(
            kind=Kind.REMOVE,
            sentence=f"drop what the queue knows of {owner.namespace}/{owner.name}",
            statements=(
                queue_statements.leave(owner, groups=None, rows=rows),
                queue_statements.audit(owner, None),
            ),
            behind=tuple(it.name for it in functions if it.marker is not None and it.marker.owner == owner),
        )


def _last(existing: Existing) -> Step | None:
    """What all channels shared; None where there is nothing of it."""
    schema = existing.schema
    if schema is None:
        return None
    with_schema = schema.is_made_by_us and not schema.others
    counted = schema.has_counter or "skipped" in existing.functions
    if not (counted or with_schema or schema.has_outbox or schema.has_queue):
        return None
    return Step(
        kind=Kind.REMOVE,
        sentence="drop what all channels shared",
        statements=statements.drop_shared(
            with_schema=with_schema,
            before=queue_statements.drop() if schema.has_queue else (),
            with_outbox=schema.has_outbox,
        ),
        is_last=True,
    )


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
