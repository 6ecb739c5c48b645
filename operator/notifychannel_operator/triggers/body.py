"""The body of a source's trigger function: one branch per event, then the harmless end of `sql/trigger/body.sql`, which
NOTIFYs, or appends to an outbox first.

Static SQL only. Pure; trusts that `problems.py` found nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator import sqlfile
from notifychannel_operator.quote import literal
from notifychannel_operator.spec import Event, Row
from notifychannel_operator.triggers import difference, keys
from notifychannel_operator.triggers.subject import within

if TYPE_CHECKING:
    from collections.abc import Iterable

    from notifychannel_operator.spec import Rule
    from notifychannel_operator.triggers.subject import Subject

LOOKUP_LOCK_TIMEOUT = "100ms"
"""Whoever alters a looked-up table must not hold up those who write the source: after this it is a resync."""
LOGGED = "outbox_logged"
"""The table of jobs: what fails becomes a resync in it, not one that only who listens would hear."""


def text(subject: Subject, *, pg_channel: str, rules: str, suspend: bool, outbox: str | None = None) -> str:
    """What stands between the dollars; `outbox`: the table that it appends to, without schema, or None to NOTIFY."""
    if suspend:
        return sqlfile.fill("trigger/suspended.sql") + "\n"
    branches = "\n".join(
        sqlfile.fill("trigger/branch.sql", event=event.name, compute=_compute(subject, event))
        for event in events(subject)
    )
    channel, header = literal(pg_channel), sqlfile.fill("trigger/header.sql", rules=rules)
    capture = _notify() if outbox is None else _append(subject, channel, outbox)
    return (
        sqlfile.fill("trigger/body.sql", rules=rules, header=header, channel=channel, branches=branches, **capture)
        + "\n"
    )


def _notify() -> dict[str, str]:
    guard = sqlfile.fill("trigger/notify_guard.sql")
    return {"declare": "", "guard": guard, "undo": "", "failed": _tell(), "append": ""}


def _tell() -> str:
    return sqlfile.fill("trigger/failed_tell.sql")


def _append(subject: Subject, channel: str, outbox: str) -> dict[str, str]:
    patience = sqlfile.fill("trigger/outbox_patience.sql") if _looks_up(subject) else ""
    is_logged = outbox == LOGGED
    guard = sqlfile.fill("trigger/outbox_guard.sql", outbox=outbox, wait="" if is_logged else " NOWAIT")
    undo, failed = sqlfile.fill("trigger/outbox_undo.sql"), _tell()
    if is_logged:
        failed = sqlfile.fill("trigger/failed_append.sql", patience=patience, guard=guard, undo=undo, tell=failed)
    return {
        "declare": sqlfile.fill("trigger/outbox_declare.sql"),
        "guard": guard,
        "undo": undo,
        "failed": failed,
        "append": patience
        + sqlfile.fill("trigger/outbox_append.sql", outbox=outbox, channel=channel, **_named(subject, is_logged)),
    }


def _named(subject: Subject, is_logged: bool) -> dict[str, str]:
    """The table's name, for the history; in memory nobody asks for it."""
    name = f"{subject.source.schema}.{subject.source.table}"
    return {"column": ", source", "source": f", {literal(name)}"} if is_logged else {"column": "", "source": ""}


def _looks_up(subject: Subject) -> bool:
    return any(part.lookup is not None for part in subject.source.key)


def events(subject: Subject) -> tuple[Event, ...]:
    """What the source's triggers fire on. A row that moves between partitions is deleted and inserted."""
    wanted = {event for rule in subject.source.rules for event in rule.events}
    if subject.table.by_row and Event.UPDATE in wanted:
        wanted |= {Event.INSERT, Event.DELETE}
    return tuple(event for event in Event if event in wanted)


def settings(subject: Subject, *, outbox: str | None = None) -> tuple[tuple[str, str], ...]:
    """The SET clauses: what the types in key and conditions need, and no more, for each costs a microsecond."""
    types = [column.type for column in subject.key_columns]
    types += [subject.picked(part.lookup).type for part in subject.source.key if part.lookup is not None]
    types += [
        found.type
        for rule in subject.source.rules
        for condition in rule.when
        if (found := subject.table.column(condition.column)) is not None
    ]
    pins = {pin for type_ in types for pin in keys.pins(type_)}
    if _looks_up(subject):
        pins.add(("lock_timeout", LOOKUP_LOCK_TIMEOUT))
        # a policy is its owner's code and would run as the installer: with this it is an error, so a resync
        pins.add(("row_security", "off"))
    elif outbox is not None:
        # a user's own may be short, and a table of many writers makes each wait for its turn to extend it
        pins.add(("lock_timeout", "0"))
    return (("search_path", "pg_catalog, pg_temp"), *sorted(pins))


