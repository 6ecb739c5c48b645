"""`notifychannel sql`: what a pass would do to a database, as SQL to review and to run with psql; or the GRANTs."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import asyncpg
import click

from notifychannel_cli import manifests
from notifychannel_cli.console import complaints, print_problems, problems
from notifychannel_cli.exits import Exit, UnreachableError
from notifychannel_cli.identity import connected, reason
from notifychannel_operator import database, grants, observe, plan, script
from notifychannel_operator.catalog import PlanError
from notifychannel_operator.names import Owner
from notifychannel_operator.queue_statements import Rows
from notifychannel_operator.triggers import triggers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_operator.spec import Channel
    from notifychannel_operator.step import Plan

    Titled = list[tuple[str, Plan]]

INSTALLER, LISTENER = "notifychannel_installer", "notifychannel_listener"


@click.command(
    short_help="Print the triggers of a channel for a database, or the GRANTs.",
    epilog=(
        "Examples: notifychannel sql -f orders.yaml --dsn $DSN > orders.sql && psql $DSN -f orders.sql; "
        "notifychannel sql -f orders.yaml --dsn $DSN --grants --installer nch --listener app"
    ),
)
@manifests.files_option
@click.option("--dsn", envvar="NOTIFYCHANNEL_DSN", show_envvar=True, required=True, help="The database that the SQL is "
              "for; only read from.")  # fmt: skip
@click.option("--remove", is_flag=True, help="Print what takes the channels' objects away instead.")
@click.option("--force", is_flag=True, help="With --remove: also where keys wait that no application has acknowledged.")
@click.option("--grants", "rights", is_flag=True, help="Print the rights that both roles need instead, for a DBA.")
@click.option("--installation", default="dev", show_default=True, help="Whose objects they are, beside namespace/name.")
@click.option(
    "--installer", help=f"The role that is to own the objects. Default: the DSN's; with --grants {INSTALLER}."
)
@click.option("--listener", help=f"The role of the sidecars: its rights are checked too. With --grants: {LISTENER}.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print steps, notes, problems and the script as one JSON document."
)
def command(
    *,
    files: tuple[str, ...],
    dsn: str,
    remove: bool,
    force: bool,
    rights: bool,
    installation: str,
    installer: str | None,
    listener: str | None,
    as_json: bool,
) -> None:
    """Print the SQL that makes a database as the channels say: reviewable, for psql -f, and harmless to run again.

    It holds what is missing or different now: for a database that is as it should be it does nothing. Problems
    (missing tables, columns, rights ...) go to standard error, each with its remedy, and then there is no SQL.

    Exit codes: 0 printed, 1 a file or the database is not as needed, 2 wrong usage, 3 the database can't be reached.
    """
    if remove and rights:
        raise click.UsageError("--remove and --grants exclude each other")
    if force and not remove:
        raise click.UsageError("--force is for --remove: what waits in the queue is dropped with the rest")
    with problems():
        channels = manifests.channels(files)
    if rights:
        printed = asyncio.run(_grants(channels, dsn, installer=installer or INSTALLER, listener=listener or LISTENER))
        click.echo(json.dumps({"problems": [], "script": printed}, indent=2) if as_json else printed, nl=as_json)
        return
    owners = [Owner(installation=installation, namespace=it.namespace, name=it.name) for it in channels]
    try:
        look = (
            _removal(owners, dsn, installer, force=force)
            if remove
            else _plans(channels, owners, dsn, installer, listener)
        )
        plans = asyncio.run(look)
    except PlanError as error:
        print_problems(error.problems)
        sys.exit(Exit.WRONG)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:  # lost while it was looked at
        raise UnreachableError(reason(error)) from None
    _print(plans, as_json=as_json)


async def _grants(channels: Sequence[Channel], dsn: str, *, installer: str, listener: str) -> str:
    async with connected(dsn) as connection:
        names = {name for channel in channels for name in triggers.table_names(channel)}
        tables = await observe.tables(connection, names)
        dbname = await connection.fetchval("SELECT pg_catalog.current_database()::text")
    return grants.script(channels, installer=installer, listener=listener, dbname=dbname, tables=tables)


async def _plans(
    channels: Sequence[Channel], owners: Sequence[Owner], dsn: str, installer: str | None, listener: str | None
) -> Titled:
    async with connected(dsn) as connection:
        facts = [
            await database.observe(connection, channel, owner, role=installer, listener=listener)
            for channel, owner in zip(channels, owners, strict=True)
        ]
    return [
        (f"{it.owner.namespace}/{it.owner.name}", plan.of(channel, it))
        for channel, it in zip(channels, facts, strict=True)
    ]


async def _removal(owners: Sequence[Owner], dsn: str, installer: str | None, *, force: bool) -> Titled:
    async with connected(dsn) as connection:
        rows = Rows.DROP if force else Rows.REFUSE
        made = await database.observe_removal(connection, owners, role=installer, rows=rows)
    return [("removal of " + ", ".join(f"{it.namespace}/{it.name}" for it in owners), made)]


def _print(plans: Titled, *, as_json: bool) -> None:
    wrong = [f"{title}: {problem}" for title, made in plans for problem in made.problems]
    text = None if wrong else script.text(plans)
    if as_json:
        click.echo(json.dumps({"plans": [_as_json(*it) for it in plans], "problems": wrong, "script": text}, indent=2))
    else:
        print_problems(wrong)
        for title, made in plans:
            for note in (*made.notes, *made.remarks):
                complaints().print(f"{title}: {note}", markup=False)
        click.echo(text or "", nl=False)
    sys.exit(Exit.WRONG if wrong else Exit.OK)


def _as_json(title: str, made: Plan) -> dict[str, object]:
    steps = [
        {"kind": step.kind.value, "sentence": step.sentence, "statements": list(step.statements)}
        for each in made.steps
        for step in (each, each.then)
        if step is not None
    ]
    return {"channels": title, "steps": steps, "notes": [*made.notes, *made.remarks], "problems": list(made.problems)}
