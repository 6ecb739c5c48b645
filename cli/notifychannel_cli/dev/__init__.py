"""`notifychannel dev`: a channel on one's own database and machine, as the cluster would run it, until Ctrl-C."""

from __future__ import annotations

import shlex
import shutil
import socket
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from notifychannel_cli import manifests
from notifychannel_cli.console import complaints, console, problems
from notifychannel_cli.dev import services, session
from notifychannel_cli.dev.task import Alone, Task
from notifychannel_cli.manifests import files_option
from notifychannel_cli.running import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from notifychannel_cli.dev.services import Services
    from notifychannel_operator.spec import Channel


@click.command(
    short_help="A channel on your own database and machine, until Ctrl-C.",
    epilog="Example: notifychannel dev -f orders.yaml --dsn postgresql://me@localhost/shop --print --allow-superuser",
)
@files_option
@click.option("--dsn", envvar="NOTIFYCHANNEL_DSN", show_envvar=True, help="The database.")
@click.option("--schema", type=click.Path(path_type=Path), metavar="FILE", help="In place of --dsn: an embedded "
              "PostgreSQL with the tables of this SQL file, gone at the end.")  # fmt: skip
@click.option("--post", metavar="URL", help="Forward each body; the application's answer is the answer.")
@click.option("--exec", "run_command", metavar="CMD", help="Run a command for each body (JSON on standard input); "
              "exit code 0 acknowledges, 75 is 503 (try later), any other is 500.")  # fmt: skip
@click.option("--print", "show", is_flag=True, help="Acknowledge everything; only show it.")
@click.option("--serve", metavar="PORT", type=click.IntRange(1, 65535), help="As in the pod: the application reads the "
              "stream, or claims, at this port of 127.0.0.1; a channel with an endpoint is POSTed there.")  # fmt: skip
@click.option("--services", "services_file", type=click.Path(path_type=Path), metavar="FILE",
              help="Run these programs, each with a sidecar of its own.")  # fmt: skip
@click.option("--group", help="The consumer to be; needed when the files name several.")
@click.option("--keep", is_flag=True, help="Leave the triggers in the database at the end.")
@click.option("--force", is_flag=True, help="Leave out a consumer that another one serves, or for whom "
              "something waits; at the end remove also what no application has acknowledged.")  # fmt: skip
@click.option("--allow-superuser", is_flag=True, help="Accept a superuser as installer: for a database of one's own.")
def command(*, files: Sequence[str], dsn: str | None, schema: Path | None, post: str | None, run_command: str | None,
            show: bool, serve: int | None, services_file: Path | None, group: str | None, keep: bool, force: bool,
            allow_superuser: bool) -> None:  # fmt: skip
    """Install the triggers, run the real sidecar here, and show one line per delivery with its latency.

    On Ctrl-C it removes what it installed, unless --keep, or unless keys of `delivery: AtLeastOnce` wait; triggers that
    were there before stay. Of a channel's consumers it is one, and the others are left out; channels without it are
    left alone, and one that tells others already (another `dev` serves them) is refused. The same DSN serves
    as installer and as listener; in production these are two roles (see: notifychannel sql --grants). With --post the
    channel's `timeout` holds; a command of --exec may take five minutes, finds the database in DATABASE_URL, and no
    shell is between. --post, --exec and --print stand in for the application also where it has no endpoint.

    With --services the deliveries go to programs of yours, that find their port in PORT, the database in DATABASE_URL
    and that of their sidecar's streams and claims in NOTIFYCHANNEL_LOCAL_PORT, and whose lines are shown; `python` is
    the one that runs this. The file, whose last part is optional:

    \b
        services:
          - name: orders                       # stands before each of its lines
            group: orders-api                  # which consumer it is; without: a program without a sidecar
            port: 8080                         # where it serves; may be missing where nothing is POSTed
            statusPort: 9789                   # of its sidecar; else a free one
            localPort: 9790                    # its streams and claims; else a free one
            restart: true                      # started again a second after its end; else that ends all
            command: [python, application.py]  # started in the folder of this file
        try:                                   # shown when all is up
          - curl http://127.0.0.1:8080/orders

    With --schema three roles are made as in production: `application`, which owns the tables, an installer, a listener.

    Exit codes: 0 ended by Ctrl-C (130 with --services), 1 the files or the database refuse, or a service ended, 2 wrong
    usage, 3 the database can't be reached.
    """  # noqa: D301 - click wants the character
    database = _database(dsn, schema, keep=keep)
    chosen = [
        (kind, value)
        for kind, value in (
            ("post", post), ("exec", run_command), ("print", show or None), ("serve", serve),
            ("services", services_file),
        )
        if value
    ]  # fmt: skip
    if len(chosen) != 1:
        raise click.UsageError(
            "say what to do with a delivery: exactly one of --post URL, --exec CMD, --print, --serve PORT, "
            "--services FILE"
        )
    if run_command is not None:
        _check_command(run_command)
    if post is not None:
        _check_url(post)
    if serve is not None:
        _check_port(serve)
    with problems():
        channels = manifests.channels(files)
    if services_file is None:
        alone = Alone(group=_group(channels, group), answer=chosen[0][0], target=str(chosen[0][1]))
        consumers: Alone | Services = alone
        groups = frozenset({alone.group})
    else:
        consumers = services.load(services_file)
        groups = consumers.groups
        _check_groups(channels, groups, asked=group)
        _check_ports(channels, consumers)
    task = Task(
        channels=_narrowed(channels, groups), files=files, database=database, consumers=consumers, keep=keep,
        force=force, allow_superuser=allow_superuser,
    )  # fmt: skip
    with nullcontext() if services_file is not None else suppress(KeyboardInterrupt):
        run(session.run(task, console()))


