"""`notifychannel audit`: what happened to a key, step by step, where the channel keeps its history. Only reads."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import click

from notifychannel_cli import registry, shown
from notifychannel_cli.console import complaints, console
from notifychannel_cli.exits import WrongError
from notifychannel_cli.key import Key, KeyParameter
from notifychannel_cli.selection import Selection, channel_option, dsn_option, json_option
from notifychannel_operator import sqlfile

if TYPE_CHECKING:
    import asyncpg

HEAD = ("at", "group", "step", "source", "key", "events", "count", "error")


@click.command(
    short_help="The history of a key.",
    epilog="Examples: notifychannel audit --dsn $DSN --channel shop/orders --key '{\"order_id\": 42}'; notifychannel "
    "audit --dsn $DSN --channel orders --limit 20",
)
@dsn_option
@channel_option
@click.option("--key", type=KeyParameter(), metavar="JSON", help='Of this key, \'{"order_id": 42}\' or \'[42]\'; '
              "without it, of every key.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="The latest so many steps.")
@json_option
def command(
    *, dsn: str, channel: str | None, installation: str | None, key: Key | None, limit: int, as_json: bool
) -> None:
    """Print what happened to a key of a channel with `audit.enabled`, the latest last, in UTC.

    captured: the change came into the queue, which is when the relay drained it; resync: every key was to be looked at,
    and why; delivered: the application answered 2xx; refused: it did not, and comes again; dead: refused too often;
    back, alone: not counted, comes again (alone: not in a batch any more); reclaimed: its pod was gone; redriven,
    escalated. Captured steps have no group, and say which table changed (source); the others are of a group.

    Exit codes: 0 printed, 1 no history is kept or the role may not read it, 2 wrong usage, 3 the database can't be
    reached.
    """
    selection = Selection.of(installation=installation, channel=channel)
    kept, steps = asyncio.run(_history(dsn, selection, key, limit))
    if as_json:
        click.echo(json.dumps([_as_json(step, kept) for step in steps], indent=2))
        return
    rows = [_cells(step, kept) for step in steps]
    for line in shown.columns(HEAD, rows) if rows else (_nothing(kept, key),):
        console().print(line, markup=False)
    if len(steps) == limit:
        complaints().print(f"the latest {limit}; more with --limit", markup=False)


async def _history(
    dsn: str, selection: Selection, key: Key | None, limit: int
) -> tuple[asyncpg.Record, list[asyncpg.Record]]:
    """The channel, and its steps, the latest last."""
    async with registry.opened(dsn) as connection:
        kept = await registry.audited(connection, selection)
        printed = key and key.printed(kept["key_names"] or None)
        if key is not None and printed is None:
            raise WrongError(f"--key has {key.by}, and {registry.channel_name(kept)} {_names(kept)}")
        steps = await connection.fetch(sqlfile.read("queue/history.sql"), kept["id"], printed, limit)
    return kept, steps[::-1]


def _names(kept: asyncpg.Record) -> str:
    if kept["key_names"]:
        return f"has the key names {', '.join(kept['key_names'])}"
    return "has no key, or was installed by an older version: write only the values, in their order: '[42]'"


def _nothing(kept: asyncpg.Record, key: Key | None) -> str:
    of = "this key" if key else registry.channel_name(kept)
    return f"nothing of {of} in the last {shown.span(kept['retention'])} (`audit.retention`)"


def _cells(step: asyncpg.Record, kept: asyncpg.Record) -> tuple[object, ...]:
    key = shown.key(step["key"], kept["key_names"])
    error = step["error"] or ""
    at = shown.time(step["at"])
    return (at, step["group"], step["step"], step["source"], key, shown.events(step["events"]), step["count"], error)


def _as_json(step: asyncpg.Record, kept: asyncpg.Record) -> dict[str, object]:
    return {
        "at": step["at"].isoformat(),
        "group": step["group"],
        "step": step["step"],
        "source": step["source"],
        "key": shown.key_value(step["key"], kept["key_names"]),
        "events": [shown.EVENTS[letter] for letter in step["events"] or ""],
        "count": step["count"],
        "error": step["error"],
    }
