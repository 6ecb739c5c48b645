"""What an UPDATE changed, as a difference of two sets of tuples: never a join of old and new rows, which is quadratic.

A tuple is what a rule watches; tuples with a surplus on either side belong to keys that changed. One pass that
groups and sums does it, because that spills to disk: EXCEPT ALL, planned for one row, would keep a million in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifychannel_operator import sqlfile
from notifychannel_operator.spec import Row
from notifychannel_operator.triggers.subject import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_operator.catalog import Column, Table
    from notifychannel_operator.spec import Rule
    from notifychannel_operator.triggers.subject import Subject

ROW = "r"
BYTES = "bytes"
SHORT_BYTES = "CASE WHEN octet_length(t.bytes) > 256 THEN sha256(t.bytes) ELSE t.bytes END"
"""Wide rows are told apart by a hash, so that a bulk UPDATE of documents holds no copy of them."""


def rows(subject: Subject, rule: Rule) -> str:
    """SELECT of the distinguishing columns of every key that this rule calls changed by an UPDATE."""
    place = within(ROW)
    distinct = subject.distinct(place)
    everything = (*distinct, *_watched(subject, rule))
    names = ", ".join(f"t.{name}" for _, name in distinct)
    parts = {
        "names": names,
        "groups": ", ".join(SHORT_BYTES if name == BYTES else f"t.{name}" for _, name in everything),
        "tuple": ", ".join(f"{sql} AS {name}" for sql, name in everything),
    }
    either = [each for each in rule.when if each.row is None]
    if len(either) == len(rule.when):
        return sqlfile.fill("trigger/difference.sql", condition=subject.holds(either, place), **parts)
    was = subject.holds([each for each in rule.when if each.row is Row.OLD], place)
    becomes = subject.holds([each for each in rule.when if each.row is Row.NEW], place)
    flags = f"{subject.holds(either, place)} AS either, {was} AS was, {becomes} AS becomes"
    return sqlfile.fill("trigger/difference_by_side.sql", flags=flags, **parts)


def _watched(subject: Subject, rule: Rule) -> tuple[tuple[str, str], ...]:
    """Pairs (SQL, name) that differ when a watched column of one row differs."""
    identity = _identity(subject.table)
    if not rule.columns or not identity:
        # columns added since the last pass are in `r.*` too
        return (_binary(subject.table.columns, f"{ROW}.*"),)
    seen = {column.name for column in subject.key_columns if column.type.exact}
    names = [name for name in dict.fromkeys((*identity, *rule.columns)) if name not in seen]
    columns = [subject.column(name) for name in names]
    exact = [column for column in columns if column.type.exact]
    rest = [column for column in columns if not column.type.exact]
    pairs = [(within(ROW)(column.name), f"w{i}") for i, column in enumerate(exact)]
    if rest:
        pairs.append(_binary(rest, f"ROW({', '.join(within(ROW)(column.name) for column in rest)})"))
    return tuple(pairs)


def _binary(columns: Sequence[Column], row: str) -> tuple[str, str]:
    """All of a row as one value, in the binary form: it shows every difference (1.0 and 1.00), needs no equality and
    heeds no session setting. Types without one are rare, and print.
    """
    if all(column.type.sendable for column in columns):
        return f"record_send({row})", BYTES
    return f"({row})::text", "printed"


def _identity(table: Table) -> tuple[str, ...]:
    """Columns that tell a row from all others, so that two rows of one key that swap their values show; () for none."""
    required = {column.name for column in table.columns if column.not_null}
    return next((key for key in (table.primary_key, *table.unique_keys) if key and set(key) <= required), ())
