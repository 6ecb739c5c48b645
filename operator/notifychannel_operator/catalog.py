"""What the catalog of one database says, as frozen values: the facts that pure planning works on.

Filled in by `observe.py` and `database.py`; this file knows no connection. Names are as in the catalog, unquoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Generated(Enum):
    """pg_attribute.attgenerated."""

    NO = ""
    STORED = "s"
    VIRTUAL = "v"


class Kind(Enum):
    """pg_class.relkind of what a source may name."""

    TABLE = "r"
    PARTITIONED = "p"
    VIEW = "v"
    MATERIALIZED_VIEW = "m"
    FOREIGN_TABLE = "f"
    OTHER = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """One row of pg_type, looked through to what it is made of."""

    oid: int
    schema: str
    name: str
    """pg_type.typname, for decisions; never pasted into SQL."""
    sql: str
    """format_type(oid, -1) with search_path = pg_catalog: quoted and qualified, fit to be cast to. Without a modifier:
    a cast to varchar(3) cuts, and then different values look equal."""
    kind: str
    """pg_type.typtype: b(ase) c(omposite) d(omain) e(num) m(ultirange) p(seudo) r(ange)."""
    element: Type | None = None
    """Of an array, a domain, a range or a multirange: what it is made of."""
    is_array: bool = False
    equality: bool = True
    """The type has a default equality operator (btree or hash): without it EXCEPT and DISTINCT fail."""
    exact: bool = True
    """Equal values are also the same bytes (pg_amproc equalimage, deterministic collation)."""
    ordering: bool = True
    """The type has a default btree ordering: without it `<` and `>` mean nothing."""
    sendable: bool = True
    """It has a binary form (pg_type.typsend), so record_send() takes a row with such a column."""

    @property
    def base(self) -> Type:
        """What a domain is made of, at the bottom; any other type is its own base."""
        return self.element.base if self.kind == "d" and self.element is not None else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    type: Type
    not_null: bool = False
    generated: Generated = Generated.NO
    collation: int = 0
    """pg_attribute.attcollation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table by its oid and its name at the time of looking."""

    oid: int
    schema: str
    name: str

    @property
    def label(self) -> str:
        """`schema.name`, for messages."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition somewhere below a partitioned table."""

    relation: Relation
    is_leaf: bool
    may_trigger: bool
    """The installer has TRIGGER on it."""
    may_use_schema: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that a source or a lookup names."""

    relation: Relation
    kind: Kind
    is_partition: bool = False
    inherits: bool = False
    """It is a child in plain inheritance."""
    inherited: bool = False
    """It has children in plain inheritance."""
    is_system: bool = False
    """In pg_catalog, information_schema or our own schema, or temporary."""
    columns: tuple[Column, ...] = ()
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    """Column names of every valid, immediate, non-partial unique index on plain columns, the primary key's too."""
    partitions: tuple[Partition, ...] = ()
    may_use_schema: bool = True
    may_trigger: bool = True
    selectable: frozenset[str] = frozenset()
    """Columns that the installer may SELECT."""
    row_security: bool = False

    def column(self, name: str) -> Column | None:
        """The column of that exact name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def by_row(self) -> bool:
        """Row triggers, not statement triggers: partitioned tables, and partitions that are sources themselves."""
        return self.kind is Kind.PARTITIONED or self.is_partition


class PlanError(Exception):
    """The database is not as the channel needs it; each sentence says what is wrong and the remedy as a command."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
