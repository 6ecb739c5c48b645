"""What should be in the database for one channel: pure, from the spec and the catalog's facts. No connection, no diff.

`plan.py` compares these values with what is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from notifychannel_operator import marker, names, sqlfile
from notifychannel_operator.catalog import PlanError
from notifychannel_operator.quote import dollar, ident, literal, qualified
from notifychannel_operator.spec import Capture, Event
from notifychannel_operator.triggers import body, condition, problems
from notifychannel_operator.triggers.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from notifychannel_operator.catalog import Relation, Table
    from notifychannel_operator.spec import Channel, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTrigger:
    """One trigger on one relation."""

    relation: Relation
    event: Event
    by_row: bool
    name: str
    sql: str
    """CREATE TRIGGER …, without a semicolon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFunction:
    """The trigger function of one source, and the triggers that call it."""

    name: str
    """Without schema: it lives in `notifychannel`."""
    schema: str
    table: str
    """The source's, as written in the resource."""
    body: str
    """What pg_proc.prosrc will hold."""
    settings: tuple[tuple[str, str], ...]
    """SET clauses of the function, in order; pg_proc.proconfig."""
    hash: str
    """Of the wanted state; stands in the marker."""
    sql: str
    """CREATE OR REPLACE FUNCTION …, without a semicolon."""
    comment_sql: str
    """COMMENT ON FUNCTION … IS the marker, without a semicolon."""
    triggers: tuple[WantedTrigger, ...]


REFERENCING = {
    Event.INSERT: "\nREFERENCING NEW TABLE AS notifychannel_new",
    Event.UPDATE: "\nREFERENCING OLD TABLE AS notifychannel_old NEW TABLE AS notifychannel_new",
    Event.DELETE: "\nREFERENCING OLD TABLE AS notifychannel_old",
    Event.TRUNCATE: "",
}


def wanted(
    channel: Channel,
    *,
    owner: names.Owner,
    tables: Mapping[tuple[str, str], Table],
    unfit: Container[tuple[str, str]] = (),
) -> tuple[WantedFunction, ...]:
    """One function per source, in the order of the sources; `tables` holds what sources and lookups name.

    A source that is known as `unfit` (schema, table) gives none, nor does one whose table, or a table that it looks up
    in, is missing: `refusals.py` says so. Raises PlanError with every problem of every other source.
    """
    sources = [source for source in channel.sources if (source.schema, source.table) not in unfit]
    found = [sentence for source in sources for sentence in problems.of(source, tables)]
    if found:
        raise PlanError(*found)
    return tuple(
        _function(channel, owner, Subject(source=source, table=tables[source.schema, source.table], looked_up=tables))
        for source in sources
        if _named([source]) <= tables.keys()
    )


def outbox(channel: Channel) -> str | None:
    """The table that the channel's trigger functions append to, without schema; None: they NOTIFY."""
    match channel.capture:
        case Capture.NOTIFY:
            return None
        case Capture.OUTBOX:
            return body.LOGGED if channel.is_logged else "outbox"
        case _:
            assert_never(channel.capture)


def table_names(channel: Channel) -> frozenset[tuple[str, str]]:
    """(schema, table) of every source and lookup: what to ask the catalog about."""
    return _named(channel.sources)


def literals(source: Source, tables: Mapping[tuple[str, str], Table]) -> Iterator[tuple[str, str, str]]:
    """(where, SQL of the type, value) of every value in `when`: the database is asked whether each can be cast."""
    for rule in source.rules:
        for each in rule.when:
            _, column = problems.compared(each, source, tables)
            if column is not None:
                where = f"{source.label}: `when` of rule {rule.name}, column {each.column}"
                yield from ((where, *pair) for pair in condition.literals(each, column.type))


def _named(sources: Sequence[Source]) -> frozenset[tuple[str, str]]:
    lookups = (part.lookup for source in sources for part in source.key if part.lookup is not None)
    own = ((source.schema, source.table) for source in sources)
    return frozenset((*own, *((each.schema, each.table) for each in lookups)))


def _function(channel: Channel, owner: names.Owner, subject: Subject) -> WantedFunction:
    source = subject.source
    name = names.function(owner, source.schema, source.table)
    text = body.text(
        subject,
        pg_channel=channel.pg_channel or names.pg_channel(owner),
        rules=names.rules(channel),
        suspend=channel.suspend,
        outbox=outbox(channel),
    )
    settings = body.settings(subject, outbox=None if channel.suspend else outbox(channel))
    events = body.events(subject)
    fingerprint = _fingerprint(subject, text, settings)
    comment = marker.text(owner, source.schema, source.table, fingerprint)
    qualified_name = qualified(names.SCHEMA, name)
    return WantedFunction(
        name=name,
        schema=source.schema,
        table=source.table,
        body=text,
        settings=settings,
        hash=fingerprint,
        sql=sqlfile.fill(
            "trigger/function.sql",
            name=qualified_name,
            settings="\n".join(_set(*setting) for setting in settings),
            body=dollar(text),
        ),
        comment_sql=f"COMMENT ON FUNCTION {qualified_name}() IS {literal(comment)}",
        triggers=tuple(_triggers(subject, name, events)),
    )


def _fingerprint(subject: Subject, text: str, settings: tuple[tuple[str, str], ...]) -> str:
    """What makes it another function; partitions come and go without doing so.

    A column of another type does, though the body may read the same: PL/pgSQL remembers the types of NEW and OLD for
    a session, and would answer with a resync until the function is made anew.
    """
    events = [event.value for event in body.events(subject)]
    types = [(column.name, column.type.oid) for column in subject.used_columns]
    return names.digest(text, repr(settings), repr(events), repr(subject.table.by_row), repr(types))


def _set(name: str, value: str) -> str:
    # a list of schemas in quotes would be one schema with a comma in its name
    return f"SET {name} = {value if name == 'search_path' else literal(value)}"


def _triggers(subject: Subject, function: str, events: tuple[Event, ...]) -> Iterator[WantedTrigger]:
    for event in events:
        by_row = subject.table.by_row and event is not Event.TRUNCATE
        for relation in _relations(subject.table, event):
            yield _trigger(relation, event, by_row=by_row, function=function)


def _relations(table: Table, event: Event) -> tuple[Relation, ...]:
    """PostgreSQL clones row triggers to partitions by itself; TRUNCATE of one partition reaches only its own."""
    if event is Event.TRUNCATE and table.partitions:
        return tuple(partition.relation for partition in table.partitions if partition.is_leaf)
    return (table.relation,)


def _trigger(relation: Relation, event: Event, *, by_row: bool, function: str) -> WantedTrigger:
    name = f"nch_{function[-8:]}_{event.name.lower()}"
    parts = {
        "name": ident(name),
        "event": event.name,
        "table": qualified(relation.schema, relation.name),
        "function": qualified(names.SCHEMA, function),
    }
    if by_row:
        when = "\nWHEN (OLD.* OPERATOR(pg_catalog.*<>) NEW.*)" if event is Event.UPDATE else ""
        sql = sqlfile.fill("trigger/row_trigger.sql", when=when, **parts)
    else:
        sql = sqlfile.fill("trigger/statement_trigger.sql", referencing=REFERENCING[event], **parts)
    return WantedTrigger(relation=relation, event=event, by_row=by_row, name=name, sql=sql)
