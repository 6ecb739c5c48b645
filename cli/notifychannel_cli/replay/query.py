"""A source, and what is asked of its rows → the statement that gives their keys as its trigger prints them. Pure.

Values are parameters; names are quoted; operators are PostgreSQL's own, as in trigger functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_operator import grants, sqlfile
from notifychannel_operator.catalog import PlanError
from notifychannel_operator.quote import qualified
from notifychannel_operator.spec import Condition, Operator
from notifychannel_operator.triggers import body, condition, keys, problems
from notifychannel_operator.triggers.subject import Subject, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from notifychannel_operator.catalog import Column, Table
    from notifychannel_operator.spec import Source

    Tables = Mapping[tuple[str, str], Table]

TIMES = frozenset({"timestamptz", "timestamp", "date"})
ENTIRE = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """`column = value`, or `column >= value` where `since`."""

    column: str
    value: str
    since: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to run: settings (name, value) of the session, the statement, its parameters."""

    settings: tuple[tuple[str, str], ...]
    sql: str
    values: tuple[str, ...]


def of(source: Source, tables: Tables, filters: tuple[Filter, ...], *, role: str) -> Query:
    """The keys of the rows that match all filters, each once, NULL for what only a resync can tell.

    Raises PlanError with every reason why it can't be asked, each with its remedy.
    """
    table = tables.get((source.schema, source.table))
    if table is None:
        raise PlanError(f"there is no table {source.label} in this database: check the DSN, and sources[] in the file")
    found = [*problems.of(source, tables), *(sentence for each in filters for sentence in _problem(each, table))]
    if found:
        raise PlanError(*found)
    subject = Subject(source=source, table=table, looked_up=tables)
    if missing := [*_unreadable(subject, filters, role)]:
        raise PlanError(*missing)
    return _query(subject, filters)


def _query(subject: Subject, filters: tuple[Filter, ...]) -> Query:
    pinned = {**dict(keys.ALL_PINS), **dict(body.settings(subject))}
    pinned |= {"lock_timeout": "0", "row_security": "off"}  # rows that a policy hides are an error, not missing keys
    conditions = [_holds(each, subject.column(each.column), n) for n, each in enumerate(filters, start=1)]
    sql = sqlfile.fill(
        "queue/replay.sql",
        printed=subject.printed_distinct("d"),
        tuple=", ".join(f"{sql} AS {name}" for sql, name in subject.distinct(within("r"))),
        table=qualified(subject.source.schema, subject.source.table),
        condition=" AND ".join(conditions) or ENTIRE,
    )
    return Query(settings=tuple(pinned.items()), sql=sql, values=tuple(each.value for each in filters))


def _problem(wanted: Filter, table: Table) -> Iterator[str]:
    option = "--since" if wanted.since else "--where"
    column = table.column(wanted.column)
    if column is None:
        yield f"{option}: {table.relation.label} has no column {wanted.column}; it has {_names(table.columns)}"
        return
    base = column.type.base
    if wanted.since and (base.schema != "pg_catalog" or base.name not in TIMES):
        times = [it for it in table.columns if it.type.base.schema == "pg_catalog" and it.type.base.name in TIMES]
        yield f"--since: column {column.name} is no time but {base.sql}; times are: {_names(times) or 'none here'}"
    elif why := condition.problem(Condition(column=column.name, operator=Operator.EQUALS, values=("",)), column.type):
        yield f"{option}, column {column.name}: {why.removesuffix(': use IsNull or IsNotNull')}"


def _unreadable(subject: Subject, filters: Iterable[Filter], role: str) -> Iterator[str]:
    """The GRANTs that are missing."""
    if not subject.table.may_use_schema:
        yield f"the role may not use the schema; run: {grants.use(subject.source.schema, role)}"
    own = (*subject.key_columns, *subject.match_columns)
    wanted = {*(column.name for column in own), *(each.column for each in filters)}
    if not wanted <= subject.table.selectable:
        right = grants.select(subject.source.schema, subject.source.table, wanted, role)
        yield f"the role may not read {subject.source.label}; run as its owner: {right}"


def _holds(wanted: Filter, column: Column, number: int) -> str:
    base, value = column.type.base, within("r")(column.name)
    constant = f"CAST(${number}::text AS {base.sql})"
    if wanted.since:
        return f"{value} >= {constant}"
    if not base.equality:
        return f"{keys.as_text(base, value)} = {keys.as_text(base, constant)}"
    if base.schema == "pg_catalog":
        return f"{value} = {constant}"
    return f"array_eq(ARRAY[{value}::{base.sql}], ARRAY[{constant}])"


def _names(columns: Iterable[Column]) -> str:
    return ", ".join(column.name for column in columns)
