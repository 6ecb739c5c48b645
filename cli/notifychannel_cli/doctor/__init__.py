"""`notifychannel doctor`: what is wrong with database and cluster, why, and the command that mends it. Only reads."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import sys
from typing import TYPE_CHECKING

import asyncpg
import click
from click.core import ParameterSource
from rich.text import Text

from notifychannel_cli import cluster as clusters
from notifychannel_cli import manifests, shown
from notifychannel_cli.cluster import Place
from notifychannel_cli.console import complaints, console, problems, while_read
from notifychannel_cli.doctor import checks, cluster, database, examination, report, unreachable
from notifychannel_cli.doctor.database import Wanted
from notifychannel_cli.doctor.finding import FILE, Unseen
from notifychannel_cli.doctor.given import Given
from notifychannel_cli.exits import UnreachableError, WrongError
from notifychannel_cli.identity import arguments, connected, reason
from notifychannel_operator import manifest
from notifychannel_operator.manifest import SpecError
from notifychannel_operator.passes import status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifychannel_cli.doctor.finding import Finding

NO_DSN = Unseen(
    why="no database was named",
    remedy=('notifychannel doctor --dsn "$DSN"  # of the installer: the Secret of database.secretRef',),
)
NO_CHANNELS = Unseen(
    why="which channels there should be is not known",
    remedy=(f"notifychannel doctor -f {FILE}",),
)


@click.command(
    short_help="What is wrong, why, and the command that mends it.",
    epilog="Examples: notifychannel doctor -A; notifychannel doctor -n shop --dsn $DSN; "
    "notifychannel doctor --dsn $DSN -f orders.yaml; notifychannel doctor --list",
)
@manifests.files_option
@click.option("-A", "--all-namespaces", "is_everywhere", is_flag=True, help="Channels and pods of all namespaces.")
@clusters.options
@click.option("--dsn", envvar="NOTIFYCHANNEL_DSN", help="A database, as the installer. Also NOTIFYCHANNEL_DSN.")
@click.option("--installation", metavar="ID", help="Whose objects the channels have; needed where there are several.")
@click.option("--list", "only_list", is_flag=True, help="Name every check, with a sentence, and check nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
def command(
    *, files: tuple[str, ...], kubeconfig: str | None, context: str | None, namespace: str | None,
    is_everywhere: bool, dsn: str | None, installation: str | None, only_list: bool, as_json: bool,
) -> None:  # fmt: skip
    """Look at everything that can be wrong in a cluster, in a database or in both, and change nothing.

    √ is well, ‼ will not be for ever, × is wrong; below stands why, and the command that mends it. – was not
    checked: why, and what to give. Each check, its meaning and its remedy: docs/doctor.md.

    With --dsn alone only the database is looked at, unless KUBECONFIG is set: then the cluster too. With --dsn and -f
    the files are what should be in the database, and a cluster is only looked at where an option names it.

    Exit codes: 0 all is well (or ‼), 1 something is wrong, 2 wrong usage, 3 cluster or database can't be reached.
    """  # noqa: RUF002 - the signs that it prints
    if only_list:
        with while_read():
            _list(as_json=as_json)
        return
    place = Place(kubeconfig=kubeconfig, context=context, namespace=namespace)
    is_named = is_everywhere or place != Place() or (clusters.is_in_environment() and not files)
    has_cluster = dsn is None or is_named
    given = Given(
        place=place, is_everywhere=is_everywhere, files=files, has_dsn=dsn is not None and _is_typed("dsn"),
        installation=installation,
    )  # fmt: skip
    with problems():
        channels = _given(files, installation) if files else None
    if not as_json:
        _say_asking("the cluster" if has_cluster else "", "the database" if dsn is not None else "")
    found = asyncio.run(
        _findings(place if has_cluster else None, dsn, channels, is_everywhere=is_everywhere, installation=installation)
    )
    findings = [given.kept(it) for it in found]
    with while_read():
        if as_json:
            click.echo(json.dumps(report.as_json(findings), indent=2))
        else:
            for line, style in report.lines(findings):
                console().print(Text(line, style=style))
    sys.exit(report.code(findings))


def _say_asking(*whom: str) -> None:
    """To who waits at a terminal; what does not answer takes seconds."""
    if sys.stderr.isatty():
        complaints().print(f"asking {' and '.join(filter(None, whom))} …")


def _list(*, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.listed(checks.EVERY), indent=2))
        return
    for line in shown.columns(("check", "is well when"), [(it.id, it.sentence) for it in checks.EVERY]):
        console().print(line, markup=False)


def _given(files: Sequence[str], installation: str | None) -> list[Wanted]:
    """The channels of the files, each with its own; raises SpecError."""
    names = dict.fromkeys(files)
    return [
        Wanted(channel=channel, installation=installation, file=name)
        for name, each in zip(names, manifests.usable(names), strict=True)
        for channel in each.channels
    ]


def _is_typed(option: str) -> bool:
    """On the command line, not by a variable."""
    return click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE


async def _findings(
    place: Place | None,
    dsn: str | None,
    channels: Sequence[Wanted] | None,
    *,
    is_everywhere: bool,
    installation: str | None,
) -> tuple[Finding, ...]:
    of_cluster = None if place is None else await _cluster(place, is_everywhere=is_everywhere)
    wanted: Sequence[Wanted] | Unseen = NO_CHANNELS
    if channels is not None:
        wanted = channels
    elif isinstance(of_cluster, cluster.Seen):
        wanted = _wanted(of_cluster, installation)
    of_database = NO_DSN if dsn is None else await _database(dsn, wanted)
    return examination.findings(of_cluster, of_database)


async def _cluster(place: Place, *, is_everywhere: bool) -> cluster.Seen | Unseen:
    version = importlib.metadata.version("notifychannel")
    try:
        async with clusters.opened(place) as there:
            namespace = None if is_everywhere else there.namespace
            return await cluster.look(there.kube, namespace=namespace, version=version)
    except (UnreachableError, WrongError) as error:
        return Unseen(why=error.message, remedy=("kubectl cluster-info",), is_unreachable=True)


def _wanted(seen: cluster.Seen, installation: str | None) -> Sequence[Wanted] | Unseen:
    """The cluster's channels, with the database that each says it is in. What can't be read, its conditions say."""
    if isinstance(seen.channels, Unseen):
        return seen.channels
    found = []
    for body in seen.channels:
        identity = status.database(body.get("status") or {})
        try:
            channel = manifest.from_object(body)
        except SpecError:
            continue
        if identity is not None:
            found.append(Wanted(channel=channel, installation=installation, identity=identity))
    return found


async def _database(dsn: str, wanted: Sequence[Wanted] | Unseen) -> database.Seen | Unseen:
    try:
        async with connected(dsn, keeps_statements=False) as connection:
            return await database.look(connection, arguments(dsn), wanted)
    except UnreachableError as error:
        return Unseen(why=error.message, remedy=unreachable.remedy(error), is_unreachable=True)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:  # lost while it was looked at
        return Unseen(why=reason(error), remedy=(unreachable.ASK,), is_unreachable=True)