def _compute(subject: Subject, event: Event) -> str:
    match event:
        case Event.TRUNCATE:
            return sqlfile.fill("trigger/everything.sql")
        case Event.INSERT | Event.DELETE if subject.table.by_row:
            return _one_row(subject, event)
        case Event.UPDATE if subject.table.by_row:
            return _one_pair(subject)
        case Event.UPDATE:
            changed = [difference.rows(subject, rule) for rule in _rules(subject, event)]
            return _keys(subject, "\n                        UNION ALL\n".join(changed))
        case _:
            return sqlfile.fill(
                "trigger/keys_of_many.sql",
                max_keys=_max_keys(subject),
                one=_key_of_one(subject, event),
                first=_keys(subject, _rows(subject, event, "trigger/first_rows.sql")),
                all=_keys(subject, _rows(subject, event, "trigger/rows.sql")),
            )


def _max_keys(subject: Subject) -> str:
    """Without a key one row is enough, and it prints NULL: a resync."""
    return str(subject.source.max_keys if subject.source.key else 1)


def _key_of_one(subject: Subject, event: Event) -> str:
    transition, condition = _side(subject, event)
    printed = subject.printed(within("r"))
    return sqlfile.fill("trigger/keys_of_one.sql", printed=printed, transition=transition, condition=condition)


def _keys(subject: Subject, rows: str) -> str:
    names = ", ".join(f"t.{name}" for _, name in subject.distinct(within("t")))
    return sqlfile.fill(
        "trigger/keys.sql",
        max_keys=_max_keys(subject),
        printed=subject.printed_distinct("d"),
        names=names,
        rows=rows,
    )


def _rows(subject: Subject, event: Event, template: str) -> str:
    transition, condition = _side(subject, event)
    return sqlfile.fill(
        template,
        tuple=", ".join(f"{sql} AS {name}" for sql, name in subject.distinct(within("r"))),
        transition=transition,
        condition=condition,
        max_keys=_max_keys(subject),
    )


def _side(subject: Subject, event: Event) -> tuple[str, str]:
    """The transition table of an event whose rows have one side, and which of them are asked for."""
    transition, side = ("notifychannel_new", Row.NEW) if event is Event.INSERT else ("notifychannel_old", Row.OLD)
    return transition, _any(_one_side(subject, rule, side, "r") for rule in _rules(subject, event))


def _one_row(subject: Subject, event: Event) -> str:
    row, side = ("NEW", Row.NEW) if event is Event.INSERT else ("OLD", Row.OLD)
    hears = {event, Event.UPDATE}
    rules = [rule for rule in subject.source.rules if hears & set(rule.events)]
    condition = _any(_one_side(subject, rule, side, row) for rule in rules)
    return sqlfile.fill("trigger/row.sql", condition=condition, printed=subject.printed(within(row)))


def _one_pair(subject: Subject) -> str:
    return sqlfile.fill(
        "trigger/row_update.sql",
        condition=_any(_pair_matches(subject, rule) for rule in _rules(subject, Event.UPDATE)),
        printed_old=subject.printed(within("OLD")),
        printed_new=subject.printed(within("NEW")),
    )


def _pair_matches(subject: Subject, rule: Rule) -> str:
    either = [each for each in rule.when if each.row is None]
    was, is_now = subject.holds(either, within("OLD")), subject.holds(either, within("NEW"))
    sides = [f"({was} OR {is_now})"] if either else []
    if rule.columns:
        sides.append(_changed(subject, rule, was, is_now))
    for side, row in ((Row.OLD, "OLD"), (Row.NEW, "NEW")):
        sides += [subject.holds([each], within(row)) for each in rule.when if each.row is side]
    return " AND ".join(sides) or "true"


def _changed(subject: Subject, rule: Rule, was: str, is_now: str) -> str:
    """The image operator needs no equality and shows every difference."""
    columns = (*(column.name for column in (*subject.key_columns, *subject.match_columns)), *rule.columns)
    old = ", ".join((*(within("OLD")(name) for name in columns), was))
    new = ", ".join((*(within("NEW")(name) for name in columns), is_now))
    return f"ROW({old})::record *<> ROW({new})::record"


def _rules(subject: Subject, event: Event) -> list[Rule]:
    return [rule for rule in subject.source.rules if event in rule.events]


def _one_side(subject: Subject, rule: Rule, side: Row, row: str) -> str:
    """Of a row that has no other side, what is asked about the other side counts as true."""
    known = [each for each in rule.when if each.row in {None, side}]
    return subject.holds(known, within(row))


def _any(conditions: Iterable[str]) -> str:
    """The rules' conditions, any of which is enough; none at all never comes true."""
    either = list(dict.fromkeys(conditions))
    return "true" if "true" in either else " OR ".join(f"({each})" for each in either) or "false"
