"""`notifychannel replay`: the keys of a source's rows go the way of changes once more, throttled. Changes no row."""

from __future__ import annotations

import asyncio
import json

import asyncpg
import click

from notifychannel_cli import manifests, registry, shown
from notifychannel_cli.console import complaints, console, print_problems, problems
from notifychannel_cli.exits import Exit, WrongError
from notifychannel_cli.replay import choice, query
from notifychannel_cli.replay.choice import Task
from notifychannel_cli.replay.way import Way
from notifychannel_operator import configmap, names, observe, sqlfile
from notifychannel_operator.catalog import PlanError
from notifychannel_operator.triggers import triggers


@click.command(
    short_help="Hint the keys of a table once more.",
    epilog="Examples: notifychannel replay -f orders.yaml --dsn $DSN --dry-run; notifychannel replay -f orders.yaml "
    "--dsn $DSN --where tenant_id=7 --since updated_at=2026-01-31T00:00Z --rate 200",
)
@manifests.files_option
@click.option("--dsn", envvar="NOTIFYCHANNEL_DSN", show_envvar=True, required=True, help="The database, as a role that "
              "may append to the outbox (the installer) and SELECT from the table.")  # fmt: skip
@click.option("--channel", metavar="[NAMESPACE/]NAME", help="Which; needed when the files hold several.")
@click.option("--table", metavar="[SCHEMA.]TABLE", help="Of which source; needed when the channel has several.")
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Only rows with this value; again for more.")
@click.option("--since", metavar="COLUMN=TIME", help="Only rows whose time column is at or after it (UTC if unsaid).")
@click.option("--rate", type=click.IntRange(min=1), default=1000, show_default=True, help="Keys per second at most.")
@click.option("--dry-run", is_flag=True, help="Only say how many keys there are.")
@click.option("--installation", metavar="ID", help="Only of this one; most databases have one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
def command(
    *, files: tuple[str, ...], dsn: str, channel: str | None, table: str | None, where: tuple[str, ...],
    since: str | None, rate: int, dry_run: bool, installation: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Hint all keys of a table, or those of the rows that match, through the channel's normal way.

    The keys are read at once, as one picture, and then appended to the outbox as the trigger would (with `capture:
    Notify`: NOTIFYed), so they merge, wait and are retried like changes; their event is `update`. Rows that are gone
    have no key any more. Rules (`when`, `columns`) are not asked. Ctrl-C stops between two transactions, and running
    it again is harmless.

    Exit codes: 0 done, 1 a file or the database is not as needed, 2 wrong usage, 3 the database can't be reached, 130
    Ctrl-C.
    """
    filters = choice.filters(where, since)
    with problems():
        channels = manifests.channels(files)
    chosen = choice.channel(channels, channel)
    task = Task(
        channel=chosen, source=choice.source(chosen, table), installation=installation, filters=filters, rate=rate,
        dry_run=dry_run,
    )  # fmt: skip
    try:
        asyncio.run(_run(dsn, task, as_json=as_json))
    except PlanError as error:
        print_problems(error.problems)
        raise SystemExit(Exit.WRONG) from None


async def _run(dsn: str, task: Task, *, as_json: bool) -> None:
    whose = f"{task.channel.namespace}/{task.channel.name}"
    sent = 0

    def on_sent(number: int) -> None:
        nonlocal sent
        sent += number

    async with registry.opened(dsn) as connection:
        way = await _way(connection, task)
        total = await _open(connection, task)
        try:
            if not task.dry_run:
                await way.send(rate=task.rate, on_sent=on_sent)
        finally:
            if sent < total and not task.dry_run:
                complaints().print(f"{sent:,} of {shown.count(total, 'key')} went to {whose}", markup=False)
    if as_json:
        click.echo(json.dumps({"channel": whose, "table": task.source.label, "keys": total, "dry_run": task.dry_run}))
        return
    did = f"would go to {whose}, in {shown.span(total / task.rate)}" if task.dry_run else f"went to {whose}"
    console().print(f"{task.source.label}: {shown.count(total, 'key')} {did}", markup=False)


async def _way(connection: asyncpg.Connection, task: Task) -> Way:
    """Raises WrongError where the database's triggers are not the file's, or the role may not append."""
    rules = names.rules(task.channel)
    functions = await connection.fetch(sqlfile.read("queue/functions.sql"))
    installation = choice.installation(task, [(row["body"], row["comment"]) for row in functions], rules=rules)
    outbox = triggers.outbox(task.channel)
    there = await connection.fetchrow(sqlfile.read("queue/there.sql"))
    if outbox is not None and (there is None or not there["may_append"]):
        raise WrongError(registry.NO_RIGHT)
    pg_channel = configmap.pg_channel(task.channel, installation=installation)
    return Way(connection=connection, pg_channel=pg_channel, rules=rules, outbox=outbox)


async def _open(connection: asyncpg.Connection, task: Task) -> int:
    """Opens the cursor, at its beginning; how many keys it has."""
    tables = await observe.tables(connection, triggers.table_names(task.channel))
    role = await connection.fetchval("SELECT current_user::text")
    asked = query.of(task.source, tables, task.filters, role=role)
    for setting in asked.settings:
        await connection.execute("SELECT pg_catalog.set_config($1, $2, false)", *setting)
    try:
        await connection.execute(asked.sql, *asked.values)
    except asyncpg.DataError:
        values = ", ".join(f"{it.column}" for it in task.filters)
        raise WrongError(f"a value of {values} can't be read as its column's type; write it as psql shows it") from None
    except asyncpg.InsufficientPrivilegeError:
        raise WrongError(
            f"{task.source.label} hides rows from this role (row level security), so keys would be missing: give the "
            "DSN of a role with BYPASSRLS, or of the table's owner"
        ) from None
    status = await connection.execute("MOVE FORWARD ALL FROM notifychannel_replay")
    await connection.execute("MOVE ABSOLUTE 0 FROM notifychannel_replay")
    return int(status.split()[-1])