def _database(dsn: str | None, schema: Path | None, *, keep: bool) -> str | Path:
    """--schema wins over the environment's DSN, which stands there for all commands."""
    if schema is not None:
        given = click.get_current_context().get_parameter_source("dsn")
        if dsn is not None and given is not ParameterSource.ENVIRONMENT:
            raise click.UsageError("--dsn is a database, --schema makes one: leave one of them out")
        if keep:
            raise click.UsageError("--keep: the database of --schema goes at the end; leave one of them out")
        return schema
    if dsn is None:
        raise click.UsageError("name the database: --dsn DSN (or NOTIFYCHANNEL_DSN), or --schema FILE to have one made")
    return dsn


def _narrowed(channels: Sequence[Channel], groups: frozenset[str]) -> tuple[Channel, ...]:
    """Without the consumers that nobody is here: what is told at least once would wait for them for ever.

    A channel that has no other is no matter of ours.
    """
    narrowed = (replace(it, consumers=tuple(each for each in it.consumers if each.group in groups)) for it in channels)
    return tuple(it for it in narrowed if it.consumers)


def _check_groups(channels: Sequence[Channel], groups: frozenset[str], *, asked: str | None) -> None:
    if asked is not None:
        raise click.UsageError("--group: the file of --services says who is which consumer; leave it out")
    there = {consumer.group for channel in channels for consumer in channel.consumers}
    if unknown := sorted(groups - there):
        raise click.UsageError(f"--services: no channel has the consumer {unknown[0]}; {_named(there)}")
    if unserved := sorted(there - groups):
        complaints().print(f"No service is the consumer {', '.join(unserved)}: left out.", markup=False)


def _check_ports(channels: Sequence[Channel], consumers: Services) -> None:
    for channel in channels:
        for consumer in channel.consumers:
            if consumer.endpoint is not None and consumer.group in consumers.without_port:
                raise click.UsageError(
                    f"--services: the consumer {consumer.group} is POSTed to (channel {channel.name}); write the "
                    "`port` where its service takes hints"
                )


def _named(groups: Iterable[str]) -> str:
    return f"the files name {', '.join(sorted(groups))}"


def _check_command(text: str) -> None:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise click.UsageError(f"--exec can't be split into words ({error}); close its quotes") from None
    if not words:
        raise click.UsageError("--exec is empty; write a program and its arguments")
    if shutil.which(words[0]) is None:
        raise click.UsageError(f"--exec: there is no program {words[0]}; for a shell write: sh -c '...'")


def _check_url(text: str) -> None:
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good:
        raise click.UsageError(f"--post: {text} is no URL; write for example http://127.0.0.1:8080/hints")


def _check_port(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise click.UsageError(f"--serve: port {port} can't be opened ({error.strerror}); write another") from None


def _group(channels: Sequence[Channel], asked: str | None) -> str:
    groups = sorted({consumer.group for channel in channels for consumer in channel.consumers})
    if asked is not None and asked not in groups:
        raise click.UsageError(f"no channel has the consumer {asked}; {_named(groups)}")
    if asked is not None:
        return asked
    if len(groups) > 1:
        raise click.UsageError(f"the files name several consumers; choose one with --group: {', '.join(groups)}")
    return groups[0]
