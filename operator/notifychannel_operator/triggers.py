"""What should be in the database for one channel: pure, from the spec and the catalog's facts. No connection, no diff.

`plan.py` compares these values with what is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notifychannel_operator.catalog import Relation
    from notifychannel_operator.spec import Event


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
