"""`notifychannel replay`: the keys of a source's rows go the way of changes once more, throttled. Changes no row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import click

from notifychannel_cli import manifests, registry, shown
from notifychannel_cli.console import complaints, console, print_problems, problems
from notifychannel_cli.exits import Exit, WrongError
from notifychannel_cli.replay import query
from notifychannel_cli.replay.query import Filter
from notifychannel_cli.replay.way import Way
from notifychannel_cli.running import run
from notifychannel_cli.selection import Selection
from notifychannel_operator import configmap, names, observe, sqlfile
from notifychannel_operator.catalog import PlanError
from notifychannel_operator.names import Owner
from notifychannel_operator.triggers import triggers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_operator.spec import Channel, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the options say."""

    channel: Channel
    source: Source
    installation: str
    filters: tuple[Filter, ...]
    rate: int
    dry_run: bool


@click.command(
    short_help="Hint the keys of a table once more.",
    epilog="Examples: notifychannel replay -f orders.yaml --dsn $DSN --dry-run; notifychannel replay -f orders.yaml "
    "--dsn $DSN --where tenant_id=7 --since updated_at=2026-01-31T00:00Z --rate 200",
)
@manifests.files_option
@click.option("--dsn", envvar="NOTIFYCHANNEL_DSN", required=True, help="The database, as a role that may append to the "
              "outbox (the installer) and SELECT from the table. Also NOTIFYCHANNEL_DSN.")  # fmt: skip
@click.option("--channel", metavar="[NAMESPACE/]NAME", help="Which; needed when the files hold several.")
@click.option("--table", metavar="[SCHEMA.]TABLE", help="Of which source; needed when the channel has several.")
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Only rows with this value; again for more.")
@click.option("--since", metavar="COLUMN=TIME", help="Only rows whose time column is at or after it (UTC if unsaid).")
@click.option("--rate", type=click.IntRange(min=1), default=1000, show_default=True, help="Keys per second at most.")
@click.option("--dry-run", is_flag=True, help="Only say how many keys there are.")
@click.option("--installation", default="dev", show_default=True, help="As given to `notifychannel sql`; on a cluster "
              "what `helm install` made (in `kubectl describe nch`).")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
def command(
    *, files: tuple[str, ...], dsn: str, channel: str | None, table: str | None, where: tuple[str, ...],
    since: str | None, rate: int, dry_run: bool, installation: str, as_json: bool,
) -> None:  # fmt: skip
    """Hint all keys of a table, or those of the rows that match, through the channel's normal way.

    The keys are read at once, as one picture, and then appended to the outbox as the trigger would (with `capture:
    Notify`: NOTIFYed), so they merge, wait and are retried like changes; their event is `update`. Rows that are gone
    have no key any more. Rules (`when`, `columns`) are not asked. Ctrl-C stops between two transactions, and running
    it again is harmless.

    Exit codes: 0 done, 1 a file or the database is not as needed, 2 wrong usage, 3 the database can't be reached, 130
    Ctrl-C.
    """
    filters = (*(_filter("--where", each) for each in where), *(_filter("--since", each) for each in [since] if each))
    with problems():
        channels = manifests.channels(files)
    chosen = _channel(channels, Selection.of(installation=None, channel=channel))
    task = Task(channel=chosen, source=_source(chosen, table), installation=installation, filters=filters, rate=rate,
                dry_run=dry_run)  # fmt: skip
    try:
        run(_run(dsn, task, as_json=as_json))
    except PlanError as error:
        print_problems(error.problems)
        raise SystemExit(Exit.WRONG) from None


def _filter(option: str, text: str) -> Filter:
    column, equals, value = text.partition("=")
    if not column or not equals:
        raise click.UsageError(
            f"{option}: write COLUMN=VALUE, as {'updated_at=2026-01-31' if option == '--since' else 'tenant_id=7'}"
        )
    return Filter(column=column, value=value, since=option == "--since")


def _channel(channels: Sequence[Channel], wanted: Selection) -> Channel:
    found = [it for it in channels if wanted.channel in {None, it.name} and wanted.namespace in {None, it.namespace}]
    if len(found) != 1:
        every = ", ".join(f"{it.namespace}/{it.name}" for it in channels)
        raise click.UsageError(f"choose one by --channel; the files have {every or 'no channel'}")
    return found[0]


def _source(channel: Channel, wanted: str | None) -> Source:
    if not channel.sources:
        raise WrongError(
            f"{channel.namespace}/{channel.name} has no sources, it hears what others NOTIFY: replay it by NOTIFY "
            f"{channel.pg_channel}"
        )
    if channel.suspend:
        raise WrongError(f"{channel.namespace}/{channel.name} is suspended; a resync follows when `suspend` is false")
    found = [it for it in channel.sources if wanted in {None, it.table, it.label}]
    if len(found) != 1:
        raise click.UsageError(
            f"choose one by --table; the sources are {', '.join(it.label for it in channel.sources)}"
        )
    return found[0]


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
    owner = Owner(installation=task.installation, namespace=task.channel.namespace, name=task.channel.name)
    name = names.function(owner, task.source.schema, task.source.table)
    text = await connection.fetchval(sqlfile.read("queue/body.sql"), name)
    rules = names.rules(task.channel)
    if text is None or f"'1{rules}U" not in text:
        raise WrongError(
            f"the triggers in this database are not those of {owner.namespace}/{owner.name} as the file has it, of "
            f"installation {owner.installation}: check --installation, or apply the file first (notifychannel sql)"
        )
    outbox = triggers.outbox(task.channel)
    there = await connection.fetchrow(sqlfile.read("queue/there.sql"))
    if outbox is not None and (there is None or not there["may_append"]):
        raise WrongError(registry.NO_RIGHT)
    pg_channel = configmap.pg_channel(task.channel, installation=task.installation)
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
