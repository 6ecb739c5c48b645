"""`notifychannel queue`: what waits for applications in the durable queue, and its dead letters. Only reads."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import click

from notifychannel_cli import registry, shown
from notifychannel_cli.console import complaints, console
from notifychannel_cli.exits import WrongError
from notifychannel_cli.selection import Selection, channel_option, dsn_option, group_option, json_option
from notifychannel_operator import sqlfile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

STATES = ("pending", "claimed", "retrying", "dead")
JOB = ("channel", "group", "state", "id", "key", "attempts", "next attempt", "last error", "waits since")
LETTER = ("channel", "group", "id", "key", "attempts", "last error", "died at")
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
        asyncio.run((_dead if dead else _jobs)(dsn, selection, limit, as_json))
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


async def _jobs(dsn: str, selection: Selection, limit: int, as_json: bool) -> None:
    async with registry.opened(dsn) as connection:
        of = {row["id"]: row for row in await registry.consumers(connection, selection)}
        jobs = await connection.fetch(sqlfile.read("queue/jobs.sql"), list(of), limit)
    if as_json:
        click.echo(json.dumps([_job_as_json(of[job["consumer"]], job) for job in jobs], indent=2))
        return
    rows = [_job(of[job["consumer"]], job) for job in jobs]
    for line in shown.columns(JOB, rows) if rows else ("nothing waits",):
        console().print(line, markup=False)
    if len(rows) == limit:
        complaints().print(f"the first {limit}; more with --limit", markup=False)


def _job(consumer: asyncpg.Record, job: asyncpg.Record) -> tuple[object, ...]:
    key = shown.key(job["key"], consumer["key_names"])
    whose = (registry.channel_name(consumer), consumer["group"])
    next_at, since = shown.time(job["next_attempt_at"]), shown.time(job["waits_since"])
    return (*whose, job["state"], job["id"], key, job["attempts"], next_at, job["last_error"] or "", since)


def _job_as_json(consumer: asyncpg.Record, job: asyncpg.Record) -> dict[str, object]:
    times = ("waits_since", "next_attempt_at", "died_at", "escalated_at")
    return {
        **{name: consumer[name] for name in ("installation", "namespace", "channel", "group")},
        **{name: job[name] for name in ("state", "id", "attempts", "last_error")},
        "key": shown.key_value(job["key"], consumer["key_names"]),
        **{name: None if job[name] is None else job[name].isoformat() for name in times},
    }


async def _dead(dsn: str, selection: Selection, limit: int, as_json: bool) -> None:
    async with registry.opened(dsn) as connection:
        of = {row["id"]: row for row in await registry.consumers(connection, selection)}
        letters = await connection.fetch(sqlfile.read("queue/dead_letters.sql"), list(of), limit)
    if as_json:
        click.echo(json.dumps([_letter_as_json(of[letter["consumer"]], letter) for letter in letters], indent=2))
        return
    rows = [_letter(of[letter["consumer"]], letter) for letter in letters]
    for line in shown.columns(LETTER, rows) if rows else ("no dead letters",):
        console().print(line, markup=False)
    if sum(row["dead"] for row in of.values()) > len(rows):
        complaints().print(f"the oldest {len(rows)}; more with --limit", markup=False)


def _letter(consumer: asyncpg.Record, letter: asyncpg.Record) -> tuple[object, ...]:
    key = shown.key(letter["key"], consumer["key_names"])
    why = letter["last_error"] or ""
    whose = (registry.channel_name(consumer), consumer["group"])
    return (*whose, letter["id"], key, letter["attempts"], why, shown.time(letter["died_at"]))


def _letter_as_json(consumer: asyncpg.Record, letter: asyncpg.Record) -> dict[str, object]:
    return {
        **{name: consumer[name] for name in ("installation", "namespace", "channel", "group")},
        "id": letter["id"],
        "key": shown.key_value(letter["key"], consumer["key_names"]),
        **{name: letter[name] for name in ("attempts", "last_error")},
        "died_at": letter["died_at"].isoformat(),
    }
