"""`notifychannel queue`: what waits for applications in the durable queue, and its dead letters. Only reads."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import click

from notifychannel_cli import queued_keys, registry, shown
from notifychannel_cli.console import complaints, console
from notifychannel_cli.exits import WrongError
from notifychannel_cli.selection import Selection, channel_option, dsn_option, group_option, json_option
from notifychannel_operator import sqlfile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

STATES = ("pending", "claimed", "retrying", "dead")
HEAD = ("channel", "group", *STATES, "escalated", "oldest", "pods", "last error")


@click.command(
    short_help="What waits in the durable queue, by channel and group.",
    epilog="Examples: notifychannel queue --dsn $DSN; notifychannel queue --dsn $DSN --channel shop/orders --keys",
)
@dsn_option
@channel_option
@group_option
@click.option("--dead", is_flag=True, help="List the dead letters instead: id, key, attempts, why, since when.")
@click.option(
    "--keys", is_flag=True, help="List each key instead: state, id, attempts, when it is tried next, last error."
)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="So many of these at most.")
@json_option
def command(
    *, dsn: str, channel: str | None, installation: str | None, group: str | None, dead: bool, keys: bool, limit: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Count what waits by state, for each consumer with `delivery: AtLeastOnce`, and how old the oldest is.

    pending: waits until it is due; claimed: a pod has it; retrying: was refused, waits for its next attempt; dead:
    was refused too often (`retry.maxAttempts`), waits for `notifychannel redrive` or the next change. pods: how many
    sidecars claim. The last line is the outbox, in which changes stand until the relay has merged them into the queue.

    Exit codes: 0 printed, 1 there is no such queue or the role may not read it, 2 wrong usage, 3 the database can't be
    reached.
    """
    selection = Selection.of(installation=installation, channel=channel, group=group)
    if dead and keys:
        raise click.UsageError("--keys lists dead letters too: leave one of --dead and --keys out")
    if dead or keys:
        asyncio.run(queued_keys.show(queued_keys.DEAD if dead else queued_keys.WAITING, dsn, selection, limit, as_json))
    else:
        asyncio.run(_counts(dsn, selection, as_json))


async def _counts(dsn: str, selection: Selection, as_json: bool) -> None:
    async with registry.opened(dsn) as connection:
        there = await connection.fetchrow(sqlfile.read("queue/there.sql"))
        if there is None or not there["has_outbox"]:
            raise WrongError(
                "this database has no outbox and no queue: no channel with `capture: Outbox` was installed in it"
            )
        outbox = await connection.fetchrow(sqlfile.read("queue/outbox.sql"))
        rows = await registry.consumers(connection, selection) if there["has_queue"] or str(selection) else []
    assert outbox is not None  # noqa: S101 - an aggregate
    if as_json:
        click.echo(json.dumps({"consumers": [_as_json(row) for row in rows], "outbox": dict(outbox)}, indent=2))
        return
    for line in (*_lines(rows), _outbox_line(outbox)):
        console().print(line, markup=False)
    if any(row["dead"] for row in rows):
        complaints().print(
            "dead letters: see them with --dead; due again by: notifychannel redrive --all", markup=False
        )


def _lines(rows: Sequence[asyncpg.Record]) -> tuple[str, ...]:
    if not rows:
        return ("no consumer with `delivery: AtLeastOnce`",)
    cells = [_cells(row) for row in rows]
    if len(rows) > 1:
        sums = [sum(row[state] for row in rows) for state in (*STATES, "escalated")]
        cells.append(("total", "", *sums, None, None, ""))
    return tuple(shown.columns(HEAD, cells))


def _cells(row: asyncpg.Record) -> tuple[object, ...]:
    error = "suspended" if row["suspended"] else row["last_error"] or ""
    counts = (row[state] for state in (*STATES, "escalated"))
    return (registry.channel_name(row), row["group"], *counts, shown.span(row["oldest_s"]), row["active"], error)


def _outbox_line(outbox: asyncpg.Record) -> str:
    relay = "a relay drains it" if outbox["has_relay"] else "no relay drains it: no sidecar of these channels listens"
    waiting = f"about {shown.count(outbox['rows'], 'row')}" if outbox["rows"] else "nothing waits"
    return f"outbox: {waiting}, {shown.size(outbox['bytes'])}; {relay}"


def _as_json(row: asyncpg.Record) -> dict[str, object]:
    last = row["last_execution"]
    return {
        **{name: row[name] for name in ("installation", "namespace", "channel", "group", "suspended", "active")},
        **{name: row[name] for name in (*STATES, "escalated", "executions", "failures", "last_error")},
        "oldest_seconds": row["oldest_s"],
        "last_execution": None if last is None else last.isoformat(),
    }
