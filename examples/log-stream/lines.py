"""Reads the lines of a run, each once, although ids are given out in another order than transactions commit.

A cursor says what was read. It is a snapshot of PostgreSQL, "10:20:12,15": read is every line that is visible in it;
new is what is visible now and was not then. In the middle of what is new it is "<snapshot>/<that of now>/<xid>/<id>".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

NOTHING = "1:1:"
"""The cursor of who has read nothing."""
NUMBER = "[0-9]{1,19}"
SNAPSHOT = f"{NUMBER}:{NUMBER}:(?:{NUMBER}(?:,{NUMBER})*)?"
CURSOR = re.compile(f"{SNAPSHOT}(?:/{SNAPSHOT}/{NUMBER}/{NUMBER})?")
PAGE = 100
NOW = "SELECT pg_current_snapshot()::text"
NEXT = """
SELECT l.id, l.at::text, l.level, l.line, l.xid::text, extract(epoch FROM clock_timestamp() - l.at)::float8 AS age,
    coalesce($3, pg_current_snapshot()::text) AS until
FROM log_lines AS l
WHERE l.run_id = $1 AND (l.xid, l.id) > ($4::text::xid8, $5::bigint)
    AND NOT pg_visible_in_snapshot(l.xid, $2::text::pg_snapshot)
    AND pg_visible_in_snapshot(l.xid, coalesce($3::text::pg_snapshot, pg_current_snapshot()))
ORDER BY l.xid, l.id LIMIT 100
"""


@dataclass(frozen=True)
class Event:
    """What a client is sent: lines, with the cursor behind them as its id, or one that has a name."""

    name: str
    data: object
    id: str = ""
    lines: int = 0

    @cached_property
    def sse(self) -> bytes:
        head = f"id: {self.id}\n" if self.id else f"event: {self.name}\n"
        return f"{head}data: {json.dumps(self.data)}\n\n".encode()

    @cached_property
    def message(self) -> str:
        return json.dumps({"event": self.name, "id": self.id, "data": self.data})


@dataclass(frozen=True)
class Page:
    """Up to 100 lines, and the cursor behind them."""

    cursor: str
    event: Event
    age_s: float | None
    """Of its newest line when it was read."""


async def read(database: asyncpg.Pool, run: int, cursor: str, until: str | None = None) -> Page:
    """The next lines behind a cursor of those that are visible in `until`, which is now where nothing is said."""
    seen, *inside = cursor.split("/")
    until, xid, last = inside or (until, seen.partition(":")[0], "0")
    rows = await database.fetch(NEXT, run, seen, until, xid, int(last))
    until = rows[0]["until"] if rows else until
    end = f"{seen}/{until}/{rows[-1]['xid']}/{rows[-1]['id']}" if len(rows) == PAGE else until or cursor
    data = [{name: row[name] for name in ("id", "at", "level", "line")} for row in rows]
    age_s = min((row["age"] for row in rows), default=None)
    return Page(cursor=end, event=Event("lines", data, end, len(data)), age_s=age_s)
