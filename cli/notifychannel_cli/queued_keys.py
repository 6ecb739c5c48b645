"""Single keys of the durable queue, as a table or as JSON: all that wait, or the dead letters alone. Only reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from notifychannel_cli import registry, shown
from notifychannel_cli.console import complaints, console
from notifychannel_operator import sqlfile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from notifychannel_cli.selection import Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which of them, and what is shown of each."""

    statement: str
    """A file of sql/: the consumers' numbers and a limit → rows."""
    head: tuple[str, ...]
    """Headings of the table: names of columns, for people."""
    values: tuple[str, ...]
    """Columns that JSON has as they are, besides whose it is and its key."""
    times: tuple[str, ...]
    """Columns that JSON has in ISO 8601."""
    nothing: str
    """Said where there is none."""


WAITING = Listing(
    statement="queue/jobs.sql",
    head=("channel", "group", "state", "id", "key", "attempts", "next attempt at", "last error", "waits since"),
    values=("state", "id", "attempts", "last_error"),
    times=("waits_since", "next_attempt_at", "died_at", "escalated_at"),
    nothing="nothing waits",
)
DEAD = Listing(
    statement="queue/dead_letters.sql",
    head=("channel", "group", "id", "key", "attempts", "last error", "died at"),
    values=("id", "attempts", "last_error"),
    times=("died_at",),
    nothing="no dead letters",
)


async def show(listing: Listing, dsn: str, selection: Selection, limit: int, as_json: bool) -> None:
    """Print so many at most, and that there are more."""
    async with registry.opened(dsn) as connection:
        consumers = {row["id"]: row for row in await registry.consumers(connection, selection)}
        found = await connection.fetch(sqlfile.read(listing.statement), list(consumers), limit + 1)
    rows = [(consumers[row["consumer"]], row) for row in found[:limit]]
    if as_json:
        click.echo(json.dumps([_as_json(listing, consumer, row) for consumer, row in rows], indent=2))
        return
    for line in _lines(listing, rows):
        console().print(line, markup=False)
    if len(found) > limit:
        complaints().print(f"the first {limit}; more with --limit", markup=False)


def _lines(listing: Listing, rows: Sequence[tuple[asyncpg.Record, asyncpg.Record]]) -> Sequence[str]:
    if not rows:
        return (listing.nothing,)
    return tuple(shown.columns(listing.head, [_cells(listing, consumer, row) for consumer, row in rows]))


def _cells(listing: Listing, consumer: asyncpg.Record, row: asyncpg.Record) -> tuple[object, ...]:
    own = {
        "channel": registry.channel_name(consumer),
        "group": consumer["group"],
        "key": shown.key(row["key"], consumer["key_names"]),
        "last error": row["last_error"] or "",
    }
    times = {name.replace("_", " "): shown.time(row[name]) for name in listing.times}
    values = {name: row[name] for name in listing.values}
    return tuple({**values, **times, **own}[heading] for heading in listing.head)


def _as_json(listing: Listing, consumer: asyncpg.Record, row: asyncpg.Record) -> dict[str, object]:
    return {
        **{name: consumer[name] for name in ("installation", "namespace", "channel", "group")},
        **{name: row[name] for name in listing.values},
        "key": shown.key_value(row["key"], consumer["key_names"]),
        **{name: None if row[name] is None else row[name].isoformat() for name in listing.times},
    }
