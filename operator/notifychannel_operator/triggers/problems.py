"""Why the columns of a source can't give what it wants: every reason at once, each a sentence with its remedy. Pure.

Missing tables, kinds of tables and rights are judged by `refusals.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator.catalog import Generated
from notifychannel_operator.triggers import condition, keys, lookup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from notifychannel_operator.catalog import Column, Table
    from notifychannel_operator.spec import Condition, KeyPart, Rule, Source

    Tables = Mapping[tuple[str, str], Table]


def of(source: Source, tables: Tables) -> Iterator[str]:
    """Sentences, each with the source's name in front; none when it can be had or when its table is missing."""
    table = tables.get((source.schema, source.table))
    if table is None:
        return
    for part in source.key:
        for sentence in _part(part, table, tables):
            yield f"{source.label}: {sentence}"
    for rule in source.rules:
        for sentence in _rule(rule, source, tables):
            yield f"{source.label}: {sentence}"


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
    for sentence in lookup.problems(part.lookup, table, found) if found else ():
        yield f"key {part.name}: {sentence}"


def _rule(rule: Rule, source: Source, tables: Tables) -> Iterator[str]:
    for name in rule.columns:
        yield from _column(name, tables[source.schema, source.table].column(name), f"`columns` of rule {rule.name}")
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
            return True, found.column(part.lookup.column) if found else None
    table = tables.get((source.schema, source.table))
    return False, table.column(wanted.column) if table else None


def _column(name: str, column: Column | None, where: str) -> Iterator[str]:
    if column is None:
        yield f"there is no column {name}, which {where} names: correct it there"
    elif column.generated is Generated.VIRTUAL:
        yield f"column {name} is a virtual generated column, which triggers see as NULL: make it STORED ({where})"
