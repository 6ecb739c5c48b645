"""Why a source can't be had in this database: every reason at once, each a sentence with its remedy. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator import condition, keys, lookup
from notifychannel_operator.catalog import Generated, Kind
from notifychannel_operator.quote import ident, qualified

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from notifychannel_operator.catalog import Column, Table
    from notifychannel_operator.spec import Condition, KeyPart, Rule, Source

    Tables = Mapping[tuple[str, str], Table]

KINDS = {
    Kind.VIEW: "is a view: name the table that it reads",
    Kind.MATERIALIZED_VIEW: "is a materialized view, and REFRESH fires no trigger: name the tables that it reads",
    Kind.FOREIGN_TABLE: "is a foreign table, and changes over there fire no trigger here: watch it where it is",
    Kind.OTHER: "is not a table",
}


def of(source: Source, tables: Tables) -> Iterator[str]:
    """Sentences, each with the source's name in front; none when it can be had."""
    table = tables.get((source.schema, source.table))
    for sentence in _all(source, table, tables):
        yield f"{source.label}: {sentence}"


def _all(source: Source, table: Table | None, tables: Tables) -> Iterator[str]:
    if table is None:
        yield "there is no such table in this database: create it, or correct `schema` and `table`"
        return
    if (unfit := _unfit(table)) is not None:
        yield unfit
        return
    yield from _rights(table)
    for part in source.key:
        yield from _part(part, table, tables)
    for rule in source.rules:
        yield from _rule(rule, source, table, tables)


def _unfit(table: Table) -> str | None:
    if table.kind in KINDS:
        return KINDS[table.kind]
    if table.is_system:
        return "is temporary or belongs to PostgreSQL or to NotifyChannel: name a table of the application"
    if table.inherits or table.inherited:
        return "is part of an inheritance tree, where triggers miss rows: make it a partitioned table"
    return None


def _rights(table: Table) -> Iterator[str]:
    role = ident(table.viewer)
    if not table.may_use_schema:
        yield f"the installer can't enter its schema: GRANT USAGE ON SCHEMA {ident(table.relation.schema)} TO {role}"
    closed = [] if table.may_trigger else [table.relation]
    closed += [partition.relation for partition in table.partitions if not partition.may_trigger]
    if closed:
        names = ", ".join(qualified(relation.schema, relation.name) for relation in closed)
        yield f"the installer may not create triggers on it: GRANT TRIGGER ON {names} TO {role}"


def _part(part: KeyPart, table: Table, tables: Tables) -> Iterator[str]:
    if part.lookup is None:
        column = table.column(part.column or part.name)
        yield from _column(part.column or part.name, column, f"key {part.name}")
        if column is not None and (why := keys.refusal(column.type)):
            yield f"column {column.name} can't stand in the key: its type {column.type.sql} {why}"
        return
    for _, ours in part.lookup.match:
        yield from _column(ours, table.column(ours), f"the lookup of key {part.name}")
    found = tables.get((part.lookup.schema, part.lookup.table))
    for sentence in lookup.problems(part.lookup, table, found):
        yield f"key {part.name}: {sentence}"


def _rule(rule: Rule, source: Source, table: Table, tables: Tables) -> Iterator[str]:
    for name in rule.columns:
        yield from _column(name, table.column(name), f"`columns` of rule {rule.name}")
    for each in rule.when:
        is_looked_up, column = compared(each, source, tables)
        if not is_looked_up:
            yield from _column(each.column, column, f"`when` of rule {rule.name}")
        if column is not None and (why := condition.problem(each, column.type)):
            yield f"`when` of rule {rule.name}, column {each.column}: {why}"


def compared(wanted: Condition, source: Source, tables: Tables) -> tuple[bool, Column | None]:
    """Whether a condition is about something looked up, and the column that it is about, where that exists."""
    for part in source.key:
        if part.lookup is not None and part.name == wanted.column:
            found = tables.get((part.lookup.schema, part.lookup.table))
            return True, found and found.column(part.lookup.column)
    table = tables.get((source.schema, source.table))
    return False, table and table.column(wanted.column)


def _column(name: str, column: Column | None, where: str) -> Iterator[str]:
    if column is None:
        yield f"there is no column {name}, which {where} names: correct it there"
    elif column.generated is Generated.VIRTUAL:
        yield f"column {name} is a virtual generated column, which triggers see as NULL: make it STORED ({where})"
