"""A source together with what its tables are: it turns key and conditions into SQL for any place a row may stand.

A place is a function from a column's name to SQL (`r."id"`, `NEW."id"`). Trusts that `problems.py` found nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifychannel_operator.quote import ident
from notifychannel_operator.triggers import condition, keys, lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from notifychannel_operator.catalog import Column, Table
    from notifychannel_operator.spec import Condition, KeyPart, Lookup, Source

    Place = Callable[[str], str]


def within(row: str) -> Place:
    """The place of columns in a row: an alias, NEW or OLD."""
    return lambda column: f"{row}.{ident(column)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One source and the catalog's facts about it."""

    source: Source
    table: Table
    looked_up: Mapping[tuple[str, str], Table]
    """Every table that a lookup of this source names."""

    def column(self, name: str) -> Column:
        """A column of the source's table that is known to exist."""
        found = self.table.column(name)
        if found is None:
            raise LookupError(name)
        return found

    def picked(self, looked: Lookup) -> Column:
        """The column that a lookup fetches."""
        found = self.looked_up[looked.schema, looked.table].column(looked.column)
        if found is None:
            raise LookupError(looked.column)
        return found

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """The columns of the row that stand in the key, each once."""
        names = dict.fromkeys(part.column for part in self.source.key if part.column is not None)
        return tuple(self.column(name) for name in names)

    @property
    def match_columns(self) -> tuple[Column, ...]:
        """The columns of the row by which lookups find theirs, each once."""
        lookups = (part.lookup for part in self.source.key if part.lookup is not None)
        return tuple(self.column(name) for name in dict.fromkeys(ours for each in lookups for _, ours in each.match))

    @property
    def used_columns(self) -> tuple[Column, ...]:
        """The columns of the row that the body names."""
        rules = (name for rule in self.source.rules for name in rule.columns)
        conditions = (each.column for rule in self.source.rules for each in rule.when)
        found = (self.table.column(name) for name in (*rules, *conditions))
        return (*self.key_columns, *self.match_columns, *(column for column in found if column is not None))

    def distinct(self, place: Place) -> tuple[tuple[str, str], ...]:
        """Pairs (SQL, name) of what tells one key from another: k… as keys see it, m… as lookups need it."""
        pairs = (
            *((keys.seen(column.type, place(column.name)), f"k{i}") for i, column in enumerate(self.key_columns)),
            *((place(column.name), f"m{i}") for i, column in enumerate(self.match_columns)),
        )
        return pairs or (("true", "k0"),)

    def printed_distinct(self, alias: str) -> str:
        """The key's text from a row of `distinct`; NULL means a resync."""
        k = {column.name: f"{alias}.k{i}" for i, column in enumerate(self.key_columns)}
        m = {column.name: f"{alias}.m{i}" for i, column in enumerate(self.match_columns)}
        return self._printed(k.__getitem__, m.__getitem__)

    def printed(self, place: Place) -> str:
        """The key's text from a row itself; NULL means a resync."""
        return self._printed(lambda name: keys.seen(self.column(name).type, place(name)), place)

    def holds(self, conditions: Iterable[Condition], place: Place) -> str:
        """SQL, never NULL: all of these hold for the row. What is looked up and not found counts as true."""
        return " AND ".join(self._holds(each, place) for each in conditions) or "true"

    def _holds(self, wanted: Condition, place: Place) -> str:
        looked = next((part.lookup for part in self.source.key if part.lookup and part.name == wanted.column), None)
        if looked is None:
            return condition.holds(wanted, self.column(wanted.column).type, place(wanted.column))
        column = self.picked(looked)
        found = condition.holds(wanted, column.type, f"l.{ident(column.name)}")
        return f"coalesce({lookup.fetch(looked, place, found)}, true)"

    def _printed(self, k: Place, m: Place) -> str:
        if not self.source.key:
            return "NULL::text"
        return "'[' || " + " || ',' || ".join(self._part(part, k, m) for part in self.source.key) + " || ']'"

    def _part(self, part: KeyPart, k: Place, m: Place) -> str:
        if part.lookup is not None:
            return lookup.printed(part.lookup, self.picked(part.lookup), m)
        name = part.column or part.name
        return keys.printed(self.column(name).type, k(name))
