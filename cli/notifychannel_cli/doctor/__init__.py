"""`notifychannel doctor`: what is wrong with database and cluster, why, and the command that mends it. Only reads."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import asyncpg
import click
from rich.text import Text

from notifychannel_cli import manifests, shown
from notifychannel_cli.console import console, problems
from notifychannel_cli.doctor import checks, database, examination, report
from notifychannel_cli.doctor.database import Wanted
from notifychannel_cli.doctor.finding import Unseen
from notifychannel_cli.exits import UnreachableError
from notifychannel_cli.identity import arguments, connected, reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_cli.doctor.database import Seen
    from notifychannel_operator.spec import Channel

NO_DSN = Unseen(
    why="no database was named",
    remedy=('notifychannel doctor --dsn "$NOTIFYCHANNEL_DSN"  # of the installer: the Secret of database.secretRef',),
)
NO_CHANNELS = Unseen(
    why="which channels there should be is not known",
    remedy=('notifychannel doctor --dsn "$NOTIFYCHANNEL_DSN" -f CHANNEL.yaml',),
)


@click.command(
    short_help="What is wrong, why, and the command that mends it.",
    epilog="Examples: notifychannel doctor --dsn $DSN -f orders.yaml; notifychannel doctor --list",
)
@manifests.files_option
@click.option("--dsn", envvar="NOTIFYCHANNEL_DSN", help="The database, as the installer. Also NOTIFYCHANNEL_DSN.")
@click.option(
    "--installation", metavar="ID", help="Whose objects the files' channels have; needed where there are several."
)
@click.option("--list", "only_list", is_flag=True, help="Name every check, with a sentence, and check nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
def command(
    *, files: tuple[str, ...], dsn: str | None, installation: str | None, only_list: bool, as_json: bool
) -> None:
    """Look at everything that can be wrong, and change nothing.

    √ is well, ‼ will not be for ever, × is wrong; below stands why, and the command that mends it. – was not
    checked: why, and what to give. Each check, its meaning and its remedy: docs/doctor.md.

    Exit codes: 0 all is well (or ‼), 1 something is wrong, 2 wrong usage, 3 the database can't be reached.
    """  # noqa: RUF002 - the signs that it prints
    if only_list:
        _list(as_json=as_json)
        return
    if dsn is None:
        raise click.UsageError("say where to look: --dsn DSN, or NOTIFYCHANNEL_DSN")
    with problems():
        channels = manifests.channels(files) if files else None
    findings = tuple(examination.of_database(asyncio.run(_database(dsn, channels, installation))))
    if as_json:
        click.echo(json.dumps(report.as_json(findings), indent=2))
    else:
        for line, style in report.lines(findings):
            console().print(Text(line, style=style))
    sys.exit(report.code(findings))


def _list(*, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.listed(checks.EVERY), indent=2))
        return
    for line in shown.columns(("check", "is well when"), [(it.id, it.sentence) for it in checks.EVERY]):
        console().print(line, markup=False)


async def _database(dsn: str, channels: Sequence[Channel] | None, installation: str | None) -> Seen | Unseen:
    wanted = NO_CHANNELS if channels is None else [Wanted(channel=it, installation=installation) for it in channels]
    try:
        async with connected(dsn, keeps_statements=False) as connection:
            return await database.look(connection, arguments(dsn), wanted)
    except UnreachableError as error:
        return Unseen(why=error.message, is_unreachable=True)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:  # lost while it was looked at
        return Unseen(why=reason(error), is_unreachable=True)
