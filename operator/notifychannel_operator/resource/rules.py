"""One rule of a source as a frozen value: events, columns and conditions, and what makes no sense together."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from notifychannel_operator.resource import grammar
from notifychannel_operator.spec import Condition, Event, Operator, Row, Rule

if TYPE_CHECKING:
    from notifychannel_operator.resource.fields import Fields

MAX_COLUMNS = 64
MAX_CONDITIONS = 16
MAX_VALUES = 100
ABSENT = {Row.OLD: Event.INSERT, Row.NEW: Event.DELETE}
"""The side that an event doesn't have."""


def read_rule(fields: Fields) -> Rule:
    """The rule; refuses a side of the row that an event doesn't have, and what only fits other events."""
    events = fields.choices("events", Event, remedy="write one or more of Insert, Update, Delete, Truncate")
    sound = fields.sound("events")
    if fields.has("columns") and sound and Event.UPDATE not in events:
        fields.say("columns", "can only be used with Update; remove it, or add Update to events")
    if fields.has("when") and Event.TRUNCATE in events:
        fields.say("when", "can't be used with Truncate; give Truncate a rule of its own")
    return Rule(
        name=fields.text("name", grammar.rule_name, remedy="write a name that is unique in its source"),
        events=events,
        columns=fields.texts("columns", grammar.identifier, most=MAX_COLUMNS),
        when=_when(fields, events if sound else ()),
    )


def _when(fields: Fields, events: tuple[Event, ...]) -> tuple[Condition, ...]:
    if not fields.has("when"):
        return ()
    remedy = "write at least one condition, or leave out `when`"
    parts = fields.child("when").children("allOf", most=MAX_CONDITIONS, remedy=remedy)
    return tuple(_condition(part, events) for part in parts)


def _condition(fields: Fields, events: tuple[Event, ...]) -> Condition:
    if not fields.has("operator"):
        fields.require("operator", f"write one of {', '.join(each.value for each in Operator)}")
    condition = Condition(
        column=fields.text(
            "column", grammar.identifier, remedy="write the name of a column or of a looked-up key part"
        ),
        operator=fields.choice("operator", Operator, default=Operator.EQUALS),
        values=fields.texts("values", grammar.value, most=MAX_VALUES),
        row=fields.choice("row", Row, default=Row.NEW) if fields.has("row") else None,
    )
    if fields.sound("operator", "values"):
        complaint = _count(condition.operator, len(condition.values))
        if complaint:
            fields.say("values", complaint)
    if condition.row and fields.sound("row") and (absent := ABSENT[condition.row]) in events:
        fields.say("row", _row_remedy(condition.row, absent, events))
    return condition


def _row_remedy(row: Row, absent: Event, events: tuple[Event, ...]) -> str:
    other = Row.NEW if row is Row.OLD else Row.OLD
    remedy = "leave it out" if ABSENT[other] in events else f"write {other.value}"
    return f"{row.value} can't be used with {absent.value}; {remedy}"


def _count(operator: Operator, count: int) -> str | None:
    match operator:
        case Operator.IN | Operator.NOT_IN:
            return None if count else f"{operator.value} needs values; write one or more"
        case Operator.EQUALS | Operator.NOT_EQUALS | Operator.GREATER_THAN | Operator.LESS_THAN:
            return None if count == 1 else f"{operator.value} needs one value, not {count}; write one{_in(operator)}"
        case Operator.IS_NULL | Operator.IS_NOT_NULL:
            return f"{operator.value} takes no values; remove them" if count else None
        case _:
            assert_never(operator)


def _in(operator: Operator) -> str:
    several = {Operator.EQUALS: Operator.IN, Operator.NOT_EQUALS: Operator.NOT_IN}.get(operator)
    return f", or use {several.value}" if several else ""
